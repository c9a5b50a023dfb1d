//! The memory of one direction, as one end sees it.

use super::lines::{CursorLine, HeadLine, ProducerLine, WaitLine};
use crate::sync::AtomicU64;

/// The memory of one direction, as one end of it sees it: the data area as words, and the lines.
///
/// The ring reads and writes nothing but what this trait hands out, so the same protocol runs over heap memory
/// (under loom, Miri, proptest and the fuzzers) and over a mapping that another process writes.
///
/// Implementations return the *same* memory at every call.
pub trait Memory {
    /// The data area. Its length is a power of two, at least 8 words.
    fn words(&self) -> &[AtomicU64];
    /// The producer's line.
    fn producer(&self) -> &ProducerLine;
    /// The consumer's released position.
    fn head(&self) -> &HeadLine;
    /// The consumer's hand-out position.
    fn cursor(&self) -> &CursorLine;
    /// What a waiting consumer is woken by.
    fn armed_data(&self) -> &WaitLine;
    /// What a waiting producer is woken by.
    fn armed_space(&self) -> &WaitLine;
    /// Makes the first `bytes` bytes of the data area ready to be written without a fault.
    ///
    /// The producer calls it in steps during its first lap, never afterwards.
    ///
    /// # Errors
    /// [`NoSpace`] if the system has no memory for them.
    fn populate(&self, bytes: u64) -> Result<(), NoSpace> {
        let _ = bytes;
        Ok(())
    }
    /// Wakes the consumer, whose wait word held `armed` and was taken back. Never fails, never blocks.
    fn wake_consumer(&self, armed: u32) {
        let _ = armed;
    }
    /// Wakes the producer, whose wait word held `armed` and was taken back. Never fails, never blocks.
    fn wake_producer(&self, armed: u32) {
        let _ = armed;
    }
}

/// The system has no memory for the next part of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSpace;

impl std::fmt::Display for NoSpace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "the system has no memory for the next part of the ring: free some, or use a smaller capacity",
        )
    }
}

impl std::error::Error for NoSpace {}
