//! Batches: several records that become visible together.

use super::claim::Place;
use super::copy;
use super::error::PushError;
use super::memory::Memory;
use super::producer::Producer;
use super::record::{Flags, HEADER, Header, Kind, footprint};
use super::salvage::Marks;
use crate::sync::Ordering;

/// Records that the consumer sees all at once, or not at all. Dropped without [`Batch::commit`], it leaves no trace.
///
/// A batch is at most half of the ring, headers included.
#[derive(Debug)]
pub struct Batch<'a, M: Memory> {
    producer: &'a mut Producer<M>,
    /// The header that makes the batch visible: withheld until [`Batch::commit`].
    first: Option<Header>,
    /// Where the last record of the batch begins, and where the next one will.
    last: u64,
    end: u64,
    /// Bytes taken so far, padding not counted.
    bytes: u64,
    /// How many bytes from `end` on a record may take with nothing else to look at. 0 means: look.
    room: u64,
    /// What the producer's marks will be.
    marks: Marks,
}

impl<'a, M: Memory> Batch<'a, M> {
    #[inline]
    pub(super) fn new(producer: &'a mut Producer<M>) -> Self {
        let position = producer.position();
        let marks = producer.marks();
        Self { producer, first: None, last: position, end: position, bytes: 0, room: 0, marks }
    }

    /// Adds one record.
    ///
    /// # Errors
    /// [`PushError`]; the batch is as it was before, and can still be committed.
    #[inline]
    pub fn push(&mut self, payload: &[u8]) -> Result<(), PushError> {
        if self.push_fast(payload) { Ok(()) } else { self.push_slow(payload) }
    }

    /// The short way to [`Batch::push`], from the second record on: `false` if there is anything to look at first, and
    /// nothing was added.
    #[inline(always)]
    fn push_fast(&mut self, payload: &[u8]) -> bool {
        let bytes = footprint(payload.len() as u64);
        let Some(place) = self.producer.place_within(self.room, self.end, bytes) else { return false };
        let first = self.producer.geometry().word(place.start);
        let record = self.producer.memory().words().get(first..first + (bytes / HEADER) as usize);
        let Some([header, words @ ..]) = record else { return false };
        copy::store(words, payload);
        // The first header of the batch, which is withheld, makes this one visible.
        header.store(Header::data(payload.len() as u32).to_word(), Ordering::Relaxed);
        self.advance(place);
        self.room -= bytes;
        true
    }

    #[inline(always)]
    fn advance(&mut self, place: Place) {
        let bytes = place.end.wrapping_sub(place.start);
        (self.last, self.end) = (place.start, place.end);
        self.bytes += bytes;
        self.producer.will_write(place.end);
    }

    #[cold]
    #[inline(never)]
    fn push_slow(&mut self, payload: &[u8]) -> Result<(), PushError> {
        let max = self.producer.geometry().max_payload();
        if payload.len() as u64 > max {
            return Err(PushError::TooLong { len: payload.len() as u64, max });
        }
        let header = Header { len: payload.len() as u32, kind: Kind::Data, flags: self.flags() };
        self.add(header, None, payload)
    }

    /// Adds a message of any length that can be committed at once, in fragments if it is longer than a record.
    ///
    /// # Errors
    /// [`PushError`]; the batch is as it was before, and can still be committed.
    #[inline]
    pub fn push_message(&mut self, message: &[u8]) -> Result<(), PushError> {
        let geometry = self.producer.geometry();
        if message.len() as u64 <= geometry.max_payload() {
            return self.push(message);
        }
        if !geometry.is_atomic(message.len() as u64) {
            return Err(PushError::TooLong { len: message.len() as u64, max: geometry.max_atomic() });
        }
        self.push_fragments(message)
    }

    /// How many bytes of the ring the batch takes, padding not counted.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    #[inline]
    fn flags(&self) -> Flags {
        if self.first.is_none() { self.producer.restart_flag() } else { Flags::NONE }
    }

