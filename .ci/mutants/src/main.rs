//! Weakens every ordering and every fence of the library in turn, and says which test notices.
//!
//! ```text
//! cargo run --manifest-path .ci/mutants/Cargo.toml -- [--list] [--only PATTERN] [--new] [--killed]
//!                                     [--fast] [--miri] [--limit SECONDS] [--for SECONDS]
//! ```
//! An ordering becomes weaker by every step that there is; a fence, a light or heavy side, a `membarrier` and its
//! registration are left out. A mutant is killed by a loom model, else by a unit test, else by the test of two
//! processes that always sleep, else, with `--miri`, which takes minutes for each, by Miri; the killer of the last run is
//! asked first. What notices must pass without the mutation. A test that runs beyond the limit has hung, and that counts
//! as well, but for loom and Miri, which find a deadlock by themselves.
//!
//! Where an `AcqRel` that became `Relaxed` was not noticed, nothing can notice that it became `Acquire` or `Release`, which
//! allow less: these are not run.
//!
//! Of two programs that are the same byte for byte no test is run: no model holds the mutated line, or it makes no
//! difference on this processor.
//!
//! Each outcome is written to `docs/mutants.md` at once. One that nothing kills must be listed in `docs/orderings.md`,
//! with the reason why no tool can:
//!
//! ```text
//! | file | function | pair | weakened | why |
//! |---|---|---|---|---|
//! | src/ring/producer.rs | refresh | R2 R3 | Acquire → Relaxed | the reason |
//! ```
//! `--list` prints the mutations and where the tables and the source disagree, which fails; `--only` takes those whose
//! `file:line function pair mutation: text` contains the pattern, `--new` those without a row, `--killed` those that have
//! a killer, which is asked first: minutes for all; `--fast` asks loom alone, and writes kills only; the limit is one for
//! each run of a tool; after the seconds of `--for` no other is tried.

#[allow(dead_code, reason = "shared with the rules on the source tree")]
#[path = "../../../tests/tidy"]
mod tidy {
    pub mod lexer;
    pub mod source;
    pub mod tree;
}

mod mirror;
mod sites;
mod tables;
mod tool;
mod trial;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use sites::{Key, Mutation};
use tables::{Record, Table, disagreements, nothing};
use tidy::tree::Tree;
use trial::{Bench, Verdict};

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Options {
    list: bool,
    fast: bool,
    new: bool,
    killed: bool,
    miri: bool,
    only: String,
    limit_seconds: u64,
    for_seconds: u64,
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
    let tree = Tree::of(&root);
    let mutations: Vec<Mutation> = tree.library().flat_map(sites::mutations).collect();
    let (mut records, reasons) = (Table::records(&root)?, Table::reasons(&root)?);
    let wanted = |mutation: &Mutation| {
        let record = records.0.get(&mutation.key);
        mutation.to_string().contains(&options.only)
            && !(options.new && record.is_some())
            && !(options.killed && record.is_none_or(Record::survived))
    };
    let chosen: Vec<&Mutation> = mutations.iter().filter(|mutation| wanted(mutation)).collect();
    if !options.list {
        try_all(&root, &options, (&mutations, &chosen), &mut records)?;
    } else {
        chosen.iter().for_each(|mutation| println!("{mutation}"));
    }
    let is_test = |name: &str| {
        let head = format!("fn {name}(");
        tree.files().iter().any(|file| file.code.contains(&head))
    };
    let found = disagreements(&mutations, &records, &reasons, is_test);
    found.iter().for_each(|finding| println!("{finding}"));
    let survivors = records.0.values().filter(|record| record.survived()).count();
    println!("{} mutations, {} killed, {survivors} not", mutations.len(), records.0.len() - survivors);
    Ok(found.is_empty())
}

/// Tries each of the chosen mutations, and writes down what came of it.
fn try_all(
    root: &Path,
    options: &Options,
    (all, chosen): (&[Mutation], &[&Mutation]),
    records: &mut Table<Record>,
) -> Outcome<()> {
    let began = Instant::now();
    let tools = tool::tools(root, options.fast, options.miri)?;
    let mut bench = Bench::new(root, tools, options.limit_seconds)?;
    for mutation in chosen {
        if began.elapsed().as_secs() >= options.for_seconds {
            println!("time is over");
            break;
        }
        if let Some(record) = inherited(&mutation.key, records)? {
            println!("{mutation}\n    {}", record.killer);
            records.0.insert(mutation.key.clone(), record);
            records.write(root, all)?;
            continue;
        }
        let (killer, seconds) = match bench.verdict(mutation, records.0.get(&mutation.key))? {
            Verdict::Killed { tool, test, seconds } => (format!("{tool}: {test}"), seconds),
            Verdict::Survived { asked, seconds } => (nothing(&asked), seconds),
            Verdict::NotBuilt(error) => return Err(format!("{mutation}: does not build: {error}").into()),
        };
        println!("{mutation}\n    {killer}, {seconds:.1} s");
        let record = Record { killer, seconds: format!("{seconds:.1}"), on: today()? };
        if !(options.fast && record.survived()) {
            records.0.insert(mutation.key.clone(), record);
            records.write(root, all)?;
        }
    }
    Ok(())
}

/// What allows more, and was not noticed: then nothing can notice what allows less.
fn inherited(key: &Key, records: &Table<Record>) -> Outcome<Option<Record>> {
    let Some(weakest) = key.weakest().filter(|weakest| weakest != key) else { return Ok(None) };
    let survived = records.0.get(&weakest).is_some_and(Record::survived);
    let killer = nothing(&[format!("nor with {}", weakest.name)]);
    Ok(if survived { Some(Record { killer, seconds: "0".into(), on: today()? }) } else { None })
}

fn today() -> Outcome<String> {
    let date = Command::new("date").args(["-u", "+%F"]).output()?;
    Ok(String::from_utf8(date.stdout)?.trim().to_owned())
}

fn options(mut arguments: impl Iterator<Item = String>) -> Outcome<Options> {
    let mut options = Options {
        list: false,
        fast: false,
        new: false,
        killed: false,
        miri: false,
        only: String::new(),
        limit_seconds: 300,
        for_seconds: u64::MAX,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            "--list" => options.list = true,
            "--fast" => options.fast = true,
            "--new" => options.new = true,
            "--killed" => options.killed = true,
            "--miri" => options.miri = true,
            "--only" => options.only = value()?,
            "--limit" => options.limit_seconds = value()?.parse()?,
            "--for" => options.for_seconds = value()?.parse()?,
            _ => return Err(format!("unknown option {argument}").into()),
        }
    }
    Ok(options)
}
