//! What the two processes do with a path, message by message: the loops that are timed.

use std::hint::{black_box, spin_loop};
use std::time::{Duration, Instant};

use super::End;

/// The bytes of a message that its sequence number takes.
pub const SEQUENCE: usize = 8;

/// How long a process works before it sends, in the shape that has the other one asleep by then. Longer than any
/// subject polls.
pub const WORK: Duration = Duration::from_micros(100);

/// One process's end of the path, its messages, and how many it has carried.
#[derive(Debug)]
pub struct Role<E> {
    end: E,
    /// What is sent: the sequence number, then a pattern that stays.
    message: Vec<u8>,
    /// What was received last.
    buffer: Vec<u8>,
    /// The sequence number of the last message; the first one is 1.
    sequence: u64,
}

impl<E: End> Role<E> {
    pub fn new(end: E, size: usize) -> Self {
        assert!(size >= SEQUENCE, "a message is at least its sequence number");
        // The optimiser must not know the size: no user's program does.
        let size = black_box(size);
        let message = (0..size).map(|index| (index * 31 + 7) as u8).collect();
        Self { end, message, buffer: vec![0; size], sequence: 0 }
    }

    /// Sends each message, after some work, and waits for its answer.
    pub fn ask(&mut self, messages: u64, work: impl Fn()) {
        for _ in 0..messages {
            work();
            self.sequence += 1;
            stamp(&mut self.message, self.sequence);
            self.end.send(&self.message);
            self.recv();
        }
        self.compare_last();
    }

    /// Answers each message, after some work, by what it received.
    pub fn answer(&mut self, messages: u64, work: impl Fn()) {
        for _ in 0..messages {
            self.sequence += 1;
            self.recv();
            work();
            self.end.send(&self.buffer);
        }
    }

    /// Sends the messages one after the other.
    pub fn pour(&mut self, messages: u64) {
        let first = self.sequence + 1;
        self.sequence += messages;
        self.end.send_each(&mut self.message, first..first + messages);
    }

    /// Receives the messages one after the other.
    pub fn drain(&mut self, messages: u64) {
        for _ in 0..messages {
            self.sequence += 1;
            self.recv();
        }
        self.compare_last();
    }

    #[inline(always)]
    fn recv(&mut self) {
        let length = self.end.recv(&mut self.buffer);
        let mut sequence = [0; SEQUENCE];
        sequence.copy_from_slice(&self.buffer[..SEQUENCE]);
        let sequence = u64::from_le_bytes(sequence);
        if length != self.buffer.len() || sequence != self.sequence {
            wrong(self.sequence, self.buffer.len(), sequence, length);
        }
    }

    fn compare_last(&self) {
        assert!(
            self.buffer[SEQUENCE..] == self.message[SEQUENCE..],
            "a message came with other bytes than were sent"
        );
    }
}

/// Keeps the cpu busy for [`WORK`].
pub fn work() {
    let begin = Instant::now();
    while begin.elapsed() < WORK {
        spin_loop();
    }
}

/// Numbers a message.
#[inline(always)]
pub fn stamp(message: &mut [u8], number: u64) {
    message[..SEQUENCE].copy_from_slice(&number.to_le_bytes());
}

#[cold]
#[inline(never)]
fn wrong(expected: u64, size: usize, sequence: u64, length: usize) -> ! {
    panic!("expected message {expected} of {size} bytes, received message {sequence} of {length} bytes");
}
