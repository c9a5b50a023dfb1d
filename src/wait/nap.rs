//! Short sleeps, for where nothing is certain to tell when to go on. Nowhere else is one.

use crate::sync::AtomicU32;
use crate::sys::futex::{self, Waited};
use crate::sys::socket;
use std::time::{Duration, Instant};

/// How long the first nap of a wait lasts.
pub(crate) const NAP: Duration = Duration::from_millis(1);

/// How long a nap lasts at most: each is twice as long as the one before.
pub(crate) const LONGEST_NAP: Duration = Duration::from_millis(100);

/// The naps of one wait whose heavy fence failed.
///
/// A wake-up is missed only by a waker that looked at the wait word before it was armed, and whose commit was not yet
/// to be seen when the sleeper looked again. The first nap ends long after a processor has let that store go, so the
/// later ones are for a waker that has nothing to tell, and may be longer. A cluster's sender takes its wait word back
/// after each nap, so it may hear of space as late as the present nap ends.
#[derive(Debug)]
pub(crate) struct Naps {
    length: Duration,
}

impl Naps {
    /// None was taken yet.
    pub(crate) const fn new() -> Self {
        Self { length: NAP }
    }

    /// When the nap ends that begins now.
    pub(crate) fn next(&mut self) -> Instant {
        #[cfg(test)]
        TAKEN.fetch_add(1, crate::sync::Ordering::Relaxed);
        let end = Instant::now() + self.length;
        self.length = (self.length * 2).min(LONGEST_NAP);
        end
    }
}

/// Sleeps for [`NAP`], where there is nothing that would tell when to go on.
pub(crate) fn doze() {
    let until = Some(Naps::new().next());
    // Nothing to poll means to sleep. Where that is denied, a word that nobody wakes does; and else a clock.
    if socket::wait_any(&[], &mut Vec::new(), until).is_ok() {
        return;
    }
    if let Waited::Failed(_) = futex::wait(&AtomicU32::new(0), 0, until) {
        std::thread::sleep(NAP);
    }
}

/// The naps that this process has taken.
#[cfg(test)]
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// How many naps this process has taken. Only in a process that is alone.
#[cfg(test)]
pub(crate) fn taken() -> u32 {
    TAKEN.load(crate::sync::Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_NAP, NAP, Naps};
    use std::time::Instant;

    #[test]
    fn each_nap_is_twice_as_long_as_the_one_before_up_to_a_bound() {
        let mut naps = Naps::new();
        let mut length = NAP;
        for _ in 0..10 {
            let before = Instant::now();
            let end = naps.next();
            assert!(end >= before + length && end <= Instant::now() + length);
            length = (length * 2).min(LONGEST_NAP);
        }
        assert_eq!(length, LONGEST_NAP);
    }
}
