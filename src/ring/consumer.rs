//! The consuming end: poll, check, copy out, release.

use super::assembly::Assembly;
use super::copy;
use super::error::{Corrupt, Field, PopError};
use super::lines::{AWAKE, CLOSED, FENCE_LOST};
use super::memory::Memory;
use super::record::{CACHE_LINE, Flags, Geometry, HEADER, Header, HeaderError, Kind};
use crate::sync::{AtomicU64, Fences, Ordering};
use std::marker::PhantomData;
use std::num::NonZero;

/// How many bytes must have been taken since the ring was empty for what lies ahead to be fetched: so many that the
/// producer is far ahead, and nothing is taken from under its hands.
const BACKLOG: u64 = 32 * 1024;

/// How far ahead that is. On Intel's Sapphire Rapids 512 bytes gained a quarter of 64-byte messages a second, 1024 and 2048
/// more than a third.
const AHEAD: u64 = 1024;

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

/// Where the next header will stand.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a>(&'a AtomicU64);

/// A header that a look has found, unchecked.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a>(NonZero<u64>, PhantomData<&'a AtomicU64>);

impl<'a> Look<'a> {
    /// The header, if there is one by now.
    #[inline(always)]
    pub fn now(self) -> Option<Seen<'a>> {
        // R1, acquire side: a header that is not 0 makes the payload behind it visible.
        NonZero::new(self.0.load(Ordering::Acquire)).map(|word| Seen(word, PhantomData))
    }
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
    /// two of at least 64 bytes, or the position is not a multiple of 8.
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
        match self.pop_fast(buffer) {
            Some(len) => Ok(len),
            None => self.pop_into_slow(buffer),
        }
    }

    /// The short way to [`Consumer::pop_into`]: `None` if there is anything to look at first, and nothing was taken.
    #[inline(always)]
    pub fn pop_fast(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let stride = self.stride;
        let record = self.memory.words().get(self.geometry.word(self.position)..)?;
        // R1, acquire side: a header that is not 0 makes the payload behind it visible.
        let word = record.first()?.load(Ordering::Acquire);
        let (len, bytes) = Header::plain(word, self.position)?;
        // The room is less than a quarter of the ring and ends at the wrap, so this is the check of the length too.
        if bytes > self.room {
            return None;
        }
        let words = record.get(1..(bytes / HEADER) as usize)?;
        let target = buffer.get_mut(..len as usize)?;
        // Without a call in its midst, the way of a short message has no register to save.
        if target.len() >= copy::LONG_FROM {
            return Some(self.pop_long(bytes, target));
        }
        copy::load(words, target);
        self.fetch_ahead(bytes);
        // Each header comes from the other core's cache. Where the next one lies hangs on this one only if it is not like
        // the last: the processor guesses that and goes on. Otherwise it waits for one header after the other.
        Some(if bytes == stride {
            self.took(stride, len as usize)
        } else {
            self.took_other(bytes, len as usize)
        })
    }

    /// The same for a long message.
    #[inline(never)]
    fn pop_long(&mut self, bytes: u64, target: &mut [u8]) -> usize {
        copy::load(self.payload_words(self.position), target);
        self.fetch_ahead(bytes);
        self.stride = bytes;
        self.took(bytes, target.len())
    }

    /// A plain record that takes another number of bytes than the one before was copied out.
    #[inline(never)]
    fn took_other(&mut self, bytes: u64, len: usize) -> usize {
        self.stride = bytes;
        self.took(bytes, len)
    }

    /// Asks for what will be read soon, if the producer is far ahead. With short records, of which many share a line, the
    /// processor keeps up by itself.
    #[inline(always)]
    fn fetch_ahead(&self, bytes: u64) {
        if bytes > CACHE_LINE / 2 && self.position.wrapping_sub(self.caught_up) >= BACKLOG {
            let index = self.geometry.word(self.position.wrapping_add(AHEAD));
            copy::prefetch_for_read(self.memory.words(), index);
        }
    }

    /// The same for who waits: `wait` looks for the next header until it is there, or gives up. Only a record that lies in
    /// one line is taken.
    #[inline(always)]
    pub fn pop_line(
        &mut self,
        buffer: &mut [u8],
        wait: impl for<'a> FnOnce(&M, Look<'a>) -> Option<Seen<'a>>,
    ) -> Option<usize> {
        let record = self.memory.words().get(self.geometry.word(self.position)..)?;
        let [header, line @ ..] = record.first_chunk::<{ copy::LINE_WORDS + 1 }>()?;
        let word = wait(&self.memory, Look(header))?.0.get();
        let (len, bytes) = Header::plain(word, self.position)?;
        // As in `pop_fast`.
        if bytes > self.room || len > HEADER * copy::LINE_WORDS as u64 {
            return None;
        }
        copy::load_line(line, buffer.get_mut(..len as usize)?);
        Some(self.took(bytes, len as usize))
    }

    /// A plain record of `bytes` bytes was copied out: the `len` of its payload.
    #[inline(always)]
    fn took(&mut self, bytes: u64, len: usize) -> usize {
        self.room -= bytes;
        self.move_on(self.position.wrapping_add(bytes));
        if self.memory.armed_space().armed.load(Ordering::Relaxed) != AWAKE {
            return self.took_from_waiting(len);
        }
        len
    }

    #[cold]
    #[inline(never)]
    fn took_from_waiting(&mut self, len: usize) -> usize {
        self.serve_waiting_producer();
        len
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
