//! A ring's memory on the heap: for two threads, and for every tool that cannot follow a mapping.

use super::lines::{CursorLine, HeadLine, ProducerLine, WaitLine};
use super::memory::Memory;
use crate::sync::AtomicU64;
use std::sync::Arc;

/// The memory of one direction, on the heap, shared by both ends.
#[derive(Clone, Debug)]
pub struct HeapMemory(Arc<Heap>);

#[derive(Debug)]
struct Heap {
    words: Box<[AtomicU64]>,
    producer: ProducerLine,
    head: HeadLine,
    cursor: CursorLine,
    armed_data: WaitLine,
    armed_space: WaitLine,
}

impl HeapMemory {
    /// A data area of `capacity` bytes and its lines, with both ends at `position`: 0 but for tests of the wrap.
    #[must_use]
    pub fn new(capacity: usize, position: u64) -> Self {
        let memory = Heap {
            words: (0..capacity / 8).map(|_| AtomicU64::new(0)).collect(),
            producer: ProducerLine::new(),
            head: HeadLine::new(),
            cursor: CursorLine::new(),
            armed_data: WaitLine::new(),
            armed_space: WaitLine::new(),
        };
        memory.head.head.store(position, crate::sync::Ordering::Relaxed);
        memory.cursor.cursor.store(position, crate::sync::Ordering::Relaxed);
        Self(Arc::new(memory))
    }
}

impl Memory for HeapMemory {
    fn words(&self) -> &[AtomicU64] {
        &self.0.words
    }
    fn producer(&self) -> &ProducerLine {
        &self.0.producer
    }
    fn head(&self) -> &HeadLine {
        &self.0.head
    }
    fn cursor(&self) -> &CursorLine {
        &self.0.cursor
    }
    fn armed_data(&self) -> &WaitLine {
        &self.0.armed_data
    }
    fn armed_space(&self) -> &WaitLine {
        &self.0.armed_space
    }
}
