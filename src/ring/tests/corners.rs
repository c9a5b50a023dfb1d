//! Corners of the protocol that were wrong once.

use super::ring;
use crate::ring::lines::FUTEX;
use crate::ring::{
    Corrupt, Field, Flags, Header, HeapMemory, Kind, Memory, PopError, Producer, PushError, Stream,
};
use crate::sync::Ordering;

fn head(producer: &Producer<HeapMemory>) -> u64 {
    producer.memory().head().head.load(Ordering::Relaxed)
}

fn cursor(producer: &Producer<HeapMemory>) -> u64 {
    producer.memory().cursor().cursor.load(Ordering::Relaxed)
}

#[test]
fn head_stays_behind_the_cursor_when_a_message_after_padding_is_too_long_for_the_buffer() {
    let (mut producer, mut consumer) = ring(256, 0);
    for _ in 0..7 {
        producer.push(&[1; 24]).unwrap();
        consumer.pop().unwrap();
    }
    producer.push(&[2; 40]).unwrap();
    assert_eq!(consumer.pop_into(&mut [0; 8]), Err(PopError::TooSmall { needed: 40 }));
    consumer.publish();
    assert!(head(&producer) <= cursor(&producer));
    assert_eq!(producer.has_space(), Ok(true));
    assert_eq!(producer.salvage().unwrap().collect::<Vec<_>>(), [[2; 40]]);
}

#[test]
fn a_message_that_gives_up_a_stream_may_be_refused_for_a_small_buffer_and_taken_later() {
    for long in [40, 100] {
        let (mut producer, mut consumer) = ring(256, 0);
        let streamed = vec![1; 300];
        assert_eq!(producer.push_stream(&mut Stream::new(), &streamed), Err(PushError::Full));
        while consumer.pop() == Err(PopError::Empty) && consumer.poll() {}
        producer.push_message(&vec![2; long]).unwrap();
        for _ in 0..3 {
            let too_small = PopError::TooSmall { needed: long as u64 };
            assert_eq!(consumer.pop_into(&mut [0; 8]), Err(too_small));
        }
        assert_eq!(consumer.pop(), Ok(vec![2; long]));
        assert_eq!(consumer.partial(), None);
    }
}

/// Feeds `message` until it is committed; the consumer must then have got it.
fn finish(
    producer: &mut Producer<HeapMemory>,
    consumer: &mut crate::ring::Consumer<HeapMemory>,
    stream: &mut Stream,
    message: &[u8],
) {
    loop {
        let pushed = producer.push_stream(stream, message);
        let popped = consumer.pop();
        if pushed.is_ok() {
            assert_eq!(popped, Ok(message.to_vec()));
            assert_eq!(consumer.pop(), Err(PopError::Empty));
            return;
        }
        assert_eq!((pushed, popped), (Err(PushError::Full), Err(PopError::Empty)));
    }
}

#[test]
fn streams_that_take_turns_never_mix_their_messages() {
    let (mut producer, mut consumer) = ring(256, 0);
    let (one, two) = (vec![1; 600], vec![2; 600]);
    let (mut first, mut second) = (Stream::new(), Stream::new());
    assert_eq!(producer.push_stream(&mut first, &one), Err(PushError::Full));
    assert_eq!(consumer.pop(), Err(PopError::Empty));
    assert_eq!(producer.push_stream(&mut second, &two), Err(PushError::Full));
    assert_eq!(consumer.pop(), Err(PopError::Empty));
    finish(&mut producer, &mut consumer, &mut first, &one);
    finish(&mut producer, &mut consumer, &mut second, &two);
}

