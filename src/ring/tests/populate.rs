//! The first lap asks for memory before it writes there, and a refusal is an error and not a signal.

use crate::ring::{Consumer, Fences, HeapMemory, Memory, NoSpace, Producer, PushError};
use crate::sync::{AtomicU64, Ordering};

/// Memory that counts how much of it was asked for, and has so much to give.
#[derive(Debug)]
struct Scarce {
    heap: HeapMemory,
    asked: AtomicU64,
    calls: AtomicU64,
    stock: AtomicU64,
}

impl Scarce {
    fn new(capacity: usize, position: u64, stock: u64) -> Self {
        let heap = HeapMemory::new(capacity, position);
        Self { heap, asked: AtomicU64::new(0), calls: AtomicU64::new(0), stock: AtomicU64::new(stock) }
    }

    /// Where the last byte lies that is not 0, in bytes.
    fn written(&self) -> u64 {
        let words = self.heap.words();
        words.iter().rposition(|word| word.load(Ordering::Relaxed) != 0).map_or(0, |last| last as u64 * 8 + 8)
    }
}

impl Memory for &Scarce {
    from_its_heap!();
    fn populate(&self, bytes: u64) -> Result<(), NoSpace> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if bytes > self.stock.load(Ordering::Relaxed) {
            return Err(NoSpace);
        }
        self.asked.fetch_max(bytes, Ordering::Relaxed);
        Ok(())
    }
}

fn ends(memory: &Scarce, position: u64) -> (Producer<&Scarce>, Consumer<&Scarce>) {
    let producer = Producer::new(memory, Fences::SeqCst, position).unwrap();
    (producer, Consumer::new(memory, Fences::SeqCst, position, 1 << 20).unwrap())
}

#[test]
fn the_first_lap_asks_step_by_step_and_the_others_never() {
    for (capacity, position, steps) in [(256 * 1024, 0, 4), (64, 0, 1), (256 * 1024, 4096, 1)] {
        let memory = Scarce::new(capacity, position, u64::MAX);
        let (mut producer, mut consumer) = ends(&memory, position);
        for len in (0..capacity / 4 - 8).cycle().step_by(977.min(capacity / 16)) {
            producer.push(&vec![0xff; len]).unwrap();
            consumer.pop().unwrap();
            assert!(
                memory.written() <= memory.asked.load(Ordering::Relaxed),
                "written before it was asked for"
            );
            if producer.position() > 3 * capacity as u64 {
                break;
            }
        }
        assert_eq!(memory.calls.load(Ordering::Relaxed), steps, "of {capacity} from {position}");
        assert_eq!(memory.asked.load(Ordering::Relaxed), capacity as u64);
    }
}

#[test]
fn a_refusal_is_no_space_leaves_no_trace_and_may_be_asked_again() {
    let memory = Scarce::new(256 * 1024, 0, 64 * 1024);
    let (mut producer, mut consumer) = ends(&memory, 0);
    producer.push(&[1; 40_000]).unwrap();
    for _ in 0..2 {
        assert_eq!(producer.push(&[2; 40_000]), Err(PushError::NoSpace));
        assert_eq!(producer.claim(40_000).map(drop), Err(PushError::NoSpace));
        assert_eq!(producer.push_message(&[2; 80_000]), Err(PushError::NoSpace));
        let mut batch = producer.batch();
        assert_eq!(batch.push(b"fits"), Ok(()));
        assert_eq!(batch.push(&[2; 40_000]), Err(PushError::NoSpace));
        batch.commit();
        assert!(memory.written() <= 64 * 1024);
    }
    memory.stock.store(u64::MAX, Ordering::Relaxed);
    producer.push(&[3; 40_000]).unwrap();
    assert_eq!(consumer.pop(), Ok(vec![1; 40_000]));
    assert_eq!(consumer.pop(), Ok(b"fits".to_vec()));
    assert_eq!(consumer.pop(), Ok(b"fits".to_vec()));
    assert_eq!(consumer.pop(), Ok(vec![3; 40_000]));
}
