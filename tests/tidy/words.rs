//! Words that must not stand in the code.

use super::lexer::{Token, closing};
use super::source::{Source, text};
use super::tree::{Finding, Tree};

/// Files that may sleep, and why.
pub const MAY_SLEEP: &[(&str, &str)] = &[
    (
        "src/sys/elsewhere.rs",
        "memory that is not there yet is asked for again, on systems that tell nobody of it",
    ),
    ("src/wait/nap.rs", "a filter has taken away all that one could be woken by"),
];

/// Files of the library that may panic, and why no peer and no environment can bring it about.
pub const MAY_PANIC: &[(&str, &str)] = &[];

/// Comments that say that something is missing.
const MARKS: [&str; 4] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

/// Tests that are written and do not run, doc tests included.
pub fn ignored_tests(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.files() {
        let tokens = source.tokens();
        for (i, token) in tokens.iter().enumerate() {
            if token.text != "#" || !matches!(text(&tokens, i + 1), "[" | "!") {
                continue;
            }
            let open = i + 1 + usize::from(tokens[i + 1].text == "!");
            let inside = &tokens[open..=closing(&tokens, open)];
            if inside.iter().any(|token| token.text == "ignore") {
                findings.push(Finding::at(source, token.at, "an ignored test"));
            }
        }
        let fences = source.comments.match_indices("```ignore");
        findings.extend(fences.map(|(at, _)| Finding::at(source, at, "an ignored doc test")));
    }
    findings
}

/// Macros and marks that stand for work not done.
pub fn left_over(tree: &Tree) -> Vec<Finding> {
    let mut findings =
        macros(tree.files().iter(), |_, name| matches!(name, "todo" | "unimplemented" | "dbg"));
    for source in tree.files() {
        for (number, comment) in (1..).zip(source.comments.lines()) {
            let words = comment.split(|c: char| !c.is_alphanumeric());
            let marks = words.filter(|word| MARKS.contains(word));
            findings.extend(marks.map(|mark| Finding::new(&source.path, number, format!("`{mark}`"))));
        }
    }
    findings
}

/// Output of the library on its host's streams.
pub fn printing(tree: &Tree) -> Vec<Finding> {
    let prints = |name: &str| matches!(name, "print" | "println" | "eprint" | "eprintln");
    macros(tree.library(), |ships, name| ships && prints(name))
}

/// Sleeping for a time: a test that needs it is a race, and so is a library.
pub fn sleeping(tree: &Tree, allowed: &[(&str, &str)]) -> Vec<Finding> {
    let files =
        tree.files().iter().filter(|file| ["src/", "tests/"].iter().any(|dir| file.path.starts_with(dir)));
    except(files, allowed, |_, tokens, i| match tokens[i].text {
        "nanosleep" | "clock_nanosleep" | "sleep_ms" => Some("sleeps"),
        "thread" if text(tokens, i + 1) == "::" => {
            let imported = match text(tokens, i + 2) {
                "{" => &tokens[i + 2..closing(tokens, i + 2)],
                _ => tokens.get(i + 2..i + 3).unwrap_or(&[]),
            };
            imported.iter().any(|token| token.text == "sleep").then_some("sleeps")
        }
        _ => None,
    })
}

/// Clocks that somebody can set: each deadline is on the monotonic one.
pub fn wall_clocks(tree: &Tree) -> Vec<Finding> {
    let files = tree.files().iter().filter(|file| file.path.starts_with("src/"));
    except(files, &[], |_, tokens, i| match tokens[i].text {
        "SystemTime" | "Realtime" | "CLOCK_REALTIME" | "UNIX_EPOCH" => Some("reads a clock that can be set"),
        _ => None,
    })
}

/// Panics in what ships.
pub fn panicking(tree: &Tree, allowed: &[(&str, &str)]) -> Vec<Finding> {
    except(tree.library(), allowed, |source, tokens, i| {
        let called = i > 0 && tokens[i - 1].text == "." && text(tokens, i + 1) == "(";
        let invoked = text(tokens, i + 1) == "!";
        let panics = match tokens[i].text {
            "unwrap" | "expect" => called,
            "panic" | "unreachable" => invoked,
            _ => false,
        };
        (panics && source.ships(source.line_of(tokens[i].at))).then_some("panics")
    })
}

/// Calls of macros that `is_meant`, which is told whether the place ships, and the macro's name.
fn macros<'a>(
    files: impl Iterator<Item = &'a Source>,
    is_meant: impl Fn(bool, &str) -> bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in files {
        for pair in source.tokens().windows(2).filter(|pair| pair[1].text == "!") {
            let Token { at, text } = pair[0];
            if is_meant(source.ships(source.line_of(at)), text) {
                findings.push(Finding::at(source, at, format!("`{text}!`")));
            }
        }
    }
    findings
}