#[test]
fn a_copy_of_a_stream_that_is_behind_begins_anew() {
    let (mut producer, mut consumer) = ring(256, 0);
    let message: Vec<u8> = (0..600).map(|i| i as u8).collect();
    let mut stream = Stream::new();
    assert_eq!(producer.push_stream(&mut stream, &message), Err(PushError::Full));
    let mut behind = stream;
    assert_eq!(consumer.pop(), Err(PopError::Empty));
    assert_eq!(producer.push_stream(&mut stream, &message), Err(PushError::Full));
    assert_eq!(consumer.pop(), Err(PopError::Empty));
    finish(&mut producer, &mut consumer, &mut behind, &message);
}

#[test]
fn a_stream_that_was_cancelled_without_room_to_say_so_is_not_continued() {
    let (mut producer, mut consumer) = ring(256, 0);
    let mut stream = Stream::new();
    producer.push(&[0; 48]).unwrap();
    assert_eq!(producer.push_stream(&mut stream, &[1; 600]), Err(PushError::Full));
    producer.cancel_stream();
    assert!(producer.is_streaming(), "there was room for the cancel: the test is void");
    assert_eq!(consumer.pop(), Ok(vec![0; 48]));
    assert_eq!(consumer.pop(), Err(PopError::Empty));
    finish(&mut producer, &mut consumer, &mut stream, &[2; 600]);
}

#[test]
fn a_stream_that_is_given_another_message_begins_anew() {
    for other in [170, 601] {
        let (mut producer, mut consumer) = ring(256, 0);
        let mut stream = Stream::new();
        assert_eq!(producer.push_stream(&mut stream, &[1; 600]), Err(PushError::Full));
        assert_eq!(consumer.pop(), Err(PopError::Empty));
        finish(&mut producer, &mut consumer, &mut stream, &vec![2; other]);
    }
}

#[test]
fn a_corrupt_head_stays_corrupt_in_every_answer() {
    let (mut producer, _consumer) = ring(256, 0);
    producer.push(b"one").unwrap();
    producer.memory().head().head.store(3, Ordering::Relaxed);
    let corrupt = Corrupt { field: Field::Head, value: 3 };
    assert_eq!(producer.is_released(), Err(corrupt));
    producer.memory().head().head.store(0, Ordering::Relaxed);
    assert_eq!(producer.is_released(), Err(corrupt));
    assert_eq!(producer.has_space(), Err(corrupt));
    assert_eq!(producer.push(b"two"), Err(PushError::Corrupt(corrupt)));
    producer.arm(FUTEX);
    producer.close();
    assert_eq!(producer.push(b"two"), Err(PushError::Corrupt(corrupt)));
}

/// A ring of 1024 bytes whose consumer took and released `taken` records of 48 bytes and has `left` before it.
#[cfg(not(miri))]
fn partly_taken(taken: usize, left: u8) -> Producer<HeapMemory> {
    let (mut producer, mut consumer) = ring(1024, 0);
    for _ in 0..taken {
        producer.push(&[0; 40]).unwrap();
        consumer.pop().unwrap();
    }
    consumer.publish();
    assert_eq!(producer.has_space(), Ok(true));
    for i in 0..left {
        producer.push(&[i; 40]).unwrap();
    }
    producer
}

#[cfg(not(miri))]
#[test]
fn what_a_dropped_batch_wrote_over_released_records_does_not_spoil_salvage() {
    for taken in 0..64 {
        let mut producer = partly_taken(taken, 10);
        let mut dropped = producer.batch();
        while dropped.push(&[9; 56]).is_ok() {}
        assert!(dropped.bytes() > 400);
        let left: Vec<_> = producer.salvage().unwrap().collect();
        assert_eq!(left, (0..10).map(|i| [i; 40]).collect::<Vec<_>>(), "{taken} taken before");
    }
}

#[cfg(not(miri))]
#[test]
fn what_a_dropped_claim_wrote_over_released_records_does_not_spoil_salvage() {
    for (taken, first) in (0..64).flat_map(|taken| [(taken, None), (taken, Some(3))]) {
        let mut producer = partly_taken(taken, 15);
        if let Ok(mut claim) = producer.claim(248) {
            claim.put(&[9; 248]).unwrap();
            if let Some(len) = first {
                claim.commit_first(len);
            }
        }
        let left: Vec<_> = producer.salvage().unwrap().take(15).collect();
        assert_eq!(left, (0..15).map(|i| [i; 40]).collect::<Vec<_>>(), "{taken} taken before");
    }
}

