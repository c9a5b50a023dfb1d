//! Both ends in threads of their own: what arrives is what was sent, byte for byte, in its order.

use super::{ring, rounds};
use crate::ring::{Consumer, HeapMemory, PopError, Producer, PushError, Stream};
use std::thread;
use std::time::{Duration, Instant};

/// How long an end may find nothing to do before the test says that the other one stands still.
pub(super) const WATCHDOG: Duration = Duration::from_secs(60);

/// How many messages each thread test sends through a ring of `capacity` bytes.
pub(super) fn messages(capacity: usize) -> u64 {
    if cfg!(miri) { 30 } else { rounds(capacity as u64 * 4, 10_000_000) }
}

/// Lets the other end work: on the other processor for a while, then on this one.
pub(super) fn pause(tries: &mut u32) {
    *tries += 1;
    if cfg!(miri) || *tries % 256 == 0 { thread::yield_now() } else { std::hint::spin_loop() }
}

/// Message number `i`: its length goes through everything from nothing to a stream, and no two are alike.
fn message(i: u64, capacity: usize) -> Vec<u8> {
    let len = match i % 7 {
        0 => 0,
        1 | 2 => i as usize % (capacity / 4 - 7),
        3 => capacity / 4 - 8,
        4 => capacity / 3,
        5 => i as usize % 8,
        _ => capacity / 2 + i as usize % capacity,
    };
    (0..len).map(|at| (i as usize * 31 + at * 7) as u8).collect()
}

/// Asks again until there is room.
pub(super) fn retry<T>(mut attempt: impl FnMut() -> Result<T, PushError>) -> T {
    let (begin, mut tries) = (Instant::now(), 0);
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(error) => assert_eq!(error, PushError::Full),
        }
        assert!(begin.elapsed() < WATCHDOG, "the consumer stands still");
        pause(&mut tries);
    }
}

/// Sends every message, each in one of the ways that there are.
fn send_all(producer: &mut Producer<HeapMemory>) {
    let capacity = producer.geometry().capacity() as usize;
    let mut i = 0;
    let messages = messages(capacity);
    while i < messages {
        let one = message(i, capacity);
        match i % 5 {
            0 if one.len() <= capacity / 4 - 8 => retry(|| {
                let mut claim = producer.claim(capacity / 4 - 8)?;
                let (first, second) = one.split_at(one.len() / 2);
                claim.put(&vec![0; first.len()]).and_then(|()| claim.write_at(0, first)).unwrap();
                claim.put(second).unwrap();
                claim.commit();
                Ok(())
            }),
            1 if i + 1 < messages && one.len().max(message(i + 1, capacity).len()) < 8 => {
                let two = message(i + 1, capacity);
                retry(|| {
                    let mut batch = producer.batch();
                    batch.push(&one)?;
                    batch.push(&two)?;
                    batch.commit();
                    Ok(())
                });
                i += 1;
            }
            2 if one.len() <= capacity / 4 - 8 => {
                // A dropped claim and a dropped batch leave no trace.
                let _ = producer.claim(one.len()).map(|mut claim| claim.put(&one));
                let _ = producer.batch().push(&one);
                retry(|| producer.push(&one));
            }
            _ => {
                let mut stream = Stream::new();
                retry(|| producer.push_stream(&mut stream, &one));
            }
        }
        i += 1;
    }
    producer.close();
}

fn take_one(consumer: &mut Consumer<HeapMemory>, into: bool) -> Result<Vec<u8>, PopError> {
    let (begin, mut tries) = (Instant::now(), 0);
    let mut buffer = vec![0; if into { 2 * consumer.geometry().capacity() as usize } else { 0 }];
    loop {
        let answer = match into {
            true => consumer.pop_into(&mut buffer).map(|len| buffer[..len].to_vec()),
            false => consumer.pop(),
        };
        match answer {
            Err(PopError::Empty) => assert!(begin.elapsed() < WATCHDOG, "the producer stands still"),
            answer => return answer,
        }
        pause(&mut tries);
    }
}

#[test]
fn everything_that_one_thread_sends_another_takes_in_order() {
    for capacity in [64, 1024] {
        let (mut producer, mut consumer) = ring(capacity, 0u64.wrapping_sub(4 * capacity as u64));
        let sender = thread::spawn(move || send_all(&mut producer));
        for i in 0..messages(capacity) {
            assert_eq!(take_one(&mut consumer, i % 2 == 0), Ok(message(i, capacity)), "message {i}");
        }
        assert_eq!(take_one(&mut consumer, false), Err(PopError::Closed));
        sender.join().unwrap();
    }
}

