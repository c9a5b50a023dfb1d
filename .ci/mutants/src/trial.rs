//! Tries a mutation: on a copy of the tree, with one tool after the other.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::Outcome;
use crate::mirror::mirror;
use crate::sites::Mutation;
use crate::tables::Record;
use crate::tool::{Built, Run, Tool};

/// What became of a mutant.
pub enum Verdict {
    /// By the tool and the test of these names, within that time.
    Killed {
        tool: String,
        test: String,
        seconds: f64,
    },
    /// What was asked.
    Survived {
        asked: Vec<String>,
        seconds: f64,
    },
    NotBuilt(String),
}

/// What some tests say of a mutation.
enum Asked {
    Nothing,
    /// They have more to explore than the limit allows.
    NotOver,
    /// A test that fails, or the watchdog.
    Failed(String),
}

/// A copy of the tree, and the tools that are asked about it.
pub struct Bench {
    copy: PathBuf,
    tools: Vec<Tool>,
    limit_seconds: u64,
    /// Tools and choices of tests that are known to pass on the unchanged tree.
    confirmed: HashSet<(String, Vec<String>)>,
}

impl Bench {
    pub fn new(root: &Path, tools: Vec<Tool>, limit_seconds: u64) -> Outcome<Self> {
        let copy = root.join("target/mutants/tree");
        mirror(root, &copy)?;
        let mut bench = Self { copy, tools, limit_seconds, confirmed: HashSet::new() };
        for i in 0..bench.tools.len() {
            match bench.tools[i].build(&bench.copy, limit_seconds)? {
                Built::Done(code) => bench.tools[i].unchanged = code,
                Built::Failed(error) => {
                    return Err(format!("the unchanged tree does not build: {error}").into());
                }
            }
        }
        Ok(bench)
    }

    /// Tries the mutation; what killed it last time is asked first.
    pub fn verdict(&mut self, mutation: &Mutation, last: Option<&Record>) -> Outcome<Verdict> {
        let path = self.copy.join(&mutation.key.path);
        let original = fs::read_to_string(&path)?;
        let mut verdict = Verdict::NotBuilt("no spelling of it was tried".into());
        for spelling in &mutation.with {
            let mut text = original.clone();
            text.replace_range(mutation.range.clone(), spelling);
            fs::write(&path, &text)?;
            let asked = self.ask(mutation, last, (&path, &original, &text));
            fs::write(&path, &original)?;
            verdict = asked?;
            if !matches!(verdict, Verdict::NotBuilt(_)) {
                break;
            }
        }
        Ok(verdict)
    }

    /// Asks one tool after the other, and each for the tests of the module first. A test that fails must pass without
    /// the mutation; else it says nothing.
    fn ask(
        &mut self,
        mutation: &Mutation,
        last: Option<&Record>,
        file: (&Path, &str, &str),
    ) -> Outcome<Verdict> {
        let began = Instant::now();
        let mut asked = Vec::new();
        let last = last.and_then(Record::killer);
        let first = last.and_then(|(name, _)| self.tools.iter().position(|tool| tool.name == name));
        let order = first.into_iter().chain((0..self.tools.len()).filter(|i| first != Some(*i)));
        for i in order.collect::<Vec<_>>() {
            let code = match self.tools[i].build(&self.copy, self.limit_seconds)? {
                Built::Done(code) => code,
                Built::Failed(error) => return Ok(Verdict::NotBuilt(error)),
            };
            let tool = &self.tools[i];
            if let Some(same) = tool.same.filter(|_| code.is_some() && code == tool.unchanged) {
                asked.push(format!("{}: {same}", tool.name));
                continue;
            }
            let mut choices = tool.choices(&mutation.key.path);
            if let Some((_, test)) = last.filter(|_| first == Some(i)) {
                choices.insert(0, vec!["--exact".into(), test.into()]);
            }
            asked.push(tool.name.to_owned());
            for choice in choices {
                let test = match self.killer(i, &choice)? {
                    Asked::Nothing => continue,
                    Asked::NotOver => {
                        asked.pop();
                        asked.push(format!(
                            "{}: not over within {} s",
                            self.tools[i].name, self.limit_seconds
                        ));
                        continue;
                    }
                    Asked::Failed(test) => test,
                };
                let (name, seconds) = (self.tools[i].name.to_owned(), began.elapsed().as_secs_f64());
                let alone = match test.as_str() {
                    "the watchdog" => choice,
                    test => vec!["--exact".into(), test.to_owned()],
                };
                if self.passes_unchanged(i, alone, file)? {
                    return Ok(Verdict::Killed { tool: name, test, seconds });
                }
                return Err(format!("{name}: {test} fails on the unchanged tree").into());
            }
        }
        Ok(Verdict::Survived { asked, seconds: began.elapsed().as_secs_f64() })
    }

    /// What the chosen tests say.
    fn killer(&self, i: usize, choice: &[String]) -> Outcome<Asked> {
        let tool = &self.tools[i];
        Ok(match tool.test(&self.copy, self.limit_seconds, choice)? {
            Run::Passed => Asked::Nothing,
            Run::Failed(test) => Asked::Failed(test),
            Run::TimedOut(test) if tool.may_hang => {
                Asked::Failed(test.unwrap_or_else(|| "the watchdog".into()))
            }
            Run::TimedOut(_) => Asked::NotOver,
        })
    }

    fn passes_unchanged(
        &mut self,
        i: usize,
        choice: Vec<String>,
        (path, original, changed): (&Path, &str, &str),
    ) -> Outcome<bool> {
        let key = (self.tools[i].name.to_owned(), choice);
        if self.confirmed.contains(&key) {
            return Ok(true);
        }
        fs::write(path, original)?;
        let run = self.tools[i].test(&self.copy, self.limit_seconds, &key.1)?;
        fs::write(path, changed)?;
        let passes = matches!(run, Run::Passed);
        if passes {
            self.confirmed.insert(key);
        }
        Ok(passes)
    }
}
