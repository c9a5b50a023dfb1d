//! A word that says, once and for all, that something has ended.

use super::{AtomicU32, Ordering};

/// 0 until it is set; its value only grows.
#[derive(Debug)]
pub(crate) struct Latch(AtomicU32);

impl Latch {
    /// Not set.
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// The largest value that it was set to. What was written before that is visible after this.
    #[inline(always)]
    pub(crate) fn get(&self) -> u32 {
        // R7, acquire side: what the peer committed before it was gone is visible after this.
        self.0.load(Ordering::Acquire)
    }

    /// Whether it was set, without a claim on what is visible then.
    #[inline(always)]
    #[cfg_attr(loom, allow(dead_code, reason = "senders ask, of which loom has none"))]
    pub(crate) fn is_set(&self) -> bool {
        self.peek() != 0
    }

    /// The value, without a claim on what is visible then.
    #[inline(always)]
    #[cfg_attr(loom, allow(dead_code, reason = "senders ask, of which loom has none"))]
    pub(crate) fn peek(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it, to a value that is not 0.
    pub(crate) fn set(&self, value: u32) {
        // R7, release side: a dead peer's commits happened before its pidfd fired.
        self.0.fetch_max(value, Ordering::Release);
    }
}

impl Default for Latch {
    fn default() -> Self {
        Self::new()
    }
}
