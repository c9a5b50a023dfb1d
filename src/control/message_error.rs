//! What can be wrong with a packet.

use std::fmt;

use super::identity::IdentityError;
use super::message::{FRAME_MAX, Kind, MAGIC, Reason};
use crate::segment::CapacityError;

/// What is wrong with a packet of the control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageError {
    /// It ends too early.
    Short {
        /// The length that it must at least have.
        need: usize,
        /// The length that it has.
        have: usize,
    },
    /// It goes on after its end.
    Trailing {
        /// The message that it holds.
        kind: Kind,
        /// How many bytes follow.
        extra: usize,
    },
    /// It is longer than any message.
    TooLong {
        /// At least this many bytes.
        len: usize,
    },
    /// It is one byte, but not the doorbell.
    Doorbell {
        /// The byte.
        got: u8,
    },
    /// It does not start as Ringway's messages do.
    Magic {
        /// What it starts with.
        got: u32,
    },
    /// The sender speaks another wire version.
    Version {
        /// The version that this end speaks.
        ours: u16,
        /// The version that the sender speaks.
        theirs: u16,
    },
    /// There is no message of this kind.
    UnknownKind {
        /// The kind's number.
        got: u8,
    },
    /// A byte that must be 0 is not.
    Reserved {
        /// Where it is.
        at: usize,
        /// What it is.
        got: u8,
    },
    /// A field has a number without a meaning.
    UnknownCode {
        /// The field.
        field: &'static str,
        /// The number.
        got: u16,
    },
    /// A feature bit has no meaning.
    UnknownFeatures {
        /// All the bits.
        got: u32,
    },
    /// An error number is above those that Linux uses.
    Errno {
        /// The number.
        got: u16,
    },
    /// A capacity is not a power of two within the bounds.
    Capacity(CapacityError),
    /// `max_message` is 0.
    MaxMessage,
    /// The descriptors do not fit the link that the message speaks of.
    FdKinds {
        /// The set that was declared.
        got: u8,
        /// The set that is needed, to which a pidfd may be added.
        needed: u8,
    },
    /// A refusal has a limit or a cause that does not belong to its reason.
    Refuse {
        /// The reason.
        reason: Reason,
    },
    /// The identity is out of bounds.
    Identity(IdentityError),
}

impl From<IdentityError> for MessageError {
    fn from(error: IdentityError) -> Self {
        Self::Identity(error)
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { need, have } => write!(f, "the packet has {have} bytes and needs {need} or more"),
            Self::Trailing { kind, extra } => write!(f, "{extra} bytes follow a complete {kind}"),
            Self::TooLong { len } => write!(f, "the packet has {len} bytes or more, {FRAME_MAX} are allowed"),
            Self::Doorbell { got } => write!(f, "the packet is one byte, {got:#04x}, and no doorbell"),
            Self::Magic { got } => write!(f, "the packet starts with {got:#010x}, not with {MAGIC:#010x}"),
            Self::Version { ours, theirs } => {
                write!(f, "the peer speaks wire version {theirs}, this process {ours}: update the older one")
            }
            Self::UnknownKind { got } => write!(f, "there is no message of kind {got}"),
            Self::Reserved { at, got } => write!(f, "the byte at {at} is {got:#04x} and must be 0"),
            Self::UnknownCode { field, got } => write!(f, "the field `{field}` has the unknown number {got}"),
            Self::UnknownFeatures { got } => write!(f, "the features {got:#x} have bits without a meaning"),
            Self::Errno { got } => write!(f, "there is no error number {got}"),
            Self::Capacity(error) => error.fmt(f),
            Self::MaxMessage => f.write_str("max_message is 0, it must be 1 byte or more"),
            Self::FdKinds { got, needed } => {
                write!(f, "the descriptors {got:#05b} are declared where {needed:#05b} are needed")
            }
            Self::Refuse { reason } => {
                write!(f, "a refusal has a limit or a cause that does not belong to its reason, {reason}")
            }
            Self::Identity(error) => write!(f, "the identity: {error}"),
        }
    }
}

impl std::error::Error for MessageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Capacity(error) => Some(error),
            Self::Identity(error) => Some(error),
            _ => None,
        }
    }
}
