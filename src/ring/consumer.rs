//! The consuming end: poll, check, copy out, release.

mod quick;

use super::assembly::Assembly;
use super::error::{Corrupt, Field, PopError};
use super::lines::{AWAKE, CLOSED, FENCE_LOST};
use super::memory::Memory;
use super::record::{Flags, Geometry, HEADER, Header, HeaderError, Kind};
use crate::sync::{AtomicU64, Fences, Ordering};
pub use quick::{Look, Seen, Taken};

/// The consuming end of a ring. There is exactly one.
///
/// Every word of the producer is loaded once, checked, and used from the copy. A word that fails a check makes
/// the ring corrupt, for good: every later call says so.
#[derive(Debug)]
pub struct Consumer<M> {
    pub(super) memory: M,
    pub(super) geometry: Geometry,
    fences: Fences,
    /// r: everything before it was handed out.
    pub(super) position: u64,
    /// The last position that the producer was told of.
    published: u64,
    /// How many bytes from r on a plain record may take with nothing else to look at: they lie before the wrap, taking
    /// them publishes nothing, and no message is in pieces. 0 means: look.
    pub(super) room: u64,
    /// How many bytes the last plain record took.
    stride: u64,
    /// r when the ring was found empty last, or was about to be slept on.
    caught_up: u64,
    /// The producer is gone: nothing is published any more, so the drain ends within one capacity.
    frozen: bool,
    pub(super) max_message: u64,
    pub(super) assembly: Assembly,
    corrupt: Option<Corrupt>,
}

/// A record whose header was checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub header: Header,
    pub start: u64,
    pub end: u64,
}

impl<M: Memory> Consumer<M> {
    /// The consuming end of `memory`, both of whose ends begin at `position`.
    ///
    /// Streamed messages may be up to `max_message` bytes long. Returns `None` if the memory is not a power of
    /// two of at least 64 bytes and at most 32 GiB, or the position is not a multiple of 8.
    #[must_use]
    pub fn new(memory: M, fences: Fences, position: u64, max_message: u64) -> Option<Self> {
        let geometry = Geometry::of_words(memory.words().len())?;
        if position % HEADER != 0 {
            return None;
        }
        let assembly = Assembly::Idle;
        let (published, frozen, corrupt) = (position, false, None);
        Some(Self {
            memory,
            geometry,
            fences,
            position,
            published,
            room: 0,
            stride: 0,
            caught_up: position,
            frozen,
            max_message,
            assembly,
            corrupt,
        })
    }

    /// The numbers that follow from the capacity.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Everything before this position was handed out.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The memory that the ring runs over.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Takes the next message into the front of `buffer` and returns its length. No allocation, unless the
    /// message is a streamed one.
    ///
    /// # Errors
    /// [`PopError`]; nothing was taken then.
    #[inline]
    pub fn pop_into(&mut self, buffer: &mut [u8]) -> Result<usize, PopError> {
        match self.pop_fast(buffer).length() {
            Some(len) => Ok(len),
            None => self.pop_into_slow(buffer),
        }
    }

    /// What [`Consumer::pop_into`] may take without a look.
    pub(super) fn survey(&mut self) {
        let hidden = self.position.wrapping_sub(self.published) + HEADER;
        let to_step = self.geometry.lazy_step().saturating_sub(hidden);
        let idle = matches!(self.assembly, Assembly::Idle);
        self.room = if idle { to_step.min(self.geometry.room(self.position)) } else { 0 };
    }

    #[inline(always)]
    fn header_word(&self, position: u64) -> u64 {
        // R1, acquire side: a header that is not 0 makes the payload behind it visible.
        self.memory.words()[self.geometry.word(position)].load(Ordering::Acquire)
    }

    #[inline(always)]
    pub(super) fn payload_words(&self, start: u64) -> &[AtomicU64] {
        &self.memory.words()[self.geometry.word(start) + 1..]
    }

    /// Where a record with this header at `start` ends, if a correct producer could have written it.
    #[inline(always)]
    pub(super) fn check_extent(&mut self, start: u64, header: Header) -> Result<u64, Corrupt> {
        let len = u64::from(header.len);
        if HEADER + len > self.geometry.max_record().min(self.geometry.room(start)) {
            return Err(self.corrupt(Field::Length, len));
        }
        let end = start.wrapping_add(header.extent(start));
        if end.wrapping_add(HEADER).wrapping_sub(self.published) > self.geometry.capacity() {
            return Err(self.corrupt(Field::Overrun, end));
        }
        Ok(end)
    }

