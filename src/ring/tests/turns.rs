//! The short way of an end that takes turns: records that keep to one line, and zeros that are written ahead.

use super::ring;
use crate::ring::fuzzing::turn;
use crate::ring::lines::CLOSED;
use crate::ring::{Flags, HeapMemory};
use crate::ring::{Header, Kind, Memory, PopError, Producer, PushError, Stream};
use crate::sync::Ordering;

/// What a record looks like to whoever believes a word that was left behind.
const STALE: u64 = Header { len: 0, kind: Kind::Data, flags: Flags::NONE }.to_word();

/// A ring of which no word is 0 but the next header, with both ends at offset 0.
fn stale_ring(capacity: usize) -> (Producer<HeapMemory>, crate::ring::Consumer<HeapMemory>) {
    let (mut producer, mut consumer) = ring(capacity, 0);
    while producer.position() < capacity as u64 {
        producer.push(&STALE.to_ne_bytes()).unwrap();
        consumer.pop().unwrap();
    }
    consumer.publish();
    for word in &producer.memory().words()[1..] {
        word.store(STALE, Ordering::Relaxed);
    }
    (producer, consumer)
}

fn word(producer: &Producer<HeapMemory>, position: u64) -> u64 {
    let words = producer.memory().words();
    words[(position / 8) as usize % words.len()].load(Ordering::Relaxed)
}

#[test]
fn messages_of_one_length_that_fit_into_a_line_lie_in_one_each_from_the_second_on() {
    for (len, before) in (0..=56).flat_map(|len| (0..8).map(move |before| (len, before))) {
        let (mut producer, mut consumer) = ring(64 << 10, 8 * before);
        let own = 8 + (len as u64).div_ceil(8) * 8;
        // Turns since the long way was taken, which does not look where lines begin; and how many were taken in all.
        let (mut since, mut turns) = (0, 0);
        for _ in 0..2000 {
            let begin = producer.position();
            if producer.push_turn(&vec![1; len]) {
                (since, turns) = (since + 1, turns + 1);
                let split = begin / 64 != (begin + own - 1) / 64;
                assert!(!split || since == 1, "{len} bytes after {before} words: turn {since} at {begin}");
            } else {
                producer.push(&vec![1; len]).unwrap();
                since = 0;
            }
            consumer.pop().unwrap();
        }
        assert!(turns > 1900, "{len} bytes after {before} words: {turns}");
    }
}

#[test]
fn a_longer_message_gives_nothing_away() {
    let (mut producer, mut consumer) = ring(4096, 0);
    let mut turns = 0;
    for len in 57..200 {
        producer.push(&[]).unwrap();
        let begin = producer.position();
        if producer.push_turn(&vec![1; len]) {
            assert_eq!(producer.position() - begin, 8 + (len as u64).div_ceil(8) * 8);
            turns += 1;
        }
        while consumer.pop().is_ok() {}
    }
    assert!(turns > 40, "{turns}");
}

#[test]
fn the_zero_behind_the_next_record_stands_before_that_is_written() {
    for len in [0, 5, 8, 16, 24, 32, 40, 48, 56] {
        let (mut producer, mut consumer) = stale_ring(4096);
        producer.push(&[]).unwrap();
        assert!(producer.push_turn(&vec![1; len]));
        for _ in 0..3 {
            let bytes = turn(producer.position(), len) as u64;
            assert_eq!(word(&producer, producer.position() + bytes), 0, "{len} bytes");
            assert!(producer.push_turn(&vec![1; len]));
        }
        while consumer.pop().is_ok() {}
        assert_eq!(consumer.position(), producer.position());
    }
}

#[test]
fn a_turn_like_the_one_before_has_as_many_words() {
    for first in 0..=56 {
        for second in 0..=57 {
            let (mut producer, mut consumer) = ring(4096, 0);
            producer.push(&[]).unwrap();
            assert!(producer.push_turn(&vec![1; first]));
            let begin = producer.position();
            let again = producer.push_again(&vec![2; second]);
            assert_eq!(again, first.div_ceil(8) == second.div_ceil(8), "{second} after {first} bytes");
            assert_eq!(producer.position() - begin, if again { turn(begin, second) as u64 } else { 0 });
            let taken: Vec<_> = std::iter::from_fn(|| consumer.pop().ok()).skip(1).collect();
            assert_eq!(taken.first(), Some(&vec![1; first]));
            assert_eq!(taken.get(1), again.then(|| vec![2; second]).as_ref());
        }
    }
}

