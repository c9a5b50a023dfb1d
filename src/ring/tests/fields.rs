//! For every field that is checked, an input that fails the check, and the answer that names it.

use super::ring;
use crate::ring::{
    Consumer, Corrupt, Field, Flags, Header, HeapMemory, Kind, Memory, PopError, Producer, PushError,
};
use crate::sync::Ordering;

const CAPACITY: usize = 256;

/// A header without flags.
fn header(kind: Kind, len: u32) -> u64 {
    Header { len, kind, flags: Flags::NONE }.to_word()
}

/// What a consumer says that finds these words at the start of its data area.
fn found(words: &[u64]) -> Corrupt {
    let (_, mut consumer) = ring(CAPACITY, 0);
    put(consumer.memory(), words);
    let first = corrupt(&mut consumer);
    put(consumer.memory(), &[header(Kind::Data, 0), header(Kind::Data, 0)]);
    assert_eq!(corrupt(&mut consumer), first, "corrupt for good");
    first
}

fn put(memory: &HeapMemory, words: &[u64]) {
    for (word, value) in memory.words().iter().zip(words) {
        word.store(*value, Ordering::Relaxed);
    }
}

fn corrupt(consumer: &mut Consumer<HeapMemory>) -> Corrupt {
    let popped = consumer.pop();
    assert_eq!(consumer.pop_into(&mut [0; CAPACITY]).map(drop), popped.clone().map(drop));
    match popped {
        Err(PopError::Corrupt(corrupt)) => corrupt,
        other => panic!("{other:?}"),
    }
}

/// A producer that stands at 64, of which the consumer released 32 bytes.
fn half_released() -> Producer<HeapMemory> {
    let (mut producer, mut consumer) = ring(CAPACITY, 0);
    for _ in 0..4 {
        producer.push(b"8 bytes.").unwrap();
    }
    consumer.pop().unwrap();
    consumer.pop().unwrap();
    assert_eq!(producer.is_released(), Ok(false));
    producer
}

/// An input that reaches the field, and the value that is reported.
fn reach(field: Field) -> (Corrupt, u64) {
    match field {
        Field::Head => {
            let mut producer = half_released();
            producer.memory().head().head.store(24, Ordering::Relaxed);
            (producer.has_space().unwrap_err(), 24)
        }
        Field::Cursor => {
            let mut producer = half_released();
            producer.memory().cursor().cursor.store(40, Ordering::Relaxed);
            (producer.salvage().unwrap_err(), 40)
        }
        Field::Kind => (found(&[7 << 32]), 7 << 32),
        Field::Flags => (found(&[header(Kind::Data, 8) | 8 << 48]), header(Kind::Data, 8) | 8 << 48),
        Field::Length => (found(&[header(Kind::Data, 57)]), 57),
        Field::Overrun => {
            // Seven records of 32 bytes lie between what was published and the next, which would fill the ring.
            let (mut producer, mut consumer) = ring(CAPACITY, 0);
            consumer.freeze();
            for _ in 0..7 {
                producer.push(&[0; 24]).unwrap();
                consumer.pop().unwrap();
            }
            consumer.memory().words()[28].store(header(Kind::Data, 24), Ordering::Relaxed);
            (corrupt(&mut consumer), 256)
        }
        Field::Padding => (found(&[header(Kind::Padding, 56)]), header(Kind::Padding, 56)),
        Field::Fragment => (found(&[header(Kind::Middle, 56)]), header(Kind::Middle, 56)),
        Field::Total => (found(&[header(Kind::First, 56), 1 << 40]), 1 << 40),
    }
}

#[test]
fn every_field_has_an_input_that_is_refused_by_its_name() {
    use Field::{Cursor, Flags, Fragment, Head, Kind, Length, Overrun, Padding, Total};
    for field in [Head, Cursor, Kind, Flags, Length, Overrun, Padding, Fragment, Total] {
        let (corrupt, value) = reach(field);
        assert_eq!(corrupt, Corrupt { field, value });
        let text = corrupt.to_string();
        assert!(text.contains(&format!("{value:#x}")) && text.contains("end the link"), "{text}");
        assert!(PopError::from(corrupt).to_string() == text && PushError::from(corrupt).to_string() == text);
    }
}
