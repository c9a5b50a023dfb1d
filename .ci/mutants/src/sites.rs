//! Where memory is ordered, and how each place can be weakened.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use crate::tidy::lexer::{Token, closing};
use crate::tidy::source::{Source, text};

/// How far above a place its label may stand, as the rules on the source tree have it.
const REACH: usize = 4;

/// What a mutation is found again by, in the tables: no number of a line, which any change above it would move.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The file, from the package's root.
    pub path: String,
    /// The function that it stands in.
    pub function: String,
    /// The labels of its pairs, `R2 R3`; `-` where the facade defines what orders.
    pub pair: String,
    /// `Acquire → Relaxed`, `heavy removed`; the second one of a kind in a function ends in `#2`.
    pub name: String,
}

impl Key {
    /// The mutation of the same place that allows the most, if this is one of `AcqRel`.
    pub fn weakest(&self) -> Option<Self> {
        let weaker = self.name.strip_prefix("AcqRel → ")?;
        let number = weaker.find(" #").map_or("", |at| &weaker[at..]);
        Some(Self { name: format!("AcqRel → Relaxed{number}"), ..self.clone() })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}, {}", self.path, self.function, self.pair, self.name)
    }
}

/// One weakening of one place.
#[derive(Clone, Debug)]
pub struct Mutation {
    pub key: Key,
    /// Counted from 1.
    pub line: usize,
    /// The line, without the white space around it.
    pub text: String,
    /// What is replaced.
    pub range: Range<usize>,
    /// By what: the first of these that builds.
    pub with: Vec<&'static str>,
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key { path, function, pair, name } = &self.key;
        write!(f, "{path}:{} {function} {pair} {name}: {}", self.line, self.text)
    }
}

/// Every mutation of what ships in a file.
pub fn mutations(source: &Source) -> Vec<Mutation> {
    let tokens = source.tokens();
    let mut found = Vec::new();
    let mut seen = HashMap::new();
    for i in 0..tokens.len() {
        let line = source.line_of(tokens[i].at);
        if !source.ships(line) {
            continue;
        }
        let mut add = |name: String, range: Range<usize>, with: &[&'static str]| {
            let (path, function) = (source.path.clone(), function(&tokens, i).to_owned());
            let mut key = Key { path, function, pair: pair(source, line), name };
            let number = seen.entry(key.clone()).and_modify(|n| *n += 1).or_insert(1);
            if *number > 1 {
                key.name = format!("{} #{number}", key.name);
            }
            let text = source.text.lines().nth(line - 1).unwrap_or("").trim().to_owned();
            found.push(Mutation { key, line, text, range, with: with.to_vec() });
        };
        for weaker in weaker_orderings(&tokens, i) {
            let range = tokens[i].at..tokens[i].at + tokens[i].text.len();
            add(format!("{} → {weaker}", tokens[i].text), range, &[*weaker]);
        }
        if let Some((range, with)) = fence_call(&tokens, i) {
            add(format!("{} removed", tokens[i].text), range, with);
        }
    }
    found
}

/// The name of the innermost function around token `i`; `-` if there is none.
fn function<'a>(tokens: &[Token<'a>], i: usize) -> &'a str {
    let around = |&start: &usize| {
        let mut at = start;
        // A `;` within brackets, as in `[u8; 8]`, does not end it.
        while at < tokens.len() && !matches!(tokens[at].text, "{" | ";") {
            at = if matches!(tokens[at].text, "(" | "[") { closing(tokens, at) } else { at } + 1;
        }
        text(tokens, at) == "{" && at < i && i < closing(tokens, at)
    };
    let mut starts = (0..i).rev().filter(|&at| tokens[at].text == "fn");
    starts.find(around).map_or("-", |start| text(tokens, start + 1))
}

