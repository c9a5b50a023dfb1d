//! Rules that hold for the whole source tree, and that no compiler checks.
//!
//! Each rule is a function from a [`Tree`](tidy::tree::Tree) to findings. The tests in this file ask each of them
//! about the real tree; beside each rule stand tests that feed it a bad sample and see it object.

mod tidy {
    pub mod atomics;
    pub mod layers;
    pub mod length;
    pub mod lexer;
    pub mod orderings;
    pub mod source;
    pub mod tree;
    pub mod unsafety;
    pub mod words;
}

use std::path::Path;

use tidy::tree::{Finding, Tree};
use tidy::{atomics, layers, length, orderings, unsafety, words};

fn hold(rule: impl Fn(&Tree) -> Vec<Finding>) {
    let tree = Tree::of(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(tree.files().len() > 10, "the source tree was not found");
    let findings = rule(&tree);
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn imports_point_down_only() {
    hold(layers::check);
}

#[test]
fn no_file_is_longer_than_500_lines() {
    hold(length::files);
}

#[test]
fn no_function_is_longer_than_70_lines() {
    hold(length::functions);
}

#[test]
fn unsafe_stands_in_the_listed_files_and_nowhere_else() {
    hold(|tree| unsafety::check(tree, unsafety::FILES));
}

#[test]
fn atomics_are_named_through_the_facade_only() {
    hold(atomics::facade);
}

#[test]
fn system_calls_are_made_in_sys_only() {
    hold(atomics::system_calls);
}

#[test]
fn no_test_is_switched_off() {
    hold(words::ignored_tests);
}

#[test]
fn nothing_is_left_to_do() {
    hold(words::left_over);
}

#[test]
fn the_library_prints_nothing() {
    hold(words::printing);
}

#[test]
fn nothing_sleeps_to_synchronise() {
    hold(|tree| words::sleeping(tree, words::MAY_SLEEP));
}

#[test]
fn no_deadline_hangs_on_a_clock_that_can_be_set() {
    hold(words::wall_clocks);
}

#[test]
fn the_library_does_not_panic() {
    hold(|tree| words::panicking(tree, words::MAY_PANIC));
}

#[test]
fn every_ordering_carries_the_label_of_its_pair() {
    hold(orderings::unlabelled);
}

#[test]
fn every_label_has_both_of_its_sides() {
    hold(orderings::unpaired);
}
