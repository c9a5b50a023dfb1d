//! What stands between the quickest ping-pong and a ring, one step at a time: where a round trip's time goes.
#![allow(unsafe_code, reason = "raw shared memory, as a measuring stick must use it")]

use std::hint::spin_loop;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::pages::{LINE, Pages};
use super::{End, Subject};

/// The bytes of one direction, and the largest area.
const AREA: usize = 1 << 20;
/// The word before a message says which one it is.
const MARK: usize = 8;
/// The length of the messages.
pub const MESSAGE: usize = 48;

/// A message of 48 bytes behind a word that says that it is there, polled with one pause between two looks. Nothing is
/// checked, nothing keeps the sender from overwriting, and nobody can sleep.
#[derive(Debug)]
pub struct Step {
    name: &'static str,
    /// How far each message lies from the one before.
    stride: usize,
    /// Where the messages begin anew: a power of two.
    area: usize,
    /// Which word is set to 0 for a message that will come.
    zero: Zero,
}

/// In-band commit needs a 0 behind the last message. The steps do not look for it, but pay for it.
#[derive(Debug, PartialEq, Eq)]
enum Zero {
    None,
    /// The next message's, before this message's word is set.
    Before,
    /// That of the message after the next, once this message's word is set.
    Ahead,
}

/// The same line every time, as in the ping-pong.
pub static PAYLOAD: Step =
    Step { name: "step 1: with a payload", stride: LINE, area: LINE, zero: Zero::None };
/// A line that was used last one lap ago.
pub static LINES: Step =
    Step { name: "step 2: in a ring of lines", stride: 64, area: AREA, zero: Zero::None };
/// The same, and the 0 behind the next message is written while the other end is busy.
pub static AHEAD: Step = Step { name: "step 3: with a 0 ahead", stride: 64, area: AREA, zero: Zero::Ahead };
/// Packed records instead, of which most lie in two lines, and the 0 behind each is written with it.
pub static RECORDS: Step =
    Step { name: "aside: packed records", stride: MARK + MESSAGE, area: AREA, zero: Zero::Before };

/// One end.
#[derive(Debug)]
pub struct StepEnd {
    step: &'static Step,
    to: Track,
    from: Track,
    _pages: Arc<Pages>,
}

/// One direction, as one end sees it.
#[derive(Debug)]
struct Track {
    start: *mut u8,
    offset: usize,
    /// The number of the next message.
    number: u64,
}

impl Track {
    fn new(pages: &Arc<Pages>, direction: usize) -> Self {
        Self { start: pages.at(direction * 2 * AREA, AREA + 2 * LINE), offset: 0, number: 1 }
    }

    #[inline(always)]
    fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: `next` keeps a message within the area, and the words behind it and the next one within two lines more,
        // which `new` has checked to be mapped; offsets are multiples of 8. Only atomics refer to these bytes.
        unsafe { AtomicU64::from_ptr(self.start.add(self.offset + offset).cast()) }
    }

    #[inline(always)]
    fn next(&mut self, step: &Step) {
        self.number += 1;
        self.offset += step.stride;
        if self.offset + step.stride > step.area {
            self.offset = 0;
        }
    }
}

impl Subject for &'static Step {
    type Half = StepEnd;
    type End = StepEnd;

    fn name(&self) -> &'static str {
        self.name
    }

    fn spins(&self) -> bool {
        true
    }

    fn halves(&self, size: usize) -> io::Result<(StepEnd, StepEnd)> {
        if size != MESSAGE {
            return Err(io::Error::other("the steps carry messages of 48 bytes"));
        }
        let pages = Pages::new(4 * AREA)?;
        let end = |to, from| StepEnd {
            step: self,
            to: Track::new(&pages, to),
            from: Track::new(&pages, from),
            _pages: pages.clone(),
        };
        Ok((end(0, 1), end(1, 0)))
    }

    fn connect(&self, half: StepEnd) -> io::Result<StepEnd> {
        Ok(half)
    }
}

impl End for StepEnd {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        for (index, word) in message.chunks_exact(8).enumerate() {
            let word = [word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]];
            self.to.word(MARK + 8 * index).store(u64::from_ne_bytes(word), Relaxed);
        }
        if self.step.zero == Zero::Before {
            self.to.word(self.step.stride).store(0, Relaxed);
        }
        self.to.word(0).store(self.to.number, Release);
        self.to.next(self.step);
        if self.step.zero == Zero::Ahead {
            self.to.word(self.step.stride).store(0, Relaxed);
        }
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8]) -> usize {
        while self.from.word(0).load(Acquire) != self.from.number {
            spin_loop();
        }
        for (index, word) in buffer.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&self.from.word(MARK + 8 * index).load(Relaxed).to_ne_bytes());
        }
        self.from.next(self.step);
        buffer.len()
    }
}
