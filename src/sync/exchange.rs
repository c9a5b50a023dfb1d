//! loom's 32-bit word, made to keep one rule that loom forgets.
//!
//! Nothing comes between what a read-modify-write reads and what it writes. loom does not know that of a plain
//! store by another thread: after `swap` took the value 1 away, a store that followed the 1 counts as neither
//! before nor after the swap, and a load that must see the store may return what the swap left. A wait word
//! that is armed, taken and armed again would then seem to lose wake-ups which no machine loses. So here a
//! store exchanges, and loom puts all the writes of a word in one order. Its ordering is the store's.

use super::Ordering;

/// A 32-bit atomic word under loom, as far as the shared lines need it.
#[derive(Debug)]
pub struct AtomicU32(loom::sync::atomic::AtomicU32);

impl AtomicU32 {
    /// A word that holds `value`.
    #[must_use]
    pub fn new(value: u32) -> Self {
        Self(loom::sync::atomic::AtomicU32::new(value))
    }

    /// As of the native word.
    #[track_caller]
    pub fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
    }

    /// As of the native word, but later in the word's order than every write that was made before.
    #[track_caller]
    pub fn store(&self, value: u32, order: Ordering) {
        self.0.swap(value, order);
    }

    /// As of the native word.
    #[track_caller]
    pub fn swap(&self, value: u32, order: Ordering) -> u32 {
        self.0.swap(value, order)
    }

    /// The last value in the word's order: what a kernel finds that looks at the word under its own lock.
    #[track_caller]
    pub fn newest(&self) -> u32 {
        let looked = self.0.compare_exchange(u32::MAX, u32::MAX, Ordering::Relaxed, Ordering::Relaxed);
        looked.unwrap_or_else(|value| value)
    }
}
