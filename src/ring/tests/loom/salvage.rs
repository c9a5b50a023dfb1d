//! A consumer that dies at any access to the ring: what it had not taken is handed back, once.

use super::link::Link;
use super::{explore, explore_each, ring, used_ring};
use crate::ring::lines::{CursorLine, HeadLine, ProducerLine, WaitLine};
use crate::ring::{Consumer, Fences, Memory, PopError};
use crate::sync::AtomicU64;
use ::loom::thread;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The memory of a consumer that dies when it would reach for it once too often.
#[derive(Debug)]
struct Dying {
    link: Link,
    accesses_left: Cell<usize>,
    /// The cursor was reached for, so what it moves over counts as handed out.
    counts_as_taken: Cell<bool>,
}

impl Dying {
    fn access(&self) -> &Link {
        match self.accesses_left.get().checked_sub(1) {
            Some(left) => self.accesses_left.set(left),
            None => resume_unwind(Box::new("killed")),
        }
        &self.link
    }
}

impl Memory for Dying {
    fn words(&self) -> &[AtomicU64] {
        self.access().words()
    }
    fn producer(&self) -> &ProducerLine {
        self.access().producer()
    }
    fn head(&self) -> &HeadLine {
        self.access().head()
    }
    fn cursor(&self) -> &CursorLine {
        let line = self.access().cursor();
        self.counts_as_taken.set(true);
        line
    }
    fn armed_data(&self) -> &WaitLine {
        self.access().armed_data()
    }
    fn armed_space(&self) -> &WaitLine {
        self.access().armed_space()
    }
}

/// Takes up to two messages, killed after `accesses`; what was handed out, and whether one more counts as such.
fn receive_until_killed(link: Link, accesses: usize) -> (Vec<Vec<u8>>, bool) {
    let mut handed_out = Vec::new();
    let dying = Dying { link, accesses_left: Cell::new(usize::MAX), counts_as_taken: Cell::new(false) };
    let mut consumer = Consumer::new(dying, Fences::Membarrier, 0, 1024).unwrap();
    consumer.memory().accesses_left.set(accesses);
    let killed = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..3 {
            consumer.memory().counts_as_taken.set(false);
            if let Ok(message) = consumer.pop() {
                handed_out.push(message);
            }
        }
    }));
    (handed_out, killed.is_err() && consumer.memory().counts_as_taken.get())
}

fn salvage(messages: &'static [&'static [u8]], capacity: usize, accesses: usize) {
    let (mut producer, consumer) = ring(capacity, 0);
    let link = consumer.memory().clone();
    producer.push_message(messages[0]).unwrap();
    let receiver = thread::spawn(move || receive_until_killed(link, accesses));
    for message in &messages[1..] {
        producer.push_message(message).unwrap();
    }
    let (handed_out, one_more) = receiver.join().unwrap();
    let left: Vec<_> = producer.salvage().unwrap().collect();
    let taken = handed_out.len() + usize::from(one_more);
    assert_eq!(handed_out, messages[..handed_out.len()]);
    assert_eq!(left, messages[taken..]);
}

#[test]
fn what_a_consumer_killed_anywhere_had_not_taken_is_handed_back_once() {
    // 256 bytes: the first record stays hidden, the second is published.
    explore_each("salvage", None, 0..20, |accesses| {
        salvage(&[&[1; 8], &[2; 8], &[3; 4]], 256, accesses);
    });
}

#[test]
fn a_message_in_fragments_is_handed_back_whole() {
    explore_each("salvage_fragments", None, 0..16, |accesses| {
        salvage(&[&[1; 8], &[2; 40]], 128, accesses);
    });
}

#[test]
fn a_consumer_that_skipped_padding_and_published_leaves_a_cursor_that_holds() {
    explore("salvage_after_padding", None, || {
        let (mut producer, mut consumer) = used_ring(64, 56);
        let receiver = thread::spawn(move || {
            for _ in 0..5 {
                let refused = consumer.pop_into(&mut []);
                assert!(matches!(refused, Err(PopError::Empty | PopError::TooSmall { needed: 8 })));
                consumer.publish();
            }
        });
        producer.push(&[1; 8]).unwrap();
        producer.push(&[2; 8]).unwrap();
        receiver.join().unwrap();
        producer.has_space().unwrap();
        let left: Vec<_> = producer.salvage().unwrap().collect();
        assert_eq!(left, [vec![1; 8], vec![2; 8]]);
    });
}
