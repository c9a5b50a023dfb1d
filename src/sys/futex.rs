//! Sleeping on a word of shared memory.
//!
//! The operations are the shared ones, never `FUTEX_PRIVATE_FLAG`: the waker is another process.

use super::{Errno, Result, deadline};
use crate::sync::AtomicU32;
use rustix::thread::futex::{self, Flags};
use std::time::Instant;

/// Why [`wait`] returned. Only the caller's own condition says whether there is anything to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// Somebody woke the word's sleepers (or nobody did: the kernel may wake at any time).
    Woken,
    /// The word did not hold the expected value.
    Changed,
    /// The deadline passed.
    TimedOut,
    /// A signal was handled.
    Interrupted,
    /// The kernel refused: waiting again would spin.
    Failed(Errno),
}

/// Sleeps while `word` holds `expected`, until a wake-up, the deadline or a signal.
pub(crate) fn wait(word: &AtomicU32, expected: u32, until: Option<Instant>) -> Waited {
    loop {
        if deadline::passed(until) {
            return Waited::TimedOut;
        }
        let left = until.map(deadline::left);
        match futex::wait(word, Flags::empty(), expected, left.as_ref()) {
            Ok(()) => return Waited::Woken,
            Err(Errno::AGAIN) => return Waited::Changed,
            Err(Errno::INTR) => return Waited::Interrupted,
            // Rounded, or only the longest single sleep: the loop's head decides.
            Err(Errno::TIMEDOUT) => {}
            Err(errno) => return Waited::Failed(errno),
        }
    }
}

/// Wakes every sleeper of the word. There is nobody to tell of a failure: the sleeper has other ways to end.
pub(crate) fn wake(word: &AtomicU32) {
    let _ = futex::wake(word, Flags::empty(), i32::MAX as u32);
}

/// Whether both operations are allowed here, or the errno that denies one.
pub(crate) fn probe() -> Result<()> {
    let word = AtomicU32::new(0);
    futex::wake(&word, Flags::empty(), 1)?;
    match futex::wait(&word, Flags::empty(), 1, None) {
        Err(Errno::AGAIN) => Ok(()),
        waited => waited,
    }
}
