//! Sleeping on a word of shared memory.
//!
//! The operations on it are the shared ones, never `FUTEX_PRIVATE_FLAG`: the waker is another process.
//!
//! # A sleeper that nobody can steal
//! Whoever has the word mapped, even for reading, can meddle with its sleepers: `FUTEX_REQUEUE` moves them to a
//! word of the meddler's own, where no wake-up of this word finds them, and a waiter for a PI lock in front of
//! them makes `FUTEX_WAKE` fail (`EINVAL`). A living peer may as well never wake us; but a sleep must end when
//! that peer has died. So [`wait_or_stop`] sleeps on two words at once: the shared one, and a [`Stop`], which is
//! this process's alone and which its watch thread sets. Before Linux 5.16 (no `futex_waitv`) it naps instead
//! and looks at the stop in between.

use super::{Errno, Result, deadline};
use crate::sync::{AtomicU32, Ordering};
use rustix::event::Timespec;
use rustix::thread::futex::{self, Flags, WaitFlags, WaitPtr, WaitvFlags};
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// How long a nap is where one cannot sleep on two words.
const NAP: Duration = Duration::from_millis(100);

/// Set once the kernel has refused to let anybody sleep on two words.
static NO_WAITV: AtomicU32 = AtomicU32::new(0);

/// Why a sleep ended. Only the caller's own condition says whether there is anything to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// Somebody woke the word's sleepers (or nobody did: the kernel may wake at any time).
    Woken,
    /// The word did not hold the expected value, or the stop is set.
    Changed,
    /// The deadline passed.
    TimedOut,
    /// A signal was handled.
    Interrupted,
    /// The kernel refused: waiting again would spin.
    Failed(Errno),
}

/// A word of this process alone that ends sleeps, once and for all.
#[derive(Debug, Default)]
pub(crate) struct Stop(AtomicU32);

impl Stop {
    /// Not set.
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Ends every sleep with this stop, those to come as well. What was written before is seen by whoever finds
    /// it set.
    pub(crate) fn set(&self) {
        // R7, release side.
        self.0.store(1, Ordering::Release);
        let _ = futex::wake(&self.0, Flags::PRIVATE, i32::MAX as u32);
    }

    /// Whether it was set.
    #[inline(always)]
    pub(crate) fn is_set(&self) -> bool {
        // R7, acquire side.
        self.0.load(Ordering::Acquire) != 0
    }
}

/// Sleeps while `word` holds `expected` and `stop` is not set, until a wake-up, the deadline or a signal.
pub(crate) fn wait_or_stop(word: &AtomicU32, expected: u32, stop: &Stop, until: Option<Instant>) -> Waited {
    if NO_WAITV.load(Ordering::Relaxed) == 0 {
        match wait_on_both(word, expected, &stop.0, until) {
            Waited::Failed(Errno::NOSYS | Errno::PERM) => NO_WAITV.store(1, Ordering::Relaxed),
            waited => return waited,
        }
    }
    while !stop.is_set() {
        let nap = Instant::now() + NAP;
        let last = until.is_some_and(|until| until <= nap);
        match wait(word, expected, if last { until } else { Some(nap) }) {
            Waited::TimedOut if !last => {}
            waited => return waited,
        }
    }
    Waited::Changed
}

fn wait_on_both(word: &AtomicU32, expected: u32, stop: &AtomicU32, until: Option<Instant>) -> Waited {
    let shared = waiter(word, expected, WaitFlags::SIZE_U32);
    let own = waiter(stop, 0, WaitFlags::SIZE_U32 | WaitFlags::PRIVATE);
    sleep(until, |until| {
        let until = until.map(monotonic);
        futex::waitv(&[shared, own], WaitvFlags::empty(), until.as_ref(), ClockId::Monotonic).map(drop)
    })
}

fn waiter(word: &AtomicU32, expected: u32, flags: WaitFlags) -> futex::Wait {
    let mut waiter = futex::Wait::new();
    waiter.val = expected.into();
    waiter.uaddr = WaitPtr::new(word.as_ptr().cast());
    waiter.flags = flags;
    waiter
}

/// The instant `deadline` on the kernel's monotonic clock, or one before it.
fn monotonic(deadline: Instant) -> Timespec {
    clock_gettime(ClockId::Monotonic) + deadline::left(deadline)
}

/// Sleeps while `word` holds `expected`, until a wake-up, the deadline or a signal. For words that only this
/// process or one that it trusts has mapped.
pub(crate) fn wait(word: &AtomicU32, expected: u32, until: Option<Instant>) -> Waited {
    sleep(until, |until| {
        let left = until.map(deadline::left);
        futex::wait(word, Flags::empty(), expected, left.as_ref())
    })
}

/// Calls `kernel` until it has slept for long enough.
fn sleep(until: Option<Instant>, kernel: impl Fn(Option<Instant>) -> Result<()>) -> Waited {
    loop {
        if deadline::passed(until) {
            return Waited::TimedOut;
        }
        match kernel(until) {
            Ok(()) => return Waited::Woken,
            Err(Errno::AGAIN) => return Waited::Changed,
            Err(Errno::INTR) => return Waited::Interrupted,
            // Rounded, or only the longest single sleep: the loop's head decides.
            Err(Errno::TIMEDOUT) => {}
            Err(errno) => return Waited::Failed(errno),
        }
    }
}

/// Wakes every sleeper of the word.
///
/// # Errors
/// `EPERM`, `ENOSYS`: denied by a filter. `EINVAL`: who waits there waits for another kind of lock. Nobody is woken.
pub(crate) fn wake(word: &AtomicU32) -> Result<()> {
    futex::wake(word, Flags::empty(), i32::MAX as u32).map(drop)
}

/// Whether sleeping and waking are allowed here, or the errno that denies one.
pub(crate) fn probe() -> Result<()> {
    let word = AtomicU32::new(0);
    futex::wake(&word, Flags::empty(), 1)?;
    match futex::wait(&word, Flags::empty(), 1, None) {
        Err(Errno::AGAIN) => Ok(()),
        waited => waited,
    }
}
