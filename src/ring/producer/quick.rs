//! The short way to commit a message.

use super::{Producer, State};
use crate::ring::copy;
use crate::ring::error::PushError;
use crate::ring::lines::CLOSED;
use crate::ring::memory::Memory;
use crate::ring::record::{CACHE_LINE, Flags, HEADER, Header, Kind, MAX_CAPACITY, footprint, given_away};
use crate::ring::salvage::Marks;
use crate::sync::Ordering;

/// How far behind the next header the line lies that a stream fetches ahead. The consumer polls the first 64 bytes, and a
/// record of up to 128 with its terminator takes the next ones; on AMD's Zen 3, 256 moved 10 to 15 % more
/// messages of 64 bytes a second than 64 did, in the builds that were compared, and as many of 8.
pub(super) const AHEAD: u64 = 256;

/// How many lines an end that takes turns fetches for a next message that is as long as this one, at most. On AMD's Zen 3
/// that took an eighth off a round trip of 256 bytes or 1 KiB.
const FETCHED: u64 = 64;

/// The next record of an end that takes turns, if it is like the last one. The 0 behind it stands already, and there is room for
/// it: that was so when it was prepared, and whatever moves P or the limit since makes it another record or forgets it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// Where it begins.
    at: u64,
    /// The index of its header.
    index: u32,
    /// The shortest payload that makes it so.
    shortest: usize,
    /// How many lengths do, from the shortest on; 0: nothing is known of it.
    lengths: usize,
    /// Its bytes without those that it gives away.
    own: u64,
    /// Its bytes.
    bytes: u64,
    /// Its header, but for the length.
    header: u64,
}

impl Turn {
    pub(super) const NONE: Self =
        Self { at: 0, index: 0, shortest: 0, lengths: 0, own: 0, bytes: 0, header: 0 };

    /// The record of `own` bytes that begins at `at`, the place with that index, and gives `given` bytes away.
    #[inline(always)]
    fn new(at: u64, place: usize, own: u64, given: u64) -> Self {
        const { assert!(MAX_CAPACITY / HEADER == 1 << 32, "an index has 32 bits") };
        let index = place as u32;
        let longest = own.saturating_sub(HEADER) as usize;
        let shortest = longest.saturating_sub(7);
        let (lengths, bytes) = (longest - shortest + 1, own + given);
        Self { at, index, shortest, lengths, own, bytes, header: lined(given).to_word() }
    }

    /// What was known of it does not hold any more.
    #[inline(always)]
    pub(super) fn forget(&mut self) {
        self.lengths = 0;
    }
}

/// The header of an empty message which gives that many bytes away.
#[inline(always)]
fn lined(given: u64) -> Header {
    let flags = if given == 0 { Flags::NONE } else { Flags::LINED };
    Header { len: 0, kind: Kind::Data, flags }
}

impl<M: Memory> Producer<M> {
    /// Commits one record with this payload.
    ///
    /// # Errors
    /// [`PushError`]; nothing was committed then.
    #[inline]
    pub fn push(&mut self, payload: &[u8]) -> Result<(), PushError> {
        if self.push_fast(payload) { Ok(()) } else { self.push_slow(payload) }
    }

    /// The short way to [`Producer::push`]: `false` if there is anything to look at first, and nothing was committed. The shortest
    /// is that of a message of whole words that is not [long](copy::LONG_FROM): there is little else in it, so it has few
    /// registers to save.
    #[inline(always)]
    pub fn push_fast(&mut self, payload: &[u8]) -> bool {
        match copy::few_words(payload.len()).and_then(|count| payload.get(..count * 8)) {
            Some(words) => self.push_plain(words, AHEAD),
            None => self.push_other(payload),
        }
    }

    /// The same for whatever length.
    #[inline(never)]
    fn push_other(&mut self, payload: &[u8]) -> bool {
        self.push_plain(payload, AHEAD)
    }

    /// The same, for an end that takes turns with its peer, where what counts is when the message is there and not how
    /// many come after it. Messages of one length that fit into a line lie in one each from the second on, and the 0
    /// behind them was written before: so one line alone has to change hands.
    #[inline(always)]
    pub fn push_turn(&mut self, payload: &[u8]) -> bool {
        let own = footprint(payload.len() as u64);
        if own <= CACHE_LINE {
            return self.push_again(payload) || self.push_first(payload);
        }
        let at = self.position;
        if !self.push_plain(payload, CACHE_LINE) {
            return false;
        }
        self.last = at;
        // All but the one that the peer polls. It is busy with this message now; later, each would have to be waited for.
        for line in 2..=(own + HEADER).div_ceil(CACHE_LINE).min(FETCHED) {
            self.fetch_ahead(line * CACHE_LINE);
        }
        true
    }

    /// The same, only if it is a message of one line, as long as the one of the last turn, and nothing came in between: what
    /// can be known of it before was found out after that turn, when nobody waited.
    #[inline(always)]
    pub fn push_again(&mut self, payload: &[u8]) -> bool {
        if !self.commit_again(payload) {
            return false;
        }
        self.prepare();
        self.wake_consumer()
    }

