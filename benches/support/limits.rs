//! What two processes on this machine can do at most, with no protocol at all.
#![allow(unsafe_code, reason = "copies into and out of shared memory")]

use std::hint::spin_loop;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::pages::{LINE, Pages};
use super::{End, Subject};

/// The quickest round trip: one word there in one cache line and one word back in another, 256 bytes apart, each
/// side polling its line with one pause between two looks. It carries the sequence number and nothing else.
#[derive(Debug)]
pub struct PingPong;

/// One side of the ping-pong.
#[derive(Debug)]
pub struct PingPongEnd {
    pages: Arc<Pages>,
    /// Where this side writes, and where it reads.
    to: usize,
    from: usize,
    last: u64,
}

impl Subject for PingPong {
    type Half = PingPongEnd;
    type End = PingPongEnd;

    fn name(&self) -> &'static str {
        "limit: two-line ping-pong"
    }

    fn spins(&self) -> bool {
        true
    }

    fn halves(&self, _size: usize) -> io::Result<(PingPongEnd, PingPongEnd)> {
        let pages = Pages::new(4 * LINE)?;
        let (there, back) = (0, 2 * LINE);
        let one = PingPongEnd { pages: pages.clone(), to: there, from: back, last: 0 };
        Ok((one, PingPongEnd { pages, to: back, from: there, last: 0 }))
    }

    fn connect(&self, half: PingPongEnd) -> io::Result<PingPongEnd> {
        Ok(half)
    }
}

impl End for PingPongEnd {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        let mut word = [0; 8];
        word.copy_from_slice(message);
        self.pages.word(self.to).store(u64::from_le_bytes(word), Release);
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8]) -> usize {
        let word = self.pages.word(self.from);
        loop {
            let value = word.load(Acquire);
            if value != self.last {
                self.last = value;
                buffer.copy_from_slice(&value.to_le_bytes());
                return buffer.len();
            }
            spin_loop();
        }
    }
}

/// How many blocks the hand-over has.
const BLOCKS: u64 = 16;

/// The quickest way to move bytes from one process's memory into the other's by copying them in and out: blocks that
/// are handed over by a counter, 16 of them, each as long as a message. One way only.
#[derive(Debug)]
pub struct HandOver;

/// One side of the hand-over.
#[derive(Debug)]
pub struct HandOverEnd {
    pages: Arc<Pages>,
    size: usize,
    /// How many blocks this side has handed over, or taken.
    done: u64,
}

/// Where the sender counts the blocks that it has filled, and the receiver those that it has emptied.
const FILLED: usize = 0;
const EMPTIED: usize = 2 * LINE;
/// Where the blocks begin.
const DATA: usize = 4096;

impl HandOverEnd {
    fn block(&self) -> *mut u8 {
        self.pages.at(DATA + (self.done % BLOCKS) as usize * self.size, self.size)
    }
}

impl Subject for HandOver {
    type Half = HandOverEnd;
    type End = HandOverEnd;

    fn name(&self) -> &'static str {
        "limit: hand-over of 16 blocks"
    }

    fn spins(&self) -> bool {
        true
    }

    fn halves(&self, size: usize) -> io::Result<(HandOverEnd, HandOverEnd)> {
        let pages = Pages::new(DATA + BLOCKS as usize * size)?;
        Ok((HandOverEnd { pages: pages.clone(), size, done: 0 }, HandOverEnd { pages, size, done: 0 }))
    }

    fn connect(&self, half: HandOverEnd) -> io::Result<HandOverEnd> {
        Ok(half)
    }
}

