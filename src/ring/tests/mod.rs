//! The ring against a naive model, and against what no correct peer writes.

/// The words and lines of a [`crate::ring::Memory`] that has them from its field `heap`.
#[cfg(not(any(loom, miri)))]
macro_rules! from_its_heap {
    () => {
        from_its_heap!(but armed_space);
        fn armed_space(&self) -> &crate::ring::lines::WaitLine {
            self.heap.armed_space()
        }
    };
    (but armed_space) => {
        fn words(&self) -> &[crate::sync::AtomicU64] {
            self.heap.words()
        }
        fn producer(&self) -> &crate::ring::lines::ProducerLine {
            self.heap.producer()
        }
        fn head(&self) -> &crate::ring::lines::HeadLine {
            self.heap.head()
        }
        fn cursor(&self) -> &crate::ring::lines::CursorLine {
            self.heap.cursor()
        }
        fn armed_data(&self) -> &crate::ring::lines::WaitLine {
            self.heap.armed_data()
        }
    };
}

#[cfg(not(loom))]
mod basics;
#[cfg(not(any(loom, miri)))]
mod bounded;
#[cfg(not(loom))]
mod copies;
#[cfg(not(loom))]
mod corners;
#[cfg(not(loom))]
mod drivers;
#[cfg(all(target_arch = "x86_64", target_pointer_width = "64", not(loom), not(miri), not(ringway_words)))]
mod engines;
#[cfg(not(loom))]
mod fences;
#[cfg(not(loom))]
mod fields;
#[cfg(not(any(loom, miri)))]
mod guarded;
#[cfg(not(any(loom, miri)))]
mod hostile_headers;
#[cfg(not(any(loom, miri)))]
mod hostile_words;
#[cfg(not(loom))]
mod in_place;
#[cfg(loom)]
mod loom;
#[cfg(not(any(loom, miri)))]
mod model;
#[cfg(not(any(loom, miri)))]
mod populate;
#[cfg(not(any(loom, miri)))]
mod racing;
#[cfg(not(any(loom, miri)))]
mod seeds;
#[cfg(not(any(loom, miri)))]
mod stale;
#[cfg(not(loom))]
mod threads;
#[cfg(not(any(loom, miri)))]
mod turns;

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

/// `short` rounds, or `long` ones if the environment asks for the long form of every test.
#[cfg(not(loom))]
fn rounds<N>(short: N, long: N) -> N {
    if std::env::var_os("RINGWAY_LONG").is_some_and(|value| value == "1") { long } else { short }
}
