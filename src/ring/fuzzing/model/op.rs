//! The operations of a run.

use crate::ring::fuzzing::Input;

/// One step of a run.
#[derive(Clone, Debug)]
pub enum Op {
    /// Push one record of this many bytes.
    Push(usize),
    /// Push one record of this many bytes as an end does that takes turns: the short way if it can be taken.
    Turn(usize),
    /// Push a message of this many bytes, in fragments if need be.
    Message(usize),
    /// Claim `max` bytes, put pieces of these lengths, write `patch.1` bytes over byte `patch.0`, and end it.
    Claim { max: usize, puts: Vec<usize>, patch: (usize, usize), end: ClaimEnd },
    /// Push messages of these lengths in one batch, and commit it or drop it.
    Batch { lens: Vec<usize>, commit: bool },
    /// Go on with one of two streams; if it has no message, with a new one of `len` bytes.
    Stream { slot: usize, len: usize },
    /// Give up the message that is being streamed.
    Cancel,
    /// Take a message.
    Pop,
    /// Take a message into a buffer of this many bytes.
    PopInto(usize),
    /// Publish what was taken.
    Publish,
    /// Arm the consumer's wait word.
    ArmData,
    /// Arm the producer's wait word.
    ArmSpace,
    /// Ask for space, and whether all was released.
    Look,
    /// Close the producer.
    CloseProducer,
    /// Close the consumer.
    CloseConsumer,
}

/// How a claim ends.
#[derive(Clone, Copy, Debug)]
pub enum ClaimEnd {
    /// All that was put is committed.
    Commit,
    /// The first bytes of it are.
    CommitFirst(usize),
    /// Nothing is.
    Drop,
}

impl Op {
    /// Reads an operation from bytes; lengths are chosen near `borders`.
    pub(in crate::ring::fuzzing) fn decode(input: &mut Input<'_>, borders: &[usize]) -> Self {
        match input.below(20) {
            0 | 1 => Op::Push(input.len(borders)),
            2 => Op::Turn(input.len(borders)),
            3 | 4 => Op::Message(input.len(borders)),
            5 | 6 => Op::Claim {
                max: input.len(borders),
                puts: (0..input.below(4)).map(|_| input.len(borders)).collect(),
                patch: (input.len(borders), input.len(borders)),
                end: match input.below(3) {
                    0 => ClaimEnd::Commit,
                    1 => ClaimEnd::CommitFirst(input.len(borders)),
                    _ => ClaimEnd::Drop,
                },
            },
            7 | 8 => Op::Batch {
                lens: (0..input.below(6)).map(|_| input.len(borders)).collect(),
                commit: !input.coin(),
            },
            9 | 10 => Op::Stream { slot: input.below(2), len: input.len(borders) },
            11 => Op::Cancel,
            12 | 13 => Op::Pop,
            14 | 15 => Op::PopInto(input.len(borders)),
            16 => Op::Publish,
            17 => {
                if input.coin() {
                    Op::ArmData
                } else {
                    Op::ArmSpace
                }
            }
            18 => Op::Look,
            _ => match input.below(16) {
                0 => Op::CloseProducer,
                1 => Op::CloseConsumer,
                _ => Op::Pop,
            },
        }
    }
}
