//! What can go wrong on a link, whatever carries it.

use crate::ring::{Corrupt, NoSpace, PopError, PushError};
use std::fmt;

/// Why a link carries nothing more in this direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// One of the two ends closed it in good order.
    Closed,
    /// The peer's end of the control socket is closed, though the peer did not close the link; and its process goes on,
    /// as far as is known. A dying process closes its sockets before its death can be known, so this is said only after
    /// half a second without news of a death, or at once where the death could not be known (no pidfd).
    HungUp,
    /// The peer's process has ended without closing.
    Died,
    /// The peer wrote something that no correct peer writes.
    Corrupt(Corrupt),
    /// This is a forked copy: the link belongs to the parent process.
    Forked,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the link is closed"),
            Self::HungUp => f.write_str("the peer has dropped the link without closing it"),
            Self::Died => f.write_str("the peer's process has ended"),
            Self::Corrupt(corrupt) => corrupt.fmt(f),
            Self::Forked => {
                f.write_str("this process was forked from the link's owner: make a link of its own")
            }
        }
    }
}

impl std::error::Error for Cause {}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TxError {
    /// No room now.
    Full,
    /// No room by the deadline.
    TimedOut,
    /// Longer than `max` bytes, which is the most that this operation takes.
    TooLong { len: u64, max: u64 },
    /// The batch is as long as one can be.
    BatchFull,
    /// The system has no memory for the next part of the link.
    NoSpace(NoSpace),
    /// Nothing can be sent any more.
    Disconnected(Cause),
}

impl From<PushError> for TxError {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Full => Self::Full,
            PushError::TooLong { len, max } => Self::TooLong { len, max },
            PushError::BatchFull => Self::BatchFull,
            PushError::Closed => Self::Disconnected(Cause::Closed),
            PushError::NoSpace => Self::NoSpace(NoSpace),
            PushError::Corrupt(corrupt) => Self::Disconnected(Cause::Corrupt(corrupt)),
        }
    }
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RxError {
    /// No whole message now.
    Empty,
    /// The message has `needed` bytes, more than the buffer; it was left where it is.
    TooSmall { needed: u64 },
    /// Nothing can be received any more.
    Disconnected(Cause),
}

impl From<PopError> for RxError {
    fn from(error: PopError) -> Self {
        match error {
            PopError::Empty => Self::Empty,
            PopError::TooSmall { needed } => Self::TooSmall { needed },
            PopError::Closed => Self::Disconnected(Cause::Closed),
            PopError::Corrupt(corrupt) => Self::Disconnected(Cause::Corrupt(corrupt)),
        }
    }
}

/// Why a message was not added to a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchError {
    /// There is no space now.
    Full,
    /// The batch is as long as one can be.
    BatchFull,
    /// The message is longer than what a batch can hold, both in bytes.
    TooLong {
        /// Its length.
        len: u64,
        /// The longest that there may be.
        max: u64,
    },
    /// The system has no memory for the next part of the link. Nothing is lost: try again.
    NoSpace(NoSpace),
    /// The direction has ended, and this is why.
    Disconnected(Cause),
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the link is full: commit the batch, or drop it and wait"),
            Self::BatchFull => f.write_str("the batch is as long as one can be: commit it and begin another"),
            Self::TooLong { len, max } => {
                write!(f, "the message has {len} bytes; a batch takes messages of at most {max}: use send")
            }
            Self::NoSpace(no_space) => no_space.fmt(f),
            Self::Disconnected(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for BatchError {}

impl From<TxError> for BatchError {
    fn from(error: TxError) -> Self {
        match error {
            TxError::BatchFull => Self::BatchFull,
            TxError::TooLong { len, max } => Self::TooLong { len, max },
            TxError::NoSpace(no_space) => Self::NoSpace(no_space),
            TxError::Disconnected(cause) => Self::Disconnected(cause),
            TxError::Full | TxError::TimedOut => Self::Full,
        }
    }
}