/// What `rule` finds outside the allowed files; an allowed file in which it finds nothing is a finding as well.
fn except<'a>(
    files: impl Iterator<Item = &'a Source>,
    allowed: &[(&str, &str)],
    rule: impl Fn(&Source, &[Token<'_>], usize) -> Option<&'static str>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut unused: Vec<&str> = allowed.iter().map(|(path, _)| *path).collect();
    for source in files {
        let tokens = source.tokens();
        let places =
            (0..tokens.len()).filter_map(|i| rule(source, &tokens, i).map(|what| (tokens[i].at, what)));
        let places: Vec<_> = places.collect();
        if !allowed.iter().any(|(path, _)| *path == source.path) {
            findings.extend(places.into_iter().map(|(at, what)| Finding::at(source, at, what)));
        } else if !places.is_empty() {
            unused.retain(|path| *path != source.path);
        }
    }
    findings.extend(unused.iter().map(|path| Finding::new(path, 1, "allowed what it does not do")));
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tree::places;
    use super::*;

    #[test]
    fn an_ignored_test_is_found() {
        let plain = concat!("#[", "ignore]\n#[test]\nfn f() {}\n");
        let tree = Tree::sample(&[
            ("tests/a.rs", plain),
            (
                "tests/b.rs",
                "#[cfg_attr(miri, ignore = \"slow\")]\nfn f() {}\n// #[ignored]\nfn ignore() {}\n",
            ),
            ("src/c.rs", "//! ```ignore\n//! x\n//! ```\n"),
        ]);
        assert_eq!(places(&ignored_tests(&tree)), [("tests/a.rs", 1), ("tests/b.rs", 1), ("src/c.rs", 1)]);
    }

    #[test]
    fn work_left_to_do_is_found() {
        let mark = concat!("fn f() {}\n// TO", "DO: g\n");
        let tree = Tree::sample(&[
            ("src/a.rs", mark),
            ("tests/b.rs", "fn f() {\n todo!()\n}\nfn g(x: u8) -> u8 { dbg!(x) }\nfn todo() {}\n"),
            ("src/c.rs", "const HINT: &str = \"todo!()\"; // a todo list\n"),
        ]);
        let found = left_over(&tree);
        assert_eq!(places(&found), [("tests/b.rs", 2), ("tests/b.rs", 4), ("src/a.rs", 2)]);
    }

    #[test]
    fn printing_is_found_in_what_ships() {
        let text =
            "fn f() { println!(); }\n/// println!()\n#[cfg(test)]\nmod t { fn g() { eprintln!(); } }\n";
        let tree = Tree::sample(&[("src/a.rs", text), ("examples/b.rs", "fn f() { println!(); }\n")]);
        assert_eq!(places(&printing(&tree)), [("src/a.rs", 1)]);
    }

    #[test]
    fn sleeping_is_found() {
        let tree = Tree::sample(&[
            ("tests/a.rs", "fn f() { std::thread::sleep(D); }\n"),
            ("src/b.rs", "use std::{thread::{self, sleep}, io};\n"),
            ("src/c.rs", "fn sleep() { self.sleep(); thread::spawn(sleep); wait::sleep(); }\n"),
            ("benches/d.rs", "fn f() { std::thread::sleep(D); }\n"),
        ]);
        assert_eq!(places(&sleeping(&tree, &[])), [("tests/a.rs", 1), ("src/b.rs", 1)]);
        let allowed = [("tests/a.rs", "a reason"), ("src/c.rs", "a reason")];
        assert_eq!(places(&sleeping(&tree, &allowed)), [("src/b.rs", 1), ("src/c.rs", 1)]);
    }

    #[test]
    fn a_clock_that_can_be_set_is_found() {
        let tree = Tree::sample(&[
            ("src/a.rs", "use std::time::{Instant, SystemTime};\nlet now = ClockId::Realtime;\n"),
            ("src/b.rs", "// SystemTime\nlet now = clock(ClockId::Monotonic);\n"),
            ("tests/c.rs", "use std::time::SystemTime;\n"),
        ]);
        assert_eq!(places(&wall_clocks(&tree)), [("src/a.rs", 1), ("src/a.rs", 2)]);
    }

    #[test]
    fn a_panic_is_found_in_what_ships() {
        let text =
            "fn f() {\n a.unwrap();\n b.expect(\"c\");\n panic!();\n unreachable!();\n d.unwrap_or(0);\n}\n";
        let tests = "#[cfg(test)]\nmod t {\n fn f() { a.unwrap(); }\n}\n/// a.unwrap()\nfn expect() {}\n";
        let tree = Tree::sample(&[("src/a.rs", text), ("src/b.rs", tests)]);
        let found: Vec<_> = (2..=5).map(|line| ("src/a.rs", line)).collect();
        assert_eq!(places(&panicking(&tree, &[])), found);
        assert_eq!(places(&panicking(&tree, &[("src/a.rs", "a reason")])), []);
    }
}
