//! Where memory is ordered, and how each place can be weakened.

use std::fmt;
use std::ops::Range;

use crate::tidy::lexer::{Token, closing};
use crate::tidy::source::{Source, text};

/// One weakening of one place.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// The file, from the package's root.
    pub path: String,
    /// Counted from 1.
    pub line: usize,
    /// The line, without the white space around it.
    pub text: String,
    /// `Acquire → Relaxed`, `heavy removed`.
    pub name: String,
    /// What is replaced.
    pub range: Range<usize>,
    /// By what: the first of these that builds.
    pub with: Vec<&'static str>,
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {} {}", self.path, self.line, self.name, self.text)
    }
}

/// The values that a removed fence may have to give back.
const NOTHING: [&str; 4] = ["()", "Ok::<(), std::io::Error>(())", "Ok(())", "Default::default()"];

/// Every mutation of what ships in a file.
pub fn mutations(source: &Source) -> Vec<Mutation> {
    let tokens = source.tokens();
    let mut found = Vec::new();
    for i in 0..tokens.len() {
        let line = source.line_of(tokens[i].at);
        if !source.ships(line) {
            continue;
        }
        let mutation = |name: String, range: Range<usize>, with: &[&'static str]| Mutation {
            path: source.path.clone(),
            line,
            text: source.text.lines().nth(line - 1).unwrap_or("").trim().to_owned(),
            name,
            range,
            with: with.to_vec(),
        };
        for weaker in weaker_orderings(&tokens, i) {
            let range = tokens[i].at..tokens[i].at + tokens[i].text.len();
            found.push(mutation(format!("{} → {weaker}", tokens[i].text), range, &[*weaker]));
        }
        if let Some(range) = fence_call(&tokens, i) {
            found.push(mutation(format!("{} removed", tokens[i].text), range, &NOTHING));
        }
    }
    found
}

/// What may stand for token `i`, if it is an ordering of something that is not a fence.
fn weaker_orderings(tokens: &[Token<'_>], i: usize) -> &'static [&'static str] {
    if i < 2 || tokens[i - 1].text != "::" || tokens[i - 2].text != "Ordering" {
        return &[];
    }
    let call = path_start(tokens, i).checked_sub(2).map_or("", |before| text(tokens, before));
    match tokens[i].text {
        _ if matches!(call, "fence" | "compiler_fence") => &[],
        "Release" | "Acquire" | "SeqCst" => &["Relaxed"],
        "AcqRel" => &["Relaxed", "Acquire", "Release"],
        _ => &[],
    }
}

/// The whole call, receiver included, if token `i` is the name of a fence that is called.
fn fence_call(tokens: &[Token<'_>], i: usize) -> Option<Range<usize>> {
    let is_fence = matches!(tokens[i].text, "fence" | "compiler_fence" | "light" | "heavy");
    let is_defined = i > 0 && tokens[i - 1].text == "fn";
    if !is_fence || is_defined || text(tokens, i + 1) != "(" {
        return None;
    }
    let end = tokens[closing(tokens, i + 1)].at + 1;
    Some(tokens[receiver_start(tokens, i)].at..end)
}

/// The first token of the path whose last is token `i`.
fn path_start(tokens: &[Token<'_>], mut i: usize) -> usize {
    while i >= 2 && tokens[i - 1].text == "::" {
        i -= 2;
    }
    i
}

/// The first token of the chain of fields and calls whose last name is token `i`.
fn receiver_start(tokens: &[Token<'_>], i: usize) -> usize {
    let mut start = path_start(tokens, i);
    while start >= 2 && tokens[start - 1].text == "." {
        let mut link = start - 2;
        while tokens[link].text == "?" && link > 0 {
            link -= 1;
        }
        if matches!(tokens[link].text, ")" | "]") {
            let open = (0..link)
                .rev()
                .find(|&open| matches!(tokens[open].text, "(" | "[") && closing(tokens, open) == link);
            // `f(x).light()`: the name before the bracket belongs to it; `(x).light()` has none.
            link = match open {
                Some(open) if open > 0 && is_name(tokens[open - 1].text) => open - 1,
                Some(open) => open,
                None => link,
            };
        }
        start = path_start(tokens, link);
    }
    start
}

fn is_name(text: &str) -> bool {
    !matches!(text, "return" | "in" | "match" | "if" | "while" | "let" | "else")
        && text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str) -> Vec<(String, String)> {
        let mutations = mutations(&Source::new("src/ring/x.rs", code));
        mutations.into_iter().map(|m| (m.name, code[m.range].to_owned())).collect()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect()
    }

    #[test]
    fn orderings_are_weakened() {
        let code = "a.load(Ordering::Acquire);\nb.swap(0, Ordering::AcqRel);\nc.load(Ordering::Relaxed);\n";
        let expected = [
            ("Acquire → Relaxed", "Acquire"),
            ("AcqRel → Relaxed", "AcqRel"),
            ("AcqRel → Acquire", "AcqRel"),
            ("AcqRel → Release", "AcqRel"),
        ];
        assert_eq!(found(code), owned(&expected));
    }

    #[test]
    fn fences_are_removed_and_their_orderings_left() {
        let code =
            "fence(Ordering::SeqCst);\nstd::sync::atomic::compiler_fence(crate::sync::Ordering::SeqCst);\n";
        let expected = [
            ("fence removed", "fence(Ordering::SeqCst)"),
            ("compiler_fence removed", "std::sync::atomic::compiler_fence(crate::sync::Ordering::SeqCst)"),
        ];
        assert_eq!(found(code), owned(&expected));
    }

    #[test]
    fn light_and_heavy_go_with_what_they_are_called_on() {
        let code = "fn heavy(&self) {\n self.fences.light();\n self.wait(x.y()).fences[0].heavy()?;\n return (a).light();\n}\n";
        let expected = [
            ("light removed", "self.fences.light()"),
            ("heavy removed", "self.wait(x.y()).fences[0].heavy()"),
            ("light removed", "(a).light()"),
        ];
        assert_eq!(found(code), owned(&expected));
    }

    #[test]
    fn comments_strings_and_tests_are_left_alone() {
        let code = "// Ordering::Acquire\nconst A: &str = \"Ordering::Acquire\";\n#[cfg(test)]\nmod t {\n fn f() { fence(Ordering::SeqCst); }\n}\n";
        assert_eq!(found(code), []);
    }

    #[test]
    fn a_mutation_knows_its_line() {
        let mutations =
            mutations(&Source::new("src/ring/x.rs", "fn f() {\n    a.load(Ordering::Acquire); // R1\n}\n"));
        assert_eq!(
            mutations[0].to_string(),
            "src/ring/x.rs:2 Acquire → Relaxed a.load(Ordering::Acquire); // R1"
        );
    }
}
