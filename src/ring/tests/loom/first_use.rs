//! What is made once for a process, at its first use: nobody sees it half made.

use super::explore;
use crate::sync::published::Published;
use crate::sync::{AtomicU64, Ordering};
use ::loom::thread;
use std::sync::Arc;

/// What is made: written after its birth, and by nothing that orders.
fn make(value: u64) -> Box<AtomicU64> {
    let whole = Box::new(AtomicU64::new(0));
    whole.store(value, Ordering::Relaxed);
    whole
}

/// The value that everybody finds, made by this thread if it comes first.
fn found(place: &Published<AtomicU64>, mine: u64) -> u64 {
    let whole = place.get().unwrap_or_else(|| place.replace(None, make(mine)));
    whole.load(Ordering::Relaxed)
}

#[test]
fn what_is_made_at_the_first_use_is_seen_whole_and_once() {
    explore("first_use", None, || {
        let place = Arc::new(Published::new());
        let others = [1, 2].map(|mine| {
            let place = Arc::clone(&place);
            thread::spawn(move || found(&place, mine))
        });
        let first = found(&place, 3);
        assert_ne!(first, 0);
        for other in others {
            assert_eq!(other.join().unwrap(), first);
        }
    });
}
