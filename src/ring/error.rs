//! What can go wrong at either end of a ring.

use super::memory::NoSpace;
use std::fmt;

/// A peer's word that no correct peer writes. The link that it came over is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// Which word was wrong.
    pub field: Field,
    /// Its value.
    pub value: u64,
}

/// The words of a peer that are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// The consumer's released position is not aligned, moved backward, or lies outside of the ring.
    Head,
    /// The consumer's hand-out position is not the start of a record between its head and the last commit.
    Cursor,
    /// A record's kind is unknown.
    Kind,
    /// A record has flags that are unknown or do not fit its kind.
    Flags,
    /// A record is longer than a quarter of the ring or than the room before the wrap.
    Length,
    /// A record reaches into bytes that the producer had no right to write yet.
    Overrun,
    /// Padding that does not end exactly at the wrap, or stands at the start of the data area.
    Padding,
    /// A fragment without a first, not exactly full, or missing from its batch.
    Fragment,
    /// A streamed message is longer than the agreed `max_message`, or shorter than one that would be streamed.
    Total,
}

impl Field {
    /// What the field is, in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Field::Head => "the released position (head)",
            Field::Cursor => "the hand-out position (cursor)",
            Field::Kind => "a record's kind",
            Field::Flags => "a record's flags",
            Field::Length => "a record's length",
            Field::Overrun => "a record's end",
            Field::Padding => "a padding record",
            Field::Fragment => "a fragment",
            Field::Total => "the length of a streamed message",
        }
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.field.name();
        write!(
            f,
            "the peer wrote {what} that no correct peer writes ({:#x}): end the link and the peer",
            self.value
        )
    }
}

impl std::error::Error for Corrupt {}

/// Why a record was not pushed. Nothing of it is seen by the consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushError {
    /// There is no space until the consumer releases more.
    Full,
    /// The payload is longer than a record or a batch can be, both in bytes.
    TooLong {
        /// Its length.
        len: u64,
        /// The longest that there may be.
        max: u64,
    },
    /// The batch is as long as one can be: commit it and begin another.
    BatchFull,
    /// This end was closed, or the consumer has closed its end.
    Closed,
    /// The system has no memory for this part of the ring.
    NoSpace,
    /// The consumer wrote a word that no correct consumer writes.
    Corrupt(Corrupt),
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the ring is full: wait until the consumer has released more"),
            Self::TooLong { len, max } => {
                write!(f, "{len} bytes are more than the {max} that fit: send fragments")
            }
            Self::BatchFull => f.write_str("the batch is half of the ring: commit it and begin another"),
            Self::Closed => f.write_str("the ring is closed"),
            Self::NoSpace => NoSpace.fmt(f),
            Self::Corrupt(corrupt) => corrupt.fmt(f),
        }
    }
}

impl std::error::Error for PushError {}

impl From<Corrupt> for PushError {
    fn from(corrupt: Corrupt) -> Self {
        Self::Corrupt(corrupt)
    }
}

/// Why no message was taken. Nothing is lost: the next call finds what this one found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PopError {
    /// There is no whole message yet; or none within one capacity of where the call began, which
    /// [`Consumer::poll`](super::Consumer::poll) tells, and the next call goes on.
    Empty,
    /// The message does not fit into the buffer and was left where it is.
    TooSmall {
        /// The length of the message in bytes.
        needed: u64,
    },
    /// The producer has closed and everything that it committed was taken.
    Closed,
    /// The producer wrote a word that no correct producer writes.
    Corrupt(Corrupt),
}

impl fmt::Display for PopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is no message"),
            Self::TooSmall { needed } => write!(f, "the message needs a buffer of {needed} bytes"),
            Self::Closed => f.write_str("the producer has closed, and everything that it sent was taken"),
            Self::Corrupt(corrupt) => corrupt.fmt(f),
        }
    }
}

impl std::error::Error for PopError {}

impl From<Corrupt> for PopError {
    fn from(corrupt: Corrupt) -> Self {
        Self::Corrupt(corrupt)
    }
}
