//! Weakens every ordering and every fence of the library in turn, and says which test notices.
//!
//! ```text
//! cargo run --manifest-path .ci/mutants/Cargo.toml -- [--list] [--only PATTERN] [--fast] [--limit SECONDS]
//! ```
//! A mutant is killed by a loom model, else by a unit test, else by Miri; one that runs beyond the limit is killed
//! by the watchdog. One that nothing kills must be listed in `docs/orderings.md`, with the reason why no tool can:
//!
//! ```text
//! | file | line | mutation | why |
//! |---|---|---|---|
//! | src/ring/producer.rs | `self.head.load(Ordering::Acquire);` | Acquire → Relaxed | the reason |
//! ```
//! An entry is found again by the file and the text of its line (a `|` in it is written `\|`), not by its number.
//!
//! `--list` prints the mutations and checks that each entry is one of them; `--only` takes those whose
//! `file:line mutation text` contains the pattern; `--fast` asks loom alone; the limit is one for each run of a tool.

#[allow(dead_code, reason = "shared with the rules on the source tree")]
#[path = "../../../tests/tidy"]
mod tidy {
    pub mod lexer;
    pub mod source;
    pub mod tree;
}

mod listed;
mod sites;
mod trial;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use listed::Entry;
use sites::Mutation;
use tidy::tree::Tree;
use trial::{Bench, Verdict};

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Options {
    list: bool,
    fast: bool,
    only: String,
    limit_seconds: u64,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<bool> {
    let options = options(std::env::args().skip(1))?;
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let mutations: Vec<Mutation> = Tree::of(&root).library().flat_map(sites::mutations).collect();
    let entries = listed::read(&root)?;
    let strays: Vec<&Entry> = entries.iter().filter(|e| !mutations.iter().any(|m| e.is(m))).collect();
    for entry in &strays {
        println!("{entry}: no such line and mutation in the source");
    }
    let chosen: Vec<&Mutation> = mutations.iter().filter(|m| m.to_string().contains(&options.only)).collect();
    if options.list {
        chosen.iter().for_each(|mutation| println!("{mutation}"));
        println!("{} mutations, {} entries in docs/orderings.md", chosen.len(), entries.len());
        return Ok(strays.is_empty());
    }
    let all_accounted_for = try_all(&root, &options, &chosen, &entries)?;
    Ok(all_accounted_for && strays.is_empty())
}

/// Tries each mutation and prints the table; whether each was killed or is listed.
fn try_all(root: &Path, options: &Options, chosen: &[&Mutation], entries: &[Entry]) -> Outcome<bool> {
    let bench = Bench::new(root, options.fast, options.limit_seconds)?;
    if let Some(failure) = bench.unchanged()? {
        return Err(format!("the tests do not pass on the unchanged tree: {failure}").into());
    }
    println!("| place | mutation | killed by |\n|---|---|---|");
    let (mut killed, mut listed, mut open) = (0, 0, 0);
    for mutation in chosen {
        let entry = entries.iter().find(|entry| entry.is(mutation));
        let word = match (bench.verdict(mutation)?, entry) {
            (Verdict::Killed(killer), None) => counted(&mut killed, killer),
            (Verdict::Killed(killer), Some(_)) => {
                counted(&mut killed, format!("{killer} (listed: strike it from docs/orderings.md)"))
            }
            (Verdict::Survived, Some(entry)) => counted(&mut listed, format!("listed: {}", entry.why)),
            (Verdict::Survived, None) => counted(&mut open, "NOTHING, and it is not listed".into()),
            (Verdict::NotBuilt(error), _) => counted(&mut open, format!("DOES NOT BUILD: {error}")),
        };
        println!("| {}:{} | {} | {word} |", mutation.path, mutation.line, mutation.name);
    }
    println!("\n{killed} killed, {listed} listed, {open} open");
    Ok(open == 0)
}

fn counted(counter: &mut usize, word: String) -> String {
    *counter += 1;
    word
}

fn options(mut arguments: impl Iterator<Item = String>) -> Outcome<Options> {
    let mut options = Options { list: false, fast: false, only: String::new(), limit_seconds: 600 };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            "--list" => options.list = true,
            "--fast" => options.fast = true,
            "--only" => options.only = value()?,
            "--limit" => options.limit_seconds = value()?.parse()?,
            _ => return Err(format!("unknown option {argument}").into()),
        }
    }
    Ok(options)
}
