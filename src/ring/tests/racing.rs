//! Ends of a ring whose peer writes at full speed while they work: every answer is one that is promised, and nothing
//! out of bounds is touched (guard pages; the same tests run under AddressSanitizer).

use super::guarded::{GuardedBuffer, GuardedMemory};
use super::rounds;
use crate::ring::fuzzing::{Numbers, Scribbler};
use crate::ring::{Consumer, Fences, HeapMemory, Memory, PopError, Producer, PushError, Stream};
use crate::sync::Ordering;
use std::time::{Duration, Instant};

const WATCHDOG: Duration = Duration::from_secs(300);
const MAX_MESSAGE: u64 = 1 << 14;

/// Calls that race.
fn calls() -> u64 {
    rounds(1_000_000, 100_000_000)
}

#[derive(Debug, Default)]
struct Answers {
    messages: u64,
    empty: u64,
    too_small: u64,
    corrupt: u64,
    /// Messages that were taken at sight.
    lines: u64,
}

/// Takes from `memory`, at whatever position, until the calls are done and every answer was given.
fn take_while_another_writes(capacity: usize) {
    let memory = GuardedMemory::new(capacity);
    let _writer = Scribbler::on_data(memory.clone(), capacity as u64);
    let mut numbers = Numbers::new(7);
    let mut born = || {
        let position = numbers.next() & !7;
        Consumer::new(memory.clone(), Fences::SeqCst, position, MAX_MESSAGE).unwrap()
    };
    let mut consumer = born();
    let (mut lens, mut buffer) = (Numbers::new(9), GuardedBuffer::new(capacity));
    let mut answers = Answers::default();
    let (begin, calls) = (Instant::now(), calls());
    for call in 0.. {
        let Answers { messages, empty, too_small, corrupt, lines } = answers;
        // In the smallest ring each message has to be told of at once, and none is taken at sight.
        let every = [messages, empty, too_small, corrupt, lines + u64::from(capacity == 64)];
        if call >= calls && every.iter().all(|&count| count > 0) {
            break;
        }
        assert!(call % 1024 != 0 || begin.elapsed() < WATCHDOG, "{answers:?} in {call} calls");
        let before = consumer.position();
        let room = lens.below(capacity as u64 / 3) as usize;
        if let Some(len) = consumer.pop_line(buffer.last(room), |_, look| look.now()).length() {
            assert!(len <= room && len <= 56);
            answers.lines += 1;
        } else {
            assert_eq!(consumer.position(), before);
        }
        let before = consumer.position();
        let answer = if call % 2 == 0 {
            consumer.pop().map(|message| message.len())
        } else {
            consumer.pop_into(buffer.last(room)).inspect(|len| assert!(*len <= room))
        };
        assert!(consumer.position().wrapping_sub(before) <= capacity as u64);
        match answer {
            Ok(len) => {
                answers.messages += 1;
                assert!(len as u64 <= MAX_MESSAGE);
            }
            Err(PopError::Empty) => answers.empty += 1,
            Err(PopError::TooSmall { needed }) => {
                answers.too_small += 1;
                assert!(needed <= MAX_MESSAGE);
            }
            Err(PopError::Corrupt(found)) => {
                answers.corrupt += 1;
                assert_eq!(consumer.pop(), Err(PopError::Corrupt(found)), "corrupt for good");
                consumer = born();
            }
            Err(error) => panic!("nobody closed: {error:?}"),
        }
    }
}

#[test]
fn a_consumer_survives_a_producer_that_writes_while_it_reads_a_small_ring() {
    take_while_another_writes(64);
}

#[test]
fn a_consumer_survives_a_producer_that_writes_while_it_reads_a_ring_of_one_page() {
    take_while_another_writes(4096);
}

#[test]
fn a_producer_survives_a_consumer_that_writes_while_it_sends() {
    let (mut corrupt, mut full, mut sent, mut numbers) = (0, 0, 0, Numbers::new(3));
    let (begin, calls) = (Instant::now(), calls() / 64);
    let mut rings = 0;
    while rings < calls || [corrupt, full, sent].contains(&0) {
        assert!(begin.elapsed() < WATCHDOG, "{corrupt} corrupt, {full} full, {sent} sent");
        rings += 64;
        let memory = HeapMemory::new(1024, 0);
        let _writer = Scribbler::on_lines(memory.clone(), rings, 0);
        let mut producer = Producer::new(memory.clone(), Fences::SeqCst, 0).unwrap();
        let (mut stream, mut found) = (Stream::new(), None);
        for _ in 0..4096 {
            let answer = match numbers.below(4) {
                3 if producer.push_turn(&[4; 48]) => Ok(()),
                3 => producer.push(&[4; 48]),
                0 => producer.push(&[1; 100]),
                1 => producer.push_message(&[2; 400]),
                _ => producer.push_stream(&mut stream, &[3; 2000]),
            };
            match (answer, found) {
                (answer, Some(found)) => {
                    assert_eq!(answer, Err(PushError::Corrupt(found)), "corrupt for good")
                }
                (Ok(()), None) => sent += 1,
                (Err(PushError::Full), None) => full += 1,
                (Err(PushError::Corrupt(now)), None) => {
                    corrupt += 1;
                    found = Some(now);
                }
                (answer, None) => assert_eq!(answer, Err(PushError::Closed)),
            }
            let next = producer.position() as usize % 1024 / 8;
            assert_eq!(memory.words()[next].load(Ordering::Relaxed), 0, "the next header place");
        }
    }
}

/// Whoever lent a producer its memory can write it still: what is handed back may be nonsense, and ends in bounds.
#[test]
fn salvage_survives_a_lender_that_writes_what_it_reads() {
    const CAPACITY: u64 = 4096;
    let (mut refused, mut spoiled, mut lens) = (0, 0, Numbers::new(3));
    let (begin, calls) = (Instant::now(), calls() / 100);
    for call in 0.. {
        if call >= calls && refused > 0 && spoiled > 0 {
            break;
        }
        assert!(call % 64 != 0 || begin.elapsed() < WATCHDOG, "{refused} refused, {spoiled} spoiled");
        let memory = GuardedMemory::new(CAPACITY as usize);
        let mut producer = Producer::new(memory.clone(), Fences::SeqCst, 0).unwrap();
        while producer.push(&[7; 900][..lens.below(900) as usize]).is_ok() {}
        let walk = {
            let _lender = Scribbler::on_data(memory.clone(), call);
            producer.salvage().map(|undelivered| {
                let (mut bytes, mut whole) = (0, true);
                let count = undelivered.take(CAPACITY as usize).map(|message: Vec<u8>| {
                    bytes += message.len() as u64;
                    whole &= message.iter().all(|byte| *byte == 7);
                });
                (count.count() as u64, bytes, whole)
            })
        };
        match walk {
            Err(_) => refused += 1,
            Ok((count, bytes, whole)) => {
                assert!(count <= CAPACITY / 8 && bytes <= CAPACITY);
                spoiled += u64::from(!whole);
            }
        }
    }
}
