//! How much one call takes of a stream whose sender keeps up with it.

use crate::ring::lines::WaitLine;
use crate::ring::{Consumer, Fences, HeapMemory, Memory, PopError, Producer, PushError, Stream};
use std::cell::RefCell;

const CAPACITY: u64 = 4096;

/// The consumer's memory, whose other end is worked by a peer each time that the consumer has taken a record.
struct Keen<'a> {
    heap: HeapMemory,
    peer: RefCell<Peer<'a>>,
}

struct Peer<'a> {
    producer: Producer<HeapMemory>,
    /// Sent, once the message is given up that was streamed.
    next: &'a [u8],
    /// That was done, or is not to be done yet.
    sent: bool,
}

impl Memory for &Keen<'_> {
    from_its_heap!(but armed_space);
    /// A consumer that has taken a record looks whether the producer waits: now the peer has its turn.
    fn armed_space(&self) -> &WaitLine {
        let Peer { producer, next, sent } = &mut *self.peer.borrow_mut();
        if !*sent {
            producer.cancel_stream();
            *sent = producer.push_message(next).is_ok();
        }
        self.heap.armed_space()
    }
}

/// Streams more than the ring holds, gives that up when the consumer takes it, and sends `next` instead. How far the
/// consumer came in one call, and whether the one that took the stream returned `next`. Behind another message there is
/// room for less of the stream.
fn give_up_and_send(position: u64, behind: bool, next: &[u8]) -> (u64, bool) {
    let heap = HeapMemory::new(CAPACITY as usize, position);
    let mut producer = Producer::new(heap.clone(), Fences::SeqCst, position).unwrap();
    if behind {
        producer.push(&[3; 1000]).unwrap();
    }
    let mut stream = Stream::new();
    assert_eq!(producer.push_stream(&mut stream, &[1; 1 << 16]), Err(PushError::Full));
    let keen = Keen { heap, peer: RefCell::new(Peer { producer, next, sent: behind }) };
    let mut consumer = Consumer::new(&keen, Fences::SeqCst, position, 1 << 20).unwrap();
    if behind {
        assert_eq!(consumer.pop().unwrap(), [3; 1000]);
        keen.peer.borrow_mut().sent = false;
    }
    let (mut farthest, mut calls) = (0, 0);
    loop {
        let before = consumer.position();
        let answer = consumer.pop();
        (farthest, calls) = (farthest.max(consumer.position().wrapping_sub(before)), calls + 1);
        match answer {
            Ok(message) => {
                assert_eq!(message, next);
                return (farthest, calls == 1);
            }
            Err(error) => assert_eq!(error, PopError::Empty),
        }
        assert!(calls < 4, "{} bytes at {position} did not come", next.len());
    }
}

#[test]
fn a_call_that_would_come_more_than_a_capacity_far_leaves_the_rest_to_the_next() {
    for behind in [false, true] {
        let (mut at_once, mut later) = (0, 0);
        for position in (0..CAPACITY).step_by(8).chain([u64::MAX - 2047]) {
            for len in [0, 700, 1016, 1017, 1900, 2016, 2024] {
                let (farthest, in_one) = give_up_and_send(position, behind, &vec![2; len]);
                assert!(farthest <= CAPACITY, "{farthest} bytes, {len} at {position}");
                *if in_one { &mut at_once } else { &mut later } += 1;
            }
        }
        assert!(at_once > 500 && later > 500, "{at_once} at once, {later} later, {behind}");
    }
}
