//! What a cluster is started with.

use super::error::StartError;
use super::mark;
use super::spawn::Program;
use super::supervisor::Limits;
use crate::channel::{LinkChoice, Options};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// How many workers there can be.
const MOST_WORKERS: usize = 65_535;

/// How long a handshake may take if nothing else was asked for.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the kernel may take to report the end of a killed process.
const DEATH_LIMIT: Duration = Duration::from_secs(10);

/// What a cluster is to be; made by [`Cluster::builder`](super::Cluster::builder).
#[derive(Clone, Debug)]
pub struct Builder {
    workers: usize,
    command: Option<(PathBuf, Vec<OsString>)>,
    env: Vec<(OsString, OsString)>,
    handshake_timeout: Duration,
    capacity: u64,
    options: Options,
}

/// A builder's wishes, checked.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) workers: u32,
    pub(crate) limits: Limits,
    pub(crate) program: Program,
    pub(crate) options: Options,
}

impl Builder {
    pub(crate) fn new() -> Self {
        let options = Options::new();
        Builder {
            workers: 0,
            command: None,
            env: Vec::new(),
            handshake_timeout: HANDSHAKE_TIMEOUT,
            capacity: options.capacity_bytes(),
            options,
        }
    }

    /// How many workers there are to be. This must be said.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Which program the workers run, by path or by a name to be found in `PATH`, and with which arguments. If this
    /// is not said they run the program that this process runs, with the arguments that this process got.
    ///
    /// It must call [`Worker::from_env`](super::Worker::from_env) within the handshake timeout. A program that wraps
    /// another must `exec` it. An executable file that is in no format that the kernel knows is given to `/bin/sh`, as
    /// `execvp` does: it starts, and is told as one that left or never attached.
    #[must_use]
    pub fn command(
        mut self,
        program: impl Into<PathBuf>,
        args: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        self.command = Some((program.into(), args.into_iter().map(Into::into).collect()));
        self
    }

    /// Sets a variable in the workers' environment, which is otherwise a copy of this process's. Names that begin
    /// with `RINGWAY_WORKER` are reserved.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// How long a worker may take to attach, from its start; 10 s by default. A worker that takes longer is killed.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// The size of the ring to each worker, and from each worker, in bytes: a power of two from 4 KiB to 1 GiB; 1 MiB
    /// by default.
    #[must_use]
    pub fn capacity(mut self, bytes: u64) -> Self {
        self.capacity = bytes;
        self
    }

    /// The longest message in bytes, either way, 1 or more; 64 MiB by default.
    #[must_use]
    pub fn max_message(mut self, bytes: u64) -> Self {
        self.options = self.options.max_message(bytes);
        self
    }

    /// Whether the rings to the workers get all of their memory when a worker attaches, and not on their first lap;
    /// `false` by default. See [`Options::prefault`](crate::channel::Options::prefault). The rings from the workers are theirs.
    #[must_use]
    pub fn prefault(mut self, prefault: bool) -> Self {
        self.options = self.options.prefault(prefault);
        self
    }

    /// Which link to use; by default the best that can be had.
    #[must_use]
    pub fn link(mut self, link: LinkChoice) -> Self {
        self.options = self.options.link(link);
        self
    }

    pub(crate) fn plan(self) -> Result<Plan, StartError> {
        if mark::is_untaken() {
            return Err(StartError::InsideWorker);
        }
        let workers = match self.workers {
            0 => return Err(StartError::NoWorkers),
            asked if asked > MOST_WORKERS => {
                return Err(StartError::TooManyWorkers { asked, most: MOST_WORKERS });
            }
            workers => workers as u32,
        };
        if let Some((name, _)) = self.env.iter().find(|(name, _)| !may_be_set(name)) {
            return Err(StartError::Env { name: name.to_string_lossy().into_owned() });
        }
        let mut program = match self.command {
            Some((path, args)) => Program::named(path, args),
            None => Program::own().map_err(StartError::OwnProgram)?,
        };
        program.env = self.env;
        if self.options.max_message == 0 {
            return Err(StartError::MaxMessage);
        }
        let limits = Limits { handshake: self.handshake_timeout, death: DEATH_LIMIT };
        let options = self.options.capacity(self.capacity).map_err(StartError::Capacity)?;
        let options = options.handshake_timeout(self.handshake_timeout);
        Ok(Plan { workers, limits, program, options })
    }
}

fn may_be_set(name: &OsStr) -> bool {
    let name = name.as_bytes();
    !name.is_empty()
        && !name.starts_with(mark::VARIABLE.as_bytes())
        && !name.iter().any(|byte| b"=\0".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::{Builder, Plan};
    use crate::cluster::error::StartError;

    fn plan(builder: Builder) -> Result<Plan, StartError> {
        builder.plan()
    }

    #[test]
    fn the_number_of_workers_must_be_possible() {
        assert!(matches!(plan(Builder::new()), Err(StartError::NoWorkers)));
        assert!(matches!(plan(Builder::new().workers(0)), Err(StartError::NoWorkers)));
        let many = plan(Builder::new().workers(usize::MAX)).unwrap_err();
        assert!(matches!(many, StartError::TooManyWorkers { most: 65_535, .. }));
        assert_eq!(plan(Builder::new().workers(65_535)).unwrap().workers, 65_535);
    }

    #[test]
    fn the_longest_message_must_not_be_empty() {
        assert!(matches!(plan(Builder::new().workers(1).max_message(0)), Err(StartError::MaxMessage)));
        assert!(plan(Builder::new().workers(1).max_message(1)).is_ok());
    }

    #[test]
    fn variables_must_be_possible_and_not_ours() {
        let with = |name: &str| plan(Builder::new().workers(1).env(name, "x"));
        for bad in ["", "A=B", "A\0", "RINGWAY_WORKER", "RINGWAY_WORKER_ID"] {
            assert!(matches!(with(bad), Err(StartError::Env { name }) if name == bad));
        }
        assert_eq!(with("A").unwrap().program.env, [("A".into(), "x".into())]);
    }

    #[test]
    fn a_command_is_run_as_it_is_and_the_own_program_otherwise() {
        let named = plan(Builder::new().workers(1).command("worker", ["-v"])).unwrap().program;
        assert_eq!((named.path().to_str(), named.args.as_slice()), (Some("worker"), &["-v".into()][..]));
        let own = plan(Builder::new().workers(1)).unwrap().program;
        assert!(own.path().is_absolute());
        assert_eq!(own.args, std::env::args_os().skip(1).collect::<Vec<_>>());
    }
}
