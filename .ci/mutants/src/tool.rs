//! What can notice a mutation: cargo with some tests.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use crate::Outcome;

/// What `timeout(1)` exits with when the time is over.
const TIMED_OUT: i32 = 124;

pub struct Tool {
    pub name: &'static str,
    variables: Vec<(&'static str, String)>,
    /// Of cargo, before `--`.
    arguments: Vec<String>,
    /// The tests that are run if no others are chosen; none: all.
    tests: Vec<String>,
    /// Whether the tests of the mutation's module can be chosen by its name.
    by_module: bool,
    /// Whether a test that never ends has noticed something.
    pub may_hang: bool,
    /// What it means that the tests are the same program with the mutation; `None`: what is built is no program.
    pub same: Option<&'static str>,
    /// The unchanged program, as a number.
    pub unchanged: Option<u64>,
}

/// What building came to.
pub enum Built {
    /// The program, as a number, if there is one.
    Done(Option<u64>),
    Failed(String),
}

/// How a run of tests ended.
pub enum Run {
    Passed,
    /// The first test that failed.
    Failed(String),
    /// The test that had begun and not ended, if that is known.
    TimedOut(Option<String>),
}

/// All that are wanted, the quickest to notice first.
pub fn tools(root: &Path, fast: bool, with_miri: bool) -> Outcome<Vec<Tool>> {
    let mut tools = vec![loom(root)];
    if !fast {
        tools.extend([unit_tests(root), whole_links(root)]);
    }
    if with_miri {
        tools.push(miri(root)?);
    }
    Ok(tools)
}

impl Tool {
    /// Builds the tests.
    pub fn build(&self, copy: &Path, limit_seconds: u64) -> Outcome<Built> {
        let (mut programs, mut error) = (Vec::new(), None);
        let mut arguments = self.arguments.clone();
        arguments.push("--no-run".into());
        let status = self.cargo(copy, limit_seconds, &arguments, |_, line| {
            // Executable unittests src/lib.rs (/path/of/it)
            let program = line.trim_start().strip_prefix("Executable ").and_then(|rest| rest.split_once('('));
            programs.extend(program.map(|(_, path)| path.trim_end_matches(')').to_owned()));
            if line.starts_with("error") && error.is_none() {
                error = Some(line);
            }
        })?;
        if !status.success() {
            let error = error.unwrap_or_else(|| status.to_string());
            return Ok(Built::Failed(format!("{}: {error}", self.name)));
        }
        let mut hasher = DefaultHasher::new();
        for program in &programs {
            fs::read(copy.join(program))?.hash(&mut hasher);
        }
        Ok(Built::Done((!programs.is_empty()).then(|| hasher.finish())))
    }

    /// What to run for a mutation in that file, one after the other: the tests of its module, then all.
    pub fn choices(&self, path: &str) -> Vec<Vec<String>> {
        let module = path.split('/').nth(1).filter(|_| self.by_module);
        module.map(|module| vec![format!("{module}::")]).into_iter().chain([self.tests.clone()]).collect()
    }

    /// Runs the chosen tests until the end, the first that fails, or the limit.
    pub fn test(&self, copy: &Path, limit_seconds: u64, choice: &[String]) -> Outcome<Run> {
        match self.run(copy, limit_seconds, choice, &[])? {
            // Nobody said which test it was: the program itself came to an end. One at a time tells.
            Run::Failed(test) if test.is_empty() => {
                match self.run(copy, limit_seconds, choice, &["--test-threads=1"])? {
                    Run::Failed(test) if test.is_empty() => {
                        Err(format!("{} fails and names no test", self.name).into())
                    }
                    run => Ok(run),
                }
            }
            run => Ok(run),
        }
    }

