//! Files and functions stay short enough to be read at once.

use super::lexer::closing;
use super::source::{Source, text};
use super::tree::{Finding, Tree};

const FILE: usize = 500;
const FUNCTION: usize = 70;

pub fn files(tree: &Tree) -> Vec<Finding> {
    let long = tree.files().iter().map(|file| (file, file.text.lines().count())).filter(|(_, n)| *n > FILE);
    long.map(|(file, n)| Finding::new(&file.path, n, format!("{n} lines, {FILE} are allowed"))).collect()
}

pub fn functions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files() {
        for Function { name, line, lines } in functions_of(file) {
            if lines > FUNCTION {
                let what = format!("`{name}` has {lines} lines, {FUNCTION} are allowed");
                findings.push(Finding::new(&file.path, line, what));
            }
        }
    }
    findings
}

#[derive(Debug, PartialEq)]
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Every function with a body, those inside others as well, from the line of `fn` to that of its last brace.
fn functions_of(file: &Source) -> Vec<Function> {
    let tokens = file.tokens();
    let mut functions = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let name = text(&tokens, i + 1);
        if token.text != "fn" || !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            continue;
        }
        let mut at = i + 2;
        while at < tokens.len() && !matches!(tokens[at].text, "{" | ";") {
            at = if matches!(tokens[at].text, "(" | "[") { closing(&tokens, at) + 1 } else { at + 1 };
        }
        if text(&tokens, at) == "{" {
            let (line, last) = (file.line_of(token.at), file.line_of(tokens[closing(&tokens, at)].at));
            functions.push(Function { name: name.into(), line, lines: last + 1 - line });
        }
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::super::tree::places;
    use super::*;

    fn lengths(text: &str) -> Vec<(String, usize, usize)> {
        let functions = functions_of(&Source::new("src/x.rs", text));
        functions.into_iter().map(|f| (f.name, f.line, f.lines)).collect()
    }

    #[test]
    fn a_long_file_is_found() {
        let (fits, long) = ("//\n".repeat(FILE), "//\n".repeat(FILE + 1));
        let tree = Tree::sample(&[("src/a.rs", &fits), ("tests/b.rs", &long)]);
        assert_eq!(places(&files(&tree)), [("tests/b.rs", FILE + 1)]);
    }

    #[test]
    fn a_long_function_is_found() {
        let body = |lines: usize| format!("fn f() {{\n{}}}\n", "g();\n".repeat(lines - 2));
        let text = format!("{}{}", body(FUNCTION), body(FUNCTION + 1));
        assert_eq!(places(&functions(&Tree::sample(&[("src/a.rs", &text)]))), [("src/a.rs", FUNCTION + 1)]);
    }

    #[test]
    fn braces_in_literals_and_comments_are_not_counted() {
        let text = "fn a() {\n let b = \"{\"; // {\n let c = '{'; /* { */\n}\nfn d<'a>(e: &'a str) {}\n";
        assert_eq!(lengths(text), [("a".into(), 1, 4), ("d".into(), 5, 1)]);
    }

    #[test]
    fn a_function_in_a_function_is_measured_too() {
        let text = "fn a() {\n fn b() {\n }\n}\n";
        assert_eq!(lengths(text), [("a".into(), 1, 4), ("b".into(), 2, 2)]);
    }

    #[test]
    fn declarations_pointers_and_array_types_have_no_body() {
        let text = "trait T {\n fn a(&self) -> [u8; 4];\n fn b(f: fn(u8) -> u8);\n}\nfn c() -> [u8; 2] {\n [0; 2]\n}\n";
        assert_eq!(lengths(text), [("c".into(), 5, 3)]);
    }

    #[test]
    fn a_signature_of_many_lines_counts() {
        assert_eq!(lengths("fn a(\n b: u8,\n) -> u8\nwhere\n u8: Copy,\n{\n b\n}\n"), [("a".into(), 1, 8)]);
    }
}
