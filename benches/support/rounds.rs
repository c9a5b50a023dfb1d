//! Measures many subjects in interleaved rounds, so that a drift of the machine falls on all of them.

use std::time::Duration;

use super::pair::Run;
use super::stats::Summary;
use super::{Cpus, Failure, Pair, Shape, Start, ladder};

/// One thing to measure.
#[derive(Clone, Copy)]
pub struct Row {
    pub subject: &'static dyn Start,
    pub shape: Shape,
    pub size: usize,
}

impl Row {
    /// Rows of one group are compared with each other: those of one size, and the smallest sizes with the ping-pong,
    /// which has a size of its own.
    fn group(&self) -> (Shape, usize) {
        (self.shape, self.size.max(ladder::MESSAGE))
    }
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: usize,
    /// How many runs a round of a row has. The median one counts, so that what else the machine does in some of
    /// them does not.
    pub runs: usize,
    /// How long one run is to take; without it, a run is a handful of messages.
    pub run: Option<Duration>,
}

/// What the rounds have given for one row: the run of each that counts.
pub struct Measured {
    pub row: Row,
    pub runs: Vec<Run>,
}

impl Measured {
    /// Per round: nanoseconds for a round trip, messages a second one way.
    pub fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.runs.iter().map(|run| match self.row.shape {
            Shape::RoundTrip | Shape::Asleep => run.elapsed.as_nanos() as f64 / run.messages as f64,
            Shape::OneWay => run.messages as f64 / run.elapsed.as_secs_f64(),
        })
    }

    /// Cpu time of both processes for each message, in nanoseconds.
    pub fn cpu(&self) -> Summary {
        Summary::of(self.runs.iter().map(|run| run.cpu.as_nanos() as f64 / run.messages as f64))
    }

    /// How often the two processes slept for each message, together.
    pub fn sleeps(&self) -> Summary {
        Summary::of(self.runs.iter().map(|run| run.sleeps as f64 / run.messages as f64))
    }
}

/// What a run without a length carries.
const HANDFUL: u64 = 8;
/// What part of a run goes before each run and does not count.
const WARM_UP: u64 = 4;

/// Measures every row once a round. Each round of a row has fresh processes and fresh memory, because where the
/// memory lies is part of the spread.
pub fn measure(rows: &[Row], effort: Effort, cpus: Cpus) -> Result<Vec<Measured>, Failure> {
    let mut counts = Vec::with_capacity(rows.len());
    for row in rows {
        counts.push(match effort.run {
            Some(length) => calibrate(*row, length, cpus)?,
            None => HANDFUL,
        });
    }
    let mut measured: Vec<Measured> =
        rows.iter().map(|&row| Measured { row, runs: Vec::with_capacity(effort.rounds) }).collect();
    for round in 1..=effort.rounds {
        eprintln!("round {round} of {}", effort.rounds);
        let mut counts = &counts[..];
        for group in measured.chunk_by_mut(|one, next| one.row.group() == next.row.group()) {
            let (own, others) = counts.split_at(group.len());
            measure_group(group, own, effort.runs, cpus)?;
            counts = others;
        }
    }
    Ok(measured)
}

/// One round of rows that are compared with each other: their runs take turns, so that what the machine does for longer than a
/// turn of all of them falls on each. Which comes first differs from turn to turn, and every other turn goes backwards, so that
/// no row always follows the same one. Whoever has no turn sleeps.
fn measure_group(group: &mut [Measured], counts: &[u64], runs: usize, cpus: Cpus) -> Result<(), Failure> {
    let mut pairs = Vec::with_capacity(group.len());
    for of in group.iter() {
        pairs.push((start(of.row, cpus)?, Vec::with_capacity(runs)));
    }
    for turn in 0..runs {
        for place in 0..pairs.len() {
            let place = (turn + place) % pairs.len();
            let index = if turn % 2 == 0 { place } else { pairs.len() - 1 - place };
            let (pair, done) = &mut pairs[index];
            // Does not count: the others' turns have driven what it touches out of the caches, and the cpus slept.
            pair.run(counts[index].div_ceil(WARM_UP))?;
            done.push(pair.run(counts[index])?);
        }
    }
    for (of, (_, mut done)) in group.iter_mut().zip(pairs) {
        done.sort_by_key(|run| run.elapsed);
        of.runs.push(done[runs / 2]);
    }
    Ok(())
}

/// How many messages take about so long, by the quickest of some tries.
fn calibrate(row: Row, length: Duration, cpus: Cpus) -> Result<u64, Failure> {
    let mut pair = start(row, cpus)?;
    let mut messages = 4;
    loop {
        let mut elapsed = Duration::MAX;
        for _ in 0..8 {
            let run = pair.run(messages)?;
            elapsed = elapsed.min(run.elapsed + run.worked);
        }
        if elapsed * 8 >= length {
            let scaled = messages as f64 * length.as_secs_f64() / elapsed.as_secs_f64();
            return Ok((scaled as u64).max(1));
        }
        messages *= 4;
    }
}

fn start(row: Row, cpus: Cpus) -> Result<Pair, Failure> {
    row.subject.start(row.shape, row.size, cpus)
}
