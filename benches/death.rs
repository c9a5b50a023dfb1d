//! **Question.** How soon is a process told that another was killed, and how soon are the workers of a killed master
//! gone?
//!
//! **Method.** *Channel*: two fresh processes with a channel between them. One sleeps in a call: in `recv` with nothing
//! to receive, or in `send` with the ring full. When the kernel says that it sleeps, the other is killed with SIGKILL.
//! Time runs from just before the kill until the call has returned; so it holds what the kernel takes to end a
//! process, to wake the thread that watches the peer, and to wake the caller. *Worker*: the workers of a cluster of 4
//! are killed one after the other, each when the one before it is known to be gone; time runs until the master's
//! `next_event` has returned the exit. *Master*: the master of 4 idle workers is killed; time runs until the kernel
//! says that the last of them has ended, by the signal that it sends them, or by themselves if they see the hang-up
//! sooner. Everybody waits as by default.
//!
//! **Caveats.** A process with much memory takes the kernel longer to end than these, which have little. No process
//! is pinned, and nothing else runs: on a busy machine the wake-ups wait for a cpu. The *cause* is that of the error: a
//! hang-up is told only where there is no pidfd, or where the kernel tells the death more than 500 ms after it. Figures
//! are printed, never enforced.
//!
//! ```text
//! cargo bench --bench death -- [--kills N] [FILTER]...
//! ```
//! `--kills N`: how many times a row is measured, 200 if not given. `FILTER`: only rows whose name contains one of the
//! filters. `cargo test --benches` kills twice.

#[allow(dead_code, reason = "each bench uses its part")]
mod support;

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use ringway::Worker;
use support::cpus::processor;
use support::killing::{Call, kill_peer};
use support::stats::{percentile, time};
use support::{cluster, measuring};

/// How often a row is measured if nothing else is asked for, and in a test of the bench.
const KILLS: usize = 200;
const KILLS_IN_TEST: usize = 2;

fn main() -> ExitCode {
    // The bench's own program is that of its masters and workers too.
    let done = match Worker::from_env() {
        Ok(Some(worker)) => {
            cluster::work(&worker);
            Ok(())
        }
        Ok(None) if env::args().nth(1).as_deref() == Some(cluster::BE_MASTER) => cluster::be_master(),
        Ok(None) => match Options::parse(env::args().skip(1)) {
            Ok(options) => run(&options),
            Err(why) => {
                eprintln!("death: {why}\nusage: death [--kills N] [FILTER]...");
                return ExitCode::from(2);
            }
        },
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("death: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug)]
struct Options {
    kills: usize,
    filters: Vec<String>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let kills = if measuring() { KILLS } else { KILLS_IN_TEST };
        let mut options = Self { kills, filters: Vec::new() };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" | "--test" => {}
                "--kills" => {
                    let number = arguments.next().and_then(|number| number.parse().ok());
                    options.kills =
                        number.filter(|&number| number > 0).ok_or("--kills wants a number, 1 or more")?;
                }
                // The test harness's own options come along with `cargo test`; they mean nothing here.
                other if other.starts_with('-') && measuring() => {
                    return Err(format!("unknown option {other}"));
                }
                other if other.starts_with('-') => {}
                _ => options.filters.push(argument),
            }
        }
        Ok(options)
    }

    fn selects(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter))
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    println!("{}; {} kills a row\n", processor(), options.kills);
    println!("{:<44}{:>10}{:>10}{:>10}   remark", "", "p50", "p99", "longest");
    // The channels first: they are made by forks of a process that has no threads yet.
    let rows: [(&str, &Measure); 4] = [
        ("channel: recv returns after a kill", &|kills| channel(Call::Recv, kills)),
        ("channel: send returns after a kill", &|kills| channel(Call::Send, kills)),
        ("worker killed: the master has its exit", &workers),
        ("master killed: the last worker has ended", &masters),
    ];
    for (name, measure) in rows.into_iter().filter(|(name, _)| options.selects(name)) {
        let (times, remark) = measure(options.kills)?;
        print_row(name, &times, &remark);
    }
    Ok(())
}

/// Kills so often, and gives the times and what else there is to say.
type Measure = dyn Fn(usize) -> Result<(Vec<Duration>, String), Box<dyn Error>>;

fn channel(call: Call, kills: usize) -> Result<(Vec<Duration>, String), Box<dyn Error>> {
    let mut times = Vec::with_capacity(kills);
    let mut died = 0;
    for _ in 0..kills {
        let told = kill_peer(call)?;
        times.push(told.after);
        died += usize::from(told.died);
    }
    Ok((times, format!("cause: died {died}, hung up {}", kills - died)))
}

fn workers(kills: usize) -> Result<(Vec<Duration>, String), Box<dyn Error>> {
    let mut times = Vec::with_capacity(kills);
    while times.len() < kills {
        times.extend(cluster::kill_workers()?);
    }
    times.truncate(kills);
    Ok((times, format!("{} workers", cluster::WORKERS)))
}

fn masters(kills: usize) -> Result<(Vec<Duration>, String), Box<dyn Error>> {
    let times = (0..kills).map(|_| cluster::kill_master()).collect::<Result<_, _>>()?;
    Ok((times, format!("{} workers", cluster::WORKERS)))
}

fn print_row(name: &str, times: &[Duration], remark: &str) {
    let mut times: Vec<f64> = times.iter().map(|time| time.as_nanos() as f64).collect();
    times.sort_by(f64::total_cmp);
    let at = |percent| time(percentile(&times, percent));
    println!("{name:<44}{:>10}{:>10}{:>10}   {remark}", at(50), at(99), at(100));
}