/// Whatever comes between two turns: the ring never shows a word that was left behind.
#[test]
fn nothing_that_is_written_over_a_zero_ahead_is_taken_for_a_record() {
    let between: [fn(&mut Producer<HeapMemory>); 5] = [
        |producer| producer.claim(200).unwrap().put(&STALE.to_ne_bytes().repeat(25)).unwrap(),
        |producer| producer.claim(200).unwrap().commit(),
        |producer| {
            let mut batch = producer.batch();
            batch.push(&STALE.to_ne_bytes().repeat(20)).unwrap();
        },
        |producer| {
            producer.probe(100).unwrap();
        },
        |producer| producer.push(&STALE.to_ne_bytes().repeat(3)).unwrap(),
    ];
    for (case, act) in between.iter().enumerate() {
        for (first, second) in
            (0..=56).step_by(8).flat_map(|first| (0..=56).step_by(8).map(move |n| (first, n)))
        {
            let (mut producer, mut consumer) = stale_ring(8192);
            producer.push(&[]).unwrap();
            assert!(producer.push_turn(&vec![1; first]));
            act(&mut producer);
            assert!(producer.push_turn(&vec![2; second]));
            let mut taken = Vec::new();
            let end = loop {
                match consumer.pop() {
                    Ok(message) => taken.push(message),
                    Err(end) => break end,
                }
            };
            assert_eq!(end, PopError::Empty, "case {case}, {first} and {second} bytes");
            assert_eq!(consumer.position(), producer.position(), "case {case}, {first} and {second} bytes");
            assert_eq!(taken.last(), Some(&vec![2; second]));
            assert_eq!(taken.len(), 3 + usize::from(case == 1 || case == 4));
        }
    }
}

#[test]
fn zeros_written_ahead_over_released_records_do_not_spoil_salvage() {
    let lens = [0, 8, 16, 24, 40, 56];
    for (before, after) in lens.iter().flat_map(|before| lens.map(|after| (*before, after))) {
        for (taken, sent) in (1..12).flat_map(|taken| (0..12).map(move |sent| (taken, sent))) {
            // Both ends begin in the middle of an eighth of the ring, or at its border.
            let (mut producer, mut consumer) = ring(1024, [0, 32, 56, 128][(taken + sent) % 4]);
            let mut left = Vec::new();
            while producer.push(&vec![1; before]).is_ok() {
                left.push(vec![1; before]);
            }
            for _ in 0..taken.min(left.len()) {
                consumer.pop().unwrap();
                left.remove(0);
            }
            consumer.publish();
            assert!(producer.is_released().is_ok());
            for _ in 0..sent {
                let message = vec![2; after];
                if producer.push_turn(&message) || producer.push(&message).is_ok() {
                    left.push(message);
                }
            }
            let undelivered = producer.salvage();
            assert_eq!(undelivered.unwrap().collect::<Vec<_>>(), left, "{before}, {after}, {taken}, {sent}");
        }
    }
}

/// A ring that is nearly full for the first time, with little of it released, so that a zero ahead lies where it began: that
/// is where salvage would begin to walk. Found by the fuzzer.
#[test]
fn a_zero_ahead_over_where_the_ring_began_does_not_spoil_salvage() {
    for (upto, turns) in [(1008, vec![0]), (976, vec![16, 0]), (976, vec![16])] {
        let born = 0u64.wrapping_sub(1024 - 64);
        let (mut producer, mut consumer) = ring(1024, born);
        for _ in 0..2 {
            producer.push(&[1]).unwrap();
            consumer.pop().unwrap();
        }
        consumer.publish();
        assert_eq!(producer.is_released(), Ok(true));
        // So long that not every eighth of the ring has a start of its own.
        producer.push(&[3; 248]).unwrap();
        let mut left = 1;
        while producer.position() != born.wrapping_add(upto) {
            producer.push(&[]).unwrap();
            left += 1;
        }
        // The short way may be open only after a look.
        producer.probe(24).unwrap_or_else(|_| producer.probe(8).unwrap());
        for len in &turns {
            assert!(producer.push_turn(&vec![2; *len]));
        }
        assert_eq!(word(&producer, born), 0, "nothing was written there: the test is void");
        assert_eq!(producer.salvage().unwrap().count(), left + turns.len());
    }
}

#[test]
fn an_answer_of_any_length_in_a_line_is_taken_wherever_it_lies() {
    for (len, before) in (0..=56).flat_map(|len| (0..8).map(move |before| (len, before))) {
        let (mut producer, mut consumer) = ring(1024, 8 * before);
        let mut answers = 0;
        for round in 0..100u8 {
            let message: Vec<u8> = (0..len).map(|index| index as u8 ^ round).collect();
            if !producer.push_turn(&message) {
                producer.push(&message).unwrap();
            }
            let mut buffer = [0xee; 64];
            let taken = consumer.pop_line(&mut buffer, |_, look| look.now()).length();
            answers += usize::from(taken.is_some());
            let taken = taken.map_or_else(|| consumer.pop_into(&mut buffer), Ok);
            assert_eq!(taken, Ok(len));
            assert_eq!(buffer[..len], message);
            assert_eq!(buffer[len..], [0xee; 64][len..], "bytes behind the message were touched");
            assert_eq!(consumer.position(), producer.position());
        }
        // Each eighth of the ring ends with one that goes the long way, and those within a line of the wrap do.
        assert!(answers >= 30, "{len} bytes after {before} words: {answers}");
    }
}

