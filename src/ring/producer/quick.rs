//! The short way to commit a message.

use super::{Producer, State};
use crate::ring::copy;
use crate::ring::error::PushError;
use crate::ring::lines::CLOSED;
use crate::ring::memory::Memory;
use crate::ring::record::{CACHE_LINE, Flags, HEADER, Header, Kind, footprint, given_away};
use crate::ring::salvage::Marks;
use crate::sync::Ordering;

/// How far behind the next header the line lies that a stream fetches ahead. The consumer polls the first 64 bytes, and a
/// record of up to 128 with its terminator takes the next ones; on AMD's Zen 3, 256 moved 10 to 15 % more
/// messages of 64 bytes a second than 64 did, in the builds that were compared, and as many of 8.
pub(super) const AHEAD: u64 = 256;

impl<M: Memory> Producer<M> {
    /// Commits one record with this payload.
    ///
    /// # Errors
    /// [`PushError`]; nothing was committed then.
    #[inline]
    pub fn push(&mut self, payload: &[u8]) -> Result<(), PushError> {
        if self.push_fast(payload) { Ok(()) } else { self.push_slow(payload) }
    }

    /// The short way to [`Producer::push`]: `false` if there is anything to look at first, and nothing was committed.
    #[inline(always)]
    pub fn push_fast(&mut self, payload: &[u8]) -> bool {
        self.push_plain::<false>(payload, AHEAD)
    }

    /// The same, for an end that takes turns with its peer, where what counts is when the message is there and not how
    /// many come after it. Messages of one length that fit into a line lie in one each from the second on, and the 0
    /// behind them was written before: so one line alone has to change hands.
    #[inline(always)]
    pub fn push_turn(&mut self, payload: &[u8]) -> bool {
        if footprint(payload.len() as u64) <= CACHE_LINE {
            self.push_plain::<true>(payload, 0)
        } else {
            self.push_plain::<false>(payload, CACHE_LINE)
        }
    }

    #[inline(always)]
    fn push_plain<const TURN: bool>(&mut self, payload: &[u8], ahead: u64) -> bool {
        let own = footprint(payload.len() as u64);
        let given = if TURN { given_away(self.position, own) } else { 0 };
        let bytes = own + given;
        if bytes > self.room || self.memory.armed_data().armed.load(Ordering::Relaxed) == CLOSED {
            return false;
        }
        let end = self.position.wrapping_add(bytes);
        let ended = TURN && self.ended == end;
        if TURN && !ended {
            self.will_write(self.ended);
        }
        let first = self.geometry.word(self.position);
        let record = self.memory.words().get(first..=first + (bytes / HEADER) as usize);
        let Some([header, words @ .., next]) = record else { return false };
        if !ended {
            next.store(0, Ordering::Relaxed);
        }
        copy::store(words, payload);
        let flags = if given == 0 { Flags::NONE } else { Flags::LINED };
        let word = Header { len: payload.len() as u32, kind: Kind::Data, flags }.to_word();
        // R1, release side: the payload and the next header place, before the header that makes them visible.
        header.store(word, Ordering::Release);
        (self.last, self.position) = (self.position, end);
        self.room -= bytes;
        if TURN {
            self.end_ahead(own);
        } else {
            self.fetch_ahead(ahead);
        }
        self.wake_consumer();
        true
    }

    /// Writes the 0 behind the next record, if that has `own` bytes as the last one had. The peer is busy with the last one
    /// now; later, the next commit would have to wait for the line.
    ///
    /// Salvage has to know how far that was written: in the first lap it may lie over where the ring began.
    #[inline(always)]
    fn end_ahead(&mut self, own: u64) {
        let bytes = own + given_away(self.position, own);
        let place = self.geometry.word(self.position) + (bytes / HEADER) as usize;
        let Some(next) = self.memory.words().get(place) else { return };
        if bytes <= self.room {
            next.store(0, Ordering::Relaxed);
            self.ended = self.position.wrapping_add(bytes);
        }
    }

    /// How many bytes may be written from `position` on without a look: from P, or from where a batch has come to.
    pub(in crate::ring) fn survey(&self, position: u64, marks: &Marks) -> u64 {
        if self.state != State::Open || self.is_streaming() {
            return 0;
        }
        let used = position.wrapping_sub(self.head);
        let free = (self.geometry.capacity() - HEADER).saturating_sub(used);
        let to_wrap = self.geometry.room(position) - HEADER;
        let to_mark = marks.distance(position).saturating_sub(HEADER);
        let ready = self.ready.wrapping_sub(position).saturating_sub(HEADER);
        free.min(to_wrap).min(to_mark).min(ready).min(self.geometry.max_record())
    }

    /// Asks for a line that will be written soon: stores become visible in their order, so a commit waits for each line that
    /// it writes to.
    #[inline(always)]
    pub(super) fn fetch_ahead(&self, distance: u64) {
        let index = self.geometry.word(self.position.wrapping_add(distance));
        copy::prefetch_for_write(self.memory.words(), index);
    }
}
