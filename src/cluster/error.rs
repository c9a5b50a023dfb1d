//! What can go wrong, one type for each operation. Those of the operations of a running cluster have at most 24 bytes
//! (tests: `the_errors_of_a_running_cluster_are_small`).

use super::id::WorkerId;
use crate::channel::CapacityError;
use crate::control::message_error::MessageError;
use crate::ring::NoSpace;
use crate::sys::Errno;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a cluster was not started. Nothing is left of it: no process, no descriptor, no thread.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The cluster was to have no workers.
    NoWorkers,
    /// The cluster was to have more workers than there can be slots.
    TooManyWorkers {
        /// How many were asked for.
        asked: usize,
        /// How many there can be.
        most: usize,
    },
    /// This process was itself started as a worker and has not called `Worker::from_env`.
    InsideWorker,
    /// An environment variable for the workers is reserved, or cannot exist.
    Env {
        /// Its name.
        name: String,
    },
    /// The capacity is none that a ring can have.
    Capacity(CapacityError),
    /// The longest message was to have 0 bytes.
    MaxMessage,
    /// The path of the running program could not be found out.
    OwnProgram(io::Error),
    /// A worker could not be started: there is no such program, it may not be executed, or a limit of this process or
    /// of the system is reached.
    Spawn {
        /// The worker that could not be started.
        id: WorkerId,
        /// The program that was to run.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The link to a worker could not be offered: shared memory is demanded and cannot be had, for example.
    Link {
        /// The worker that was not started for that.
        id: WorkerId,
        /// Why, with the system's error number.
        source: HandshakeError,
    },
    /// What the cluster itself needs could not be had.
    Os {
        /// What it is.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// Why there is no process for a worker.
#[derive(Debug)]
pub(crate) enum SpawnError {
    /// The link was refused at this end.
    Link(HandshakeError),
    /// A system call failed.
    Os(io::Error),
}

impl From<HandshakeError> for SpawnError {
    fn from(error: HandshakeError) -> Self {
        Self::Link(error)
    }
}

impl From<io::Error> for SpawnError {
    fn from(error: io::Error) -> Self {
        Self::Os(error)
    }
}

impl From<Errno> for SpawnError {
    fn from(errno: Errno) -> Self {
        Self::Os(errno.into())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::NoWorkers => f.write_str("a cluster needs at least one worker: call .workers(n)"),
            StartError::TooManyWorkers { asked, most } => {
                write!(f, "{asked} workers were asked for, but there can be {most} at most")
            }
            StartError::InsideWorker => f.write_str(
                "this process is a worker that has not said so: call Worker::from_env() first, and start a cluster \
                 only where it returns None",
            ),
            StartError::Env { name } => {
                write!(f, "{name:?} cannot be set for workers: it is reserved, or no name of a variable")
            }
            StartError::Capacity(error) => error.fmt(f),
            StartError::MaxMessage => MessageError::MaxMessage.fmt(f),
            StartError::OwnProgram(source) => write!(
                f,
                "the path of this program cannot be found out (is /proc mounted?); name a program with .command(): \
                 {source}"
            ),
            StartError::Spawn { id, program, source } => {
                write!(f, "worker {id} could not be started from {}: {source}", program.display())
            }
            StartError::Link { id, source } => write!(f, "worker {id} could not be offered a link: {source}"),
            StartError::Os { what, source } => write!(f, "{what} could not be had for the cluster: {source}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::OwnProgram(source)
            | StartError::Spawn { source, .. }
            | StartError::Os { source, .. } => Some(source),
            StartError::Link { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why a message was not sent to a worker. Nothing of it was sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// There is no space. From `send` and `send_timeout` this means that the worker is waiting for the master to take
    /// its messages, and that all that may be kept aside has been: call `next_event`.
    Full,
    /// The time passed before there was space; for a message that is streamed, for all of it. The rest is given up.
    TimedOut,
    /// The worker has not attached yet (`try_send` only: the others wait for it).
    NotOnline,
    /// The cluster is being stopped.
    Stopping,
    /// The worker has disconnected or ended.
    Gone,
    /// There never was such a worker.
    NoSuchWorker,
    /// The message is longer than `max_message`.
    TooLong {
        /// Its length.
        len: usize,
        /// The longest possible.
        max: usize,
    },
    /// `try_send` only: it can be sent only in pieces, which takes waiting. Use `send`.
    TooLongForTry,
    /// The worker wrote what Ringway never writes, so its link is no longer used.
    Corrupt {
        /// Which check failed.
        field: &'static str,
    },
    /// The system has no memory for the next part of the link, which is asked for once, in the first lap of each ring.
    NoSpace(NoSpace),
    /// The cluster belongs to the process that this one was forked from.
    Forked,
    /// A system call failed.
    Os(io::Error),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Full => f.write_str("there is no space: take events, or try again later"),
            SendError::TimedOut => f.write_str("there was not space for all of the message in time"),
            SendError::NotOnline => {
                f.write_str("the worker has not attached yet: wait for Event::Online, or use send")
            }
            SendError::Stopping => f.write_str("the cluster is being stopped"),
            SendError::Gone => f.write_str("the worker has disconnected or ended"),
            SendError::NoSuchWorker => f.write_str("there is no such worker"),
            SendError::TooLong { len, max } => write!(f, "the message has {len} bytes, the limit is {max}"),
            SendError::TooLongForTry => f.write_str("the message can only be sent in pieces: use send"),
            SendError::Corrupt { field } => write!(f, "the link is corrupt: {field}"),
            SendError::NoSpace(_) => {
                f.write_str("the system has no memory for the next part of the link: free some and try again")
            }
            SendError::Forked => f.write_str("the cluster belongs to the parent process"),
            SendError::Os(source) => write!(f, "the system refused: {source}"),
        }
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SendError::NoSpace(no_space) => Some(no_space),
            SendError::Os(source) => Some(source),
            _ => None,
        }
    }
}

/// Why there is no next event.
#[derive(Debug)]
#[non_exhaustive]
pub enum NextEventError {
    /// Nothing happened in time (`next_event_timeout` only).
    TimedOut,
    /// The cluster belongs to the process that this one was forked from.
    Forked,
    /// A system call failed.
    Os(io::Error),
}

impl fmt::Display for NextEventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NextEventError::TimedOut => f.write_str("nothing happened in time"),
            NextEventError::Forked => f.write_str("the cluster belongs to the parent process"),
            NextEventError::Os(source) => write!(f, "the system refused: {source}"),
        }
    }
}

