//! What stands between the quickest ping-pong and a ring, one step at a time: where a round trip's time goes.
#![allow(unsafe_code, reason = "raw shared memory, as a measuring stick must use it")]

use std::hint::spin_loop;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU64, compiler_fence};

use super::pages::{LINE, Pages};
use super::{End, Subject};

/// The bytes of one direction, and the largest area.
const AREA: usize = 1 << 20;
/// The word before a message says which one it is.
const MARK: usize = 8;
/// The length of the messages.
pub const MESSAGE: usize = 48;
/// Where the number of a message begins in its word, above its length.
const LENGTH_BITS: u32 = 16;

/// Where the lines of a direction lie that are no messages, behind the area: what the receiver tells, and whether it sleeps.
const CURSOR: usize = AREA + 2 * LINE;
const HEAD: usize = AREA + 3 * LINE;
const ARMED: usize = AREA + 4 * LINE;
const WANTED: usize = AREA + 5 * LINE;

/// A message of 48 bytes behind a word that says that it is there, polled with one pause between two looks. Up to the
/// last step nothing is checked and nothing keeps the sender from overwriting; nobody ever sleeps.
#[derive(Debug)]
pub struct Step {
    name: &'static str,
    /// How far each message lies from the one before.
    stride: usize,
    /// Where the messages begin anew: a power of two.
    area: usize,
    /// Which word is set to 0 for a message that will come.
    zero: Zero,
    /// What else is done of that which a ring does.
    duties: Duties,
}

/// Each has those before it as well.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Duties {
    None,
    /// The receiver tells how far it has come, after each message and before it waits.
    Tell,
    /// Either end looks whether the other sleeps, after each message that it sends or takes.
    Look,
    /// Either end checks lengths, and what the other one says, before it copies.
    Check,
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
    Step { name: "step 1: with a payload", stride: LINE, area: LINE, zero: Zero::None, duties: Duties::None };
/// A line that was used last one lap ago.
pub static LINES: Step = Step {
    name: "step 2: in a ring of lines",
    stride: 64,
    area: AREA,
    zero: Zero::None,
    duties: Duties::None,
};
/// The same, and the 0 behind the next message is written while the other end is busy.
pub static AHEAD: Step = ahead("step 3: with a 0 ahead", Duties::None);
/// The same, and it can be known how far the receiver has come.
pub static TELL: Step = ahead("step 4: with positions told", Duties::Tell);
/// The same, and a sleeper would be seen.
pub static LOOK: Step = ahead("step 5: with wait words", Duties::Look);
/// The same, and nothing is overwritten or believed.
pub static CHECK: Step = ahead("step 6: with all checks", Duties::Check);
/// Packed records instead, of which most lie in two lines, and the 0 behind each is written with it.
pub static RECORDS: Step = Step {
    name: "aside: packed records",
    stride: MARK + MESSAGE,
    area: AREA,
    zero: Zero::Before,
    duties: Duties::None,
};

const fn ahead(name: &'static str, duties: Duties) -> Step {
    Step { name, stride: 64, area: AREA, zero: Zero::Ahead, duties }
}

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
    /// How far the receiver is known to have come: before which message.
    taken: u64,
}

impl Track {
    fn new(pages: &Arc<Pages>, direction: usize) -> Self {
        Self { start: pages.at(direction * 2 * AREA, AREA + 6 * LINE), offset: 0, number: 1, taken: 1 }
    }

    #[inline(always)]
    fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: `next` keeps a message within the area, and the words behind it and the next one within two lines more,
        // which `new` has checked to be mapped; offsets are multiples of 8. Only atomics refer to these bytes.
        unsafe { AtomicU64::from_ptr(self.start.add(self.offset + offset).cast()) }
    }

    /// A word of one of the other lines.
    #[inline(always)]
    fn line(&self, line: usize) -> &AtomicU64 {
        // SAFETY: one of the constants above, which `new` has checked to be mapped; only atomics refer to it.
        unsafe { AtomicU64::from_ptr(self.start.add(line).cast()) }
    }

    /// The light half of a fence, and the look that it is for.
    #[inline(always)]
    fn look(&self, line: usize) {
        compiler_fence(SeqCst);
        assert!(self.line(line).load(Relaxed) == 0, "nobody ever sleeps");
    }

    /// The receiver is far enough for the next message, or the sender waits until it is.
    #[inline(always)]
    fn make_room(&mut self) {
        while self.number - self.taken >= (AREA / LINE) as u64 {
            self.taken = self.line(HEAD).load(Acquire);
            assert!(self.taken <= self.number, "the receiver is ahead");
        }
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
        let Self { step, to, .. } = self;
        if step.duties >= Duties::Check {
            assert!(message.len() == MESSAGE, "too long");
            to.make_room();
        }
        for (index, word) in message.chunks_exact(8).enumerate() {
            let word = [word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]];
            to.word(MARK + 8 * index).store(u64::from_ne_bytes(word), Relaxed);
        }
        if step.zero == Zero::Before {
            to.word(step.stride).store(0, Relaxed);
        }
        to.word(0).store(to.number << LENGTH_BITS | message.len() as u64, Release);
        to.next(step);
        if step.zero == Zero::Ahead {
            to.word(step.stride).store(0, Relaxed);
        }
        if step.duties >= Duties::Look {
            to.look(ARMED);
        }
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8]) -> usize {
        let Self { step, from, .. } = self;
        if step.duties >= Duties::Tell {
            from.line(HEAD).store(from.number, Release);
        }
        let mark = loop {
            let mark = from.word(0).load(Acquire);
            if mark >> LENGTH_BITS == from.number {
                break mark;
            }
            spin_loop();
        };
        if step.duties >= Duties::Check {
            let length = (mark & ((1 << LENGTH_BITS) - 1)) as usize;
            let room = step.area - from.offset;
            assert!(length <= buffer.len() && MARK + length <= room.min(LINE), "corrupt length {length}");
        }
        for (index, word) in buffer.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&from.word(MARK + 8 * index).load(Relaxed).to_ne_bytes());
        }
        from.next(step);
        if step.duties >= Duties::Tell {
            from.line(CURSOR).store(from.number, Relaxed);
        }
        if step.duties >= Duties::Look {
            from.look(WANTED);
        }
        buffer.len()
    }
}
