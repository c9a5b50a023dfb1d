//! What the fuzz targets run, each a function from bytes to the outcomes that it reached.
//!
//! | function | the bytes are | it panics if |
//! |---|---|---|
//! | [`ring_model`] | operations of two correct ends | the ring and a naive model of it differ |
//! | [`consumer_hostile`] | what stands before a consumer, and its calls | an answer is not one that is promised |
//! | [`producer_hostile`] | what a consumer writes, and a producer's calls | an answer is not one that is promised |
//!
//! The tests replay the seeds of every target through the same functions.

mod arithmetic;
mod consumer;
mod model;
mod producer;
mod scribble;

#[cfg(test)]
pub(super) use arithmetic::{borders, fragments, max_atomic, max_payload, place, to_line, turn};
pub use consumer::consumer_hostile;
pub use producer::producer_hostile;

#[cfg(test)]
pub(super) use model::ClaimEnd;
pub(super) use model::{Model, Op};
#[cfg(test)]
pub(super) use scribble::{Numbers, Scribbler};

use super::{Consumer, HeapMemory, PopError};
use std::collections::BTreeSet;

/// The outcomes that a run reached, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(Vec<&'static str>);

impl Coverage {
    /// Notes an outcome.
    pub(super) fn saw(&mut self, outcome: &'static str) {
        // By address, which is quick; the same words at two addresses are made one when they are read.
        if !self.0.iter().any(|seen| std::ptr::eq(*seen, outcome)) {
            self.0.push(outcome);
        }
    }

    /// Adds what another run reached.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The names of the outcomes, in their order, each once.
    pub fn outcomes(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.0.iter().copied().collect::<BTreeSet<_>>().into_iter()
    }
}

/// Runs the operations that `data` stands for against the ring and its model.
pub fn ring_model(data: &[u8]) -> Coverage {
    let mut input = Input::new(data);
    let (capacity, position) = (input.capacity(), input.position());
    let borders = arithmetic::borders(capacity);
    let mut model = Model::new(capacity, position);
    while !input.is_empty() {
        model.apply(&Op::decode(&mut input, &borders));
    }
    model.finish()
}

/// Takes a message as a receiver does: as an answer first, if the buffer's length is even. Whether it came that way.
fn pop_into(consumer: &mut Consumer<HeapMemory>, buffer: &mut [u8]) -> (Result<usize, PopError>, bool) {
    let answer = match buffer.len() % 2 {
        0 => consumer.pop_line(buffer, |_, look| look.now()).length(),
        _ => None,
    };
    (answer.map_or_else(|| consumer.pop_into(buffer), Ok), answer.is_some())
}

/// Bytes, read from the front; zeros behind the end.
#[derive(Debug)]
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first `len` bytes, as an input of their own.
    pub fn split(&mut self, len: usize) -> Self {
        let (first, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        Self(first)
    }

    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// A number below `end`, which is at most 256.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    pub fn coin(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    pub fn word(&mut self) -> u64 {
        (0..8).fold(0, |word, _| word << 8 | u64::from(self.byte()))
    }

    /// A capacity from the smallest to 4 KiB.
    pub fn capacity(&mut self) -> usize {
        64 << self.below(7)
    }

    /// Where a ring begins: at 0, or a little before the positions wrap.
    pub fn position(&mut self) -> u64 {
        match self.byte() {
            0 => 0,
            words => 0u64.wrapping_sub(u64::from(words) * 8),
        }
    }

    /// A length: small, at one of `borders`, or anything up to about twice the first of them.
    pub fn len(&mut self, borders: &[usize]) -> usize {
        match usize::from(self.byte()) {
            pick @ 0..16 => pick,
            pick @ 16..128 => borders[pick % borders.len()],
            pick => (pick - 128) * borders[0] / 64,
        }
    }

    /// A word as a liar would choose it: near one of `near`, near a power of two, or any.
    pub fn lie(&mut self, near: &[u64]) -> u64 {
        const STEPS: [u64; 10] =
            [0, 1, 7, 8, 16, 0u64.wrapping_sub(1), 0u64.wrapping_sub(8), 64, 4096, 1 << 31];
        const ROUND: [u64; 6] = [0, 1, 1 << 31, 1 << 32, u64::MAX, 1 << 63];
        let base = match self.below(4) {
            0 => ROUND[self.below(ROUND.len())],
            1 => return self.word(),
            _ => near[self.below(near.len())],
        };
        base.wrapping_add(STEPS[self.below(STEPS.len())])
    }
}
