//! What a cluster promises, over each link, with real processes.
//!
//! Each test runs as a program of its own (see [`support::alone`]), whose workers are the same program once more: as
//! a user's program does, it first asks whether it is a worker.

#[path = "../support/mod.rs"]
mod support;

mod crash;
mod diary;
mod fairness;
mod fallback;
mod filtered;
mod flood;
mod guest;
mod idle;
mod impostor;
mod input;
mod leak;
mod life;
mod orphan;
mod program;
mod stop;
mod tally;
mod waking;
