//! Every ordering names the pair it belongs to.
//!
//! A pair is a label `R1`, `R2`, … in a comment. A label governs the line it stands on and the four below it. What
//! orders memory must be governed by a label, and a label must govern both sides of its pair: something that
//! releases and something that acquires, at two places at least.

use std::collections::{BTreeMap, BTreeSet};

use super::lexer::Token;
use super::source::{Source, text};
use super::tree::{Finding, Tree};

/// How far above an ordering its label may stand.
const REACH: usize = 4;

/// The facade defines what orders; which pair a use belongs to is said where it is used.
const DEFINES: &str = "src/sync/";

/// A place that orders memory.
struct Site<'a> {
    source: &'a Source,
    line: usize,
    name: &'a str,
    labels: BTreeSet<u32>,
}

impl Site<'_> {
    fn releases(&self) -> bool {
        self.name != "Acquire"
    }

    fn acquires(&self) -> bool {
        self.name != "Release"
    }
}

/// Orderings without a label, and orderings that hide from this search.
pub fn unlabelled(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.library().filter(|source| !source.path.starts_with(DEFINES)) {
        for Site { line, name, labels, .. } in sites(source) {
            if labels.is_empty() {
                let what =
                    format!("`{name}` without the label of its pair (`R1`, …) within {REACH} lines above");
                findings.push(Finding::new(&source.path, line, what));
            }
        }
        let tokens = source.tokens();
        let hidden = tokens.windows(3).filter(|w| {
            w[0].text == "Ordering" && w[1].text == "::" && matches!(w[2].text, "{" | "*" | "self")
        });
        let what = "write `Ordering::` at each use: the scripts look for it";
        findings.extend(hidden.map(|w| Finding::at(source, w[0].at, what)));
    }
    findings
}

/// Labels that lack one of their sides.
pub fn unpaired(tree: &Tree) -> Vec<Finding> {
    let all: Vec<Site<'_>> = tree.library().flat_map(sites).collect();
    let mut mentions: BTreeMap<u32, (&Source, usize)> = BTreeMap::new();
    for source in tree.library() {
        for (line, comment) in (1..).zip(source.comments.lines()).filter(|(line, _)| source.ships(*line)) {
            for label in labels(comment) {
                mentions.entry(label).or_insert((source, line));
            }
        }
    }
    let mut findings = Vec::new();
    for (label, (source, line)) in mentions {
        let ends: Vec<&Site<'_>> = all.iter().filter(|site| site.labels.contains(&label)).collect();
        let places: BTreeSet<_> = ends.iter().map(|site| (&site.source.path, site.line)).collect();
        let what = if !ends.iter().any(|site| site.releases()) {
            format!("`R{label}` has no side that releases")
        } else if !ends.iter().any(|site| site.acquires()) {
            format!("`R{label}` has no side that acquires")
        } else if places.len() < 2 {
            format!("`R{label}` stands at one place only")
        } else {
            continue;
        };
        findings.push(Finding::new(&source.path, line, what));
    }
    findings
}

fn sites(source: &Source) -> Vec<Site<'_>> {
    let tokens = source.tokens();
    let comments: Vec<BTreeSet<u32>> = source.comments.lines().map(|line| labels(line).collect()).collect();
    let mut found: Vec<Site<'_>> = Vec::new();
    for i in 0..tokens.len() {
        let line = source.line_of(tokens[i].at);
        if orders(&tokens, i) && source.ships(line) {
            let governing = &comments[line.saturating_sub(REACH + 1)..line.min(comments.len())];
            let labels = governing.iter().flatten().copied().collect();
            found.push(Site { source, line, name: tokens[i].text, labels });
        }
    }
    found
}