    #[cold]
    pub(super) fn corrupt(&mut self, field: Field, value: u64) -> Corrupt {
        (self.assembly, self.room) = (Assembly::Broken, 0);
        *self.corrupt.get_or_insert(Corrupt { field, value })
    }

    /// The next record that is not padding, from a header word that was loaded at the position.
    pub(super) fn record(&mut self, word: u64) -> Result<Record, PopError> {
        if let Some(corrupt) = self.corrupt {
            return Err(corrupt.into());
        }
        let word = if word == 0 { self.nothing()? } else { word };
        let record = self.check(self.position, word)?;
        if record.header.kind != Kind::Padding {
            return Ok(record);
        }
        // Padding ends at the wrap, so what follows stands at offset 0 and cannot be padding again. The position
        // stays before it until the record is taken: what is published must never pass the cursor.
        let word = self.header_word(record.end);
        if word == 0 {
            // Padding and the record after it are committed together.
            return Err(self.corrupt(Field::Padding, record.end).into());
        }
        Ok(self.check(record.end, word)?)
    }

    /// Checks one header word.
    pub(super) fn check(&mut self, start: u64, word: u64) -> Result<Record, Corrupt> {
        let header = match Header::from_word(word) {
            Ok(header) => header,
            Err(HeaderError::Kind) => return Err(self.corrupt(Field::Kind, word)),
            Err(HeaderError::Flags) => return Err(self.corrupt(Field::Flags, word)),
        };
        let too_far = header.kind != Kind::Data || header.extent(start) > self.geometry.max_record();
        if header.flags.has(Flags::LINED) && too_far {
            return Err(self.corrupt(Field::Flags, word));
        }
        let end = self.check_extent(start, header)?;
        if header.kind == Kind::Padding {
            let ends_at_wrap = self.geometry.offset(end) == 0 && header.len % 8 == 0;
            if !ends_at_wrap || self.geometry.offset(start) == 0 || header.flags != Flags::NONE {
                return Err(self.corrupt(Field::Padding, word));
            }
        }
        Ok(Record { header, start, end })
    }

    /// The header is 0: tells the producer what was released, and whether more can come.
    fn nothing(&mut self) -> Result<u64, PopError> {
        self.publish();
        // R6, acquire side of the producer's close: every commit before it is visible to the second look.
        let closed = self.memory.producer().closed.load(Ordering::Acquire) != 0;
        match self.header_word(self.position) {
            0 if closed => Err(PopError::Closed),
            0 => Err(PopError::Empty),
            word => Ok(word),
        }
    }

    /// Everything before `end` was handed out, and may be overwritten.
    #[inline(always)]
    pub(super) fn take(&mut self, end: u64) {
        self.hand_out(end);
        self.release();
    }

    /// Everything before `end` was handed out.
    #[inline(always)]
    pub(super) fn hand_out(&mut self, end: u64) {
        self.room = self.room.saturating_sub(end.wrapping_sub(self.position));
        self.move_on(end);
    }

    #[inline(always)]
    fn move_on(&mut self, end: u64) {
        self.position = end;
        // R3: the cursor moves before the head can pass it, so head ≤ cursor at every instant.
        self.memory.cursor().cursor.store(end, Ordering::Relaxed);
    }

    /// What was handed out may be overwritten: publishes it if enough has come together, or the producer waits.
    #[inline(always)]
    pub fn release(&mut self) {
        if self.position.wrapping_sub(self.published) >= self.geometry.lazy_step() {
            self.tell();
        } else if self.memory.armed_space().armed.load(Ordering::Relaxed) != AWAKE {
            self.serve_waiting_producer();
        }
    }

    /// Tells the producer what was released: before anything that blocks, and when the ring is empty.
    pub fn publish(&mut self) {
        self.caught_up = self.position;
        self.tell();
    }

    /// Tells the producer what was released.
    fn tell(&mut self) {
        if self.published == self.position || self.frozen {
            return;
        }
        self.published = self.position;
        // R2, release side: what was copied out, before the word that lets the producer overwrite it.
        // R3, release side: the cursor, before the head that passes it.
        self.memory.head().head.store(self.position, Ordering::Release);
        // R4, light side: the release, then the look at the wait word.
        self.fences.light();
        if self.memory.armed_space().armed.load(Ordering::Relaxed) != AWAKE {
            self.serve_waiting_producer();
        }
    }

