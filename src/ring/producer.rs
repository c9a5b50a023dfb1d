//! The producing end: reserve space, write, commit.

mod quick;

use super::batch::Batch;
use super::claim::{Claim, Place};
use super::copy;
use super::error::{Corrupt, Field, PushError};
use super::lines::{AWAKE, CLOSED, FENCE_LOST};
use super::memory::Memory;
use super::record::{Flags, Geometry, HEADER, Header, Kind, footprint};
use super::salvage::{Marks, Span, Undelivered};
use super::stream::Streaming;
use crate::sync::{Fences, Ordering};
use quick::Turn;

/// How many bytes the first lap makes ready at a time.
const POPULATE_STEP: u64 = 64 * 1024;

/// The producing end of a ring. There is exactly one.
///
/// Everything it decides rests on its private copies; the consumer's words are loaded once, checked, and used
/// from the copy.
#[derive(Debug)]
pub struct Producer<M> {
    memory: M,
    geometry: Geometry,
    fences: Fences,
    /// P: where the next record begins. Everything before it is committed.
    position: u64,
    /// The consumer's released position as last believed: it can be stale, never too far.
    head: u64,
    /// How far anything was written, committed or not: what lies one capacity before it is gone.
    written: u64,
    /// Where the last record began, for [`Producer::demote`], unless [`Producer::push_fast`] pushed it: each store that a send
    /// makes beside those into the ring takes a place in the store buffer from them.
    last: u64,
    /// A position behind P where a 0 stands already, for the next record if it ends there. Not behind P: there is none.
    ended: u64,
    /// What the next record will be if it is like the last one, and where.
    turn: Turn,
    /// First lap only: the position up to which memory is ready.
    ready: u64,
    /// Up to where from P on a plain record may go with nothing else to look at: so much is known to be free and ready,
    /// lies before the wrap, passes no mark, and no stream or close has to be told. P itself means: look.
    limit: u64,
    /// What the last refused reservation needs the consumer to have released.
    want: u64,
    marks: Marks,
    streaming: Streaming,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Closed,
    Corrupt(Corrupt),
}

impl<M: Memory> Producer<M> {
    /// The producing end of `memory`, both of whose ends begin at `position`: 0, but for tests of the wrap.
    ///
    /// Returns `None` if the memory is not a power of two of at least 64 bytes and at most 32 GiB, or the position is not a
    /// multiple of 8.
    #[must_use]
    pub fn new(memory: M, fences: Fences, position: u64) -> Option<Self> {
        let geometry = Geometry::of_words(memory.words().len())?;
        if position % HEADER != 0 {
            return None;
        }
        let marks = Marks::new(geometry, position);
        let (head, written, last, ended) = (position, position, position, position);
        let (ready, want) = (position, position);
        let (streaming, state) = (Streaming::No, State::Open);
        Some(Self {
            memory,
            geometry,
            fences,
            position,
            head,
            written,
            last,
            ended,
            turn: Turn::NONE,
            ready,
            limit: position,
            want,
            marks,
            streaming,
            state,
        })
    }

    /// The numbers that follow from the capacity.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Where the next record begins: how many bytes were committed since birth, headers and padding included.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The memory that the ring runs over.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    #[cold]
    #[inline(never)]
    fn push_slow(&mut self, payload: &[u8]) -> Result<(), PushError> {
        let len = payload.len() as u64;
        if len > self.geometry.max_payload() {
            return Err(PushError::TooLong { len, max: self.geometry.max_payload() });
        }
        let place = self.reserve(self.position, footprint(len))?;
        copy::store(self.payload_words(place.start, len), payload);
        self.commit(place, self.first_header(len as u32));
        self.set_room(self.survey(self.position, &self.marks));
        Ok(())
    }

