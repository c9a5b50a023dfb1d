//! The command line.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::thread;

/// What `--help` prints.
pub const HELP: &str = "\
Counts the words of files with worker processes, and times the transports that carry the lines to them.

Usage: wordcount [OPTION…] [PATH…]

PATH is a file or a directory (default: the repository of this example). A directory is walked; its hidden
entries, directories named `target` and links are left out. What cannot be read, and binary files (a NUL in the
first 8 KiB), are named and left out. A word is a run of characters that are not white space.

  --workers N   how many workers (1 to 256; default: one for each CPU, at least 2)
  --top N       how many words to print (default: 10)
  --mib N       how many MiB each transport carries at least in the timed part (default: 64; 0: no timed part)
  --help        print this

Exit status: 0 if the words were counted, 1 if nothing could be read or counts went wrong, 2 for a bad option.
";

/// What the user asked for.
#[derive(Debug)]
pub enum Request {
    Help,
    Count(Options),
}

#[derive(Debug)]
pub struct Options {
    pub paths: Vec<PathBuf>,
    pub workers: usize,
    pub top: usize,
    /// The bytes that each transport carries at least in the timed part.
    pub timed_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        Self { paths: Vec::new(), workers: cpus.clamp(2, 256), top: 10, timed_bytes: 64 << 20 }
    }
}

/// Why a command line was refused.
#[derive(Debug)]
pub enum ArgsError {
    Unknown(OsString),
    NoValue(String),
    BadValue { option: String, value: OsString, allowed: RangeInclusive<u64> },
}

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(option) => {
                write!(f, "there is no option {option:?} (a path that starts with - goes after --)")?;
            }
            Self::NoValue(option) => write!(f, "{option} needs a number after it")?,
            Self::BadValue { option, value, allowed } => {
                let (least, most) = (allowed.start(), allowed.end());
                write!(f, "{option} takes a number from {least} to {most}, not {value:?}")?;
            }
        }
        write!(f, "; try --help")
    }
}

/// Reads the arguments that come after the program's name.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Request, ArgsError> {
    let mut args = args;
    let mut options = Options::default();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--help" | "-h") => return Ok(Request::Help),
            Some("--") => options.paths.extend(args.by_ref().map(PathBuf::from)),
            Some(option) if option.starts_with('-') && option != "-" => set(&mut options, option, &mut args)?,
            None if arg.as_encoded_bytes().starts_with(b"-") => return Err(ArgsError::Unknown(arg)),
            _ => options.paths.push(arg.into()),
        }
    }
    if options.paths.is_empty() {
        options.paths.push(env!("CARGO_MANIFEST_DIR").into());
    }
    Ok(Request::Count(options))
}

/// Sets one option from `--name N` or `--name=N`.
fn set(
    options: &mut Options,
    option: &str,
    args: &mut impl Iterator<Item = OsString>,
) -> Result<(), ArgsError> {
    let (name, inline) = match option.split_once('=') {
        Some((name, value)) => (name, Some(OsString::from(value))),
        None => (option, None),
    };
    let mut number = |allowed: RangeInclusive<u64>| {
        let value = inline.clone().or_else(|| args.next()).ok_or_else(|| ArgsError::NoValue(name.into()))?;
        within(&value, &allowed).ok_or(ArgsError::BadValue { option: name.into(), value, allowed })
    };
    match name {
        "--workers" => options.workers = number(1..=256)? as usize,
        "--top" => options.top = number(0..=1_000_000_000)? as usize,
        "--mib" => options.timed_bytes = number(0..=1 << 20)? << 20,
        _ => return Err(ArgsError::Unknown(option.into())),
    }
    Ok(())
}

fn within(value: &OsStr, allowed: &RangeInclusive<u64>) -> Option<u64> {
    value.to_str()?.parse().ok().filter(|number| allowed.contains(number))
}
