//! What each operation of a channel can answer instead of success.
//!
//! A message is borrowed, so a refused one is still the caller's. Each error has only the outcomes that its
//! operation can have; [`Cause`] tells why a direction has ended. None has more than 24 bytes (tests:
//! `the_error_of_every_operation_is_small`).

use crate::link::error::TxError;
use crate::ring::{Corrupt, NoSpace};
use std::fmt;

pub use crate::link::error::{BatchError, Cause};

macro_rules! operation_error {
    (
        $(#[$meta:meta])* $name:ident {
            $($(#[$variant_meta:meta])* $variant:ident $({ $($field:ident),* })? $(($of:ty))? = $text:literal),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $(
                $(#[$variant_meta])*
                $variant
                $({ $(
                    /// In bytes.
                    $field: u64
                ),* })?
                $(($of))?,
            )*
            /// The direction has ended, and this is why.
            Disconnected(Cause),
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(operation_error!(@pattern $variant $({ $($field),* })? $(($of))?) => write!(f, $text),)*
                    Self::Disconnected(cause) => cause.fmt(f),
                }
            }
        }

        impl std::error::Error for $name {}
    };
    (@pattern $variant:ident { $($field:ident),* }) => { Self::$variant { $($field),* } };
    (@pattern $variant:ident ($of:ty)) => { Self::$variant(_) };
    (@pattern $variant:ident) => { Self::$variant };
}

operation_error! {
    /// Why [`Sender::send`](super::Sender::send) did not send.
    SendError {
        /// The message is longer than the agreed `max_message`.
        TooLong { len, max } = "the message has {len} bytes; this link takes at most {max}: raise max_message, or split it",
        /// The system has no memory for the next part of the link. Nothing is lost: try again.
        NoSpace(NoSpace) = "the system has no memory for the next part of the link: free some and try again",
        /// There is no space, and what the peer sent meanwhile fills the private queue: receive first.
        Full = "the link is full in both directions: receive what the peer has sent, then send again",
    }
}

operation_error! {
    /// Why [`Sender::send_timeout`](super::Sender::send_timeout) did not send.
    SendTimeoutError {
        /// There was no space in time, or of a streamed message not for all of it.
        Timeout = "there was not space for all of the message until the deadline",
        /// The message is longer than the agreed `max_message`.
        TooLong { len, max } = "the message has {len} bytes; this link takes at most {max}: raise max_message, or split it",
        /// The system has no memory for the next part of the link. Nothing is lost: try again.
        NoSpace(NoSpace) = "the system has no memory for the next part of the link: free some and try again",
        /// There is no space, and what the peer sent meanwhile fills the private queue: receive first.
        Full = "the link is full in both directions: receive what the peer has sent, then send again",
    }
}

operation_error! {
    /// Why [`Sender::try_send`](super::Sender::try_send) did not send.
    TrySendError {
        /// There is no space now.
        Full = "the link is full: wait for the receiver, or use send",
        /// Messages of more than `max` bytes are streamed, which has to wait for the receiver.
        TooBigForTry { len, max } = "the message has {len} bytes; only up to {max} are committed at once: use send",
        /// The message is longer than the agreed `max_message`.
        TooLong { len, max } = "the message has {len} bytes; this link takes at most {max}: raise max_message, or split it",
        /// The system has no memory for the next part of the link. Nothing is lost: try again.
        NoSpace(NoSpace) = "the system has no memory for the next part of the link: free some and try again",
    }
}

operation_error! {
    /// Why [`Receiver::recv`](super::Receiver::recv) has no message.
    RecvError {}
}

operation_error! {
    /// Why [`Receiver::recv_into`](super::Receiver::recv_into) has no message.
    RecvIntoError {
        /// The message is longer than the buffer, and was left where it is.
        TooSmall { needed } = "the message needs a buffer of {needed} bytes; it is still there",
    }
}

operation_error! {
    /// Why [`Receiver::try_recv`](super::Receiver::try_recv) has no message.
    TryRecvError {
        /// There is none now.
        Empty = "there is no message",
    }
}

operation_error! {
    /// Why [`Receiver::try_recv_into`](super::Receiver::try_recv_into) has no message.
    TryRecvIntoError {
        /// There is none now.
        Empty = "there is no message",
        /// The message is longer than the buffer, and was left where it is.
        TooSmall { needed } = "the message needs a buffer of {needed} bytes; it is still there",
    }
}

operation_error! {
    /// Why [`Receiver::recv_timeout`](super::Receiver::recv_timeout) has no message.
    RecvTimeoutError {
        /// There was none in time, or of a streamed one not all.
        Timeout = "no whole message came until the deadline",
    }
}

/// Why nothing is handed back by [`Channel::salvage`](super::Channel::salvage).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SalvageError {
    /// The peer's process is not known to have ended: it could still take what is there. Without a pidfd of the peer (it could open
    /// none, or descriptors cannot be passed) no death is ever known, but as a hang-up.
    NotDead,
    /// What the peer left of its hand-out position is not what a correct peer writes.
    Corrupt(Corrupt),
    /// The link is a socket, and this process did not make its [`pair`](super::pair): what the peer had not taken lay in the peer's
    /// socket, of which a duplicate is held by who made the pair, or started the worker, and by nobody else.
    NotHeld,
    /// This process was forked from the link's owner.
    Forked,
}

impl fmt::Display for SalvageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDead => {
                f.write_str("the peer is not known to be dead, and may still take what it was sent: wait until it is told ")?;
                f.write_str("as died, which it never is where its pidfd could not be had")
            }
            Self::Corrupt(corrupt) => corrupt.fmt(f),
            Self::NotHeld => f.write_str(
                "what the peer had not taken is lost with its socket, of which only who made the pair or started the worker holds a \
                 duplicate: salvage there, or demand shared memory",
            ),
            Self::Forked => Cause::Forked.fmt(f),
        }
    }
}

impl std::error::Error for SalvageError {}

impl From<TxError> for SendError {
    fn from(error: TxError) -> Self {
        match error {
            TxError::TooLong { len, max } => Self::TooLong { len, max },
            TxError::NoSpace(no_space) => Self::NoSpace(no_space),
            TxError::Disconnected(cause) => Self::Disconnected(cause),
            TxError::Full | TxError::TimedOut | TxError::BatchFull => Self::Full,
        }
    }
}

impl From<TxError> for SendTimeoutError {
    fn from(error: TxError) -> Self {
        match error {
            TxError::TimedOut => Self::Timeout,
            TxError::TooLong { len, max } => Self::TooLong { len, max },
            TxError::NoSpace(no_space) => Self::NoSpace(no_space),
            TxError::Disconnected(cause) => Self::Disconnected(cause),
            TxError::Full | TxError::BatchFull => Self::Full,
        }
    }
}

impl TrySendError {
    /// `max_message` tells a message that is never sent from one that has to be streamed.
    pub(crate) fn of(error: TxError, max_message: u64) -> Self {
        match error {
            TxError::TooLong { len, max } if len > max_message => Self::TooLong { len, max },
            TxError::TooLong { len, max } => Self::TooBigForTry { len, max },
            TxError::NoSpace(no_space) => Self::NoSpace(no_space),
            TxError::Disconnected(cause) => Self::Disconnected(cause),
            TxError::Full | TxError::TimedOut | TxError::BatchFull => Self::Full,
        }
    }
}
