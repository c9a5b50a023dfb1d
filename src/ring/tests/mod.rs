//! The ring against a naive model, and against what no correct peer writes.

#[cfg(not(loom))]
mod basics;
#[cfg(not(loom))]
mod corners;

#[cfg(not(loom))]
use crate::ring::{Consumer, Fences, HeapMemory, Producer};

/// Both ends of a ring on the heap that begins at `position`.
#[cfg(not(loom))]
fn ring(capacity: usize, position: u64) -> (Producer<HeapMemory>, Consumer<HeapMemory>) {
    let memory = HeapMemory::new(capacity, position);
    let producer = Producer::new(memory.clone(), Fences::SeqCst, position).unwrap();
    let consumer = Consumer::new(memory, Fences::SeqCst, position, 1 << 20).unwrap();
    (producer, consumer)
}