    #[cold]
    #[inline(never)]
    fn serve_waiting_producer(&mut self) {
        let line = self.memory.armed_space();
        // R4: pairs with the arming store, so that `want` is the one that belongs to it. One that is left from a
        // wait for a receipt can be larger.
        let armed = line.armed.load(Ordering::Acquire);
        if armed == AWAKE || self.frozen {
            return;
        }
        self.heed(armed);
        let want = self.memory.producer().want.load(Ordering::Relaxed);
        if (self.position.wrapping_sub(want) as i64) < 0 {
            return;
        }
        if self.published != self.position {
            self.published = self.position;
            // R2 and R3, release side: as in `publish`.
            self.memory.head().head.store(self.position, Ordering::Release);
            // R4, light side: the swap is the look. The producer may have given up and armed again since the first.
            self.fences.light();
        }
        // R5: whoever takes the armed value owes the wake-up.
        let armed = self.memory.armed_space().armed.swap(AWAKE, Ordering::AcqRel);
        self.heed(armed);
        self.memory.wake_producer(armed & !FENCE_LOST);
    }

    /// The producer sleeps with its wait word `armed`. If its heavy fence failed, there are full ones here from now on.
    fn heed(&mut self, armed: u32) {
        if armed & FENCE_LOST != 0 {
            self.fences = Fences::SeqCst;
            // R9, release side: what was released with a light fence, before the word that says it was the last.
            self.memory.head().fenced.store(1, Ordering::Release);
        }
    }

    /// Whether a call to take a message would find something: a record, the end, or damage.
    pub fn is_ready(&self) -> bool {
        self.corrupt.is_some()
            || matches!(self.assembly, Assembly::Whole(_))
            || self.header_word(self.position) != 0
            // R6, acquire side of the producer's close.
            || self.memory.producer().closed.load(Ordering::Acquire) != 0
    }

    /// One look at the next header, and nothing else: for spinning.
    #[inline(always)]
    pub fn poll(&self) -> bool {
        self.header_word(self.position) != 0
    }

    /// Asks to be woken when there is something to take.
    ///
    /// After it, the caller executes the heavy side of R4, asks [`Consumer::is_ready`] once more, and only then
    /// sleeps until `armed_data` is no longer `armed`; then it calls [`Consumer::disarm`].
    pub fn arm(&mut self, armed: u32) {
        self.publish();
        // R4, arming side: the wait word, before the caller's heavy fence and its last look.
        self.memory.armed_data().armed.store(armed, Ordering::Release);
    }

    /// Whether the producer follows each commit by a full fence, as it was asked to by [`FENCE_LOST`]. If so before
    /// [`Consumer::arm`], a full fence is a heavy one, whatever was agreed.
    pub fn is_producer_fenced(&self) -> bool {
        // R9, acquire side: what the producer committed with a light fence is seen after this.
        self.memory.producer().fenced.load(Ordering::Acquire) != 0
    }

    /// Takes back [`Consumer::arm`].
    pub fn disarm(&mut self) {
        self.memory.armed_data().armed.store(AWAKE, Ordering::Relaxed);
    }

    /// The producer's process is gone, or its link: from now on nothing is published, so taking what was committed
    /// ends within one capacity of the last position that was, whatever stands in the ring or is still written there.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// How many bytes of a streamed message were received, if one was begun and not finished.
    #[must_use]
    pub fn partial(&self) -> Option<u64> {
        self.assembly.partial()
    }

    /// Says that nothing more will be taken; what was taken is published.
    pub fn close(&mut self) {
        self.publish();
        // R6, release side of the consumer's close.
        self.memory.head().closed.store(1, Ordering::Release);
        self.memory.armed_data().armed.store(CLOSED, Ordering::Release);
        // R4, light side: the close, then the look at the wait word.
        self.fences.light();
        // R5: whoever takes the armed value owes the wake-up.
        let armed = self.memory.armed_space().armed.swap(AWAKE, Ordering::AcqRel);
        if armed != AWAKE {
            self.memory.wake_producer(armed & !FENCE_LOST);
        }
    }
}