    /// The part of [`Producer::push_again`] that whoever waits for the message waits for: `true` if it is committed. Then
    /// [`Producer::prepare`] and [`Producer::wake_consumer`] have to follow, on every path: the consumer may sleep.
    #[inline(always)]
    pub(crate) fn commit_again(&mut self, payload: &[u8]) -> bool {
        let Turn { at, index, shortest, lengths, .. } = self.turn;
        if payload.len().wrapping_sub(shortest) >= lengths
            || at != self.position
            || self.memory.armed_data().armed.load(Ordering::Relaxed) == CLOSED
        {
            return false;
        }
        // An index of 32 bits and 8 more do not overflow. What lies less than a line before the wrap goes the longer way.
        let record = self.memory.words().get(index as usize..index as usize + copy::LINE_WORDS + 1);
        let Some([header, line @ ..]) = record.and_then(<[_]>::first_chunk::<{ copy::LINE_WORDS + 1 }>)
        else {
            return false;
        };
        copy::store_line(line, payload);
        // R1, release side: the payload and the next header place, before the header that makes them visible.
        header.store(self.turn.header | payload.len() as u64, Ordering::Release);
        self.move_on(self.turn.bytes);
        true
    }

    /// Prepares the next turn, behind the commit: who waits for the message is busy with it now, or wakes up later than this takes.
    /// It also says which record was the last one, for [`Producer::demote`].
    #[inline(always)]
    pub(crate) fn prepare(&mut self) {
        self.last = self.turn.at;
        self.end_ahead(self.turn.own);
    }

    /// A message of one line that is not like the one before.
    #[cold]
    #[inline(never)]
    fn push_first(&mut self, payload: &[u8]) -> bool {
        let own = footprint(payload.len() as u64);
        self.overwrite();
        let at = self.position;
        if !self.write(payload, given_away(at, own), None) {
            return false;
        }
        self.last = at;
        self.end_ahead(own);
        self.wake_consumer()
    }

    #[inline(always)]
    fn push_plain(&mut self, payload: &[u8], ahead: u64) -> bool {
        self.write(payload, 0, Some(ahead)) && self.wake_consumer()
    }

    /// Makes one record visible, which gives `given` bytes away, unless there is anything to look at first. Then it asks for the
    /// line that lies `ahead` of the next header. (Behind the wrap that is one of no use, once in a lap: it is a hint.)
    #[inline(always)]
    fn write(&mut self, payload: &[u8], given: u64, ahead: Option<u64>) -> bool {
        let bytes = footprint(payload.len() as u64) + given;
        if bytes > self.room() || self.memory.armed_data().armed.load(Ordering::Relaxed) == CLOSED {
            return false;
        }
        let end = (bytes / HEADER) as usize;
        let behind = self.memory.words().get(self.geometry.word(self.position)..);
        let Some([header, words @ .., next]) = behind.and_then(|words| words.get(..=end)) else {
            return false;
        };
        next.store(0, Ordering::Relaxed);
        copy::store(words, payload);
        // R1, release side: the payload and the next header place, before the header that makes them visible.
        header.store(lined(given).to_word() | payload.len() as u64, Ordering::Release);
        if let Some(ahead) = ahead {
            copy::prefetch_for_write(std::slice::from_ref(header), end + (ahead / HEADER) as usize);
        }
        self.move_on(bytes);
        true
    }

    /// A record of `bytes` bytes is visible.
    #[inline(always)]
    fn move_on(&mut self, bytes: u64) {
        self.position = self.position.wrapping_add(bytes);
    }

    /// Writes the 0 behind the next record, if that has `own` bytes as the last one had. The peer is busy with the last one
    /// now; later, the next commit would have to wait for the line.
    ///
    /// Salvage has to know how far that was written: in the first lap it may lie over where the ring began.
    #[inline(always)]
    fn end_ahead(&mut self, own: u64) {
        let given = given_away(self.position, own);
        let bytes = own + given;
        let place = self.geometry.word(self.position) + (bytes / HEADER) as usize;
        let Some(next) = self.memory.words().get(place) else { return };
        if bytes <= self.room() {
            next.store(0, Ordering::Relaxed);
            self.ended = self.position.wrapping_add(bytes);
            self.turn = Turn::new(self.position, self.geometry.word(self.position), own, given);
        }
    }

    /// How many bytes from P on are before the limit.
    #[inline(always)]
    pub(super) fn room(&self) -> u64 {
        self.limit.wrapping_sub(self.position)
    }

    /// The only place where the limit moves. What was found out of the next turn may not hold then.
    #[inline(always)]
    pub(super) fn set_room(&mut self, room: u64) {
        self.turn.forget();
        self.limit = self.position.wrapping_add(room);
    }

    /// What was written ahead will be written over. Where nothing was, there is no turn to forget either.
    #[inline(always)]
    pub(super) fn overwrite(&mut self) {
        if self.ended.wrapping_sub(self.position) as i64 > 0 {
            self.will_write(self.ended);
            self.ended = self.position;
            self.turn.forget();
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
