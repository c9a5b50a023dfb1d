//! Imports point down only.
//!
//! ```text
//! internals
//! cluster
//! channel
//! link | control | observe | named
//! segment | wait
//! ring
//! sync | sys
//! ```
//! A module names modules of its own layer and of those below. Two modules that stand side by side may be used by
//! one another in one direction, not in both.

use std::collections::BTreeSet;

use super::lexer::{Token, closing};
use super::source::{Source, text};
use super::tree::{Finding, Tree};

/// From the bottom up.
const LAYERS: [&[&str]; 7] = [
    &["sync", "sys"],
    &["ring"],
    &["segment", "wait"],
    &["link", "control", "observe", "named"],
    &["channel"],
    &["cluster"],
    &["internals"],
];

/// `lib.rs` is a table of contents: it names everything.
const EXEMPT: [&str; 1] = ["src/lib.rs"];

/// One use of a module by another.
struct Import<'a> {
    source: &'a Source,
    at: usize,
    from: String,
    to: String,
}

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut imports = Vec::new();
    for source in tree.library().filter(|source| !EXEMPT.contains(&source.path.as_str())) {
        let layer = module_of(&source.path).remove(0);
        if rank(&layer).is_none() {
            findings.push(Finding::new(
                &source.path,
                1,
                format!("`{layer}` has no place in the table of layers"),
            ));
        }
        imports.extend(imports_of(source));
    }
    let sideways: BTreeSet<(&str, &str)> = imports.iter().map(|i| (i.from.as_str(), i.to.as_str())).collect();
    for Import { source, at, from, to } in &imports {
        let what = match (rank(from), rank(to)) {
            (Some(_), None) => format!("`crate::{to}` is not a layer: name the module it comes from"),
            (Some(own), Some(other)) if other > own => format!("`{from}` stands below `{to}` and imports it"),
            _ if from != to && rank(from) == rank(to) && sideways.contains(&(to.as_str(), from.as_str())) => {
                format!("`{from}` and `{to}` import each other")
            }
            _ => continue,
        };
        findings.push(Finding::at(source, *at, what));
    }
    findings
}

fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&layer))
}

/// The module that a file below `src/` is, from the crate's root.
fn module_of(path: &str) -> Vec<String> {
    let stem = path.trim_start_matches("src/").trim_end_matches(".rs");
    stem.split('/').filter(|part| *part != "mod").map(str::to_owned).collect()
}

fn imports_of(source: &Source) -> Vec<Import<'_>> {
    let tokens = source.tokens();
    let mut inline: Vec<usize> = Vec::new();
    let mut module = module_of(&source.path);
    let mut imports = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        if inline.last() == Some(&i) {
            inline.pop();
            module.pop();
        }
        if token.text == "mod" && text(&tokens, i + 2) == "{" {
            inline.push(closing(&tokens, i + 2));
            module.push(text(&tokens, i + 1).to_owned());
        }
        let starts = text(&tokens, i + 1) == "::" && (i == 0 || tokens[i - 1].text != "::");
        let base = match token.text {
            "crate" if starts => Vec::new(),
            "super" if starts => module.clone(),
            _ => continue,
        };
        let first = if token.text == "crate" { i + 2 } else { i };
        let mut heads = Vec::new();
        resolve(&tokens, first, &base, &mut heads);
        let from = &module_of(&source.path)[0];
        imports.extend(heads.into_iter().map(|(at, to)| Import { source, at, from: from.clone(), to }));
    }
    imports
}

/// The first components, counted from the crate's root, of the paths of the use tree that starts at token `i` in
/// the module `base`.
fn resolve(tokens: &[Token<'_>], i: usize, base: &[String], heads: &mut Vec<(usize, String)>) {
    match text(tokens, i) {
        "super" => {
            let parent = &base[..base.len().saturating_sub(1)];
            if text(tokens, i + 1) == "::" {
                resolve(tokens, i + 2, parent, heads);
            }
        }
        "self" => {}
        _ if !base.is_empty() => heads.push((tokens[i].at, base[0].clone())),
        "{" => {
            let close = closing(tokens, i);
            let mut start = i + 1;
            while start < close {
                resolve(tokens, start, base, heads);
                while start < close && tokens[start].text != "," {
                    start = if tokens[start].text == "{" { closing(tokens, start) } else { start };
                    start += 1;
                }
                start += 1;
            }
        }
        name => heads.push((tokens[i].at, name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::places;
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<(String, usize)> {
        let findings = check(&Tree::sample(files));
        places(&findings).iter().map(|&(path, line)| (path.to_owned(), line)).collect()
    }

    #[test]
    fn down_is_allowed() {
        let text = "use crate::{ring::lines, sync::{fence, Ordering}};\nuse super::other;\nuse crate::wait::Sleeper;\n";
        assert_eq!(found(&[("src/channel/sender.rs", text)]), []);
    }

    #[test]
    fn up_is_found_in_a_use_in_a_group_and_in_an_expression() {
        let text = "use crate::channel::Sender;\nuse crate::{sync::fence,\n cluster};\nfn f() { crate::link::g(); }\n";
        let path = "src/ring/producer.rs".to_owned();
        assert_eq!(found(&[(&path, text)]), [(path.clone(), 1), (path.clone(), 3), (path.clone(), 4)]);
    }

    #[test]
    fn up_is_found_through_super() {
        let text = "use super::super::cluster::Worker;\nmod inner {\n use super::super::super::{ring, channel};\n}\n";
        let path = "src/ring/producer.rs".to_owned();
        assert_eq!(found(&[(&path, text)]), [(path.clone(), 1), (path.clone(), 3)]);
        assert_eq!(
            found(&[("src/ring/mod.rs", "use super::channel;\n")]),
            [("src/ring/mod.rs".to_owned(), 1)]
        );
    }

    #[test]
    fn super_within_a_layer_is_allowed() {
        let text = "mod tests {\n use super::*;\n use super::super::lines;\n}\nuse super::lines::Line;\npub(super) fn f() {}\n";
        assert_eq!(found(&[("src/ring/producer.rs", text)]), []);
    }

    #[test]
    fn neighbours_do_not_import_each_other() {
        let down = ("src/sys/futex.rs", "use crate::sync::AtomicU32;\n");
        assert_eq!(found(&[down]), []);
        let back = ("src/sync/mod.rs", "use crate::sys::membarrier;\n");
        assert_eq!(found(&[down, back]).len(), 2);
    }

    #[test]
    fn the_root_and_its_globs_are_no_way_round() {
        let path = "src/ring/producer.rs".to_owned();
        assert_eq!(found(&[(&path, "use crate::*;\nuse crate::Worker;\n")]), [(path.clone(), 1), (path, 2)]);
    }

    #[test]
    fn a_new_folder_must_be_given_a_place() {
        assert_eq!(found(&[("src/helpers/mod.rs", "")]), [("src/helpers/mod.rs".to_owned(), 1)]);
    }

    #[test]
    fn comments_and_strings_import_nothing() {
        assert_eq!(
            found(&[("src/ring/mod.rs", "//! [`crate::cluster`]\nconst A: &str = \"crate::link\";\n")]),
            []
        );
    }
}
