//! Tries a mutation: on a copy of the tree, with one tool after the other.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use crate::Outcome;
use crate::sites::Mutation;

/// Folders that a copy does without.
const NOT_COPIED: [&str; 4] = ["target", ".git", "corpus", "artifacts"];

/// What `timeout(1)` exits with when the time is over.
const TIMED_OUT: i32 = 124;

/// What became of a mutant.
pub enum Verdict {
    Killed(String),
    Survived,
    NotBuilt(String),
}

/// A copy of the tree, and the tools that are asked about it.
pub struct Bench {
    copy: PathBuf,
    tools: Vec<Tool>,
    limit_seconds: u64,
}

struct Tool {
    name: &'static str,
    variables: Vec<(&'static str, String)>,
    build: Vec<String>,
    test: Vec<String>,
}

impl Bench {
    pub fn new(root: &Path, fast: bool, limit_seconds: u64) -> Outcome<Self> {
        let copy = std::env::temp_dir().join(format!("mutants-{}", std::process::id()));
        copy_folder(root, &copy)?;
        let mut tools = vec![loom(root)];
        if !fast {
            tools.push(unit_tests(root));
            tools.extend(miri(root)?);
        }
        Ok(Self { copy, tools, limit_seconds })
    }

    /// What fails without any mutation.
    pub fn unchanged(&self) -> Outcome<Option<String>> {
        match self.ask(false)? {
            Verdict::Survived => Ok(None),
            Verdict::Killed(failure) | Verdict::NotBuilt(failure) => Ok(Some(failure)),
        }
    }

    pub fn verdict(&self, mutation: &Mutation) -> Outcome<Verdict> {
        let path = self.copy.join(&mutation.path);
        let original = fs::read_to_string(&path)?;
        let mut verdict = Verdict::NotBuilt("no spelling of it was tried".into());
        for spelling in &mutation.with {
            let mut text = original.clone();
            text.replace_range(mutation.range.clone(), spelling);
            fs::write(&path, text)?;
            verdict = self.ask(true)?;
            if !matches!(verdict, Verdict::NotBuilt(_)) {
                break;
            }
        }
        fs::write(&path, original)?;
        Ok(verdict)
    }

    /// Asks one tool after the other; `changed` says whether the tree carries a mutation.
    fn ask(&self, changed: bool) -> Outcome<Verdict> {
        for tool in &self.tools {
            match self.run(tool, &tool.build)? {
                Run::Passed { compiled } if compiled || !changed => {}
                // What the tool compiles does not hold the mutated line: its tests are those of the unchanged tree.
                Run::Passed { .. } => continue,
                failure => return Ok(Verdict::NotBuilt(format!("{}: {failure:?}", tool.name))),
            }
            match self.run(tool, &tool.test)? {
                Run::Passed { .. } => {}
                Run::Failed(what) => return Ok(Verdict::Killed(format!("{}: {what}", tool.name))),
                Run::TimedOut => {
                    let limit = self.limit_seconds;
                    return Ok(Verdict::Killed(format!("{}: the watchdog, after {limit} s", tool.name)));
                }
            }
        }
        Ok(Verdict::Survived)
    }

    /// Runs until the end, the first test that fails, or the limit. `timeout` has a process group of its own and
    /// ends all of it, even if this program is gone by then.
    fn run(&self, tool: &Tool, arguments: &[String]) -> Outcome<Run> {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", &self.limit_seconds.to_string(), "cargo"]).args(arguments);
        command.envs(tool.variables.iter().map(|(name, value)| (name, value))).current_dir(&self.copy);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (sender, lines) = channel();
        forward(child.stdout.take(), sender.clone());
        forward(child.stderr.take(), sender);
        let (mut failed, mut error, mut compiled) = (None, None, false);
        for line in lines {
            if failed.is_none() && line.starts_with("test ") && line.ends_with("FAILED") {
                failed = Some(
                    line["test ".len()..line.len() - "FAILED".len()].trim_end_matches([' ', '.']).to_owned(),
                );
                end(&child)?;
            }
            compiled |= line.trim_start().starts_with("Compiling ringway ");
            if line.starts_with("error") && error.is_none() {
                error = Some(line);
            }
        }
        let status = child.wait()?;
        Ok(match failed {
            Some(test) => Run::Failed(test),
            None if status.success() => Run::Passed { compiled },
            None if status.code() == Some(TIMED_OUT) => Run::TimedOut,
            None => Run::Failed(error.unwrap_or_else(|| status.to_string())),
        })
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.copy) {
            eprintln!("{} is left behind: {error}", self.copy.display());
        }
    }
}

#[derive(Debug)]
enum Run {
    /// `compiled`: the library was built anew.
    Passed {
        compiled: bool,
    },
    Failed(String),
    TimedOut,
}

/// Asks `timeout` to end, which passes that on to its group.
fn end(child: &Child) -> Outcome<()> {
    Command::new("kill").arg(child.id().to_string()).status()?;
    Ok(())
}

fn forward(stream: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let Some(stream) = stream else { return };
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if lines.send(text).is_err() {
                return;
            }
        }
    });
}

fn loom(root: &Path) -> Tool {
    let variables = vec![("RUSTFLAGS", "--cfg loom".into()), target(root, "loom")];
    let test = words("test --locked --release --lib loom");
    Tool { name: "loom", variables, build: with(&test, "--no-run"), test }
}

fn unit_tests(root: &Path) -> Tool {
    let test = words("test --locked --lib");
    Tool { name: "unit test", variables: vec![target(root, "test")], build: with(&test, "--no-run"), test }
}

/// Miri over the tests that CI has it run; `None` if there are none.
fn miri(root: &Path) -> Outcome<Option<Tool>> {
    let list = fs::read_to_string(root.join(".ci/miri-tests"))?;
    let names: Vec<&str> = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let flags = "-Zmiri-strict-provenance -Zmiri-many-seeds=0..8";
    let build = words("+nightly miri test --locked --lib --no-run");
    let mut test = words("+nightly miri test --locked --lib -- --exact");
    test.extend(names.into_iter().map(str::to_owned));
    Ok(Some(Tool {
        name: "Miri",
        variables: vec![("MIRIFLAGS", flags.into()), target(root, "miri")],
        build,
        test,
    }))
}

/// Build results are kept from one run of this program to the next.
fn target(root: &Path, tool: &str) -> (&'static str, String) {
    ("CARGO_TARGET_DIR", root.join("target/mutants").join(tool).display().to_string())
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn with(arguments: &[String], more: &str) -> Vec<String> {
    arguments.iter().cloned().chain([more.to_owned()]).collect()
}

fn copy_folder(from: &Path, to: &Path) -> Outcome<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if NOT_COPIED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to.join(&name))?;
        } else {
            fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}
