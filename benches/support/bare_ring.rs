//! The measuring stick: the library's ring protocol with no library around it.
//!
//! It does on the hot path all that the protocol asks for, and nothing else: in-band commit with a terminator, the
//! five lines of a direction, the lazy head, the cursor, a look at the wait words after each send and each receive,
//! every check of a peer's word, copies of foreign memory by atomic words (or `rep movsb`, where it is quicker), and
//! `cldemote` of the last record when an end that has just sent begins to wait. What the library's channels take
//! beyond this is the price of their types, errors and links.
//!
//! It lacks everything else: nobody can sleep on it, close it, batch, or send more than a quarter of it at once.
#![allow(unsafe_code, reason = "raw shared memory, as a measuring stick must use it")]

use std::hint::spin_loop;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64, compiler_fence};

use rustix::thread::futex;

use super::pages::{LINE, Pages};
use super::{End, Subject, cpus};

/// The data bytes of one direction.
const CAPACITY: u64 = 1 << 20;
/// The longest record, header included.
const RECORD_MAX: u64 = CAPACITY / 4;
/// How far the consumer's released position may be ahead of the published one.
const LAZY: u64 = CAPACITY / 8;
/// The bytes of a record's header, to which a record is also aligned.
const HEADER: u64 = 8;
/// The kind of a record is in the upper half of its header, the length in the lower one.
const KIND_SHIFT: u32 = 32;
const DATA_KIND: u64 = 1;
const PADDING_KIND: u64 = 2;
/// How many pauses lie between two looks at an empty header. Too few, and the poller keeps taking away the line that
/// the sender still fills; too many, and it looks late. Measured: 8 are best on Intel's Sapphire Rapids; on AMD's
/// Zen 5, where a pause takes 22 ns and a line travels quicker, 1 is best and 8 triple a round trip.
fn pauses() -> u32 {
    if cpus::processor().contains("AMD") { 1 } else { 8 }
}

/// The lines, then the data.
const HEAD: usize = 0;
const CURSOR: usize = LINE;
const WANT: usize = 2 * LINE;
const ARMED_DATA: usize = 3 * LINE;
const ARMED_SPACE: usize = 4 * LINE;
const DATA: usize = 4096;
const LENGTH: usize = DATA + CAPACITY as usize;

/// A bare ring each way.
#[derive(Debug)]
pub struct BareRing;

/// One end of the two rings.
#[derive(Debug)]
pub struct BareEnd {
    producer: Producer,
    consumer: Consumer,
    pauses: u32,
}

impl Subject for BareRing {
    type Half = BareEnd;
    type End = BareEnd;

    fn name(&self) -> &'static str {
        "bare ring"
    }

    fn spins(&self) -> bool {
        true
    }

    fn halves(&self, size: usize) -> io::Result<(BareEnd, BareEnd)> {
        if record(size as u64) > RECORD_MAX {
            return Err(io::Error::other("longer than a record of the bare ring"));
        }
        let (there, back) = (Pages::new(LENGTH)?, Pages::new(LENGTH)?);
        let end = |to: &Arc<Pages>, from: &Arc<Pages>| BareEnd {
            producer: Producer { ring: Ring::new(to), position: 0, head: 0, sent: None },
            consumer: Consumer { ring: Ring::new(from), position: 0, published: 0 },
            pauses: pauses(),
        };
        Ok((end(&there, &back), end(&back, &there)))
    }

    fn connect(&self, half: BareEnd) -> io::Result<BareEnd> {
        Ok(half)
    }
}

impl End for BareEnd {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        self.producer.send(message);
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8]) -> usize {
        loop {
            match self.consumer.take(buffer) {
                Some(length) => return length,
                None => self.wait(),
            }
        }
    }
}

impl BareEnd {
    /// Waits for a record: shows all that was released, hands over the record sent last, and polls.
    fn wait(&mut self) {
        self.consumer.publish();
        self.producer.demote();
        while self.consumer.ring.header(self.consumer.position).load(Acquire) == 0 {
            for _ in 0..self.pauses {
                spin_loop();
            }
        }
    }
}

/// The bytes that a message takes in the ring.
#[inline(always)]
fn record(length: u64) -> u64 {
    (HEADER + length).next_multiple_of(HEADER)
}

/// The memory of one direction.
#[derive(Debug)]
struct Ring {
    start: *mut u8,
    /// Keeps the memory mapped.
    _pages: Arc<Pages>,
}

impl Ring {
    fn new(pages: &Arc<Pages>) -> Self {
        Self { start: pages.at(0, LENGTH), _pages: pages.clone() }
    }