/// The labels of the nearest comment that has any and governs `line`.
fn pair(source: &Source, line: usize) -> String {
    let comments: Vec<&str> = source.comments.lines().take(line).collect();
    let mut found: Vec<&str> = Vec::new();
    for comment in comments.iter().rev().take(REACH + 1) {
        let labels = labels(comment);
        if comment.trim().is_empty() && !found.is_empty() {
            break;
        }
        found.splice(0..0, labels);
    }
    found.sort_unstable();
    found.dedup();
    if found.is_empty() { "-".into() } else { found.join(" ") }
}

/// The labels in a comment: `R` and a number, as a word.
fn labels(comment: &str) -> Vec<&str> {
    let words = comment.split(|c: char| !c.is_alphanumeric() && c != '_');
    let number = |word: &str| word.strip_prefix('R').is_some_and(|number| number.parse::<u32>().is_ok());
    words.filter(|word| number(word)).collect()
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

/// The whole call, receiver included, and what may stand for it, if token `i` is the name of a fence that is called.
fn fence_call(tokens: &[Token<'_>], i: usize) -> Option<(Range<usize>, &'static [&'static str])> {
    let is_fence =
        matches!(tokens[i].text, "fence" | "compiler_fence" | "light" | "heavy" | "membarrier" | "register");
    let is_defined = i > 0 && tokens[i - 1].text == "fn";
    if !is_fence || is_defined || text(tokens, i + 1) != "(" {
        return None;
    }
    let (start, close) = (receiver_start(tokens, i), closing(tokens, i + 1));
    let before = start.checked_sub(1).map_or("", |before| tokens[before].text);
    // A value that a fence gives back says that it did its work.
    let with: &[&str] = match (before, text(tokens, close + 1)) {
        (_, "." | "?") => &["Ok::<(), std::io::Error>(())", "Ok(())"],
        (";" | "{" | "}", ";") => &["()"],
        _ => &["true", "Ok(())", "()"],
    };
    Some((tokens[start].at..tokens[close].at + 1, with))
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

    fn all(code: &str) -> Vec<Mutation> {
        mutations(&Source::new("src/ring/x.rs", code))
    }

    fn found(code: &str) -> Vec<(String, String)> {
        all(code).into_iter().map(|m| (m.key.name, code[m.range].to_owned())).collect()
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
        let weakest: Vec<_> = all(code).iter().map(|m| m.key.weakest().map(|key| key.name)).collect();
        assert_eq!(weakest[0], None);
        assert!(weakest[1..].iter().all(|name| name.as_deref() == Some("AcqRel → Relaxed")));
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
            ("light removed #2", "(a).light()"),
        ];
        assert_eq!(found(code), owned(&expected));
    }

    #[test]
    fn a_removed_fence_says_that_it_did_its_work() {
        let first = |code: &str| all(code)[0].with[0];
        assert_eq!(first("fn f() { heavy(); }"), "()");
        assert_eq!(first("fn f() { let fenced = heavy(x); }"), "true");
        assert_eq!(first("fn f() { membarrier::heavy().is_ok() }"), "Ok::<(), std::io::Error>(())");
    }

    #[test]
    fn a_place_is_named_by_its_function_and_its_label() {
        let code = "fn f(x: [u8; 2]) {\n    // R2, of two\n    // R3\n    a.store(1, Ordering::Release);\n    // R4\n    light();\n}\nfn g() { light(); }\n";
        let keys: Vec<_> = all(code).into_iter().map(|m| (m.key.function, m.key.pair)).collect();
        let owned = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
        assert_eq!(keys, [("f", "R2 R3"), ("f", "R4"), ("g", "R4")].map(owned));
        assert_eq!(all("light();\n")[0].key.to_string(), "src/ring/x.rs, -, -, light removed");
    }

    #[test]
    fn comments_strings_and_tests_are_left_alone() {
        let code = "// Ordering::Acquire\nconst A: &str = \"Ordering::Acquire\";\n#[cfg(test)]\nmod t {\n fn f() { fence(Ordering::SeqCst); }\n}\n";
        assert_eq!(found(code), []);
    }
}
