//! What stands between the quickest ping-pong and a ring, one step at a time: where a round trip's time goes.
#![allow(unsafe_code, reason = "raw shared memory, as a measuring stick must use it")]

#[cfg(target_arch = "x86_64")]
use std::arch::asm;
use std::hint::spin_loop;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU64, compiler_fence};
use std::{fmt, io};

use super::pages::{LINE, Pages};
use super::{End, Start, Subject};

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

/// What a step does: constants, so that it pays for nothing else.
pub trait Does: fmt::Debug + 'static {
    const NAME: &'static str;
    /// How far each message lies from the one before.
    const STRIDE: usize = 64;
    /// Where the messages begin anew: a power of two.
    const AREA: usize = AREA;
    /// Which word is set to 0 for a message that will come.
    const ZERO: Zero = Zero::Ahead;
    /// What else is done of that which a ring does.
    const DUTIES: Duties = Duties::None;
    /// How many pauses are made before the first look. With any, the line of the own next message is asked for after the look
    /// that has found one.
    const HEAD_START: u32 = 0;
    /// Whether 100 instructions that do nothing come between a message that was received and the one that is sent.
    const MORE: bool = false;
}

/// A message of 48 bytes behind a word that says that it is there, polled with one pause between two looks. But for
/// [`Duties::Check`] nothing is checked and nothing keeps the sender from overwriting; nobody ever sleeps.
#[derive(Debug)]
pub struct Step<D>(PhantomData<D>);

/// Each has those before it as well.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duties {
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
pub enum Zero {
    None,
    /// The next message's, before this message's word is set.
    Before,
    /// That of the message after the next, once this message's word is set.
    Ahead,
}

