//! The two tables: what killed each mutation, and why nothing can kill the rest.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::Outcome;
use crate::sites::{Key, Mutation};

/// The page that this program writes.
const RECORD: &str = "docs/mutants.md";

/// The page whose rows people write.
const REASONS: &str = "docs/orderings.md";

/// What stands in the place of a killer if there is none.
const NOTHING: &str = "nothing";

const INTRODUCTION: &str = "# Weakened, and killed

Written by `.ci/mutants`, which finds every ordering and every fence of the library by itself and weakens each in turn;
how it does that stands at the top of its `main.rs`. `nothing` names what was asked in vain: for these,
[Memory ordering](orderings.md) says why no tool can. Where the *machine code is the same* as without the mutation, no
test on this processor can tell them apart.

CI compares this table with the source: each place has its row, each killer exists, and each row has its place.

| file | function | pair | weakened | killed by | seconds | on |
|---|---|---|---|---|---|---|
";

/// What became of a mutation when it was last tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// `loom: ring::tests::…`, or `nothing (…)`.
    pub killer: String,
    pub seconds: String,
    /// The day.
    pub on: String,
}

impl Record {
    pub fn survived(&self) -> bool {
        self.killer.starts_with(NOTHING)
    }

    /// The tool and the test that killed it.
    pub fn killer(&self) -> Option<(&str, &str)> {
        if self.survived() { None } else { self.killer.split_once(": ") }
    }
}

/// How a survivor is written.
pub fn nothing(asked: &[String]) -> String {
    format!("{NOTHING} ({})", asked.join("; "))
}

/// The rows of a table, each found by its first four cells.
#[derive(Debug, Default)]
pub struct Table<T>(pub HashMap<Key, T>);

impl Table<Record> {
    /// The page; an empty table if there is none.
    pub fn records(root: &Path) -> Outcome<Self> {
        let text = fs::read_to_string(root.join(RECORD)).unwrap_or_default();
        parse(RECORD, &text, |rest| match rest {
            [killer, seconds, on] => {
                Some(Record { killer: killer.clone(), seconds: seconds.clone(), on: on.clone() })
            }
            _ => None,
        })
    }

    /// Writes the page, in the order of the source, and without what the source no longer has.
    pub fn write(&self, root: &Path, mutations: &[Mutation]) -> Outcome<()> {
        let mut text = INTRODUCTION.to_owned();
        for mutation in mutations {
            let Some(record) = self.0.get(&mutation.key) else { continue };
            let Key { path, function, pair, name } = &mutation.key;
            let Record { killer, seconds, on } = record;
            writeln!(text, "| {path} | {function} | {pair} | {name} | {killer} | {seconds} | {on} |")?;
        }
        Ok(fs::write(root.join(RECORD), text)?)
    }
}

impl Table<String> {
    /// Why nothing can kill some of them.
    pub fn reasons(root: &Path) -> Outcome<Self> {
        let text = fs::read_to_string(root.join(REASONS)).unwrap_or_default();
        parse(REASONS, &text, |rest| match rest {
            [why] if !why.is_empty() => Some(why.clone()),
            _ => None,
        })
    }
}

/// The rows whose first cell is a file of the library; other tables are text.
fn parse<T>(page: &str, text: &str, rest: impl Fn(&[String]) -> Option<T>) -> Outcome<Table<T>> {
    let mut table = HashMap::new();
    for row in text.lines().filter(|line| line.starts_with("| src/")) {
        let cells: Vec<String> =
            row.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        let parsed = match cells.as_slice() {
            [path, function, pair, name, others @ ..] => rest(others).map(|value| {
                let [path, function, pair, name] = [path, function, pair, name].map(String::clone);
                (Key { path, function, pair, name }, value)
            }),
            _ => None,
        };
        let (key, value) = parsed.ok_or_else(|| format!("{page}: not a row of this table: {row}"))?;
        if table.insert(key, value).is_some() {
            return Err(format!("{page}: twice: {row}").into());
        }
    }
    Ok(Table(table))
}

/// Where the tables and the source disagree. `tests` answers whether there is a test of that name.
pub fn disagreements(
    mutations: &[Mutation],
    records: &Table<Record>,
    reasons: &Table<String>,
    tests: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut found = Vec::new();
    for Mutation { key, .. } in mutations {
        match (records.0.get(key), reasons.0.contains_key(key)) {
            (None, _) => found.push(format!("{RECORD} has no row for {key}: run this program")),
            (Some(record), true) if !record.survived() => {
                found.push(format!("{REASONS} lists {key}, which is killed: strike it"));
            }
            (Some(record), false) if record.survived() => {
                found.push(format!("nothing kills {key}: {REASONS} must say why nothing can"));
            }
            _ => {}
        }
    }
    for (page, key) in
        records.0.keys().map(|key| (RECORD, key)).chain(reasons.0.keys().map(|key| (REASONS, key)))
    {
        if !mutations.iter().any(|mutation| mutation.key == *key) {
            found.push(format!("{page}: the source has no {key}"));
        }
    }
    for (key, record) in &records.0 {
        let name = record.killer().and_then(|(_, test)| test.rsplit("::").next());
        if name.is_some_and(|name| !tests(name)) {
            found.push(format!("{RECORD}: there is no test {}, which killed {key}", record.killer));
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sites::mutations;
    use crate::tidy::source::Source;

    const PLACE: &str = "| src/ring/x.rs | f | R1 | Acquire → Relaxed |";

    fn source() -> Vec<Mutation> {
        mutations(&Source::new("src/ring/x.rs", "fn f() {\n    // R1\n    a.load(Ordering::Acquire);\n}\n"))
    }

    fn records(text: &str) -> Table<Record> {
        parse(RECORD, text, |rest| match rest {
            [killer, ..] => {
                Some(Record { killer: killer.clone(), seconds: String::new(), on: String::new() })
            }
            [] => None,
        })
        .unwrap()
    }

    fn reasons(text: &str) -> Table<String> {
        parse(REASONS, text, |rest| rest.first().cloned()).unwrap()
    }

    fn count(record: &str, reason: &str) -> usize {
        disagreements(&source(), &records(record), &reasons(reason), |name| name == "known").len()
    }

    #[test]
    fn a_place_is_killed_or_listed_and_never_both() {
        let row = |last: &str| format!("{PLACE} {last} |\n");
        assert_eq!(count(&row("loom: a::known"), ""), 0);
        assert_eq!(count(&row("nothing (loom)"), &row("why")), 0);
        assert_eq!(count("", ""), 1);
        assert_eq!(count("", &row("why")), 1);
        assert_eq!(count(&row("nothing (loom)"), ""), 1);
        assert_eq!(count(&row("loom: a::known"), &row("why")), 1);
    }

    #[test]
    fn a_row_without_a_place_and_a_killer_that_is_gone_are_found() {
        let row = format!("{PLACE} loom: a::known |\n");
        assert_eq!(count(&format!("{row}{}", row.replace("Acquire", "Release")), ""), 1);
        assert_eq!(count(&row, &row.replace("| f |", "| g |")), 1);
        assert_eq!(count(&row.replace("known", "forgotten"), ""), 1);
    }

    #[test]
    fn a_row_that_lacks_a_cell_or_stands_twice_is_refused() {
        let one = |rest: &[String]| rest.first().cloned();
        assert!(parse("x", "| src/a.rs | b | c |\n", one).is_err());
        assert!(parse("x", &format!("{PLACE} a |\n{PLACE} b |\n"), one).is_err());
        assert!(parse("x", "| file | line |\n| a | b |\n", one).unwrap().0.is_empty());
    }
}
