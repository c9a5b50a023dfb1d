//! The shared words of one direction, each on a line of its own.
//!
//! Lines are 128 bytes apart, because x86-64 prefetches cache lines in pairs. Which end writes a line decides
//! in whose segment it lies:
//!
//! | line | written by | lies in the segment of | read by the other end |
//! |---|---|---|---|
//! | [`ProducerLine`] | producer | producer | when the consumer finds nothing, or finds the producer asleep |
//! | [`HeadLine`] | consumer | consumer | when the producer runs out of known space |
//! | [`CursorLine`] | consumer | consumer | only after the consumer's death |
//! | [`WaitLine`] × 2 | both | the link's wait page | after each commit, after each release |

use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// The distance of two lines in bytes.
pub const LINE: usize = 128;

/// The producer's line.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct ProducerLine {
    /// The position that the consumer must release before a waiting producer can go on.
    pub want: AtomicU64,
    /// 0 while the producer may commit more, 1 once it has closed.
    pub closed: AtomicU32,
    /// 0 while the producer fences as agreed, 1 once each of its commits is followed by a full fence: [`FENCE_LOST`].
    pub fenced: AtomicU32,
}

/// The consumer's released position, for flow control.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct HeadLine {
    /// Everything before this position may be overwritten.
    pub head: AtomicU64,
    /// 0 while the consumer may take more, 1 once it has closed.
    pub closed: AtomicU32,
    /// 0 while the consumer fences as agreed, 1 once each of its releases is followed by a full fence.
    pub fenced: AtomicU32,
}

/// The consumer's hand-out position, for salvage.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct CursorLine {
    /// Everything before this position was handed out.
    pub cursor: AtomicU64,
}

/// One wait word: what an end that sleeps is woken by. Both ends write it; no check ever leans on its value.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct WaitLine {
    /// [`AWAKE`], [`FUTEX`], [`DOORBELL`], [`SPACE`] or [`CLOSED`]; with [`FENCE_LOST`] or without.
    pub armed: AtomicU32,
}

/// Nobody sleeps.
pub const AWAKE: u32 = 0;
/// A thread sleeps on this word as a futex.
pub const FUTEX: u32 = 1;
/// The end sleeps on its control socket: wake it by one byte.
pub const DOORBELL: u32 = 2;
/// The end's sender sleeps on its space word and must be told of data too.
pub const SPACE: u32 = 3;

/// The consumer has closed: a producer that sees this looks at [`HeadLine::closed`].
pub const CLOSED: u32 = 4;

/// A bit beside [`FUTEX`], [`DOORBELL`] or [`SPACE`]: the heavy fence of whoever sleeps has failed, so the waker is to
/// execute full fences from now on, and to say so in `fenced` of its own line.
pub const FENCE_LOST: u32 = 8;

/// Wakes whoever sleeps on these words or is about to, after something was stored that ends the sleep.
///
/// It wakes even if nothing is armed any more: the peer may have died between taking the armed value and waking.
pub(crate) fn rouse(lines: [&WaitLine; 2], wake: impl Fn(&WaitLine)) {
    // R4, heavy side: what was stored, then the wait words; the sleeper arms, fences, then looks at what was stored.
    fence(Ordering::SeqCst);
    for line in lines {
        // R5: the word must not be armed any more when a sleeper comes to the futex.
        line.armed.swap(AWAKE, Ordering::AcqRel);
        wake(line);
    }
}

macro_rules! zeroed {
    ($($line:ident { $($word:ident: $atomic:ident),* })*) => {$(
        impl $line {
            /// The line at birth: every word 0.
            #[must_use]
            pub fn new() -> Self {
                Self { $($word: $atomic::new(0)),* }
            }
        }
        impl Default for $line {
            fn default() -> Self {
                Self::new()
            }
        }
    )*};
}
zeroed! {
    ProducerLine { want: AtomicU64, closed: AtomicU32, fenced: AtomicU32 }
    HeadLine { head: AtomicU64, closed: AtomicU32, fenced: AtomicU32 }
    CursorLine { cursor: AtomicU64 }
    WaitLine { armed: AtomicU32 }
}
