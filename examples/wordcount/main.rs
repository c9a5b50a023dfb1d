//! Counts the words of real files with worker processes, and compares what can carry the lines to them.
//!
//! ```text
//! cargo run --release --example wordcount -- [--workers N] [--top N] [--mib N] [PATH…]
//! ```
//!
//! The master sends one message a line, to each worker in turn; an empty message ends the pass, and each worker
//! answers with its counts. What comes back must be, for each word, what one process counts by itself.
//! `job.rs` is that job, `transport.rs` is what can carry it, `--help` says the rest.

mod answer;
mod args;
mod cluster;
mod count;
mod cpu;
mod job;
mod pipe;
mod plain;
mod progress;
mod socket;
mod table;
mod text;
mod transport;
mod walk;

use args::{Options, Request};
use count::Counts;
use cpu::Cpu;
use job::Pass;
use progress::Progress;
use ringway::Worker;
use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use text::Grouped;
use transport::{Kind, Result, Transport};
use walk::Input;

const BAD_OPTION: u8 = 2;

/// More messages than these are announced before they are sent.
const MANY_MESSAGES: u64 = 10_000_000;

fn main() -> ExitCode {
    let mut progress = Progress::on_stderr();
    match Worker::from_env() {
        Ok(None) => {}
        Ok(Some(worker)) => return status(cluster::serve(&worker), &mut progress),
        Err(error) => return status(Err(error.into()), &mut progress),
    }
    if env::args_os().nth(1).is_some_and(|argument| argument == plain::WORKER) {
        return status(plain::serve().map_err(Into::into), &mut progress);
    }
    let done = match args::parse(env::args_os().skip(1)) {
        Ok(Request::Help) => table::print(args::HELP),
        Ok(Request::Count(options)) => run(&options, &mut progress),
        Err(error) => {
            progress.say(error);
            return BAD_OPTION.into();
        }
    };
    status(done, &mut progress)
}

fn status(done: Result<()>, progress: &mut Progress) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress.say(error);
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options, progress: &mut Progress) -> Result<()> {
    let input = Input::read(&options.paths, progress);
    if input.files() == 0 {
        return Err("nothing could be read".into());
    }
    let expected = count_alone(&input, 1, progress).counts;
    count_with_workers(options, &input, &expected, progress)?;
    match options.timed_bytes.div_ceil(input.bytes().max(1)) {
        0 => Ok(()),
        _ if input.bytes() == 0 => table::print("\nThe input is empty: there is nothing to time.\n"),
        times => compare(options, &input, &expected, times, progress),
    }
}

/// The main job: once over the input, and the words that are there most often.
fn count_with_workers(
    options: &Options,
    input: &Input,
    expected: &Counts,
    progress: &mut Progress,
) -> Result<()> {
    let (kind, mut transport) = start_first(options.workers, progress)?;
    let pass = checked_pass(kind, &mut *transport, input, expected, 1, progress)?;
    transport.stop()?;
    table::print_counted(input, &pass, options.workers, kind.name())?;
    table::print_words(&pass.counts, options.top)
}

/// The first of the transports that can be had here.
fn start_first(workers: usize, progress: &mut Progress) -> Result<(Kind, Box<dyn Transport>)> {
    for kind in Kind::ALL {
        match kind.start(workers) {
            Ok(transport) => return Ok((kind, transport)),
            Err(error) => progress.say(format_args!("{} is not to be had here: {error}", kind.name())),
        }
    }
    Err("no transport is to be had here".into())
}

/// The same job on every transport, each row as soon as it is measured.
fn compare(
    options: &Options,
    input: &Input,
    expected: &Counts,
    times: u64,
    progress: &mut Progress,
) -> Result<()> {
    let alone = count_alone(input, times, progress);
    if alone.messages > MANY_MESSAGES {
        let messages = Grouped(alone.messages);
        progress.say(format_args!(
            "the lines are short: each transport carries {messages} messages, which takes minutes (--mib 0 leaves it out)"
        ));
    }
    table::print_head(alone.messages, alone.bytes, times, options.workers)?;
    table::print_row("one process, no transport", &alone, None)?;
    let mut startups = Vec::new();
    for kind in Kind::ALL {
        let started = Instant::now();
        match kind.start(options.workers) {
            Ok(mut transport) => {
                startups.push((kind.name(), first_answer(&mut *transport, started, progress)?));
                let pass = checked_pass(kind, &mut *transport, input, expected, times, progress)?;
                transport.stop()?;
                table::print_row(kind.name(), &pass, Some(pass.workers.cpu))?;
            }
            Err(error) => table::print_missing(kind.name(), &error)?,
        }
    }
    table::print_startups(&startups)
}

/// How long it took until each worker answered: the first pass, over nothing.
fn first_answer(
    transport: &mut dyn Transport,
    started: Instant,
    progress: &mut Progress,
) -> Result<Duration> {
    job::pass(transport, &Input::default(), 1, progress)?;
    Ok(started.elapsed())
}

fn checked_pass(
    kind: Kind,
    transport: &mut dyn Transport,
    input: &Input,
    expected: &Counts,
    times: u64,
    progress: &mut Progress,
) -> Result<Pass> {
    progress.begin(kind.name(), input.bytes() * times);
    let pass = job::pass(transport, input, times, progress);
    progress.clear();
    let checked = pass.and_then(|pass| job::check(&pass, expected, times).map(|()| pass));
    checked.map_err(|error| format!("{}: {error}", kind.name()).into())
}

/// What the workers' counts are checked against, and the price of the work itself.
fn count_alone(input: &Input, times: u64, progress: &mut Progress) -> Pass {
    progress.begin("one process", input.bytes() * times);
    let (started, used_before) = (Instant::now(), Cpu::used());
    let mut pass = Pass::default();
    for message in (0..times).flat_map(|_| input.messages()) {
        count::add_words(&mut pass.counts, message);
        pass.messages += 1;
        pass.bytes += message.len() as u64;
        progress.add(message.len());
    }
    pass.elapsed = started.elapsed();
    pass.master_cpu = Cpu::used() - used_before;
    progress.clear();
    pass
}
