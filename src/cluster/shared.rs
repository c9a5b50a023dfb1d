//! A mutex whose holder can step aside for whoever waits for it.
//!
//! A mutex of the standard library goes to whoever comes first. Who lets go of it and takes it again at once has it before a
//! thread that sleeps on it has woken up, and so can keep it for ever.

use crate::sync::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

/// How long the holder steps aside for those who wait for the lock, at most: many times what it takes to wake them.
const ASIDE: Duration = Duration::from_millis(1);

/// How long it does so for those who sleep on a condition and may want the lock when they wake up, of whom nothing is known.
const ASIDE_FOR_SLEEPERS: Duration = Duration::from_micros(100);

/// What several threads share. No code under its lock panics half way through a change.
pub(super) struct Shared<T> {
    value: Mutex<T>,
    /// How many threads wait for the lock.
    wanted: AtomicU32,
}

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        Self { value: Mutex::new(value), wanted: AtomicU32::new(0) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        match self.value.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                self.wanted.fetch_add(1, Ordering::Relaxed);
                let guard = self.value.lock();
                self.wanted.fetch_sub(1, Ordering::Relaxed);
                guard.unwrap_or_else(PoisonError::into_inner)
            }
        }
    }

    /// Lets those have the lock who wait for it, and, if there are `sleepers`, gives those a while to come.
    pub(super) fn step_aside<'a>(&'a self, guard: MutexGuard<'a, T>, sleepers: bool) -> MutexGuard<'a, T> {
        drop(guard);
        let wanted = || self.wanted.load(Ordering::Relaxed) > 0;
        if sleepers || wanted() {
            let begin = Instant::now();
            let least = if sleepers { ASIDE_FOR_SLEEPERS } else { Duration::ZERO };
            while begin.elapsed() < least || (wanted() && begin.elapsed() < ASIDE) {
                thread::yield_now();
            }
        }
        self.lock()
    }
}
