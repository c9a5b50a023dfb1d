//! What the master is told about its workers.

use super::error::HandshakeError;
use super::id::WorkerId;
use super::message::Undelivered;
use crate::channel::Message;
use std::fmt;
use std::time::Duration;

/// One thing that happened to one worker, from [`Cluster::next_event`](super::Cluster::next_event).
///
/// # Guarantees
/// For each worker the order is: `Forked`, `Online` (if it attached), its messages in the order in which it sent
/// them, `Disconnected` (if it was online), `Exited`; each exactly once. Everything that a worker committed, be it
/// a moment before `kill -9`, comes before its `Disconnected` and `Exited`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The process runs.
    Forked {
        /// The worker.
        id: WorkerId,
        /// Its process.
        pid: u32,
    },
    /// Its link is up: the handshake is over.
    Online {
        /// The worker.
        id: WorkerId,
    },
    /// It sent a message.
    Message {
        /// The sender.
        from: WorkerId,
        /// What it sent.
        message: Message,
    },
    /// Its link has ended: no more messages come from it. The process may go on.
    Disconnected {
        /// The worker.
        id: WorkerId,
        /// How the link ended.
        reason: DisconnectReason,
    },
    /// The process has ended. This is the last event of this worker.
    Exited {
        /// The worker.
        id: WorkerId,
        /// How it ended.
        cause: ExitCause,
        /// The messages that were sent to it and that it had not received, oldest first.
        undelivered: Undelivered,
    },
}

impl Event {
    /// The worker that this is about.
    pub fn id(&self) -> WorkerId {
        match self {
            Event::Forked { id, .. }
            | Event::Online { id }
            | Event::Disconnected { id, .. }
            | Event::Exited { id, .. } => *id,
            Event::Message { from, .. } => *from,
        }
    }
}

/// How a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The worker closed it after its last message.
    Closed,
    /// The worker, or its process, let go of it without a close.
    HungUp,
    /// The worker wrote what Ringway never writes; nothing after that is believed.
    Corrupt {
        /// Which check failed.
        field: &'static str,
    },
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DisconnectReason::Closed => f.write_str("closed by the worker"),
            DisconnectReason::HungUp => f.write_str("hung up"),
            DisconnectReason::Corrupt { field } => write!(f, "corrupt: {field}"),
        }
    }
}

/// Why a worker's process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitCause {
    /// It left by itself with this exit code.
    Code(i32),
    /// A signal ended it that this cluster did not send.
    Signal(i32),
    /// It did not leave when it was asked to, so the cluster ended it with this signal.
    KilledByUs {
        /// SIGTERM (15) or SIGKILL (9).
        signal: i32,
    },
    /// It did not attach in time, and was killed. Does the program call
    /// [`Worker::from_env`](super::Worker::from_env)?
    NeverSpoke {
        /// The time limit that it missed.
        limit: Duration,
    },
    /// Its handshake failed, and it was killed.
    Handshake(HandshakeError),
    /// It ended, but other code of this process has taken its status (a `waitpid(-1)`, or SIGCHLD set to be ignored).
    Unknown,
    /// It was killed, but the kernel has not reported its end: it hangs in a system call that cannot be interrupted.
    Unkillable,
}

impl fmt::Display for ExitCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitCause::Code(code) => write!(f, "left with code {code}"),
            ExitCause::Signal(signal) => write!(f, "ended by signal {signal}"),
            ExitCause::KilledByUs { signal } => write!(f, "did not leave and was ended with signal {signal}"),
            ExitCause::NeverSpoke { limit } => {
                write!(f, "did not attach within {limit:?} and was killed; does it call Worker::from_env?")
            }
            ExitCause::Handshake(error) => write!(f, "was killed because its handshake failed: {error}"),
            ExitCause::Unknown => f.write_str("ended; its status was taken by other code of this process"),
            ExitCause::Unkillable => f.write_str("was killed, but the kernel has not reported its end"),
        }
    }
}
