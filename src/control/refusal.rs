//! How a handshake can fail.

use std::fmt;
use std::time::Duration;

use super::fallback::Fallback;
use super::handshake::Stage;
use super::message::{Kind, Message, Reason, Refuse};
use super::message_error::MessageError;
use crate::segment::Capacity;

/// Why two ends do not come together. Every variant ends the handshake; nothing of it is used afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The peer speaks another wire version.
    Version {
        /// The version that this end speaks.
        ours: u16,
        /// The version that the peer speaks.
        theirs: u16,
    },
    /// The peer sent something that is no message.
    Malformed(MessageError),
    /// The peer sent a message that was not due.
    OutOfOrder {
        /// What was due.
        expected: Kind,
        /// What came.
        got: Kind,
    },
    /// The peer sent more or fewer descriptors than its message said. All of them were closed.
    Descriptors {
        /// The message.
        kind: Kind,
        /// How many it said.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// Descriptors were cut off: more came than any packet may have, or this process may open no more files.
    /// All of them were closed.
    DescriptorsTruncated {
        /// The message.
        kind: Kind,
        /// How many it said.
        expected: usize,
        /// Why this process may open no more (`EMFILE`, `ENFILE`); 0 if it may, and the peer sent too many.
        errno: i32,
    },
    /// The peer contradicted what was settled before.
    Contradiction {
        /// The message that did.
        kind: Kind,
    },
    /// The time limit passed.
    TimedOut {
        /// What this end was doing.
        stage: Stage,
        /// How long the handshake had lasted.
        after: Duration,
    },
    /// The peer closed its end of the control socket.
    HungUp {
        /// What this end was doing.
        stage: Stage,
    },
    /// The peer's process is dead.
    Died {
        /// What this end was doing.
        stage: Stage,
    },
    /// One end demands shared memory, sealed or named, which cannot be had.
    NoSharedMemory(Fallback),
    /// A proposed capacity is over this end's limit.
    Capacity {
        /// The capacity.
        proposed: Capacity,
        /// The limit.
        limit: Capacity,
    },
    /// The proposed `max_message` is over this end's limit.
    MaxMessage {
        /// The proposal.
        proposed: u64,
        /// The limit.
        limit: u64,
    },
    /// The peer refused.
    Peer(Refuse),
    /// A system call on the control socket failed.
    Io {
        /// The call.
        call: &'static str,
        /// Its error number; 0 if it gave none.
        errno: i32,
    },
    /// The handshake was told of an event that cannot happen in its state: a mistake of the code that drives it.
    OutOfStep {
        /// What this end was doing.
        stage: Stage,
    },
}

impl Refusal {
    /// The system's error number, if it was the system that said no, at either end: `EMFILE` at the limit of open files,
    /// for example.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::NoSharedMemory(fallback) => fallback.cause.errno(),
            Self::Peer(refuse) => refuse.fallback.and_then(|fallback| fallback.cause.errno()),
            Self::Io { errno, .. } | Self::DescriptorsTruncated { errno, .. } => {
                Some(*errno).filter(|errno| *errno != 0)
            }
            _ => None,
        }
    }

    /// What the peer is told: nothing if it knows, or cannot hear.
    pub(crate) fn notice(&self) -> Option<Message> {
        let mut refuse = Refuse { reason: Reason::Malformed, limit: 0, fallback: None };
        refuse.reason = match *self {
            Self::Version { .. } => Reason::Version,
            Self::Malformed(_) => Reason::Malformed,
            Self::OutOfOrder { .. } => Reason::OutOfOrder,
            Self::Descriptors { .. } | Self::DescriptorsTruncated { .. } => Reason::Descriptors,
            Self::Contradiction { .. } => Reason::Contradiction,
            Self::TimedOut { .. } => Reason::TimedOut,
            Self::NoSharedMemory(fallback) => {
                refuse.fallback = Some(fallback);
                Reason::NoSharedMemory
            }
            Self::Capacity { limit, .. } => {
                refuse.limit = limit.bytes();
                Reason::Capacity
            }
            Self::MaxMessage { limit, .. } => {
                refuse.limit = limit;
                Reason::MaxMessage
            }
            Self::HungUp { .. }
            | Self::Died { .. }
            | Self::Peer(_)
            | Self::Io { .. }
            | Self::OutOfStep { .. } => {
                return None;
            }
        };
        Some(Message::Refuse(refuse))
    }
}

impl From<MessageError> for Refusal {
    fn from(error: MessageError) -> Self {
        match error {
            MessageError::Version { ours, theirs } => Self::Version { ours, theirs },
            other => Self::Malformed(other),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { ours, theirs } => {
                fmt::Display::fmt(&MessageError::Version { ours: *ours, theirs: *theirs }, f)
            }
            Self::Malformed(error) => write!(f, "the peer sent no valid message: {error}"),
            Self::OutOfOrder { expected, got } => write!(f, "the peer sent {got} where {expected} was due"),
            Self::Descriptors { kind, expected, got } => {
                write!(f, "the peer sent {got} descriptors with {kind}, which said {expected}")
            }
            Self::Contradiction { kind } => {
                write!(f, "the peer's {kind} contradicts what was settled before")
            }
            Self::DescriptorsTruncated { kind, expected, errno: 0 } => {
                write!(
                    f,
                    "the descriptors of {kind}, which said {expected}, were cut off: the peer sent too many"
                )
            }
            Self::DescriptorsTruncated { kind, expected, errno } => write!(
                f,
                "the descriptors of {kind}, which said {expected}, were cut off, because no more files can be opened \
                 here (RLIMIT_NOFILE): {}",
                std::io::Error::from_raw_os_error(*errno)
            ),
            Self::TimedOut { stage, after } => write!(
                f,
                "the time limit passed after {after:?}, {stage}: the peer may be hung, or the limit too short"
            ),
            Self::HungUp { stage } => write!(f, "the peer hung up ({stage})"),
            Self::Died { stage } => write!(f, "the peer died ({stage})"),
            Self::NoSharedMemory(fallback) => write!(
                f,
                "shared memory was demanded and cannot be had: {fallback}; allow the socket, or remove the cause"
            ),
            Self::Capacity { proposed, limit } => {
                let (proposed, limit) = (proposed.bytes(), limit.bytes());
                let advice = "allow it to the end that is limited, or propose less";
                write!(f, "a capacity of {proposed} bytes is proposed: {advice}; the limit is {limit}")
            }
            Self::MaxMessage { proposed, limit } => {
                let advice = "allow them to the end that is limited, or propose less";
                write!(f, "messages of up to {proposed} bytes are proposed: {advice}; the limit is {limit}")
            }
            Self::Peer(refuse) => write!(f, "the peer refused: {refuse}"),
            Self::Io { call, errno } => write!(
                f,
                "{call} on the control socket failed: {}",
                std::io::Error::from_raw_os_error(*errno)
            ),
            Self::OutOfStep { stage } => write!(f, "the handshake got an event that cannot happen: {stage}"),
        }
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            _ => None,
        }
    }
}