impl std::error::Error for NextEventError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            NextEventError::Os(source) => Some(source),
            _ => None,
        }
    }
}

/// Why a cluster could not be asked to stop.
#[derive(Debug)]
#[non_exhaustive]
pub enum StopError {
    /// The cluster belongs to the process that this one was forked from.
    Forked,
}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopError::Forked => f.write_str("the cluster belongs to the parent process"),
        }
    }
}

impl std::error::Error for StopError {}

/// Why a process that was started as a worker is none.
#[derive(Debug)]
#[non_exhaustive]
pub enum FromEnvError {
    /// The variable that marks a worker holds something that Ringway did not write, or a newer Ringway did.
    Mark {
        /// What it holds.
        value: String,
    },
    /// The sockets were meant for another process: this one was started by the worker, or its master is gone.
    NotTheWorker,
    /// This process is a worker, but its sockets were closed before it could take them.
    SocketsClosed,
    /// `Worker::from_env` was called before.
    Taken,
    /// The master and this process did not come together.
    Handshake(HandshakeError),
    /// What a worker needs could not be had.
    Os {
        /// What it is.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl fmt::Display for FromEnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FromEnvError::Mark { value } => {
                write!(f, "the environment marks this process as a worker in a form that is not known: {value:?}")
            }
            FromEnvError::NotTheWorker => f.write_str(
                "this process holds a worker's sockets but was not started by the master, or the master is gone; a \
                 program that wraps a worker must exec it",
            ),
            FromEnvError::SocketsClosed => f.write_str(
                "this process is a worker, but its inherited sockets were closed: call Worker::from_env before \
                 descriptors are closed wholesale",
            ),
            FromEnvError::Taken => f.write_str("Worker::from_env was called before; a process is one worker"),
            FromEnvError::Handshake(error) => write!(f, "the handshake with the master failed: {error}"),
            FromEnvError::Os { what, source } => write!(f, "{what} could not be had for the worker: {source}"),
        }
    }
}

impl std::error::Error for FromEnvError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FromEnvError::Os { source, .. } => Some(source),
            FromEnvError::Handshake(error) => Some(error),
            _ => None,
        }
    }
}

/// Why two ends did not come together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeError {
    what: String,
    errno: Option<i32>,
}

impl HandshakeError {
    pub(crate) fn new(what: impl Into<String>, errno: Option<i32>) -> Self {
        HandshakeError { what: what.into(), errno }
    }

    /// The system's error number, if it was the system that said no: `EMFILE` at the limit of open files, for example.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        self.errno
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for HandshakeError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documentation of this module says.
    const MOST: usize = 24;

    #[test]
    fn the_errors_of_a_running_cluster_are_small() {
        let sizes = [
            ("NextEventError", size_of::<NextEventError>()),
            ("SendError", size_of::<SendError>()),
            ("StopError", size_of::<StopError>()),
        ];
        assert!(sizes.iter().all(|(_, size)| *size <= MOST), "{sizes:?}");
    }
}