#[test]
fn nothing_may_be_written_after_what_was_put_not_even_nothing() {
    let (mut producer, _consumer) = ring(256, 0);
    let mut claim = producer.claim(8).unwrap();
    claim.put(b"12345678").unwrap();
    assert_eq!(claim.write_at(8, b""), Ok(()));
    for at in [9, 1001, usize::MAX] {
        assert_eq!(claim.write_at(at, b"").unwrap_err().room, 0);
    }
}

#[test]
fn a_streamed_message_that_stands_whole_in_the_ring_is_handed_back() {
    let (mut producer, mut consumer) = ring(1024, 0);
    let streamed: Vec<u8> = (0..700).map(|i| i as u8).collect();
    producer.push(b"before").unwrap();
    producer.push_stream(&mut Stream::new(), &streamed).unwrap();
    producer.push(b"after").unwrap();
    assert_eq!(consumer.pop().unwrap(), b"before");
    let mut undelivered = producer.salvage().unwrap();
    assert_eq!(undelivered.next(), Some(streamed));
    assert_eq!(undelivered.next(), Some(b"after".to_vec()));
    assert_eq!(undelivered.next(), None);
    assert_eq!(undelivered.streamed(), 0);
}

#[test]
fn a_streamed_message_of_which_a_part_is_missing_is_counted_and_not_handed_back() {
    let (mut producer, _consumer) = ring(1024, 0);
    let mut stream = Stream::new();
    assert_eq!(producer.push_stream(&mut stream, &[1; 2000]), Err(PushError::Full));
    let sent = stream.sent() as u64;
    let mut undelivered = producer.salvage().unwrap();
    assert_eq!(undelivered.next(), None);
    assert_eq!(undelivered.streamed(), sent);
}

#[test]
fn a_batch_that_found_the_head_corrupt_takes_nothing_more() {
    [248, 400].into_iter().for_each(batch_that_finds_a_lie);
}

fn batch_that_finds_a_lie(len: usize) {
    let (mut producer, _consumer) = ring(1024, 0);
    (0..3).for_each(|_| producer.push(&[0; 248]).unwrap());
    producer.memory().head().head.store(7, Ordering::Relaxed);
    let corrupt = Err(PushError::Corrupt(Corrupt { field: Field::Head, value: 7 }));
    let mut batch = producer.batch();
    assert_eq!([0, 0].map(|len| batch.push(&[1; 8][..len])), [Ok(()); 2]);
    // Too long for the room that is left as far as is known, in one record or in fragments: the head is looked at.
    assert_eq!(batch.push_message(&vec![1; len]), corrupt);
    assert_eq!(batch.push(&[]), corrupt);
    batch.commit();
    assert_eq!(producer.push(&[]), corrupt);
}

#[cfg(not(miri))]
#[test]
fn the_producer_keeps_a_start_in_each_eighth_that_a_batch_passes() {
    // Each payload could be three records, so that a walk alone would not tell a cursor between them from an honest one.
    let forged = [Header::data(0).to_word().to_ne_bytes(); 3].concat();
    for (before, taken, after) in
        (32..36).flat_map(|n| (0..16).flat_map(move |taken| [0, 8, 11, 13, 15].map(|m| (n, taken, m))))
    {
        let (mut producer, mut consumer) = ring(1024, 0);
        for _ in 0..before {
            producer.push(&forged).unwrap();
            consumer.pop().unwrap();
        }
        consumer.publish();
        assert_eq!(producer.is_released(), Ok(true));
        let mut batch = producer.batch();
        (0..16).for_each(|_| batch.push(&forged).unwrap());
        batch.commit();
        (0..taken).for_each(|_| assert_eq!(consumer.pop().as_ref(), Ok(&forged)));
        consumer.publish();
        (0..taken + after).for_each(|_| producer.push(&forged).unwrap());
        let (liar, oldest) = (cursor(&producer) + 8, producer.position() + 8 - 1024);
        producer.memory().cursor().cursor.store(liar, Ordering::Relaxed);
        let refused = Err(Corrupt { field: Field::Cursor, value: liar });
        // A record begins with each eighth; what was overwritten since is no help.
        assert_eq!(
            producer.salvage().map(drop) == refused,
            liar & !127 >= oldest,
            "{before}, {taken}, {after}"
        );
    }
}