    /// Reserves a record of at most `max` bytes, to be written in place.
    ///
    /// # Errors
    /// [`PushError`]; nothing was reserved then.
    #[inline]
    pub fn claim(&mut self, max: usize) -> Result<Claim<'_, M>, PushError> {
        let len = max as u64;
        if len > self.geometry.max_payload() {
            return Err(PushError::TooLong { len, max: self.geometry.max_payload() });
        }
        let place = self.place(footprint(len))?;
        self.will_write(place.end);
        Ok(Claim::new(self, place, max))
    }

    /// Where the next record of `bytes` bytes goes.
    #[inline(always)]
    fn place(&mut self, bytes: u64) -> Result<Place, PushError> {
        match self.place_within(self.room(), self.position, bytes) {
            Some(place) => {
                self.overwrite();
                Ok(place)
            }
            None => self.place_slow(bytes),
        }
    }

    /// Where a record of `bytes` bytes goes after `from`, if it lies within the `room` from there on and the consumer takes
    /// more.
    #[inline(always)]
    pub(super) fn place_within(&self, room: u64, from: u64, bytes: u64) -> Option<Place> {
        let fits = bytes <= room && self.memory.armed_data().armed.load(Ordering::Relaxed) != CLOSED;
        fits.then(|| Place { from, start: from, end: from.wrapping_add(bytes) })
    }

    #[cold]
    #[inline(never)]
    fn place_slow(&mut self, bytes: u64) -> Result<Place, PushError> {
        let place = self.reserve(self.position, bytes)?;
        self.set_room(if place.from == place.start { self.survey(self.position, &self.marks) } else { 0 });
        Ok(place)
    }

    /// Whether a record of `len` bytes could be pushed now.
    ///
    /// # Errors
    /// What [`Producer::push`] would say.
    #[inline]
    pub fn probe(&mut self, len: usize) -> Result<(), PushError> {
        let (len, max) = (len as u64, self.geometry.max_payload());
        if len > max {
            return Err(PushError::TooLong { len, max });
        }
        self.place(footprint(len)).map(drop)
    }

    /// Begins a batch: records that become visible together.
    #[inline]
    pub fn batch(&mut self) -> Batch<'_, M> {
        Batch::new(self)
    }

    /// Commits a message that fits at once: one record, or a batch of fragments.
    ///
    /// # Errors
    /// [`PushError`]; nothing was committed then. [`PushError::TooLong`] above [`Geometry::max_atomic`].
    #[inline]
    pub fn push_message(&mut self, message: &[u8]) -> Result<(), PushError> {
        if message.len() as u64 <= self.geometry.max_payload() {
            self.push(message)
        } else {
            self.push_fragments(message)
        }
    }

    /// The data record's header, with the news of a given-up stream if there is one.
    #[inline(always)]
    pub(super) fn first_header(&self, len: u32) -> Header {
        Header { len, kind: Kind::Data, flags: self.restart_flag() }
    }

    #[inline(always)]
    pub(super) fn restart_flag(&self) -> Flags {
        if self.is_streaming() { Flags::RESTART } else { Flags::NONE }
    }

    pub(super) fn streaming(&self) -> Streaming {
        self.streaming
    }

    pub(super) fn set_streaming(&mut self, streaming: Streaming) {
        self.streaming = streaming;
        self.set_room(0);
    }

    /// Whether the consumer holds the beginning of a streamed message that was neither finished nor cancelled.
    #[inline(always)]
    pub fn is_streaming(&self) -> bool {
        self.streaming != Streaming::No
    }

    #[inline(always)]
    pub(super) fn payload_words(&self, start: u64, len: u64) -> &[crate::sync::AtomicU64] {
        let first = self.geometry.word(start) + 1;
        &self.memory.words()[first..first + len.div_ceil(8) as usize]
    }

    /// Finds room for a record of `footprint` bytes after `from`, its padding and the next header place included.
    #[inline(always)]
    pub(super) fn reserve(&mut self, from: u64, footprint: u64) -> Result<Place, PushError> {
        self.overwrite();
        let room = self.geometry.room(from);
        let start = if footprint > room { from.wrapping_add(room) } else { from };
        let end = start.wrapping_add(footprint);
        let full = end.wrapping_add(HEADER).wrapping_sub(self.head) > self.geometry.capacity();
        if full
            || self.state != State::Open
            || self.memory.armed_data().armed.load(Ordering::Relaxed) == CLOSED
        {
            self.refresh(end)?;
        }
        if end.wrapping_sub(self.ready) as i64 > -(HEADER as i64) {
            self.make_ready(end)?;
        }
        Ok(Place { from, start, end })
    }

    pub(super) fn marks(&self) -> Marks {
        self.marks
    }

    pub(super) fn set_marks(&mut self, marks: Marks) {
        self.marks = marks;
    }

    /// What lies before `end` may be written without ever being committed.
    #[inline(always)]
    pub(super) fn will_write(&mut self, end: u64) {
        if end.wrapping_sub(self.written) as i64 > 0 {
            self.written = end;
        }
    }

    /// Looks at the consumer's head again.
    #[cold]
    fn refresh(&mut self, end: u64) -> Result<(), PushError> {
        match self.state {
            State::Open => {}
            State::Closed => return Err(PushError::Closed),
            State::Corrupt(corrupt) => return Err(corrupt.into()),
        }
        if self.is_consumer_closed() {
            return Err(PushError::Closed);
        }
        self.load_head()?;
        if end.wrapping_add(HEADER).wrapping_sub(self.head) > self.geometry.capacity() {
            self.want = end.wrapping_add(HEADER).wrapping_sub(self.geometry.capacity());
            return Err(PushError::Full);
        }
        Ok(())
    }

    fn load_head(&mut self) -> Result<(), Corrupt> {
        if let State::Corrupt(corrupt) = self.state {
            return Err(corrupt);
        }
        // R2, acquire side: what the consumer copied out before it released is ours to overwrite only after this.
        let head = self.memory.head().head.load(Ordering::Acquire);
        let behind = self.position.wrapping_sub(head);
        let aligned = head % HEADER == 0;
        let forward = behind <= self.position.wrapping_sub(self.head);
        if !aligned || !forward || behind > self.geometry.capacity() - HEADER {
            let corrupt = Corrupt { field: Field::Head, value: head };
            self.state = State::Corrupt(corrupt);
            self.set_room(0);
            return Err(corrupt);
        }
        self.head = head;
        Ok(())
    }

    /// First lap: asks for memory before it is written, so that a refusal is an error and not a signal.
    #[cold]
    fn make_ready(&mut self, end: u64) -> Result<(), PushError> {
        let capacity = self.geometry.capacity();
        let born = self.marks.born();
        let needed = end.wrapping_add(HEADER).wrapping_sub(born);
        let ready = self.ready.wrapping_sub(born);
        if ready < capacity {
            let whole = self.geometry.offset(born) != 0;
            let upto = if whole { capacity } else { needed.next_multiple_of(POPULATE_STEP).min(capacity) };
            self.memory.populate(upto).map_err(|_| PushError::NoSpace)?;
            self.ready = born.wrapping_add(upto);
        }
        if self.ready.wrapping_sub(born) >= capacity {
            // The whole ring is ready. Keep the comparison false for half of all positions, then come here again.
            self.ready = self.position.wrapping_add(i64::MAX as u64 & !7);
        }
        Ok(())
    }

    /// Makes the record at `place` visible; its payload was written.
    #[inline(always)]
    pub(super) fn commit(&mut self, place: Place, header: Header) {
        let (words, geometry) = (self.memory.words(), self.geometry);
        words[geometry.word(place.end)].store(0, Ordering::Relaxed);
        // R1, release side: the payload and the next header place, before the header that makes them visible.
        words[geometry.word(place.start)].store(header.to_word(), Ordering::Release);
        if place.start != place.from {
            let len = place.start.wrapping_sub(place.from) - HEADER;
            let padding = Header { len: len as u32, kind: Kind::Padding, flags: Flags::NONE };
            // R1, release side: padding and the record after it become visible together.
            words[geometry.word(place.from)].store(padding.to_word(), Ordering::Release);
        }
        self.committed(place.start, place.end);
    }

    /// Moves P, and wakes the consumer if it sleeps.
    #[inline(always)]
    pub(super) fn committed(&mut self, last: u64, end: u64) {
        self.streaming = Streaming::No;
        let room = self.room().saturating_sub(end.wrapping_sub(self.position));
        self.last = last;
        self.position = end;
        self.set_room(room);
        self.marks.pass(end);
        self.fetch_ahead(quick::AHEAD);
        self.wake_consumer();
    }

    /// Wakes the consumer if it sleeps. Always `true`, so that who commits can end in a jump to here.
    #[inline(always)]
    pub(crate) fn wake_consumer(&mut self) -> bool {
        // R4, light side: the commit, then the look at the wait word.
        self.fences.light();
        if self.memory.armed_data().armed.load(Ordering::Relaxed) != AWAKE {
            return self.wake_armed_consumer();
        }
        true
    }

    #[cold]
    #[inline(never)]
    fn wake_armed_consumer(&mut self) -> bool {
        let line = self.memory.armed_data();
        // R5: whoever takes the armed value owes the wake-up.
        let armed = line.armed.swap(AWAKE, Ordering::AcqRel);
        if armed & FENCE_LOST != 0 {
            self.fences = Fences::SeqCst;
            // R9, release side: what was committed with a light fence, before the word that says it was the last.
            self.memory.producer().fenced.store(1, Ordering::Release);
        }
        match armed & !FENCE_LOST {
            CLOSED => self.memory.armed_data().armed.store(CLOSED, Ordering::Relaxed),
            armed => self.memory.wake_consumer(armed),
        }
        true
    }

    /// Whether a record that was refused with [`PushError::Full`] would have another answer now: there is room, or
    /// the consumer has closed.
    ///
    /// # Errors
    /// [`Corrupt`] if the consumer's head is not one that a correct consumer writes.
    pub fn has_space(&mut self) -> Result<bool, Corrupt> {
        self.load_head()?;
        Ok(self.head.wrapping_sub(self.want) as i64 >= 0 || self.is_consumer_closed())
    }

    /// Asks to be woken when the record that was refused last has room.
    ///
    /// After it, the caller executes the heavy side of R4, asks [`Producer::has_space`] once more, and only then
    /// sleeps until `armed_space` is no longer `armed`; then it calls [`Producer::disarm`].
    pub fn arm(&mut self, armed: u32) {
        self.memory.producer().want.store(self.want, Ordering::Relaxed);
        // R4, arming side: `want` and the wait word, before the caller's heavy fence and its last look.
        self.memory.armed_space().armed.store(armed, Ordering::Release);
    }

    /// Whether the consumer follows each release by a full fence, as it was asked to by [`FENCE_LOST`]. If so before
    /// [`Producer::arm`], a full fence is a heavy one, whatever was agreed.
    pub fn is_consumer_fenced(&self) -> bool {
        // R9, acquire side: what the consumer released with a light fence is seen after this.
        self.memory.head().fenced.load(Ordering::Acquire) != 0
    }

    /// Takes back [`Producer::arm`].
    pub fn disarm(&mut self) {
        self.memory.armed_space().armed.store(AWAKE, Ordering::Relaxed);
    }

    /// Tells the processor that the last record will be read elsewhere: worth it when this end now starts to wait. Call it
    /// after [`Producer::push_turn`], [`Producer::push_again`] or a commit. What [`Producer::push_fast`] has pushed since is told
    /// of too, or nothing is.
    #[inline(always)]
    pub fn demote(&mut self) {
        let bytes = self.position.wrapping_sub(self.last);
        if bytes != 0 && bytes <= self.geometry.max_record() {
            let (first, words) = (self.geometry.word(self.last), self.memory.words());
            let end = words.len().min(first + (bytes / 8) as usize);
            // From the beginning of the line in which it begins.
            copy::demote(&words[first / 8 * 8..end]);
            self.last = self.position;
        }
    }

    /// Whether the last record was demoted.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn is_demoted(&self) -> bool {
        self.last == self.position
    }

    /// Whether the consumer has closed its end.
    pub fn is_consumer_closed(&self) -> bool {
        // R6, acquire side of the consumer's close.
        self.memory.head().closed.load(Ordering::Acquire) != 0
    }

    /// Whether the consumer has released everything that was committed.
    ///
    /// # Errors
    /// [`Corrupt`] if the consumer's head is not one that a correct consumer writes.
    pub fn is_released(&mut self) -> Result<bool, Corrupt> {
        self.load_head()?;
        self.want = self.position;
        Ok(self.head == self.position)
    }

    /// Says that nothing more comes. What was committed stays to be taken. Needs no space.
    pub fn close(&mut self) {
        if self.state == State::Open {
            self.state = State::Closed;
        }
        self.set_room(0);
        // R6, release side: every commit, before the word that says it was the last.
        self.memory.producer().closed.store(1, Ordering::Release);
        self.wake_consumer();
    }

    /// What the consumer, now dead, had not taken.
    ///
    /// Call it only when the consumer's process is known to be gone: a living one could still take more.
    ///
    /// # Errors
    /// [`Corrupt`] if the cursor that the consumer left is not one that a correct consumer writes.
    pub fn salvage(&mut self) -> Result<Undelivered<M>, Corrupt>
    where
        M: Clone,
    {
        self.close();
        // R3, acquire side: the consumer's last word on what it handed out.
        let cursor = self.memory.cursor().cursor.load(Ordering::Acquire);
        self.overwrite();
        self.will_write(self.position);
        let span = Span { head: self.head, cursor, end: self.position, written: self.written };
        Undelivered::new(self.memory.clone(), self.geometry, self.marks, span)
    }
}
