//! A mutex whose holder can let those have it who wait for it, with a condition to sleep on.
//!
//! A mutex of the standard library goes to whoever comes first. Who lets go of it and takes it again at once has it before a
//! thread that sleeps on it has woken up, and so can keep it for ever.

use crate::sync::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

/// How long the holder steps aside for those who wait for the lock, at most: many times what it takes to wake them.
const ASIDE: Duration = Duration::from_millis(1);

/// What several threads share. No code under its lock panics half way through a change.
pub(super) struct Yielding<T> {
    value: Mutex<T>,
    /// How many threads wait for the lock.
    wanted: AtomicU32,
    /// How many have waited for it and had it.
    served: AtomicU32,
    /// How often those who sleep were told to look again. Locked after the value, if both are.
    told: Mutex<u64>,
    bell: Condvar,
}

impl<T> Yielding<T> {
    pub(super) fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            wanted: AtomicU32::new(0),
            served: AtomicU32::new(0),
            told: Mutex::new(0),
            bell: Condvar::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        match self.value.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                self.wanted.fetch_add(1, Ordering::Relaxed);
                let guard = self.value.lock();
                self.wanted.fetch_sub(1, Ordering::Relaxed);
                self.served.fetch_add(1, Ordering::Relaxed);
                guard.unwrap_or_else(PoisonError::into_inner)
            }
        }
    }

    /// Lets those have the lock who wait for it, and takes it again.
    pub(super) fn step_aside<'a>(&'a self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.leave(guard);
        self.lock()
    }

    /// Lets those have the lock who wait for it: as many as there are now.
    pub(super) fn leave(&self, guard: MutexGuard<'_, T>) {
        let (wanted, served) = (self.wanted.load(Ordering::Relaxed), self.served.load(Ordering::Relaxed));
        drop(guard);
        if wanted > 0 {
            let begin = Instant::now();
            let were_served = || self.served.load(Ordering::Relaxed).wrapping_sub(served);
            while were_served() < wanted && begin.elapsed() < ASIDE {
                thread::yield_now();
            }
        }
    }

    /// Wakes all who sleep. Whoever calls has the lock, and has changed what they wait for.
    pub(super) fn tell(&self) {
        *self.told() += 1;
        self.bell.notify_all();
    }

    /// Lets go of the lock, and sleeps until it is told to look again, or until the deadline.
    pub(super) fn sleep<'a>(
        &'a self,
        guard: MutexGuard<'a, T>,
        deadline: Option<Instant>,
    ) -> MutexGuard<'a, T> {
        let told = self.told();
        let seen = *told;
        drop(guard);
        match deadline {
            None => drop(self.bell.wait_while(told, |told| *told == seen)),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                drop(self.bell.wait_timeout_while(told, left, |told| *told == seen));
            }
        }
        // Not while it holds the other one: who tells has this one.
        self.lock()
    }

    fn told(&self) -> MutexGuard<'_, u64> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
