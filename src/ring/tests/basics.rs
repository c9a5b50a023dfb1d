use super::ring;
use crate::ring::{Geometry, MAX_CAPACITY, PopError, PushError, Stream};

#[test]
fn records_of_every_length_come_out_as_they_went_in() {
    for capacity in [64, 128, 1024] {
        let (mut producer, mut consumer) = ring(capacity, u64::MAX - 4 * capacity as u64 + 1);
        for round in 0..if cfg!(miri) { 20 } else { 200 } {
            let len = round % (producer.geometry().max_payload() as usize + 1);
            let message: Vec<u8> = (0..len).map(|i| (i + round) as u8).collect();
            producer.push(&message).unwrap();
            assert_eq!(consumer.pop(), Ok(message));
            assert_eq!(consumer.pop(), Err(PopError::Empty));
        }
    }
}

#[test]
fn a_long_message_is_streamed_in_pieces_and_assembled() {
    let (mut producer, mut consumer) = ring(256, 0);
    let message: Vec<u8> = (0..5000).map(|i| (i % 251) as u8).collect();
    let mut stream = Stream::new();
    loop {
        let sent = producer.push_stream(&mut stream, &message);
        match consumer.pop() {
            Ok(received) => {
                assert_eq!(received, message);
                return;
            }
            Err(error) => assert_eq!(error, PopError::Empty),
        }
        assert_eq!(sent, Err(PushError::Full));
    }
}

#[test]
fn a_message_of_half_the_ring_is_one_batch() {
    let (mut producer, mut consumer) = ring(1024, 0);
    let longest = producer.geometry().max_atomic() as usize;
    for len in [longest, longest - 1, longest / 2 + 1] {
        for _ in 0..7 {
            let message: Vec<u8> = (0..len).map(|i| i as u8).collect();
            producer.push_message(&message).unwrap();
            assert_eq!(consumer.pop(), Ok(message));
        }
    }
    assert_eq!(
        producer.push_message(&vec![0; longest + 1]),
        Err(PushError::TooLong { len: longest as u64 + 1, max: longest as u64 })
    );
}

#[test]
fn what_a_dead_consumer_had_not_taken_is_handed_back_in_order() {
    let (mut producer, mut consumer) = ring(1024, 0);
    for round in 0..50u8 {
        for part in 0..4 {
            producer.push(&[round, part]).unwrap();
        }
        for part in 0..4 {
            assert_eq!(consumer.pop(), Ok(vec![round, part]));
        }
    }
    let long = vec![7; 300];
    producer.push(b"taken").unwrap();
    producer.push_message(&long).unwrap();
    producer.push(b"left").unwrap();
    consumer.pop().unwrap();
    let left: Vec<_> = producer.salvage().unwrap().collect();
    assert_eq!(left, [long, b"left".to_vec()]);
}

#[test]
fn a_closed_consumer_is_seen_by_the_next_push_and_a_closed_producer_after_its_last_record() {
    let (mut producer, mut consumer) = ring(64, 0);
    producer.push(b"last").unwrap();
    producer.close();
    assert_eq!(producer.push(b"more"), Err(PushError::Closed));
    assert_eq!(consumer.pop(), Ok(b"last".to_vec()));
    assert_eq!(consumer.pop(), Err(PopError::Closed));

    let (mut producer, mut consumer) = ring(64, 0);
    consumer.close();
    assert_eq!(producer.push(b"more"), Err(PushError::Closed));
}

#[cfg(target_pointer_width = "64")]
#[test]
fn a_ring_has_from_64_bytes_to_32_gib() {
    let capacity = |words| Geometry::of_words(words).map(Geometry::capacity);
    assert_eq!([0, 4, 7, 9].map(capacity), [None; 4]);
    assert_eq!(capacity(8), Some(64));
    assert_eq!(capacity(MAX_CAPACITY as usize / 8), Some(32 << 30));
    assert_eq!(capacity(MAX_CAPACITY as usize / 4), None);
}
