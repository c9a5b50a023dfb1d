//! Atomics and system calls each have one door.

use super::source::{Source, text};
use super::tree::{Finding, Tree};

/// Only `src/sync` knows where atomics come from. Elsewhere `loom` is named by models alone, to run them.
pub fn facade(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in outside(tree, "sync") {
        let tokens = source.tokens();
        let mut in_use = false;
        for (i, token) in tokens.iter().enumerate() {
            in_use = token.text == "use" || in_use && token.text != ";";
            let path = text(&tokens, i + 1) == "::";
            let before = if i == 0 { "" } else { tokens[i - 1].text };
            let ships = source.ships(source.line_of(token.at));
            let what = match token.text {
                "atomic" if before != "$" && (path || in_use || before == "::") => {
                    "take atomics from `crate::sync`"
                }
                "loom" if path && ships => "loom runs models: what ships does not name it",
                _ => continue,
            };
            findings.push(Finding::at(source, token.at, what));
        }
    }
    findings
}

/// Only `src/sys` calls the system.
pub fn system_calls(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in outside(tree, "sys") {
        let tokens = source.tokens();
        let named = tokens.iter().filter(|token| {
            matches!(token.text, "rustix" | "memmap2" | "libc" | "shared_memory" | "getrandom")
                && source.ships(source.line_of(token.at))
        });
        findings
            .extend(named.map(|token| Finding::at(source, token.at, "only `crate::sys` calls the system")));
    }
    findings
}

/// The library without one layer.
fn outside<'a>(tree: &'a Tree, layer: &str) -> impl Iterator<Item = &'a Source> {
    let (file, folder) = (format!("src/{layer}.rs"), format!("src/{layer}/"));
    tree.library().filter(move |source| source.path != file && !source.path.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use super::super::tree::places;
    use super::*;

    #[test]
    fn atomics_from_elsewhere_are_found() {
        let tree = Tree::sample(&[
            ("src/ring/a.rs", "use std::sync::atomic::AtomicU32;\nuse core::sync::{Arc,\n atomic};\n"),
            (
                "src/ring/b.rs",
                "#[cfg(not(loom))]\nuse crate::sync::AtomicU32;\n// std::sync::atomic\nfn f(atomic: A);\n",
            ),
            ("src/ring/c.rs", "fn f() { loom::thread::yield_now(); }\n"),
            (
                "src/ring/d.rs",
                "#[cfg(test)]\nmod m {\n fn f() { loom::model(g); }\n use loom::sync::Arc;\n use loom::sync::atomic::AtomicU32;\n}\n",
            ),
            ("src/sync/mod.rs", "use std::sync::atomic::AtomicU32;\nuse loom::sync::atomic::fence;\n"),
            ("tests/e.rs", "use std::sync::atomic::AtomicU32;\n"),
        ]);
        let found = [("src/ring/a.rs", 1), ("src/ring/a.rs", 3), ("src/ring/c.rs", 1), ("src/ring/d.rs", 5)];
        assert_eq!(places(&facade(&tree)), found);
    }

    #[test]
    fn system_calls_from_elsewhere_are_found() {
        let tree = Tree::sample(&[
            ("src/segment/a.rs", "use memmap2::MmapRaw;\nfn f() { rustix::fs::ftruncate(); }\n"),
            ("src/wait/b.rs", "use libc::pid_t;\n#[cfg(test)]\nmod t {\n use libc::kill;\n}\n"),
            ("src/sys/map.rs", "use memmap2::MmapRaw;\n"),
        ]);
        let found = [("src/segment/a.rs", 1), ("src/segment/a.rs", 2), ("src/wait/b.rs", 1)];
        assert_eq!(places(&system_calls(&tree)), found);
    }
}
