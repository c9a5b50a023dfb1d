//! Messages that are not one plain record: fragments, streams, cancels.

use super::assembly::{Assembly, Part};
use super::consumer::{Consumer, Record};
use super::copy;
use super::error::{Corrupt, Field, PopError};
use super::memory::Memory;
use super::record::{Flags, HEADER, Header, Kind, footprint};
use crate::sync::Ordering;

impl<M: Memory> Consumer<M> {
    /// Hands the next message out where it lies, if it lies in one piece; else as a copy.
    ///
    /// Its place may be overwritten from the next [`Consumer::release`] on.
    ///
    /// # Errors
    /// [`PopError`], but never [`PopError::TooSmall`]; nothing was taken then.
    pub fn read(&mut self) -> Result<Reading, PopError> {
        match self.next_message(usize::MAX)? {
            Next::Whole(bytes) => Ok(Reading::Copy(bytes)),
            Next::Record(record) => {
                self.assembly = Assembly::Idle;
                self.hand_out(record.end);
                let first = self.geometry.word(record.start) + 1;
                Ok(Reading::InPlace { first, len: record.header.len as usize })
            }
            Next::Fragments(record, total) => {
                let mut bytes = vec![0; total];
                let end = self.gather(record, &mut bytes)?;
                self.take_message(end);
                Ok(Reading::Copy(bytes))
            }
        }
    }