    /// A line's word of 64 bits.
    #[inline(always)]
    fn line(&self, line: usize) -> &AtomicU64 {
        // SAFETY: `line` is one of the constants above: aligned, and before the data. Mapped for as long as `self`;
        // only atomics refer to it.
        unsafe { AtomicU64::from_ptr(self.start.add(line).cast()) }
    }

    /// A wait word.
    #[inline(always)]
    fn armed(&self, line: usize) -> &AtomicU32 {
        // SAFETY: as for `line`.
        unsafe { AtomicU32::from_ptr(self.start.add(line).cast()) }
    }

    /// The address of a position's byte.
    #[inline(always)]
    fn at(&self, position: u64) -> *mut u8 {
        // SAFETY: the offset is masked to the data, which lies in the mapping.
        unsafe { self.start.add(DATA + (position & (CAPACITY - 1)) as usize) }
    }

    /// The header at a position, which is a multiple of 8.
    #[inline(always)]
    fn header(&self, position: u64) -> &AtomicU64 {
        // SAFETY: positions are multiples of 8 and so is every length added to them; in bounds by the mask.
        unsafe { AtomicU64::from_ptr(self.at(position).cast()) }
    }

    /// The light half of the fence, a look at a wait word, and the wake-up that nobody here ever needs.
    #[inline(always)]
    fn look(&self, line: usize) {
        compiler_fence(SeqCst);
        if self.armed(line).load(Relaxed) != 0 {
            self.wake(line);
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self, line: usize) {
        self.armed(line).store(0, Relaxed);
        let _ = futex::wake(self.armed(line), futex::Flags::empty(), i32::MAX as u32);
    }
}

#[derive(Debug)]
struct Producer {
    ring: Ring,
    position: u64,
    /// The head as seen last.
    head: u64,
    /// The positions of the record sent last, until it is demoted.
    sent: Option<(u64, u64)>,
}

impl Producer {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        let need = record(message.len() as u64);
        let room = CAPACITY - (self.position & (CAPACITY - 1));
        let padding = if need > room { room } else { 0 };
        let end = self.position + padding + need;
        // The next header's place must be free too: it gets the 0 that ends the ring.
        if end + HEADER - self.head > CAPACITY {
            self.wait_for_space(end + HEADER);
        }
        let start = end - need;
        // SAFETY: the record lies between the head and the end of the data, so the consumer does not read it before
        // its header is stored; it is not split, because of the padding.
        unsafe { copy_in(message, self.ring.at(start + HEADER)) };
        self.ring.header(end).store(0, Relaxed);
        self.ring.header(start).store(DATA_KIND << KIND_SHIFT | message.len() as u64, Release);
        if padding > 0 {
            let header = PADDING_KIND << KIND_SHIFT | (padding - HEADER);
            self.ring.header(self.position).store(header, Release);
        }
        self.position = end;
        self.sent = Some((start, end));
        self.ring.look(ARMED_DATA);
    }

    #[cold]
    #[inline(never)]
    fn wait_for_space(&mut self, end: u64) {
        self.ring.line(WANT).store(end - CAPACITY, Relaxed);
        loop {
            let head = self.ring.line(HEAD).load(Acquire);
            let is_sound = head % HEADER == 0
                && self.position.wrapping_sub(head) <= CAPACITY - HEADER
                && head.wrapping_sub(self.head) <= CAPACITY;
            assert!(is_sound, "corrupt head {head}");
            self.head = head;
            if end - head <= CAPACITY {
                return;
            }
            spin_loop();
        }
    }