#[test]
fn a_cursor_that_points_into_a_payload_of_a_batch_is_refused() {
    let (mut producer, mut consumer) = ring(1024, 0);
    let forged =
        [Header { len: 0, kind: Kind::Data, flags: Flags::NONE }.to_word().to_ne_bytes(); 15].concat();
    let mut batch = producer.batch();
    for _ in 0..4 {
        batch.push(&forged).unwrap();
    }
    batch.commit();
    for _ in 0..2 {
        consumer.pop().unwrap();
    }
    consumer.publish();
    assert_eq!(producer.has_space(), Ok(true));
    for _ in 0..5 {
        producer.push(&forged).unwrap();
    }
    let liar = cursor(&producer) + 16;
    producer.memory().cursor().cursor.store(liar, Ordering::Relaxed);
    assert_eq!(producer.salvage().unwrap_err(), Corrupt { field: Field::Cursor, value: liar });
}

#[cfg(not(miri))]
#[test]
fn a_cursor_that_points_at_forged_records_makes_salvage_hand_back_nonsense_at_worst() {
    let mut accepted = 0;
    for (taken, at) in (0..64).flat_map(|taken| (1..6).map(move |at| (taken, at))) {
        for kind in [Kind::First, Kind::Last, Kind::Cancel, Kind::Padding] {
            let forged = Header { len: 0, kind, flags: Flags::NONE }.to_word().to_ne_bytes();
            let mut producer = partly_taken(taken, 0);
            for _ in 0..20 {
                producer.push(&[forged; 5].concat()).unwrap();
            }
            let liar = cursor(&producer) + 8 * at;
            producer.memory().cursor().cursor.store(liar, Ordering::Relaxed);
            if let Ok(undelivered) = producer.salvage() {
                accepted += 1;
                assert!(undelivered.count() <= 20);
            }
        }
    }
    assert!(accepted > 0, "every lie was refused: the test is void");
}

#[test]
fn a_chain_of_forged_records_that_leaps_over_a_marked_start_is_refused() {
    let (mut producer, mut consumer) = ring(1024, 0);
    for _ in 0..21 {
        producer.push(&[0; 40]).unwrap();
        consumer.pop().unwrap();
    }
    consumer.publish();
    assert_eq!(producer.is_released(), Ok(true));
    // Each payload leaps three records on, into another payload; the last three lead back to a true start.
    for i in 0..20 {
        let len = if i < 17 { 3 * 48 - 8 } else { 0 };
        let forged = Header { len, kind: Kind::Data, flags: Flags::NONE }.to_word().to_ne_bytes();
        producer.push(&[forged; 5].concat()).unwrap();
    }
    let liar = 1024 + 16;
    producer.memory().cursor().cursor.store(liar, Ordering::Relaxed);
    assert_eq!(producer.salvage().unwrap_err(), Corrupt { field: Field::Cursor, value: liar });
}

#[test]
fn a_consumer_that_closes_while_a_record_is_written_is_seen_by_the_next_push() {
    let (mut producer, mut consumer) = ring(256, 0);
    let claim = producer.claim(8).unwrap();
    consumer.close();
    claim.commit();
    for _ in 0..2 {
        assert_eq!(producer.push(b""), Err(PushError::Closed));
    }
}
