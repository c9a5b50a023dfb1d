//! Two processes, one link (chapter to be written).

#![allow(dead_code, reason = "the cluster that uses it comes next")]

mod duplex;
pub mod error;
mod message;
mod options;
mod pending;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;

/// What two ends say to each other before they are connected, and why they may refuse.
pub mod handshake {
    pub use crate::control::fallback::{Cause, End, Fallback, LinkChoice, Obstacle};
    pub use crate::control::identity::{Identity, IdentityError};
    pub use crate::control::message::Terms;
    pub use crate::control::refusal::Refusal;
}

pub use crate::control::fallback::LinkChoice;
pub use crate::link::{About, Batch, Grant, GrantFull, Undelivered};
pub use crate::segment::CapacityError;
pub use crate::wait::spin::Wait;
pub use duplex::Channel;
pub use error::{
    BatchError, Cause, RecvError, RecvIntoError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError,
    TryRecvIntoError, TrySendError,
};
pub use message::Message;
pub use options::{HANDSHAKE_TIMEOUT, INBOX_MAX, MAX_MESSAGE, Options};
pub use pending::{ConnectError, Pending, pair};
pub use receiver::Receiver;
pub use sender::Sender;