    fn run(&self, copy: &Path, limit_seconds: u64, choice: &[String], more: &[&str]) -> Outcome<Run> {
        let mut arguments = self.arguments.clone();
        arguments.push("--".into());
        arguments.extend(choice.iter().cloned().chain(more.iter().map(|&more| more.to_owned())));
        let (mut failed, mut begun) = (None, None);
        let status = self.cargo(copy, limit_seconds, &arguments, |child, line| {
            let Some((test, outcome)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... "))
            else {
                let slow = line.strip_prefix("test ").and_then(|line| line.split_once(" has been running"));
                begun = slow.map(|(test, _)| test.to_owned()).or(begun.take());
                return;
            };
            if outcome.ends_with("FAILED") && failed.is_none() {
                failed = Some(test.to_owned());
                end(child);
            } else if !outcome.ends_with("ok") {
                begun = Some(test.to_owned());
            }
        })?;
        Ok(match failed {
            Some(test) => Run::Failed(test),
            None if status.success() => Run::Passed,
            None if status.code() == Some(TIMED_OUT) => Run::TimedOut(begun),
            None => Run::Failed(begun.unwrap_or_default()),
        })
    }

    /// `timeout` has a process group of its own and ends all of it, even if this program is gone by then.
    fn cargo(
        &self,
        copy: &Path,
        limit_seconds: u64,
        arguments: &[String],
        mut hear: impl FnMut(&Child, String),
    ) -> Outcome<ExitStatus> {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", &limit_seconds.to_string(), "cargo"]).args(arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).current_dir(copy);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (sender, lines) = channel();
        forward(child.stdout.take(), sender.clone());
        forward(child.stderr.take(), sender);
        for line in lines {
            hear(&child, line);
        }
        Ok(child.wait()?)
    }
}

/// Asks `timeout` to end, which passes that on to its group.
fn end(child: &Child) {
    if let Err(error) = Command::new("kill").arg(child.id().to_string()).status() {
        eprintln!("kill: {error}");
    }
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
    Tool {
        name: "loom",
        variables: variables(root, "loom", &[("RUSTFLAGS", "--cfg loom")]),
        arguments: words("test --locked --release --lib"),
        tests: words("loom"),
        by_module: false,
        // loom finds deadlocks by itself; a model that never ends only has more to explore.
        may_hang: false,
        same: Some("no model holds it"),
        unchanged: None,
    }
}

/// With as little optimisation as makes an ordering a matter of the instructions.
const OPTIMISED: (&str, &str) = ("CARGO_PROFILE_DEV_OPT_LEVEL", "1");

fn unit_tests(root: &Path) -> Tool {
    Tool {
        name: "unit test",
        variables: variables(root, "test", &[OPTIMISED]),
        arguments: words("test --locked --lib"),
        tests: Vec::new(),
        by_module: true,
        may_hang: true,
        same: Some("the machine code is the same"),
        unchanged: None,
    }
}

fn whole_links(root: &Path) -> Tool {
    Tool {
        name: "waking",
        variables: variables(root, "test", &[OPTIMISED]),
        arguments: words("test --locked --test waking"),
        tests: Vec::new(),
        by_module: false,
        may_hang: true,
        same: Some("the machine code is the same"),
        unchanged: None,
    }
}

/// Miri over the tests that CI has it run.
fn miri(root: &Path) -> Outcome<Tool> {
    let list = fs::read_to_string(root.join(".ci/miri-tests"))?;
    let names = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let flags = "-Zmiri-strict-provenance -Zmiri-many-seeds=0..4";
    Ok(Tool {
        name: "Miri",
        variables: variables(root, "miri", &[("MIRIFLAGS", flags)]),
        arguments: words("+nightly miri test --locked --lib"),
        tests: ["--exact"].into_iter().chain(names).map(str::to_owned).collect(),
        by_module: false,
        may_hang: false,
        same: None,
        unchanged: None,
    })
}

/// Build results are kept from one run of this program to the next.
fn variables(root: &Path, tool: &str, more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let target = root.join("target/mutants").join(tool).display().to_string();
    let always = [
        ("CARGO_TARGET_DIR", target.as_str()),
        ("CARGO_INCREMENTAL", "1"),
        ("CARGO_PROFILE_DEV_DEBUG", "0"),
        ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
    ];
    always.iter().chain(more).map(|&(name, value)| (name, value.to_owned())).collect()
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}
