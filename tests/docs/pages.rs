//! The pages, the code, and what the pages say of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file's path from the root, and its text.
pub type File = (String, String);

/// A file of the package.
pub fn read(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).expect("a file of the package")
}

/// README, CHANGELOG and everything in `docs/`.
pub fn markdown(root: &Path) -> Vec<File> {
    let mut files = below(root, "docs", ".md");
    files.extend(["README.md", "CHANGELOG.md"].map(|path| (path.to_owned(), read(root, path))));
    files
}

/// Every Rust file of the library and of its tests.
pub fn code(root: &Path) -> Vec<File> {
    ["src", "tests", "examples"].into_iter().flat_map(|folder| below(root, folder, ".rs")).collect()
}

/// What ships of the library.
pub fn sources(root: &Path) -> Vec<File> {
    let mut files = below(root, "src", ".rs");
    let tests = |path: &str| ["/tests/", "/tests.rs", "/fuzzing"].iter().any(|part| path.contains(part));
    files.retain(|(path, _)| !tests(path));
    files
}

/// The pages and the doc comments of the library.
pub fn docs(root: &Path) -> Vec<File> {
    let comments = below(root, "src", ".rs").into_iter().map(|(path, text)| (path, comments(&text)));
    markdown(root).into_iter().chain(comments).collect()
}

/// The text of the doc comments.
fn comments(code: &str) -> String {
    let line = |line: &str| {
        let line = line.trim_start();
        line.strip_prefix("//!").or_else(|| line.strip_prefix("///")).map(|text| format!("{text}\n"))
    };
    code.lines().filter_map(line).collect()
}

/// The functions that are tests.
pub fn tests(code: &[File]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, text) in code {
        // What stands between the attribute and the function's name: more attributes, and a macro's indentation.
        for after in text.split("#[test]").skip(1) {
            let name = after.split_once("fn ").and_then(|(_, rest)| rest.split_once('('));
            names.extend(name.map(|(name, _)| name.to_owned()));
        }
    }
    names
}

/// Each page with each name that stands on it in backquotes after `tests:`, a list by commas or *and*.
pub fn named_tests(docs: &[File]) -> Vec<(String, String)> {
    let mut names = Vec::new();
    for (page, text) in docs {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for list in text.split("tests: `").skip(1) {
            let mut spans = list.split('`');
            while let Some(name) = spans.next() {
                names.push((page.clone(), name.to_owned()));
                if !matches!(spans.next(), Some(", " | " and ")) {
                    break;
                }
            }
        }
    }
    names
}

/// Each page with each file of the package that it links, from the root.
pub fn links(pages: &[File]) -> Vec<(String, String)> {
    let mut links = Vec::new();
    for (page, text) in pages {
        let folder = Path::new(page).parent().unwrap_or(Path::new(""));
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let ours = targets.filter(|target| !target.is_empty() && !target.contains("://"));
        links.extend(ours.map(|target| (page.clone(), folder.join(target).display().to_string())));
    }
    links
}

/// The files of a folder whose names end so, in order.
fn below(root: &Path, folder: &str, suffix: &str) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).expect("a folder of the package");
        for path in entries.map(|entry| entry.expect("an entry of the package").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(suffix) {
                found.push(path);
            }
        }
    }
    found.sort();
    found.into_iter().map(|path| file(root, path)).collect()
}

fn file(root: &Path, path: PathBuf) -> File {
    let relative = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
    let text = read(root, &relative);
    (relative, text)
}

#[test]
fn names_of_tests_are_read_as_they_are_written() {
    let page = "It holds (tests: `a`, `b`\nand `c`; see `d`).\n| x | tests: `e` |\n`f`";
    let named = named_tests(&[("README.md".into(), page.into())]);
    let names: Vec<_> = named.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "e"]);
    let code = "#[test]\nfn a() {}\nfn no() {}\nproptest! {\n    #[test]\n    #[cfg(x)]\n    fn b(y in 0..1) {}\n}\n";
    assert_eq!(tests(&[("src/a.rs".into(), code.into())]), BTreeSet::from(["a".into(), "b".into()]));
}

#[test]
fn links_are_read_from_the_folder_of_their_page() {
    let page = "[a](wire.md), [b](limits.md#time), [c](https://example.org), [d](#here)";
    let found = links(&[("docs/x.md".into(), page.into())]);
    let targets: Vec<_> = found.iter().map(|(_, target)| target.as_str()).collect();
    assert_eq!(targets, ["docs/wire.md", "docs/limits.md"]);
}
