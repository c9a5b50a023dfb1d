//! Streaming: a message longer than half of the ring is sent while the consumer takes it.

use super::copy;
use super::error::PushError;
use super::memory::Memory;
use super::producer::Producer;
use super::record::{Flags, Header, Kind, footprint};

/// What the consumer knows of a streamed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Streaming {
    /// Nothing, or all of it.
    No,
    /// Its beginning.
    Open,
    /// Its beginning, but not yet that the rest will never come: the next record says so.
    GivenUp,
}

/// How far the sending of one message has come.
///
/// A stream that another message interrupted begins anew, and so does one that is given a message of another
/// length.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stream {
    begun: bool,
    sent: usize,
    total: usize,
    /// Where its next fragment belongs: the producer stands elsewhere once anything else was committed.
    next: u64,
}

impl Stream {
    /// Nothing sent yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes of the message were committed.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.sent
    }
}

impl<M: Memory> Producer<M> {
    /// Commits as many fragments of `message` as have room. `Ok` when the last was committed.
    ///
    /// Call it with the same message and the same `stream` until it says so. Whatever else is committed in
    /// between gives the message up, and so does [`Producer::cancel_stream`].
    ///
    /// # Errors
    /// [`PushError::Full`] when the rest has to wait; others as for a record. A message that fits at once is
    /// committed at once.
    pub fn push_stream(&mut self, stream: &mut Stream, message: &[u8]) -> Result<(), PushError> {
        let geometry = self.geometry();
        if geometry.is_atomic(message.len() as u64) {
            return self.push_message(message);
        }
        if !self.goes_on(stream, message) {
            *stream = Stream { total: message.len(), ..Stream::new() };
        }
        while !stream.begun || stream.sent < message.len() {
            stream.sent += self.push_fragment(*stream, message)?;
            stream.begun = true;
            stream.next = self.position();
        }
        Ok(())
    }

    /// Whether the consumer can take the next fragment of `message` for what it is.
    fn goes_on(&self, stream: &Stream, message: &[u8]) -> bool {
        self.streaming() == Streaming::Open
            && stream.begun
            && stream.next == self.position()
            && stream.total == message.len()
    }

    fn push_fragment(&mut self, stream: Stream, message: &[u8]) -> Result<usize, PushError> {
        let full = self.geometry().fragment() as usize;
        let rest = &message[stream.sent..];
        if !stream.begun {
            let place = self.reserve(self.position(), footprint(full as u64))?;
            let words = self.payload_words(place.start, full as u64);
            let piece = &rest[..full - 8];
            copy::store(&words[..1], &(message.len() as u64).to_le_bytes());
            copy::store(&words[1..], piece);
            self.commit(place, Header { len: full as u32, kind: Kind::First, flags: self.restart_flag() });
            self.set_streaming(Streaming::Open);
            return Ok(piece.len());
        }
        let piece = &rest[..rest.len().min(full)];
        let last = piece.len() == rest.len();
        let place = self.reserve(self.position(), footprint(piece.len() as u64))?;
        copy::store(self.payload_words(place.start, piece.len() as u64), piece);
        let kind = if last { Kind::Last } else { Kind::Middle };
        self.commit(place, Header { len: piece.len() as u32, kind, flags: Flags::NONE });
        self.set_streaming(if last { Streaming::No } else { Streaming::Open });
        Ok(piece.len())
    }

    /// Gives up the message that is being streamed, so that the consumer can forget what it has of it.
    ///
    /// If there is no room for saying so now, the next record says it.
    pub fn cancel_stream(&mut self) {
        if self.is_streaming() {
            match self.reserve(self.position(), footprint(0)) {
                Ok(place) => self.commit(place, Header { len: 0, kind: Kind::Cancel, flags: Flags::NONE }),
                Err(_) => self.set_streaming(Streaming::GivenUp),
            }
        }
    }
}
