//! Salvage: what a dead consumer had not taken, read back from the producer's own memory.
//!
//! Only the producer could write the data, so what is handed on is what the producer wrote (unless the memory was lent by
//! somebody who writes it still: each record is checked when it is taken, too). The one word of the
//! dead that is needed is its cursor, and that is checked twice: by arithmetic, and by a walk over the records,
//! which must meet the record starts that the producer kept for itself, one for each eighth of the ring.

use super::assembly::Reassembly;
use super::copy;
use super::error::{Corrupt, Field};
use super::memory::Memory;
use super::record::{Geometry, HEADER, Header};
use crate::sync::Ordering;

/// Record starts that the producer keeps privately: the first that lies in each eighth of the ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    eighth: u64,
    born: u64,
    /// The next position whose passing sets a mark.
    next: u64,
    starts: [u64; 8],
}

impl Marks {
    pub(super) fn new(geometry: Geometry, born: u64) -> Self {
        let eighth = geometry.lazy_step();
        let next = (born & !(eighth - 1)).wrapping_add(eighth);
        Self { eighth, born, next, starts: [born; 8] }
    }

    /// Where the ring began.
    pub(super) fn born(&self) -> u64 {
        self.born
    }

    /// How far it is from `position` to where the next mark is set.
    pub(super) fn distance(&self, position: u64) -> u64 {
        self.next.wrapping_sub(position)
    }

    /// The next record begins at `end`.
    #[inline(always)]
    pub(super) fn pass(&mut self, end: u64) {
        if end.wrapping_sub(self.next) as i64 >= 0 {
            self.set(end);
        }
    }

    #[cold]
    fn set(&mut self, end: u64) {
        self.starts[(end / self.eighth % 8) as usize] = end;
        self.next = (end & !(self.eighth - 1)).wrapping_add(self.eighth);
    }

    /// Whether a walk that stepped from one record start to the next missed a start between them.
    fn missed(&self, from: u64, to: u64) -> bool {
        let step = to.wrapping_sub(from);
        self.starts.iter().any(|start| {
            let ahead = start.wrapping_sub(from);
            0 < ahead && ahead < step
        })
    }

    /// The latest start that is not after `position` and of which nothing was overwritten since.
    fn latest_before(&self, position: u64, oldest: u64) -> Option<u64> {
        let reach = position.wrapping_sub(oldest);
        self.starts
            .iter()
            .copied()
            .filter(|start| start.wrapping_sub(oldest) <= reach)
            .max_by_key(|start| start.wrapping_sub(oldest))
    }
}

/// What is known of a ring whose consumer is dead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// The consumer's released position, as last believed.
    pub head: u64,
    /// Where the consumer says it stood.
    pub cursor: u64,
    /// P: where the last record ends.
    pub end: u64,
    /// How far anything was written, committed or not.
    pub written: u64,
}

/// The messages that a dead consumer had not taken, in the order in which they were sent.
///
/// It owns the memory of the dead link; a message is copied when it is asked for. A streamed message is handed back
/// if all of it stands in the ring. Otherwise it is left out: [`Undelivered::streamed`] tells how much of it there was.
#[derive(Debug)]
pub struct Undelivered<M> {
    memory: M,
    geometry: Geometry,
    position: u64,
    end: u64,
    reassembly: Reassembly,
}

impl<M: Memory> Undelivered<M> {
    pub(super) fn new(memory: M, geometry: Geometry, marks: Marks, span: Span) -> Result<Self, Corrupt> {
        let Span { head, cursor, end, written } = span;
        let corrupt = Corrupt { field: Field::Cursor, value: cursor };
        let left = end.wrapping_sub(cursor);
        if cursor % HEADER != 0 || left > end.wrapping_sub(head) {
            return Err(corrupt);
        }
        let mut walk = Self { memory, geometry, position: cursor, end, reassembly: Reassembly::default() };
        let oldest = written.wrapping_add(HEADER).wrapping_sub(geometry.capacity());
        let oldest = if written.wrapping_sub(marks.born) < geometry.capacity() { marks.born } else { oldest };
        if let Some(start) = marks.latest_before(cursor, oldest) {
            walk.position = start;
            while walk.position != cursor {
                let (_, next) = walk.step().ok_or(corrupt)?;
                if cursor.wrapping_sub(walk.position) < next.wrapping_sub(walk.position) {
                    return Err(corrupt);
                }
                walk.position = next;
            }
        }
        while walk.position != end {
            let (_, next) = walk.step().ok_or(corrupt)?;
            if marks.missed(walk.position, next) {
                return Err(corrupt);
            }
            walk.position = next;
        }
        walk.position = cursor;
        Ok(walk)
    }

    /// The record at the position and where the next one begins; `None` if that is not a record.
    fn step(&self) -> Option<(Header, u64)> {
        let word = self.memory.words()[self.geometry.word(self.position)].load(Ordering::Relaxed);
        let header = Header::from_word(word).ok()?;
        let bytes = header.extent(self.position);
        let next = self.position.wrapping_add(bytes);
        let fits =
            bytes <= self.geometry.room(self.position) && bytes <= self.end.wrapping_sub(self.position);
        fits.then_some((header, next))
    }

    /// Takes the record at the position.
    fn take(&mut self) -> Option<(Header, Vec<u8>)> {
        let (header, next) = self.step()?;
        let mut payload = vec![0; header.len as usize];
        copy::load(&self.memory.words()[self.geometry.word(self.position) + 1..], &mut payload);
        self.position = next;
        Some((header, payload))
    }

    /// How many bytes were met that belong to messages of which the rest is missing: the consumer had taken the
    /// beginning, or the end was never committed.
    #[must_use]
    pub fn streamed(&self) -> u64 {
        self.reassembly.lost()
    }

    /// How many bytes of the ring are left to look at, headers included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.end.wrapping_sub(self.position)
    }
}

impl<M: Memory> Iterator for Undelivered<M> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        while self.position != self.end {
            let (header, payload) = self.take()?;
            let message = self.reassembly.add(header.kind, payload);
            if message.is_some() {
                return message;
            }
        }
        self.reassembly.end();
        None
    }
}
