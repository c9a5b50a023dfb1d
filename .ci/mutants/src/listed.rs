//! The mutations that no tool can kill, as `docs/orderings.md` lists them.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::Outcome;
use crate::sites::Mutation;

/// A row of the table.
#[derive(Debug, PartialEq)]
pub struct Entry {
    path: String,
    text: String,
    name: String,
    /// Why no tool can kill it.
    pub why: String,
}

impl Entry {
    /// Whether this row is about that mutation.
    pub fn is(&self, mutation: &Mutation) -> bool {
        self.path == mutation.path && self.text == mutation.text && self.name == mutation.name
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "docs/orderings.md: {}, `{}`, {}", self.path, self.text, self.name)
    }
}

/// The entries; none if there is no such file.
pub fn read(root: &Path) -> Outcome<Vec<Entry>> {
    match fs::read_to_string(root.join("docs/orderings.md")) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// The rows whose first cell is a file of the library; other tables are text.
fn parse(text: &str) -> Outcome<Vec<Entry>> {
    let mut entries = Vec::new();
    for row in text.lines().filter(|line| line.starts_with("| src/")) {
        let cells = cells(row);
        let [path, text, name, why] = cells.as_slice() else {
            return Err(format!("docs/orderings.md: four cells are wanted in: {row}").into());
        };
        let text = text.trim_matches('`').to_owned();
        if why.is_empty() {
            return Err(format!("docs/orderings.md: no reason in: {row}").into());
        }
        entries.push(Entry { path: path.clone(), text, name: name.clone(), why: why.clone() });
    }
    Ok(entries)
}

/// The cells of a row; `\|` is a `|` within one.
fn cells(row: &str) -> Vec<String> {
    let inside = row.trim().trim_matches('|').replace("\\|", "\0");
    inside.split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read() {
        let text = "# Orderings\n\n| file | line | mutation | why |\n|---|---|---|---|\n\
                    | src/sync/mod.rs | `if a \\| b { fence(x) }` | fence removed | no tool sees it |\n";
        let expected = Entry {
            path: "src/sync/mod.rs".into(),
            text: "if a | b { fence(x) }".into(),
            name: "fence removed".into(),
            why: "no tool sees it".into(),
        };
        assert_eq!(parse(text).unwrap(), [expected]);
    }

    #[test]
    fn a_row_without_a_reason_or_with_other_cells_is_refused() {
        assert!(parse("| src/a.rs | `b` | c |  |\n").is_err());
        assert!(parse("| src/a.rs | `b` | c |\n").is_err());
    }
}
