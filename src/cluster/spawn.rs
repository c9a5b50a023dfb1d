//! How a worker's process is started.
//!
//! The child keeps exactly two descriptors of this process besides its standard ones: its control socket and its
//! data socket, named by the [`Mark`] in its environment. It gets SIGKILL when the thread that started it ends; that
//! thread lives as long as the cluster, so this is the master's end, however sudden.

#![allow(unsafe_code)]

use super::mark::{Mark, Sockets, VARIABLE};
use crate::sys::eventfd::Bell;
use crate::sys::pidfd::{self, Exit, Pid, Signal};
use crate::sys::process::SignalMask;
use crate::sys::{Errno, inherit, process, socket};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The running program, whatever stands at its path now.
const SELF: &str = "/proc/self/exe";

/// How long [`Process::end`] waits for a killed process.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// What the program sees as its own name, if it is not its path.
    pub(crate) name: Option<OsString>,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
}

impl Program {
    /// A program by path, or by name to be found in `PATH`.
    pub(crate) fn named(path: impl Into<PathBuf>, args: Vec<OsString>) -> Program {
        Program { path: path.into(), name: None, args, env: Vec::new() }
    }

    /// The program that this process runs, with the arguments that this process got.
    ///
    /// It is named by its path, so that it shows as itself in lists of processes. If another file stands there by
    /// now, or none, the kernel's own reference to the running file is used.
    pub(crate) fn own() -> io::Result<Program> {
        let running = fs::metadata(SELF)?;
        let same = |path: &PathBuf| {
            fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == (running.dev(), running.ino()))
        };
        let path = std::env::current_exe().ok().filter(same).unwrap_or_else(|| PathBuf::from(SELF));
        let mut args = std::env::args_os();
        let name = args.next();
        Ok(Program { path, name, args: args.collect(), env: Vec::new() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        if let Some(name) = &self.name {
            command.arg0(name);
        }
        command.args(&self.args);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A child of this process. Dropping it leaves the process alone.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    witness: Witness,
}

/// What tells that the process has ended.
#[derive(Debug)]
enum Witness {
    Pidfd(OwnedFd),
    /// Where pidfds are denied. Until the child is reaped, its pid is its own.
    Bell(Arc<Bell>),
}

impl Process {
    /// Starts a worker's process with its ends of the two sockets, which this process then no longer has. The
    /// calling thread must live as long as the process is to live. The process blocks the signals of `mask`.
    ///
    /// # Errors
    /// Those of `fork`, of `exec` (there is no such program, it may not be executed), of `pidfd_open` unless it is
    /// denied, and else of the thread that waits for the end. There is no process then.
    pub(crate) fn spawn(program: &Program, sockets: Sockets, mask: SignalMask) -> io::Result<Process> {
        let mut command = program.command();
        let passed = inherit::pass(&mut command, [sockets.control, sockets.data])?;
        command.env(VARIABLE, Mark::new(passed).to_string());
        let master = process::id();
        // SAFETY: the closure runs in the child between fork and exec, where other threads' locks may be held for
        // ever. It makes three system calls (sigprocmask, prctl, getppid), and neither allocates nor locks; building an
        // `io::Error` from an error number does not either.
        unsafe { command.pre_exec(move || prepare(mask, master).map_err(io::Error::from)) };
        let mut child = command.spawn()?;
        let pid = Pid::from_child(&child);
        match Witness::of(pid) {
            Ok(witness) => Ok(Process { pid, witness }),
            Err(error) => {
                // Nobody could watch it. It was not reaped, so the pid is still its own.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    /// Readable when the process has ended.
    pub(crate) fn ended(&self) -> BorrowedFd<'_> {
        match &self.witness {
            Witness::Pidfd(pidfd) => pidfd.as_fd(),
            Witness::Bell(bell) => bell.as_fd(),
        }
    }

    /// Sends a signal. A process that has ended does not mind.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = match &self.witness {
            Witness::Pidfd(pidfd) => pidfd::signal(pidfd, signal),
            Witness::Bell(_) => process::signal(self.pid, signal),
        };
    }

    /// Kills the process and takes its status.
    pub(crate) fn end(self) {
        self.signal(Signal::KILL);
        let patience = Instant::now() + PATIENCE;
        let _ = socket::wait_readable(&[self.ended()], &mut Vec::new(), Some(patience));
        let _ = self.reap();
    }

    /// How the process ended, `None` while it runs.
    ///
    /// # Errors
    /// `ECHILD`: it has ended and other code of this process has taken its status.
    pub(crate) fn reap(&self) -> Result<Option<Exit>, Errno> {
        match &self.witness {
            Witness::Pidfd(pidfd) => pidfd::reap(pidfd),
            Witness::Bell(_) => process::reap(self.pid),
        }
    }
}

impl Witness {
    fn of(child: Pid) -> io::Result<Self> {
        match pidfd::open(child) {
            Ok(pidfd) => Ok(Self::Pidfd(pidfd)),
            Err(Errno::PERM | Errno::ACCESS | Errno::NOSYS) => Ok(Self::Bell(process::told_of_end(child)?)),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// What the child does before it becomes the program.
fn prepare(mask: SignalMask, master: Pid) -> Result<(), Errno> {
    mask.set();
    process::set_parent_death_signal(Some(Signal::KILL))?;
    // The master may have died before the signal was set. Then nobody reads this error either.
    if process::parent() == Some(master) { Ok(()) } else { Err(Errno::SRCH) }
}

#[cfg(test)]
mod tests;