#[test]
fn a_batch_appears_whole() {
    let (mut producer, mut consumer) = ring(256, 0);
    let batches = messages(256) / 3;
    let sender = thread::spawn(move || {
        for i in 0..batches {
            retry(|| {
                let mut batch = producer.batch();
                for part in 0..2u8 {
                    batch.push(&[part, i as u8, (i >> 8) as u8])?;
                }
                batch.push_message(&[i as u8; 57])?;
                batch.commit();
                Ok(())
            });
        }
    });
    for i in 0..batches {
        let parts = (0..2u8).map(|part| vec![part, i as u8, (i >> 8) as u8]);
        let mut expected = parts.chain([vec![i as u8; 57]]);
        assert_eq!(take_one(&mut consumer, false).ok(), expected.next());
        for rest in expected {
            assert_eq!(consumer.pop(), Ok(rest), "the first of a batch was there, and the rest was not");
        }
    }
    sender.join().unwrap();
}

#[test]
fn what_a_stopped_consumer_took_and_what_is_handed_back_are_all_that_was_sent() {
    for stop in [0, 1, 7, messages(256) as usize / 2] {
        let (mut producer, mut consumer) = ring(256, 0);
        let taker = thread::spawn(move || {
            (0..stop).map(|_| take_one(&mut consumer, true).unwrap()).collect::<Vec<_>>()
        });
        let mut sent = Vec::new();
        loop {
            let one = vec![sent.len() as u8; sent.len() % 90];
            match producer.push_message(&one) {
                Ok(()) => sent.push(one),
                Err(error) => {
                    assert_eq!(error, PushError::Full);
                    if sent.len() > stop {
                        break;
                    }
                    assert!(!taker.is_finished() || sent.len() >= stop, "the consumer gave up");
                    thread::yield_now();
                }
            }
        }
        let taken = taker.join().unwrap();
        assert_eq!(taken.len(), stop);
        let left = producer.salvage().unwrap();
        assert_eq!(taken.into_iter().chain(left).collect::<Vec<_>>(), sent);
    }
}

/// An end of two rings, as whoever takes turns uses it.
struct Turns {
    to: Producer<HeapMemory>,
    from: Consumer<HeapMemory>,
    /// How many messages came, and how many of them by the shortest way.
    came: (u64, u64),
}

impl Turns {
    fn send(&mut self, message: &[u8]) {
        if !self.to.push_turn(message) {
            retry(|| self.to.push(message));
        }
    }

    fn recv(&mut self) -> Vec<u8> {
        let (begin, mut tries, mut buffer) = (Instant::now(), 0, [0; 64]);
        self.came.0 += 1;
        while !self.from.poll() {
            assert!(begin.elapsed() < WATCHDOG, "the other end stands still");
            pause(&mut tries);
        }
        let line = self.from.pop_line(&mut buffer, |_, look| look.now()).length();
        self.came.1 += u64::from(line.is_some());
        let len = line.map_or_else(|| self.from.pop_into(&mut buffer), Ok).unwrap();
        buffer[..len].to_vec()
    }
}

#[test]
fn two_ends_that_take_turns_hear_each_other() {
    let (there, back) = (ring(16 << 10, 0), ring(16 << 10, 0u64.wrapping_sub(512)));
    let mut ours = Turns { to: there.0, from: back.1, came: (0, 0) };
    let mut theirs = Turns { to: back.0, from: there.1, came: (0, 0) };
    let turns = if cfg!(miri) { 48 } else { rounds(20_000, 10_000_000) };
    // Of one length for a while; where each takes its time, for a short one, and of all kinds nevertheless.
    let call = |turn: u64| match cfg!(miri) {
        true => vec![turn as u8; [0, 8, 13, 32, 40, 48, 51, 56][(turn / 6 % 8) as usize]],
        false => vec![turn as u8; (turn / 20 % 57) as usize],
    };
    let server = thread::spawn(move || {
        for _ in 0..turns {
            let call = theirs.recv();
            theirs.send(&call);
        }
    });
    for turn in 0..turns {
        ours.send(&call(turn));
        assert_eq!(ours.recv(), call(turn));
    }
    server.join().unwrap();
    let (came, shortest) = ours.came;
    assert!(shortest * 10 > came * 8, "{shortest} of {came} by the shortest way");
}
