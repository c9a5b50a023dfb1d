//! The seeds of the fuzz targets, replayed: each outcome that a check can have must be reached by one of them.
//!
//! `RINGWAY_SEEDS=write cargo test --lib seeds` makes them anew: for every outcome the shortest input that a
//! search through inputs which look random finds.

use crate::ring::fuzzing::{Coverage, Numbers, consumer_hostile, producer_hostile, ring_model};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The seed with which a second thread scribbles.
const RACED: &str = "raced";

/// A fuzz target: its name, its function, and what its seeds must reach.
struct Target {
    name: &'static str,
    run: fn(&[u8]) -> Coverage,
    /// Where the eight bytes stand that say whether a second thread scribbles, if one can.
    scribbles: Option<usize>,
    outcomes: &'static [&'static str],
}

const RING_MODEL: Target = Target {
    name: "ring_model",
    run: ring_model,
    scribbles: None,
    outcomes: &[
        "batch: committed",
        "batch: dropped",
        "cancel: committed",
        "cancel: no room",
        "claim: committed",
        "claim: dropped",
        "look: all released",
        "look: not yet",
        "pop: a cancel",
        "pop: a message",
        "pop: a message, as an answer",
        "pop: closed",
        "pop: empty",
        "pop: too small",
        "pop: too small for an assembled message",
        "push: a stream is given up by another",
        "push: a stream is given up by another message",
        "push: batch full",
        "push: closed",
        "push: committed",
        "push: fragments",
        "push: full",
        "push: streamed",
        "push: too long",
        "salvage: a streamed message",
        "salvage: messages",
        "salvage: parts of a stream",
        "the consumer is woken",
        "turn",
        "turn: up to the line",
    ],
};

const CONSUMER_HOSTILE: Target = Target {
    name: "consumer_hostile",
    run: consumer_hostile,
    scribbles: Some(3),
    outcomes: &[
        "a streamed message that was assembled before",
        "batch of fragments",
        "closed",
        "data",
        "data: as an answer",
        "data: gives up a stream",
        "data: up to the line",
        "empty",
        "flags: atomic data",
        "flags: lined beyond a quarter",
        "flags: lined without a message",
        "flags: no restart although a stream is open",
        "flags: restart of nothing",
        "flags: restart on what begins nothing",
        "flags: unknown",
        "fragment: a first that is not full",
        "fragment: missing from its batch",
        "fragment: not what must follow",
        "fragment: without a first",
        "kind: unknown",
        "length: over a quarter",
        "length: over the wrap",
        "overrun",
        "padding",
        "padding: flags",
        "padding: nothing behind it",
        "padding: out of place",
        "streamed",
        "too small",
        "total: not one that is cut",
        "total: too long",
    ],
};

const PRODUCER_HOSTILE: Target = Target {
    name: "producer_hostile",
    run: producer_hostile,
    scribbles: Some(2),
    outcomes: &[
        "closed",
        "cursor: a lie not found",
        "cursor: accepted",
        "cursor: inside of a record",
        "cursor: not aligned",
        "cursor: out of bounds",
        "full",
        "head: accepted",
        "head: backward",
        "head: beyond what was committed",
        "head: not aligned",
        "pushed",
        "pushed in turn",
        "streamed",
    ],
};

impl Target {
    fn folder(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(self.name)
    }

    fn replay(&self) {
        if std::env::var_os("RINGWAY_SEEDS").is_some_and(|value| value == "write") {
            self.write();
        }
        let mut reached = Coverage::default();
        let files = std::fs::read_dir(self.folder()).expect("the seeds are in the repository");
        for file in files {
            let path = file.unwrap().path();
            let coverage = (self.run)(&std::fs::read(&path).unwrap());
            let promised = path.file_name().unwrap().to_str().unwrap().to_owned();
            // What a race between two threads reaches, no seed can promise.
            if promised != RACED {
                assert!(coverage.outcomes().any(|outcome| file_name(outcome) == promised), "{promised}");
                reached.merge(coverage);
            }
        }
        assert_eq!(reached.outcomes().collect::<Vec<_>>(), self.outcomes);
    }

    /// Searches a seed for every outcome. Inputs are tried in a fixed order, so the result is always the same.
    fn write(&self) {
        let mut numbers = Numbers::new(1);
        let mut seeds: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for round in 0..200_000 {
            let len = 24 + numbers.below(if round % 2 == 0 { 60 } else { 400 }) as usize;
            let mut input: Vec<u8> = (0..len).map(|_| numbers.next() as u8).collect();
            if let Some(at) = self.scribbles {
                input[at..at + 8].fill(0);
            }
            for outcome in (self.run)(&input).outcomes() {
                let best = seeds.get(outcome).map_or(usize::MAX, Vec::len);
                if let Some(shorter) = self.shortest(&input, outcome, best) {
                    seeds.insert(outcome, shorter);
                }
            }
        }
        std::fs::create_dir_all(self.folder()).unwrap();
        if let Some(at) = self.scribbles {
            let mut raced: Vec<u8> = (0..200).map(|_| numbers.next() as u8).collect();
            raced[at..at + 8].copy_from_slice(&1u64.to_be_bytes());
            seeds.insert(RACED, raced);
        }
        for (outcome, seed) in seeds {
            std::fs::write(self.folder().join(file_name(outcome)), seed).unwrap();
        }
    }

    /// The shortest beginning of `input` that reaches `outcome`, if it is shorter than `best`.
    fn shortest(&self, input: &[u8], outcome: &str, best: usize) -> Option<Vec<u8>> {
        let reaches = |len: usize| (self.run)(&input[..len]).outcomes().any(|reached| reached == outcome);
        let longest = input.len().min(best.saturating_sub(1));
        if !reaches(longest) {
            return None;
        }
        let len = (0..=longest).rev().take_while(|&len| reaches(len)).last()?;
        Some(input[..len].to_vec())
    }
}

fn file_name(outcome: &str) -> String {
    outcome.replace(": ", "-").replace(' ', "_")
}

#[test]
fn the_seeds_of_ring_model_reach_every_outcome() {
    RING_MODEL.replay();
}

#[test]
fn the_seeds_of_consumer_hostile_reach_both_outcomes_of_every_check() {
    CONSUMER_HOSTILE.replay();
}

#[test]
fn the_seeds_of_producer_hostile_reach_both_outcomes_of_every_check() {
    PRODUCER_HOSTILE.replay();
}
