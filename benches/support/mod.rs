//! What every bench of this crate stands on: two pinned processes that send each other numbered messages, and
//! what they send them through.
//!
//! ```text
//!     bench ── commands, results ──┬── first process ────┐
//!   (sleeps, holds the watchdog)   │    (one cpu)        │ the subject under test
//!                                  └── second process ───┘
//!                                       (another cpu)
//! ```
//!
//! A [`Subject`] makes the two halves of a duplex path; [`Pair`] forks two processes, gives each its half, and has
//! them carry so many messages as a command says. Neither process is the bench itself, so the bench can watch both:
//! a process that dies, receives a wrong message, or takes longer than the watchdog ends the run with a
//! [`Failure`], never with a hang.
//!
//! Every timed message carries its sequence number, which the receiver checks; the rest of the last message of a
//! run is compared byte by byte.

pub mod bare_ring;
pub mod cluster;
pub mod cpus;
pub mod criterion_bench;
pub mod killing;
pub mod ladder;
pub mod limits;
pub mod pages;
pub mod pair;
pub mod plot;
pub mod process;
pub mod raw_sync_event;
pub mod ringway;
pub mod roles;
pub mod rounds;
pub mod seqpacket;
pub mod sleepers;
pub mod stats;
pub mod stream;
pub mod subjects;

pub use cpus::Cpus;
pub use pair::{Failure, Pair, Shape};

use std::io;
use std::ops::Range;

/// A duplex path between two processes.
pub trait Subject {
    /// One half of the path, before the processes part.
    type Half;
    /// One end of the path, in the process that uses it.
    type End: End;

    /// The name in tables and plots.
    fn name(&self) -> &'static str;

    /// Whether a waiting end keeps its cpu busy: such a subject is measured on two cpus or not at all.
    fn spins(&self) -> bool;

    /// Makes both halves for messages of up to `size` bytes.
    fn halves(&self, size: usize) -> io::Result<(Self::Half, Self::Half)>;

    /// Makes the end of this process, while the other process makes its own.
    fn connect(&self, half: Self::Half) -> io::Result<Self::End>;
}

/// One end of a [`Subject`]. Both calls block; a path that is lost is a panic, which ends the process and is
/// reported by the bench.
pub trait End {
    /// Sends one message.
    fn send(&mut self, message: &[u8]);

    /// Copies the next message into `buffer`, whose length is what the sender sends, and returns the length of
    /// what came.
    fn recv(&mut self, buffer: &mut [u8]) -> usize;

    /// Sends `message` once for each number, stamped with it. For ends that can do better than one by one.
    #[inline(always)]
    fn send_each(&mut self, message: &mut [u8], numbers: Range<u64>) {
        for number in numbers {
            roles::stamp(message, number);
            self.send(message);
        }
    }
}

/// Starts pairs of processes for any subject: [`Subject`] without its types, so that subjects fit a list.
pub trait Start {
    /// See [`Subject::name`].
    fn name(&self) -> &'static str;
    /// See [`Subject::spins`].
    fn spins(&self) -> bool;
    /// See [`Pair::start`].
    fn start(&self, shape: Shape, size: usize, cpus: Cpus) -> Result<Pair, Failure>;
}

impl<S: Subject> Start for S {
    fn name(&self) -> &'static str {
        Subject::name(self)
    }

    fn spins(&self) -> bool {
        Subject::spins(self)
    }

    fn start(&self, shape: Shape, size: usize, cpus: Cpus) -> Result<Pair, Failure> {
        Pair::start(self, shape, size, cpus)
    }
}

/// Whether this is a measurement (`cargo bench`) and not a test of the bench (`cargo test --benches`,
/// `cargo bench -- --test`). Cargo says which by the same flags that criterion looks at.
pub fn measuring() -> bool {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    has("--bench") && !has("--test")
}