macro_rules! steps {
    ($($(#[$about:meta])* $step:ident: $name:literal { $($what:ident: $kind:ty = $value:expr),* })*) => {$(
        $(#[$about])*
        #[derive(Debug)]
        pub struct $step;
        impl Does for $step {
            const NAME: &'static str = $name;
            $(const $what: $kind = $value;)*
        }
    )*};
}
steps! {
    /// The same line every time, as in the ping-pong.
    Payload: "step 1: with a payload" { STRIDE: usize = LINE, AREA: usize = LINE, ZERO: Zero = Zero::None }
    /// A line that was used last one lap ago.
    Lines: "step 2: in a ring of lines" { ZERO: Zero = Zero::None }
    /// The same, and the 0 behind the next message is written while the other end is busy.
    Ahead: "step 3: with a 0 ahead" {}
    /// The same, and it can be known how far the receiver has come.
    Tell: "step 4: with positions told" { DUTIES: Duties = Duties::Tell }
    /// The same, and a sleeper would be seen.
    Look: "step 5: with wait words" { DUTIES: Duties = Duties::Look }
    /// The same, and nothing is overwritten or believed.
    Check: "step 6: with all checks" { DUTIES: Duties = Duties::Check }
    /// The same with the hints that Ringway has on AMD's processors: some time passes before the first look, and then the line of
    /// the own next message is asked for.
    Timed: "step 7: with a head start" { DUTIES: Duties = Duties::Check, HEAD_START: u32 = 2 }
    /// What instructions cost that wait for nothing: 100 at each end.
    More: "aside: step 7, 100 no-ops more" { DUTIES: Duties = Duties::Check, HEAD_START: u32 = 2, MORE: bool = true }
    /// Packed records instead, of which most lie in two lines, and the 0 behind each is written with it.
    Packed: "aside: packed records" { STRIDE: usize = MARK + MESSAGE, ZERO: Zero = Zero::Before }
}

/// The steps, each as a subject.
pub const STEPS: [&dyn Start; 9] = [
    &Step::<Payload>(PhantomData),
    &Step::<Lines>(PhantomData),
    &Step::<Ahead>(PhantomData),
    &Step::<Tell>(PhantomData),
    &Step::<Look>(PhantomData),
    &Step::<Check>(PhantomData),
    &Step::<Timed>(PhantomData),
    &Step::<More>(PhantomData),
    &Step::<Packed>(PhantomData),
];

/// 100 instructions that do nothing, on x86-64.
#[inline(always)]
fn no_ops() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: they do nothing.
    unsafe {
        asm!(".rept 100", "nop", ".endr", options(nomem, nostack, preserves_flags));
    }
}

/// One end.
#[derive(Debug)]
pub struct StepEnd<D> {
    to: Track,
    from: Track,
    _pages: Arc<Pages>,
    _step: PhantomData<D>,
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
    fn new<D: Does>(pages: &Arc<Pages>, direction: usize) -> Self {
        const { assert!(D::STRIDE % 8 == 0 && D::STRIDE <= LINE && D::AREA <= AREA) };
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

    /// Asks for the line of the next message, to write to it.
    #[inline(always)]
    fn fetch(&self) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch of whatever address changes no memory and no flag, and raises no fault.
        unsafe {
            asm!("prefetchw [{}]", in(reg) self.word(0), options(nostack, preserves_flags, readonly));
        }
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
    fn next<D: Does>(&mut self) {
        self.number += 1;
        self.offset += D::STRIDE;
        if self.offset + D::STRIDE > D::AREA {
            self.offset = 0;
        }
    }
}

impl<D: Does> Subject for Step<D> {
    type Half = StepEnd<D>;
    type End = StepEnd<D>;

    fn name(&self) -> &'static str {
        D::NAME
    }

    fn spins(&self) -> bool {
        true
    }

    fn halves(&self, size: usize) -> io::Result<(StepEnd<D>, StepEnd<D>)> {
        if size != MESSAGE {
            return Err(io::Error::other("the steps carry messages of 48 bytes"));
        }
        let pages = Pages::new(4 * AREA)?;
        let end = |to, from| StepEnd {
            to: Track::new::<D>(&pages, to),
            from: Track::new::<D>(&pages, from),
            _pages: pages.clone(),
            _step: PhantomData,
        };
        Ok((end(0, 1), end(1, 0)))
    }

    fn connect(&self, half: StepEnd<D>) -> io::Result<StepEnd<D>> {
        Ok(half)
    }
}

impl<D: Does> End for StepEnd<D> {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        let Self { to, .. } = self;
        if D::MORE {
            no_ops();
        }
        if D::DUTIES >= Duties::Check {
            assert!(message.len() == MESSAGE, "too long");
            to.make_room();
        }
        for (index, word) in message.chunks_exact(8).enumerate() {
            let word = [word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]];
            to.word(MARK + 8 * index).store(u64::from_ne_bytes(word), Relaxed);
        }
        if D::ZERO == Zero::Before {
            to.word(D::STRIDE).store(0, Relaxed);
        }
        to.word(0).store(to.number << LENGTH_BITS | message.len() as u64, Release);
        to.next::<D>();
        if D::ZERO == Zero::Ahead {
            to.word(D::STRIDE).store(0, Relaxed);
        }
        if D::DUTIES >= Duties::Look {
            to.look(ARMED);
        }
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8]) -> usize {
        let Self { to, from, .. } = self;
        if D::DUTIES >= Duties::Tell {
            from.line(HEAD).store(from.number, Release);
        }
        for _ in 0..D::HEAD_START {
            spin_loop();
        }
        let mark = loop {
            let mark = from.word(0).load(Acquire);
            if mark >> LENGTH_BITS == from.number {
                break mark;
            }
            spin_loop();
        };
        if D::HEAD_START > 0 {
            to.fetch();
        }
        if D::DUTIES >= Duties::Check {
            let length = (mark & ((1 << LENGTH_BITS) - 1)) as usize;
            let room = D::AREA - from.offset;
            assert!(length <= buffer.len() && MARK + length <= room.min(LINE), "corrupt length {length}");
        }
        for (index, word) in buffer.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&from.word(MARK + 8 * index).load(Relaxed).to_ne_bytes());
        }
        from.next::<D>();
        if D::DUTIES >= Duties::Tell {
            from.line(CURSOR).store(from.number, Relaxed);
        }
        if D::DUTIES >= Duties::Look {
            from.look(WANTED);
        }
        buffer.len()
    }
}
