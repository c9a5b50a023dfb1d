//! Claims: a record that is written in place.

use super::copy;
use super::memory::Memory;
use super::producer::Producer;
use super::record::footprint;
use std::fmt;

/// A stretch of the ring that may be written: `[start, end)` for the record, `[end, end + 8)` for the next header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Where the padding begins, if there is any; else where the record does.
    pub from: u64,
    /// Where the record begins.
    pub start: u64,
    /// Where the next record will begin.
    pub end: u64,
}

/// Room for one record, to be filled in place and committed. Dropped, it leaves no trace.
///
/// Its bytes lie in memory that another process can read, so it hands out no slice: bytes are put in.
#[derive(Debug)]
pub struct Claim<'a, M: Memory> {
    producer: &'a mut Producer<M>,
    place: Place,
    max: usize,
    put: usize,
}

/// The bytes do not fit into what was claimed. None of them was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimFull {
    /// How many bytes there was room for.
    pub room: usize,
}

impl fmt::Display for ClaimFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is room for {} more bytes: claim more", self.room)
    }
}

impl std::error::Error for ClaimFull {}

impl<'a, M: Memory> Claim<'a, M> {
    #[inline(always)]
    pub(super) fn new(producer: &'a mut Producer<M>, place: Place, max: usize) -> Self {
        Self { producer, place, max, put: 0 }
    }

    /// How many bytes were put.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.put
    }

    /// Whether nothing was put yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.put == 0
    }

    /// How many more bytes can be put.
    #[must_use]
    #[inline]
    pub fn room(&self) -> usize {
        self.max - self.put
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`ClaimFull`] if they do not fit; none was put then.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), ClaimFull> {
        if bytes.len() > self.room() {
            return Err(ClaimFull { room: self.room() });
        }
        copy::store_at(self.words(), self.put, bytes);
        self.put += bytes.len();
        Ok(())
    }

    /// Writes `bytes` over bytes that were put before, from byte `at` on.
    ///
    /// # Errors
    /// [`ClaimFull`] if they reach beyond what was put; nothing is changed then.
    pub fn write_at(&mut self, at: usize, bytes: &[u8]) -> Result<(), ClaimFull> {
        let room = self.put.saturating_sub(at);
        if at > self.put || bytes.len() > room {
            return Err(ClaimFull { room });
        }
        copy::store_at(self.words(), at, bytes);
        Ok(())
    }

    #[inline(always)]
    fn words(&self) -> &[crate::sync::AtomicU64] {
        self.producer.payload_words(self.place.start, self.max as u64)
    }

    /// Commits the bytes that were put.
    #[inline]
    pub fn commit(self) {
        let len = self.put;
        self.commit_first(len);
    }

    /// Commits the first `len` bytes of those that were put; all of them if there are fewer.
    #[inline]
    pub fn commit_first(self, len: usize) {
        let len = len.min(self.put);
        let end = self.place.start.wrapping_add(footprint(len as u64));
        let header = self.producer.first_header(len as u32);
        self.producer.commit(Place { end, ..self.place }, header);
    }
}