    /// Takes the next message as a vector of its own.
    ///
    /// # Errors
    /// [`PopError`], but never [`PopError::TooSmall`]; nothing was taken then.
    pub fn pop(&mut self) -> Result<Vec<u8>, PopError> {
        match self.next_message(usize::MAX)? {
            Next::Whole(bytes) => Ok(bytes),
            Next::Record(record) => {
                let mut bytes = vec![0; record.header.len as usize];
                copy::load(self.payload_words(record.start), &mut bytes);
                self.take_message(record.end);
                Ok(bytes)
            }
            Next::Fragments(record, total) => {
                let mut bytes = vec![0; total];
                let end = self.gather(record, &mut bytes)?;
                self.take_message(end);
                Ok(bytes)
            }
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn pop_into_slow(&mut self, buffer: &mut [u8]) -> Result<usize, PopError> {
        let taken = self.pop_into_any(buffer);
        self.survey();
        taken
    }

    fn pop_into_any(&mut self, buffer: &mut [u8]) -> Result<usize, PopError> {
        let too_small = |needed: usize| PopError::TooSmall { needed: needed as u64 };
        match self.next_message(buffer.len())? {
            Next::Whole(bytes) => {
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
            Next::Record(record) => {
                let len = record.header.len as usize;
                let target = buffer.get_mut(..len).ok_or(too_small(len))?;
                copy::load(self.payload_words(record.start), target);
                self.take_message(record.end);
                Ok(len)
            }
            Next::Fragments(record, total) => {
                let target = buffer.get_mut(..total).ok_or(too_small(total))?;
                let end = self.gather(record, target)?;
                self.take_message(end);
                Ok(total)
            }
        }
    }

    /// Finds the next whole message, taking the fragments of streams on the way. What ends more than a capacity from where it
    /// began is left to the next call: a peer that keeps writing cannot keep a call busy.
    fn next_message(&mut self, room: usize) -> Result<Next, PopError> {
        let begin = self.position;
        let limit = self.geometry.capacity();
        loop {
            if let Some(whole) = self.assembly.take_whole(room) {
                return whole.map(Next::Whole).map_err(|needed| PopError::TooSmall { needed });
            }
            let word = self.next_word();
            let record = self.record(word)?;
            if record.end.wrapping_sub(begin) > limit {
                return Err(PopError::Empty);
            }
            match self.sort(record, room)? {
                None => {}
                Some(Next::Fragments(first, total)) => {
                    let end = self.geometry.fragments_end(first.start, total as u64);
                    let far = end.wrapping_sub(begin) > limit;
                    return if far { Err(PopError::Empty) } else { Ok(Next::Fragments(first, total)) };
                }
                Some(next) => return Ok(next),
            }
        }
    }

    fn next_word(&self) -> u64 {
        // R1, acquire side: a header that is not 0 makes the payload behind it visible.
        self.memory.words()[self.geometry.word(self.position)].load(Ordering::Acquire)
    }

    /// What a record means in the present state; `None` if it was taken and more is needed.
    fn sort(&mut self, record: Record, room: usize) -> Result<Option<Next>, PopError> {
        if !self.assembly.admits(record.header) {
            return Err(self.corrupt(Field::Flags, record.header.to_word()).into());
        }
        match record.header.kind {
            Kind::Data => Ok(Some(Next::Record(record))),
            Kind::First => self.first(record, room),
            Kind::Middle | Kind::Last | Kind::Cancel => {
                self.continue_stream(record)?;
                Ok(None)
            }
            Kind::Padding => Err(self.corrupt(Field::Padding, record.start).into()),
        }
    }

    /// Everything before `end` was handed out. What there was of a stream that this message gave up is forgotten
    /// only now: until here the same record may be looked at again.
    fn take_message(&mut self, end: u64) {
        self.assembly = Assembly::Idle;
        self.take(end);
    }

    fn first(&mut self, record: Record, room: usize) -> Result<Option<Next>, PopError> {
        let word = record.header.to_word();
        if u64::from(record.header.len) != self.geometry.fragment() {
            return Err(self.corrupt(Field::Fragment, word).into());
        }
        let mut total = [0; 8];
        copy::load(self.payload_words(record.start), &mut total);
        let total = u64::from_le_bytes(total);
        let atomic = record.header.flags.has(Flags::ATOMIC);
        let single = total <= self.geometry.max_payload();
        let too_long = if atomic { !self.geometry.is_atomic(total) } else { total > self.max_message };
        if single || too_long || (!atomic && self.geometry.is_atomic(total)) {
            return Err(self.corrupt(Field::Total, total).into());
        }
        if atomic {
            return Ok(Some(Next::Fragments(record, total as usize)));
        }
        if total > room as u64 {
            return Err(PopError::TooSmall { needed: total });
        }
        let words = &self.payload_words(record.start)[1..];
        let full = record.header.len as usize;
        self.assembly = Assembly::Part(Part::begin(total as usize, full, |bytes| copy::load(words, bytes)));
        self.room = 0;
        self.take(record.end);
        Ok(None)
    }

    fn continue_stream(&mut self, record: Record) -> Result<(), Corrupt> {
        let words = &self.memory.words()[self.geometry.word(record.start) + 1..];
        if let Err(field) = self.assembly.extend(record.header, |bytes| copy::load(words, bytes)) {
            return Err(self.corrupt(field, record.header.to_word()));
        }
        self.take(record.end);
        Ok(())
    }

    /// Copies out a message whose fragments were committed at once. The position moves only afterwards.
    fn gather(&mut self, first: Record, target: &mut [u8]) -> Result<u64, Corrupt> {
        let full = self.geometry.fragment() as usize;
        let (head, mut rest) = target.split_at_mut(full - HEADER as usize);
        copy::load(&self.payload_words(first.start)[1..], head);
        let mut position = first.end;
        while !rest.is_empty() {
            let len = rest.len().min(full);
            let kind = if rest.len() <= full { Kind::Last } else { Kind::Middle };
            let room = self.geometry.room(position);
            if footprint(len as u64) > room {
                let padding = Header { len: (room - HEADER) as u32, kind: Kind::Padding, flags: Flags::NONE };
                position = self.exactly(position, padding)?;
            }
            let start = position;
            position = self.exactly(position, Header { len: len as u32, kind, flags: Flags::ATOMIC })?;
            let (piece, after) = rest.split_at_mut(len);
            copy::load(self.payload_words(start), piece);
            rest = after;
        }
        Ok(position)
    }

    /// The end of the record at `position`, which must have exactly this header.
    fn exactly(&mut self, position: u64, header: Header) -> Result<u64, Corrupt> {
        // R1: the first header's acquire made the whole batch visible.
        let word = self.memory.words()[self.geometry.word(position)].load(Ordering::Relaxed);
        if word != header.to_word() {
            return Err(self.corrupt(Field::Fragment, word));
        }
        self.check_extent(position, header)
    }
}

/// A message that was handed out.
#[derive(Debug)]
pub enum Reading {
    /// It lies in the data area.
    InPlace {
        /// The index of its first word.
        first: usize,
        /// Its length in bytes.
        len: usize,
    },
    /// It came in pieces.
    Copy(Vec<u8>),
}

enum Next {
    /// A streamed message, assembled.
    Whole(Vec<u8>),
    /// A message in one record.
    Record(Record),
    /// A message of this length in fragments that were committed at once.
    Fragments(Record, usize),
}
