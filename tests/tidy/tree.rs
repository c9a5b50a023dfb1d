//! The files that the rules look at, and what a rule answers.

use std::fmt;
use std::fs;
use std::path::Path;

use super::source::{Source, mark_test_files};

/// The folders of Rust code, from the package's root.
const FOLDERS: [&str; 6] = ["src", "tests", "benches", "examples", "fuzz", ".ci"];

/// Folders of build results.
const NOT_OURS: [&str; 3] = ["target", "corpus", "artifacts"];

/// The Rust files of the package.
#[derive(Debug)]
pub struct Tree {
    files: Vec<Source>,
}

impl Tree {
    /// The files below `root`.
    pub fn of(root: &Path) -> Self {
        let mut found = Vec::new();
        for folder in FOLDERS {
            collect(root, &root.join(folder), &mut found);
        }
        found.sort();
        Self::new(found.iter().map(|(path, text)| Source::new(path, text)).collect())
    }

    /// A tree of the given paths and texts.
    #[cfg(test)]
    pub fn sample(files: &[(&str, &str)]) -> Self {
        Self::new(files.iter().map(|(path, text)| Source::new(path, text)).collect())
    }

    fn new(mut files: Vec<Source>) -> Self {
        mark_test_files(&mut files);
        Self { files }
    }

    pub fn files(&self) -> &[Source] {
        &self.files
    }

    /// The library itself.
    pub fn library(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|file| file.path.starts_with("src/"))
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("an entry of the source tree").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        if path.is_dir() && !NOT_OURS.contains(&name) {
            collect(root, &path, found);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).expect("a file of the source tree");
            let relative = path.strip_prefix(root).expect("below the root");
            found.push((relative.to_str().expect("an ASCII path").replace('\\', "/"), text));
        }
    }
}

/// A place where a rule is broken.
#[derive(Debug)]
pub struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    pub fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.into(), line, what: what.into() }
    }

    pub fn at(source: &Source, offset: usize, what: impl Into<String>) -> Self {
        Self::new(&source.path, source.line_of(offset), what)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// What the rules' own tests compare: path and line of each finding.
#[cfg(test)]
pub fn places(findings: &[Finding]) -> Vec<(&str, usize)> {
    findings.iter().map(|finding| (finding.path.as_str(), finding.line)).collect()
}