impl End for HandOverEnd {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        assert_eq!(message.len(), self.size, "a message is a block");
        while self.done - self.pages.word(EMPTIED).load(Acquire) >= BLOCKS {
            spin_loop();
        }
        // SAFETY: the block has the message's length. The receiver has emptied it (Acquire above) and does not look
        // at it again before it is counted as filled (Release below), so nothing else touches it now.
        unsafe { self.block().copy_from_nonoverlapping(message.as_ptr(), message.len()) };
        self.done += 1;
        self.pages.word(FILLED).store(self.done, Release);
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8]) -> usize {
        assert_eq!(buffer.len(), self.size, "a message is a block");
        while self.pages.word(FILLED).load(Acquire) == self.done {
            spin_loop();
        }
        // SAFETY: the block has the buffer's length. The sender has filled it (Acquire above) and leaves it alone
        // until it is counted as emptied (Release below).
        unsafe { buffer.as_mut_ptr().copy_from_nonoverlapping(self.block(), buffer.len()) };
        self.done += 1;
        self.pages.word(EMPTIED).store(self.done, Release);
        buffer.len()
    }
}

/// A stream of whole words, one way, that needs no header: the first word of each message, its sequence number, is the sign
/// that it is there, and never 0. The words lie in a circle; the receiver tells only once an eighth of it how far it is, and nothing is
/// checked.
#[derive(Debug)]
pub struct Words;

/// The bytes of the circle, as many as a ring of Ringway has.
const CIRCLE: usize = 1 << 20;
/// How many pauses the receiver leaves between two looks, so that it does not take the line away that is being filled.
const PAUSES: u32 = 32;

/// One side of the stream of words.
#[derive(Debug)]
pub struct WordsEnd {
    pages: Arc<Pages>,
    /// The words of a message, and how many messages the circle holds.
    words: usize,
    messages: u64,
    /// How many messages this side has sent, or taken.
    done: u64,
    /// How many the receiver has told of.
    told: u64,
    /// The last sign.
    last: u64,
}

impl WordsEnd {
    /// The words of the message with this number.
    #[inline(always)]
    fn message(&self, number: u64) -> &[AtomicU64] {
        self.pages.words(DATA + (number % self.messages) as usize * self.words * 8, self.words)
    }
}

impl Subject for Words {
    type Half = WordsEnd;
    type End = WordsEnd;

    fn name(&self) -> &'static str {
        "limit: a stream of bare words"
    }

    fn spins(&self) -> bool {
        true
    }

    fn halves(&self, size: usize) -> io::Result<(WordsEnd, WordsEnd)> {
        assert!(size % 8 == 0 && (size.is_power_of_two() && size <= CIRCLE), "whole words, whole messages");
        let pages = Pages::new(DATA + CIRCLE)?;
        let end = |pages| WordsEnd {
            pages,
            words: size / 8,
            messages: (CIRCLE / size) as u64,
            done: 0,
            told: 0,
            last: 0,
        };
        Ok((end(pages.clone()), end(pages)))
    }

    fn connect(&self, half: WordsEnd) -> io::Result<WordsEnd> {
        Ok(half)
    }
}

impl End for WordsEnd {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        while self.done - self.told >= self.messages {
            self.told = self.pages.word(EMPTIED).load(Acquire);
            spin_loop();
        }
        let (words, chunks) = (self.message(self.done), message.chunks_exact(8));
        let number = |chunk: &[u8]| u64::from_le_bytes(chunk.try_into().expect("8 bytes"));
        for (word, chunk) in words.iter().zip(chunks).skip(1) {
            word.store(number(chunk), Relaxed);
        }
        words[0].store(number(&message[..8]), Release);
        self.done += 1;
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8]) -> usize {
        let words = self.message(self.done);
        let sign = loop {
            // What stands there from the lap before is less.
            match words[0].load(Acquire) {
                sign if sign > self.last => break sign,
                _ => (0..PAUSES).for_each(|_| spin_loop()),
            }
        };
        for (word, chunk) in words.iter().zip(buffer.chunks_exact_mut(8)).skip(1) {
            chunk.copy_from_slice(&word.load(Relaxed).to_le_bytes());
        }
        buffer[..8].copy_from_slice(&sign.to_le_bytes());
        let taken = words.len() * 8;
        (self.last, self.done) = (sign, self.done + 1);
        if self.done - self.told >= self.messages / 8 {
            self.pages.word(EMPTIED).store(self.done, Release);
            self.told = self.done;
        }
        taken
    }
}
