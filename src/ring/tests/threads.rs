//! Both ends in threads of their own: what arrives is what was sent, byte for byte, in its order.

use super::{ring, rounds};
use crate::ring::{Consumer, HeapMemory, PopError, Producer, PushError, Stream};
use std::thread;
use std::time::{Duration, Instant};

const WATCHDOG: Duration = Duration::from_secs(120);

/// How many messages each thread test sends.
fn messages() -> u64 {
    if cfg!(miri) { 30 } else { rounds(30_000, 10_000_000) }
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
fn retry<T>(begin: Instant, mut attempt: impl FnMut() -> Result<T, PushError>) -> T {
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(error) => assert_eq!(error, PushError::Full),
        }
        assert!(begin.elapsed() < WATCHDOG, "the consumer stands still");
        thread::yield_now();
    }
}

/// Sends every message, each in one of the ways that there are.
fn send_all(producer: &mut Producer<HeapMemory>, begin: Instant) {
    let capacity = producer.geometry().capacity() as usize;
    let mut i = 0;
    while i < messages() {
        let one = message(i, capacity);
        match i % 5 {
            0 if one.len() <= capacity / 4 - 8 => retry(begin, || {
                let mut claim = producer.claim(capacity / 4 - 8)?;
                let (first, second) = one.split_at(one.len() / 2);
                claim.put(&vec![0; first.len()]).and_then(|()| claim.write_at(0, first)).unwrap();
                claim.put(second).unwrap();
                claim.commit();
                Ok(())
            }),
            1 if i + 1 < messages() && one.len().max(message(i + 1, capacity).len()) < 8 => {
                let two = message(i + 1, capacity);
                retry(begin, || {
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
                retry(begin, || producer.push(&one));
            }
            _ => {
                let mut stream = Stream::new();
                retry(begin, || producer.push_stream(&mut stream, &one));
            }
        }
        i += 1;
    }
    producer.close();
}

fn take_one(consumer: &mut Consumer<HeapMemory>, begin: Instant, into: bool) -> Result<Vec<u8>, PopError> {
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
        thread::yield_now();
    }
}

#[test]
fn everything_that_one_thread_sends_another_takes_in_order() {
    for capacity in [64, 256] {
        let begin = Instant::now();
        let (mut producer, mut consumer) = ring(capacity, 0u64.wrapping_sub(4 * capacity as u64));
        let sender = thread::spawn(move || send_all(&mut producer, begin));
        for i in 0..messages() {
            assert_eq!(take_one(&mut consumer, begin, i % 2 == 0), Ok(message(i, capacity)), "message {i}");
        }
        assert_eq!(take_one(&mut consumer, begin, false), Err(PopError::Closed));
        sender.join().unwrap();
    }
}

#[test]
fn a_batch_appears_whole() {
    let begin = Instant::now();
    let (mut producer, mut consumer) = ring(256, 0);
    let batches = messages() / 3;
    let sender = thread::spawn(move || {
        for i in 0..batches {
            retry(begin, || {
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
        assert_eq!(take_one(&mut consumer, begin, false).ok(), expected.next());
        for rest in expected {
            assert_eq!(consumer.pop(), Ok(rest), "the first of a batch was there, and the rest was not");
        }
    }
    sender.join().unwrap();
}

#[test]
fn what_a_stopped_consumer_took_and_what_is_handed_back_are_all_that_was_sent() {
    for stop in [0, 1, 7, messages() as usize / 2] {
        let begin = Instant::now();
        let (mut producer, mut consumer) = ring(256, 0);
        let taker = thread::spawn(move || {
            (0..stop).map(|_| take_one(&mut consumer, begin, true).unwrap()).collect::<Vec<_>>()
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
                    thread::yield_now();
                }
            }
            assert!(begin.elapsed() < WATCHDOG, "the consumer stands still");
        }
        let taken = taker.join().unwrap();
        assert_eq!(taken.len(), stop);
        let left = producer.salvage().unwrap();
        assert_eq!(taken.into_iter().chain(left).collect::<Vec<_>>(), sent);
    }
}
