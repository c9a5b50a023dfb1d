//! Messages that are read where they lie, as the plain bytes that a trusted peer's are.
//!
//! Everything else reads the data area through atomic words, in which no tool can see a data race. Here Miri and
//! ThreadSanitizer see one if a record is read before its commit made it visible, or overwritten before its release.

#![allow(unsafe_code)]

use super::threads::{WATCHDOG, messages, pause, retry};
use crate::ring::{Consumer, Fences, HeapMemory, Memory, PopError, Producer, Reading};
use std::time::Instant;

const CAPACITY: usize = 256;

/// The next message in one piece: the index of its first word and its length.
fn read(consumer: &mut Consumer<HeapMemory>) -> (usize, usize) {
    let (begin, mut tries) = (Instant::now(), 0);
    loop {
        match consumer.read() {
            Ok(Reading::InPlace { first, len }) => return (first, len),
            Ok(Reading::Copy(_)) => panic!("every message is short enough for one record"),
            Err(error) => assert_eq!(error, PopError::Empty),
        }
        assert!(begin.elapsed() < WATCHDOG, "the producer stands still");
        pause(&mut tries);
    }
}

#[test]
fn a_message_that_is_read_in_place_is_written_by_nobody_meanwhile() {
    let memory = HeapMemory::new(CAPACITY, 0);
    let mut producer = Producer::new(memory.clone(), Fences::SeqCst, 0).unwrap();
    let mut consumer = Consumer::new(memory.clone(), Fences::SeqCst, 0, 1 << 20).unwrap();
    let sender = std::thread::spawn(move || {
        for i in 0..messages(CAPACITY) as usize {
            retry(|| producer.push(&vec![i as u8; i % (CAPACITY / 4 - 8)]));
        }
    });
    for i in 0..messages(CAPACITY) as usize {
        let (first, len) = read(&mut consumer);
        assert_eq!(len, i % (CAPACITY / 4 - 8));
        let words = &memory.words()[first..first + len.div_ceil(8)];
        // SAFETY: `words` covers `len` bytes, and the producer leaves a record alone until its release, below.
        let bytes: &[u8] = unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), len) };
        assert!(bytes.iter().all(|&byte| byte == i as u8), "message {i}: {bytes:?}");
        consumer.release();
    }
    sender.join().unwrap();
}
