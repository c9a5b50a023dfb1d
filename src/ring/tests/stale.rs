//! Wait words that somebody armed and does not sleep on: a peer that died meanwhile, or one that lies.

use crate::ring::lines::{CLOSED, FENCE_LOST};
use crate::ring::{Consumer, Fences, HeapMemory, Memory, PopError, Producer};
use crate::sync::{AtomicU64, Ordering};

/// Memory that counts how often somebody is woken.
#[derive(Debug)]
struct Counting {
    heap: HeapMemory,
    consumer_woken: AtomicU64,
    producer_woken: AtomicU64,
}

impl Memory for &Counting {
    from_its_heap!();
    fn wake_consumer(&self, _armed: u32) {
        self.consumer_woken.fetch_add(1, Ordering::Relaxed);
    }
    fn wake_producer(&self, _armed: u32) {
        self.producer_woken.fetch_add(1, Ordering::Relaxed);
    }
}

/// Every value that means something, with and without the bit for a lost fence, and some that mean nothing.
fn values() -> impl Iterator<Item = u32> {
    (1..2 * FENCE_LOST).chain([1 << 31, u32::MAX])
}

#[test]
fn a_stale_arm_costs_one_wake_up_and_no_message() {
    for (data, space) in values().flat_map(|data| values().map(move |space| (data, space))) {
        let memory = Counting {
            heap: HeapMemory::new(1024, 0),
            consumer_woken: AtomicU64::new(0),
            producer_woken: AtomicU64::new(0),
        };
        let mut producer = Producer::new(&memory, Fences::Membarrier, 0).unwrap();
        let mut consumer = Consumer::new(&memory, Fences::Membarrier, 0, 1024).unwrap();
        memory.heap.armed_data().armed.store(data, Ordering::Relaxed);
        memory.heap.armed_space().armed.store(space, Ordering::Relaxed);
        for number in 0..200u8 {
            producer.push(&[number; 24]).unwrap();
            assert_eq!(consumer.pop(), Ok(vec![number; 24]));
        }
        assert_eq!(consumer.pop(), Err(PopError::Empty));
        // CLOSED is no arm: it stays, and the word of the close itself says that there is none.
        let woken = u64::from(data & !FENCE_LOST != CLOSED);
        assert_eq!(memory.consumer_woken.load(Ordering::Relaxed), woken, "{data}, {space}");
        assert_eq!(memory.producer_woken.load(Ordering::Relaxed), 1, "{data}, {space}");
        // Who is asked for full fences executes them from then on.
        assert_eq!(consumer.is_producer_fenced(), data & FENCE_LOST != 0, "{data}");
        assert_eq!(producer.is_consumer_fenced(), space & FENCE_LOST != 0, "{space}");
    }
}
