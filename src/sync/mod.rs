//! The atomics facade: native atomics in production, loom's under `--cfg loom`.
//!
//! Every shared word of Ringway is one of these types, and no other module names `std::sync::atomic` or
//! `loom::sync::atomic` (a test looks). The facade adds one idea: a *fence pair*. A waker executes
//! [`Fences::light`] between its store and its look at a wait word; a sleeper executes the heavy counterpart
//! between arming the wait word and its re-check. Either both are full fences, or the light one is a compiler
//! fence and the heavy one is `membarrier(2)`, which makes every other registered process run a full fence on
//! the sleeper's behalf. Under loom full fences prove where the two must stand; `Membarrier` has no heavy side
//! there, so its light side is nothing at all, and proves that without sleepers nothing leans on it.

#[cfg(loom)]
pub(crate) mod exchange;
#[cfg(any(test, all(target_os = "linux", not(loom))))]
pub(crate) mod latch;
#[cfg(any(test, all(target_os = "linux", not(loom))))]
pub(crate) mod published;

#[cfg(loom)]
pub(crate) use exchange::AtomicU32;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// How the two ends of a link agreed to pair their fences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fences {
    /// Both sides execute a sequentially consistent fence.
    SeqCst,
    /// The waker executes a compiler fence only; the sleeper calls `membarrier(2)`.
    Membarrier,
}

impl Fences {
    /// The waker's side: between its store and its look at a wait word.
    #[inline(always)]
    pub fn light(self) {
        if self == Fences::Membarrier {
            #[cfg(not(loom))]
            std::sync::atomic::compiler_fence(Ordering::SeqCst);
            return;
        }
        fence(Ordering::SeqCst);
    }
}

/// The sleeper's side of [`Fences::light`] under loom: a full fence, as the light one is.
#[cfg(all(loom, test))]
pub(crate) fn heavy() {
    fence(Ordering::SeqCst);
}

#[cfg(all(test, not(loom)))]
mod tests;
