//! loom's 32-bit word, made to keep one rule that loom forgets.
//!
//! Nothing comes between what a read-modify-write reads and what it writes. loom does not know that of a plain
//! store by another thread: after `swap` took the value 1 away, a store that followed the 1 counts as neither
//! before nor after the swap, and a load that must see the store may return what the swap left. A wait word
//! that is armed, taken and armed again would then seem to lose wake-ups which no machine loses. So here a
//! store exchanges, and loom puts all the writes of a word in one order.
//!
//! What a store exchanges it has also read, and a fence after it acquires what the swap released: so a fence that
//! is missing before the swap can go unseen. Where no word is looked at again after it was taken there is nothing
//! to forget, and a model can have plain stores: see [`exchange`].

use super::Ordering;
use std::cell::Cell;

thread_local! {
    static EXCHANGE: Cell<bool> = const { Cell::new(true) };
}

/// Whether the words that are made after this exchange when they are stored to. loom runs all threads of a model
/// on one real thread.
#[cfg(test)]
pub(crate) fn exchange(exchange: bool) {
    EXCHANGE.set(exchange);
}

/// A 32-bit atomic word under loom, as far as the shared lines need it.
#[derive(Debug)]
pub struct AtomicU32 {
    word: loom::sync::atomic::AtomicU32,
    exchanges: bool,
}

impl AtomicU32 {
    /// A word that holds `value`.
    #[must_use]
    pub fn new(value: u32) -> Self {
        Self { word: loom::sync::atomic::AtomicU32::new(value), exchanges: EXCHANGE.get() }
    }

    /// As of the native word.
    pub fn load(&self, order: Ordering) -> u32 {
        self.word.load(order)
    }

    /// As of the native word; if it exchanges, later in its order than every write that was made before.
    pub fn store(&self, value: u32, order: Ordering) {
        if self.exchanges {
            self.word.swap(value, order);
        } else {
            self.word.store(value, order);
        }
    }

    /// As of the native word.
    pub fn fetch_max(&self, value: u32, order: Ordering) -> u32 {
        self.word.fetch_max(value, order)
    }

    /// As of the native word.
    pub fn swap(&self, value: u32, order: Ordering) -> u32 {
        self.word.swap(value, order)
    }

    /// The last value in the word's order: what a kernel finds that looks at the word under its own lock.
    #[cfg(test)]
    pub fn newest(&self) -> u32 {
        let looked = self.word.compare_exchange(u32::MAX, u32::MAX, Ordering::Relaxed, Ordering::Relaxed);
        looked.unwrap_or_else(|value| value)
    }
}