    /// Adds `message` as fragments; on an error the batch is as it was before.
    pub(super) fn push_fragments(&mut self, message: &[u8]) -> Result<(), PushError> {
        let before = (self.first, self.last, self.end, self.bytes, self.marks);
        let pushed = self.try_fragments(message);
        if pushed.is_err() {
            (self.first, self.last, self.end, self.bytes, self.marks) = before;
            self.room = 0;
        }
        pushed
    }

    fn try_fragments(&mut self, message: &[u8]) -> Result<(), PushError> {
        let full = self.producer.geometry().fragment() as usize;
        let total = (message.len() as u64).to_le_bytes();
        let (head, mut rest) = message.split_at(full - total.len());
        let flags = Flags::ATOMIC.with(self.flags());
        self.add(Header { len: full as u32, kind: Kind::First, flags }, Some(total), head)?;
        while !rest.is_empty() {
            let kind = if rest.len() <= full { Kind::Last } else { Kind::Middle };
            let (piece, after) = rest.split_at(rest.len().min(full));
            self.add(Header { len: piece.len() as u32, kind, flags: Flags::ATOMIC }, None, piece)?;
            rest = after;
        }
        Ok(())
    }

    fn add(&mut self, header: Header, prefix: Option<[u8; 8]>, payload: &[u8]) -> Result<(), PushError> {
        let geometry = self.producer.geometry();
        let need = footprint(u64::from(header.len));
        if self.bytes + need > geometry.max_batch() {
            return Err(PushError::BatchFull);
        }
        // What is refused may change what the next record is told: it looks too.
        self.room = 0;
        let place = self.producer.reserve(self.end, need)?;
        self.producer.will_write(place.end);
        let words = self.producer.payload_words(place.start, u64::from(header.len));
        match prefix {
            Some(prefix) => {
                copy::store(&words[..1], &prefix);
                copy::store(&words[1..], payload);
            }
            None => copy::store(words, payload),
        }
        self.place(place, header);
        self.marks.pass(place.end);
        self.advance(place);
        self.room = self.producer.survey(self.end, &self.marks).min(geometry.max_batch() - self.bytes);
        Ok(())
    }

    /// Writes the headers of a record, but withholds the first of the batch.
    #[inline]
    fn place(&mut self, place: Place, header: Header) {
        let geometry = self.producer.geometry();
        let words = self.producer.memory().words();
        let mut first = header;
        if place.start != place.from {
            words[geometry.word(place.start)].store(header.to_word(), Ordering::Relaxed);
            let len = place.start.wrapping_sub(place.from) - HEADER;
            first = Header { len: len as u32, kind: Kind::Padding, flags: Flags::NONE };
        }
        match self.first {
            None => self.first = Some(first),
            Some(_) => words[geometry.word(place.from)].store(first.to_word(), Ordering::Relaxed),
        }
    }

    /// Makes every record of the batch visible at once. An empty batch does nothing.
    #[inline]
    pub fn commit(self) {
        let Some(first) = self.first else { return };
        let geometry = self.producer.geometry();
        let words = self.producer.memory().words();
        words[geometry.word(self.end)].store(0, Ordering::Relaxed);
        // R1, release side: all of the batch, before the header that the consumer waits for.
        words[geometry.word(self.producer.position())].store(first.to_word(), Ordering::Release);
        self.producer.set_marks(self.marks);
        self.producer.committed(self.last, self.end);
    }
}

impl<M: Memory> Producer<M> {
    /// Commits a message that is longer than a record, and fits at once.
    pub(super) fn push_fragments(&mut self, message: &[u8]) -> Result<(), PushError> {
        let total = message.len() as u64;
        if !self.geometry().is_atomic(total) {
            return Err(PushError::TooLong { len: total, max: self.geometry().max_atomic() });
        }
        let mut batch = self.batch();
        batch.push_fragments(message)?;
        batch.commit();
        Ok(())
    }
}