    /// Pushes the record sent last out of this core's own cache, towards the one that will ask for it.
    fn demote(&mut self) {
        let Some((start, end)) = self.sent.take() else { return };
        #[cfg(target_arch = "x86_64")]
        for position in (start & !63..end).step_by(64) {
            // SAFETY: a hint about a mapped line; a processor that does not know it does nothing.
            unsafe {
                std::arch::asm!("cldemote [{}]", in(reg) self.ring.at(position), options(nostack, preserves_flags));
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (start, end);
    }
}

#[derive(Debug)]
struct Consumer {
    ring: Ring,
    position: u64,
    /// The head that the producer sees.
    published: u64,
}

impl Consumer {
    /// Copies the next message out, if there is one.
    #[inline(always)]
    fn take(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let mut header = self.ring.header(self.position).load(Acquire);
        if header == 0 {
            return None;
        }
        if header >> KIND_SHIFT == PADDING_KIND {
            self.skip(header);
            header = self.ring.header(self.position).load(Acquire);
        }
        let length = header & u64::from(u32::MAX);
        let room = CAPACITY - (self.position & (CAPACITY - 1));
        let is_sound = header >> KIND_SHIFT == DATA_KIND
            && HEADER + length <= RECORD_MAX.min(room)
            && length <= buffer.len() as u64
            && self.position + record(length) + HEADER - self.published <= CAPACITY;
        if !is_sound {
            corrupt(header);
        }
        let buffer = &mut buffer[..length as usize];
        // SAFETY: the record lies in the data, by the checks above.
        unsafe { copy_out(self.ring.at(self.position + HEADER), buffer) };
        self.position += record(length);
        self.ring.line(CURSOR).store(self.position, Relaxed);
        if self.position - self.published >= LAZY {
            self.publish();
        }
        self.ring.look(ARMED_SPACE);
        Some(buffer.len())
    }

    /// Goes past padding, which ends exactly at the end of the data and is followed by a record.
    #[cold]
    #[inline(never)]
    fn skip(&mut self, header: u64) {
        let room = CAPACITY - (self.position & (CAPACITY - 1));
        if HEADER + (header & u64::from(u32::MAX)) != room || room == CAPACITY {
            corrupt(header);
        }
        self.position += room;
    }

    /// Lets the producer overwrite what was taken.
    #[inline(always)]
    fn publish(&mut self) {
        if self.published != self.position {
            self.ring.line(HEAD).store(self.position, Release);
            self.published = self.position;
        }
    }
}

#[cold]
#[inline(never)]
fn corrupt(header: u64) -> ! {
    panic!("corrupt header {header:#018x}");
}

/// Up to this length words are quicker than `rep movsb`.
const WORDS_MAX: usize = if cfg!(target_arch = "x86_64") { 128 } else { usize::MAX };

/// Copies a message into the ring.
///
/// # Safety
/// `to` is a multiple of 8, and the message's length rounded up to 8 is mapped there and no other thread's to write.
#[inline(always)]
unsafe fn copy_in(message: &[u8], to: *mut u8) {
    if message.len() > WORDS_MAX {
        // SAFETY: the caller's promise.
        return unsafe { move_bytes(message.as_ptr(), to, message.len()) };
    }
    // SAFETY: the word lies in what the caller promises, because there are as many as the length needs.
    let store = |index: usize, word: [u8; 8]| unsafe {
        AtomicU64::from_ptr(to.cast::<u64>().add(index)).store(u64::from_ne_bytes(word), Relaxed);
    };
    let words = message.chunks_exact(8);
    let rest = words.remainder();
    for (index, word) in words.enumerate() {
        store(index, [word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]]);
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        store(message.len() / 8, word);
    }
}

/// Copies a message out of the ring.
///
/// # Safety
/// `from` is a multiple of 8, and the buffer's length rounded up to 8 is mapped there.
#[inline(always)]
unsafe fn copy_out(from: *mut u8, buffer: &mut [u8]) {
    if buffer.len() > WORDS_MAX {
        // SAFETY: the caller's promise.
        return unsafe { move_bytes(from, buffer.as_mut_ptr(), buffer.len()) };
    }
    // SAFETY: the word lies in what the caller promises, because there are as many as the length needs.
    let load = |index: usize| unsafe {
        AtomicU64::from_ptr(from.cast::<u64>().add(index)).load(Relaxed).to_ne_bytes()
    };
    let whole = buffer.len() / 8;
    let mut words = buffer.chunks_exact_mut(8);
    for (index, word) in words.by_ref().enumerate() {
        word.copy_from_slice(&load(index));
    }
    let rest = words.into_remainder();
    if !rest.is_empty() {
        rest.iter_mut().zip(load(whole)).for_each(|(to, from)| *to = from);
    }
}

/// Copies bytes that another process might write, which no copy of Rust's may touch.
///
/// # Safety
/// Both places are mapped for `length` bytes, do not overlap, and `to` is no other thread's to write.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn move_bytes(from: *const u8, to: *mut u8, length: usize) {
    // SAFETY: the caller's promise; the direction flag is clear by the calling convention.
    unsafe {
        std::arch::asm!(
            "rep movsb",
            inout("rcx") length => _,
            inout("rdi") to => _,
            inout("rsi") from => _,
            options(nostack, preserves_flags)
        );
    }
}

#[cfg(not(target_arch = "x86_64"))]
unsafe fn move_bytes(_from: *const u8, _to: *mut u8, _length: usize) {
    unreachable!("no message is longer than WORDS_MAX here")
}
