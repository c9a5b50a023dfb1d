//! The page of limits and the constants in the code, compared.

use super::constants::{Constant, constants, meaning};
use super::expression::written;

/// The page.
pub const PAGE: &str = "docs/limits.md";

/// Words in the names of constants that are limits, whatever their type.
const WORDS: [&str; 9] = ["MAX", "MIN", "MOST", "LIMIT", "LONGEST", "TIMEOUT", "BUDGET", "STEP", "OVERHEAD"];

/// Constants with such names that follow from others or from the kernel, and from which a user sees nothing.
const NO_LIMITS: [(&str, &str); 4] = [
    ("src/control/message.rs", "HELLO_MAX"),
    ("src/control/fallback.rs", "ERRNO_MAX"),
    ("src/link/socket/packet.rs", "MAX_PAYLOAD"),
    ("src/link/socket/mod.rs", "MIN_PACKET"),
];

/// A row: what it says, and of what.
#[derive(Debug, PartialEq)]
pub struct Row {
    pub value: String,
    pub file: String,
    pub place: String,
}

/// The rows of every table whose last cell is two code spans: a file and a name.
pub fn rows(page: &str) -> Vec<Row> {
    page.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
    let [_, value, place] = cells[..] else { return None };
    let (file, place) = place.strip_prefix('`')?.strip_suffix('`')?.split_once("` `")?;
    Some(Row { value: value.into(), file: file.into(), place: place.into() })
}

/// The defaults that are no numbers, as `Debug` shows them of the options of a channel.
pub fn defaults(page: &str) -> Vec<String> {
    let said = page.split("\n\n").filter(|paragraph| paragraph.starts_with("What is no number: "));
    let text = said.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    let value = |kind: &str| text.split_once(kind)?.1.split_once('`').map(|(value, _)| value);
    let mut found = Vec::new();
    found.extend(value("`LinkChoice::").map(|link| format!("link: {link},")));
    found.extend(value("`Wait::").map(|wait| format!("wait: {wait},")));
    let switch = |(on, value)| text.contains(on).then(|| format!("prefault: {value},"));
    let limits = value("`Limits::").filter(|name| *name == "NONE").map(|_| ringway::channel::Limits::NONE);
    found.extend(limits.map(|limits| format!("limits: {limits:?}")));
    found.extend([("`prefault` is off", false), ("`prefault` is on", true)].into_iter().filter_map(switch));
    found
}

/// The rows that say something else than the code.
pub fn wrong(rows: &[Row], sources: &[(String, String)]) -> Vec<String> {
    let mut findings = Vec::new();
    for row in rows {
        let Row { value, file, place } = row;
        let text = sources.iter().find(|(path, _)| path == file).map(|(_, text)| text);
        let meant = text.and_then(|text| meaning(text, place));
        let said = written(value).ok_or_else(|| value.clone());
        match meant {
            None => findings.push(format!("{PAGE}: there is no `{place}` in {file}")),
            Some(meant) if meant == said => {}
            Some(Ok(meant)) => findings.push(format!("{PAGE}: `{place}` of {file} is {meant}, not {value}")),
            Some(Err(meant)) => findings.push(format!("{PAGE}: `{place}` of {file} is {meant}, not {value}")),
        }
    }
    findings
}

/// The limits in the code of which there is no row.
pub fn missing(rows: &[Row], sources: &[(String, String)]) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in sources {
        for constant in constants(text).iter().filter(|constant| is_limit(constant)) {
            let name = constant.name;
            let listed =
                rows.iter().any(|row| row.file == *path && row.place.rsplit("::").next() == Some(name));
            if !listed && !NO_LIMITS.contains(&(path.as_str(), name)) {
                findings.push(format!("{path}: `{name}` is not in {PAGE}"));
            }
        }
    }
    findings
}

fn is_limit(constant: &Constant<'_>) -> bool {
    constant.of == "Duration" || constant.name.split('_').any(|word| WORDS.contains(&word))
}

#[cfg(test)]
fn sample() -> Vec<(String, String)> {
    let text = "pub const MAX_MESSAGE: u64 = 64 << 20;\nconst NAP: Duration = Duration::from_millis(1);\nconst WORD: u64 = 8;\n";
    vec![("src/a.rs".into(), text.into())]
}

#[test]
fn a_number_that_differs_and_a_name_that_is_gone_are_found() {
    let good = "| x | 64 MiB | `src/a.rs` `MAX_MESSAGE` |\n| y | 1 ms | `src/a.rs` `NAP` |\n";
    assert_eq!(wrong(&rows(good), &sample()), Vec::<String>::new());
    assert_eq!(missing(&rows(good), &sample()), Vec::<String>::new());
    for bad in ["64 KiB", "1 ms", "capacity / 4"] {
        let page = format!("| x | {bad} | `src/a.rs` `MAX_MESSAGE` |");
        assert_eq!(wrong(&rows(&page), &sample()).len(), 1, "{bad}");
    }
    assert_eq!(wrong(&rows("| x | 1 | `src/a.rs` `GONE` |"), &sample()).len(), 1);
    assert_eq!(wrong(&rows("| x | 1 | `src/b.rs` `NAP` |"), &sample()).len(), 1);
}

#[test]
fn the_defaults_that_are_no_numbers_are_found_in_their_paragraph() {
    let said = "What is no number: an end waits by `Wait::Spin`, the link is `LinkChoice::Shm`, and\n`prefault` is on.";
    let page = format!("Not `Wait::Park`.\n\n{said}\n\n`prefault` is off.");
    assert_eq!(defaults(&page), ["link: Shm,", "wait: Spin,", "prefault: true,"]);
    assert_eq!(defaults("`prefault` is off"), Vec::<String>::new());
}

#[test]
fn a_limit_that_is_not_on_the_page_is_found() {
    let found = missing(&rows("| y | 1 ms | `src/a.rs` `NAP` |"), &sample());
    assert_eq!(found, ["src/a.rs: `MAX_MESSAGE` is not in docs/limits.md"]);
}
