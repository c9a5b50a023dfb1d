//! The files that hold `unsafe`: each is justified here, and none is listed that does not need it.

use super::tree::{Finding, Tree};

/// File and what it needs `unsafe` for.
pub const FILES: &[(&str, &str)] = &[
    (
        "benches/support/bare_ring.rs",
        "a ring with no library around it: raw shared memory, copies in assembly",
    ),
    ("benches/support/ladder.rs", "words of shared memory, as a measuring stick takes them"),
    ("benches/support/limits.rs", "copies through shared memory that nothing guards"),
    ("benches/support/pages.rs", "mapping shared pages before a fork"),
    ("benches/support/process.rs", "fork, _exit and getrusage"),
    ("benches/support/raw_sync_event.rs", "the interface of raw_sync is unsafe"),
    ("examples/wordcount/cpu.rs", "getrusage, which rustix does not have"),
    ("src/channel/trusted.rs", "a message in memory that the peer is trusted with becomes a slice"),
    ("src/cluster/spawn.rs", "what a child does between fork and exec"),
    ("src/ring/copy/mod.rs", "the hints to the processor are inline assembly"),
    ("src/ring/copy/x86.rs", "the engines are inline assembly"),
    ("src/ring/tests/guarded.rs", "buffers between pages that must not be touched"),
    ("src/ring/tests/in_place.rs", "a message that is read in place becomes a slice"),
    ("src/segment/memory.rs", "the lines of a mapped direction are reached through pointers into it"),
    ("src/segment/view.rs", "mapped bytes become typed views"),
    ("src/sys/fork.rs", "the fork guard's page is mapped for the life of the process"),
    ("src/sys/inherit.rs", "a descriptor that crossed an exec is known by its number"),
    ("src/sys/map.rs", "mapping and advising memory"),
    ("src/sys/named.rs", "named memory is its process's and not a thread's"),
    ("src/sys/named/linux.rs", "advising named memory"),
    ("src/sys/process.rs", "the signal mask of the library's own threads"),
    ("src/sys/tests/raw.rs", "calls that no wrapper makes, for tests of a hostile peer"),
    ("src/sync/published.rs", "what lasts as long as the process is reached by its address"),
    ("tests/baselines/raw.rs", "the interfaces of raw_sync, shared_memory and ptrace are unsafe"),
    ("tests/allocation/counting.rs", "the trait of allocators is unsafe"),
    ("tests/support/raw.rs", "fork, _exit and memory that two processes share, for tests of whole channels"),
];

pub fn check(tree: &Tree, files: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut listed: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
    for source in tree.files() {
        let first = source.tokens().into_iter().find(|token| token.text == "unsafe");
        let Some(first) = first else { continue };
        match listed.iter().position(|path| *path == source.path) {
            Some(i) => _ = listed.swap_remove(i),
            None => {
                findings.push(Finding::at(source, first.at, "`unsafe` in a file that is not listed for it"))
            }
        }
    }
    findings.extend(listed.iter().map(|path| Finding::new(path, 1, "listed for `unsafe` and holds none")));
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tree::places;
    use super::*;

    #[test]
    fn an_unlisted_file_is_found_and_so_is_a_listed_one_without_unsafe() {
        let tree = Tree::sample(&[
            ("src/a.rs", "fn f() {\n unsafe { g() }\n}\n"),
            ("src/b.rs", "// unsafe\n#![allow(unsafe_code)]\nconst S: &str = \"unsafe\";\n"),
            ("tests/c.rs", "unsafe impl Send for X {}\n"),
        ]);
        let findings = check(&tree, &[("src/b.rs", "a reason"), ("tests/c.rs", "a reason")]);
        assert_eq!(places(&findings), [("src/a.rs", 2), ("src/b.rs", 1)]);
    }
}