/// Whether token `i` orders memory: an ordering that is not `Relaxed`, or the call of a fence.
fn orders(tokens: &[Token<'_>], i: usize) -> bool {
    match tokens[i].text {
        "Release" | "Acquire" | "AcqRel" | "SeqCst" => {
            i > 1 && tokens[i - 1].text == "::" && tokens[i - 2].text == "Ordering"
        }
        "fence" | "compiler_fence" | "light" | "heavy" => {
            text(tokens, i + 1) == "(" && (i == 0 || tokens[i - 1].text != "fn")
        }
        _ => false,
    }
}

/// The labels in a comment: `R` and a number, as a word.
fn labels(comment: &str) -> impl Iterator<Item = u32> {
    let words = comment.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter_map(|word| word.strip_prefix('R').and_then(|number| number.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::super::tree::places;
    use super::*;

    const STORE: &str = "// R1: the payload before its header.\nheader.store(x, Ordering::Release);\n";
    const LOAD: &str = "header.load(Ordering::Acquire); // R1: before the payload.\n";

    #[test]
    fn an_ordering_without_a_label_is_found() {
        let text =
            "head.store(x, Ordering::Release);\nfence(Ordering::SeqCst);\nself.fences.light();\nheavy()?;\n";
        let tree = Tree::sample(&[("src/ring/a.rs", text)]);
        let lines: BTreeSet<usize> = places(&unlabelled(&tree)).into_iter().map(|(_, line)| line).collect();
        assert_eq!(lines, BTreeSet::from([1, 2, 3, 4]));
    }

    #[test]
    fn a_label_governs_its_line_and_four_below() {
        let near = format!("// R1\n{}a.load(Ordering::Acquire);\n", "x();\n".repeat(3));
        let far = format!("// R1\n{}a.load(Ordering::Acquire);\n", "x();\n".repeat(4));
        assert!(unlabelled(&Tree::sample(&[("src/ring/a.rs", &near)])).is_empty());
        assert_eq!(places(&unlabelled(&Tree::sample(&[("src/ring/a.rs", &far)]))), [("src/ring/a.rs", 6)]);
    }

    #[test]
    fn relaxed_tests_definitions_and_the_facade_need_no_label() {
        let tests = "#[cfg(test)]\nmod t {\n fn f() { a.load(Ordering::Acquire); }\n}\n";
        let tree = Tree::sample(&[
            (
                "src/ring/a.rs",
                "a.load(Ordering::Relaxed);\npub fn heavy() {}\nuse crate::sync::{fence, Ordering};\n",
            ),
            ("src/ring/b.rs", tests),
            ("src/sync/mod.rs", "fence(Ordering::SeqCst);\n"),
        ]);
        assert!(unlabelled(&tree).is_empty());
    }

    #[test]
    fn orderings_are_written_out() {
        let tree = Tree::sample(&[("src/ring/a.rs", "use crate::sync::Ordering::{Acquire, Release};\n")]);
        assert_eq!(places(&unlabelled(&tree)), [("src/ring/a.rs", 1)]);
    }

    #[test]
    fn a_pair_has_both_sides() {
        assert!(unpaired(&Tree::sample(&[("src/ring/a.rs", STORE), ("src/ring/b.rs", LOAD)])).is_empty());
        for alone in [STORE, LOAD] {
            let twice = format!("{alone}{alone}");
            assert_eq!(
                places(&unpaired(&Tree::sample(&[("src/ring/a.rs", &twice)]))),
                [("src/ring/a.rs", 1)]
            );
        }
    }

    #[test]
    fn a_fence_pairs_with_a_fence_and_not_with_itself() {
        let light = "// R4\nself.fences.light();\n";
        let heavy = "// R4\nself.fences.heavy();\n";
        let both = [("src/ring/a.rs", light), ("src/wait/b.rs", heavy)];
        assert!(unpaired(&Tree::sample(&both)).is_empty());
        assert_eq!(unpaired(&Tree::sample(&both[..1])).len(), 1);
        let one_line = "// R5\nword.compare_exchange(a, b, Ordering::AcqRel, Ordering::Acquire);\n";
        assert_eq!(unpaired(&Tree::sample(&[("src/ring/a.rs", one_line)])).len(), 1);
    }

    #[test]
    fn a_label_that_only_the_docs_know_is_found() {
        assert_eq!(
            places(&unpaired(&Tree::sample(&[("src/ring/mod.rs", "//! R7 is the claim.\n")]))).len(),
            1
        );
        assert!(
            unpaired(&Tree::sample(&[("src/ring/mod.rs", "//! R2D2 and RR1 are no labels.\n")])).is_empty()
        );
    }
}