/// Sends as much of a message as has room.
fn begin_stream(producer: &mut Producer<HeapMemory>) {
    assert_eq!(producer.push_stream(&mut Stream::new(), &[2; 5000]), Err(PushError::Full));
}

#[test]
fn what_is_no_message_of_a_line_is_not_taken_as_an_answer() {
    let none = |act: &dyn Fn(&mut Producer<HeapMemory>), room: usize, then: Result<usize, PopError>| {
        let (mut producer, mut consumer) = ring(4096, 0);
        producer.push(&[1]).unwrap();
        assert_eq!(consumer.pop_into(&mut [0]), Ok(1));
        act(&mut producer);
        let mut buffer = vec![0xee; room];
        let before = consumer.position();
        assert_eq!(consumer.pop_line(&mut buffer, |_, look| look.now()).length(), None);
        assert_eq!((consumer.position(), &buffer), (before, &vec![0xee; room]), "nothing was taken");
        assert_eq!(consumer.pop_into(&mut buffer), then);
    };
    none(&|_| {}, 56, Err(PopError::Empty));
    none(&|producer| producer.push(&[2; 57]).unwrap(), 64, Ok(57));
    none(&|producer| producer.push(&[2; 56]).unwrap(), 55, Err(PopError::TooSmall { needed: 56 }));
    none(&|producer| producer.push_message(&[2; 2000]).unwrap(), 2000, Ok(2000));
    none(&|producer| begin_stream(producer), 5000, Err(PopError::Empty));
    none(&|producer| producer.close(), 56, Err(PopError::Closed));
}

#[test]
fn a_record_of_a_line_behind_half_a_stream_is_checked_before_it_is_taken() {
    const KIB: usize = 1 << 10;
    let (mut producer, mut consumer) = ring(KIB << 10, 0);
    // Room for one fragment is left, which is shorter than what may be taken without a look.
    let before = [250 * KIB, 250 * KIB, 250 * KIB, 180 * KIB].map(|len| vec![1; len]);
    before.iter().for_each(|message| producer.push(message).unwrap());
    assert_eq!(producer.push_stream(&mut Stream::new(), &vec![2; 900 * KIB]), Err(PushError::Full));
    let mut buffer = vec![0; 250 * KIB];
    before.iter().for_each(|message| assert_eq!(consumer.pop_into(&mut buffer), Ok(message.len())));
    // Taken without the call that looks what the short ways may do.
    assert_eq!(consumer.pop(), Err(PopError::Empty));
    assert_eq!(consumer.partial(), Some(64 * KIB as u64 - 16));
    let word = (consumer.position() / 8) as usize;
    let plain = Header { len: 8, kind: Kind::Data, flags: Flags::NONE }.to_word();
    consumer.memory().words()[word].store(plain, Ordering::Relaxed);
    assert_eq!(consumer.pop_fast(&mut buffer).length(), None);
    assert_eq!(consumer.pop_line(&mut buffer, |_, look| look.now()).length(), None);
    assert!(matches!(consumer.pop_into(&mut buffer), Err(PopError::Corrupt(_))), "a stream is open");
}

#[test]
fn a_ring_that_is_closed_or_corrupt_takes_no_turn() {
    for spoil in [
        |producer: &mut Producer<HeapMemory>| producer.close(),
        |producer: &mut Producer<HeapMemory>| {
            producer.memory().head().head.store(1, Ordering::Relaxed);
            assert!(producer.has_space().is_err());
        },
        |producer: &mut Producer<HeapMemory>| {
            producer.memory().armed_data().armed.store(CLOSED, Ordering::Relaxed);
        },
    ] {
        let (mut producer, _consumer) = ring(4096, 0);
        producer.push(&[1; 48]).unwrap();
        assert!(producer.push_turn(&[1; 48]));
        assert!(producer.push_again(&[1; 48]));
        let position = producer.position();
        spoil(&mut producer);
        assert!(!producer.push_again(&[1; 48]) && !producer.push_turn(&[1; 48]));
        assert_eq!(producer.position(), position);
    }
}

#[test]
fn after_damage_the_short_ways_take_nothing() {
    let (mut producer, mut consumer) = ring(4096, 0);
    producer.push(&[1]).unwrap();
    assert_eq!(consumer.pop_into(&mut [0]), Ok(1));
    let word = (consumer.position() / 8) as usize;
    let store = |word: u64, index: usize| producer.memory().words()[index].store(word, Ordering::Relaxed);
    store(u64::MAX, word);
    // Found without the call that looks what the short ways may do.
    let damage = consumer.pop().unwrap_err();
    assert!(matches!(damage, PopError::Corrupt(_)));
    store(Header { len: 8, kind: Kind::Data, flags: Flags::NONE }.to_word(), word);
    let mut buffer = [0; 8];
    assert_eq!(consumer.pop_line(&mut buffer, |_, look| look.now()).length(), None);
    assert_eq!(
        (consumer.pop_fast(&mut buffer).length(), consumer.pop_into(&mut buffer)),
        (None, Err(damage))
    );
}
