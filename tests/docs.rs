//! The pages say what the code says: every limit and default, the name of every test, every link.
//!
//! `docs/limits.md` is one table, whose rows name a constant each, and a paragraph of defaults that are no numbers. In
//! `README.md`, `CHANGELOG.md`, `docs/` and doc comments, what stands in backquotes after `tests:` is the name of a test.

mod docs {
    pub mod constants;
    pub mod expression;
    pub mod limits;
    pub mod pages;
}

use docs::{limits, pages};
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn nothing(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn every_number_on_the_page_of_limits_is_the_one_in_the_code() {
    let rows = limits::rows(&pages::read(root(), limits::PAGE));
    assert!(rows.len() > 10, "the table was not found");
    nothing(&limits::wrong(&rows, &pages::sources(root())));
}

#[test]
fn the_defaults_on_the_page_of_limits_that_are_no_numbers_are_those_of_a_channel() {
    let said = limits::defaults(&pages::read(root(), limits::PAGE));
    assert_eq!(said.len(), 4, "the paragraph was not found: {said:?}");
    let options = format!("{:?}", ringway::channel::Options::default());
    let wrong = said.iter().filter(|default| !options.contains(*default));
    nothing(&wrong.map(|default| format!("{}: {default} but {options}", limits::PAGE)).collect::<Vec<_>>());
}

#[test]
fn every_limit_in_the_code_is_on_the_page_of_limits() {
    let rows = limits::rows(&pages::read(root(), limits::PAGE));
    nothing(&limits::missing(&rows, &pages::sources(root())));
}

#[test]
fn every_test_that_the_docs_name_exists() {
    let known = pages::tests(&pages::code(root()));
    let named = pages::named_tests(&pages::docs(root()));
    assert!(named.len() > 10, "the names of tests were not found");
    let unknown = named.iter().filter(|(_, name)| !known.contains(name));
    nothing(&unknown.map(|(page, name)| format!("{page}: there is no test `{name}`")).collect::<Vec<_>>());
}

#[test]
fn every_file_that_a_page_links_exists() {
    let links = pages::links(&pages::markdown(root()));
    assert!(links.len() > 3, "the links were not found");
    let broken = links.iter().filter(|(_, target)| !root().join(target).exists());
    nothing(&broken.map(|(page, target)| format!("{page}: there is no {target}")).collect::<Vec<_>>());
}
