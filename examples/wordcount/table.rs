//! What is printed on stdout.

use crate::count::{self, Counts};
use crate::cpu::Cpu;
use crate::job::Pass;
use crate::text::{Grouped, Shown};
use crate::transport::Result;
use crate::walk::Input;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

/// What was read, and how it was counted.
pub fn print_counted(input: &Input, pass: &Pass, workers: usize, transport: &str) -> Result<()> {
    let [files, lines, bytes, words] =
        [input.files() as u64, pass.messages, pass.bytes, pass.counts.len() as u64].map(Grouped);
    print(&format!(
        "Files: {files}, lines: {lines}, bytes: {bytes}, different words: {words}.
Counted by {workers} workers over {transport}: the same as counted by one process.\n"
    ))
}

/// The words with the highest counts.
pub fn print_words(counts: &Counts, most: usize) -> Result<()> {
    let mut text = String::new();
    for (word, count) in count::top(counts, most) {
        writeln!(text, "{:>12}  {}", Grouped(count), Shown(word))?;
    }
    print(&text)
}

/// What is measured, and the head of the table.
pub fn print_head(messages: u64, bytes: u64, times: u64, workers: usize) -> Result<()> {
    let (messages, mb) = (Grouped(messages), bytes as f64 / 1e6);
    print(&format!(
        "
The same job on each transport: the input {times} times, {messages} messages, {mb:.1} MB, to {workers} workers.
A message is a line and is sent by a call of its own: on the plain transports one write of length and line.
Elapsed is from the first send to the last count merged; GB are 10^9 bytes of lines; CPU is user + system.

{:<28}{:>13}{:>8}{:>11}{:>18}{:>18}
",
        "", "messages/s", "GB/s", "elapsed", "CPU of master", "CPU of workers"
    ))
}

/// A row of the table. Without a transport there are no workers.
pub fn print_row(name: &str, pass: &Pass, workers: Option<Cpu>) -> Result<()> {
    let seconds = pass.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    let rate = Grouped((pass.messages as f64 / seconds) as u64);
    let gigabytes = pass.bytes as f64 / 1e9 / seconds;
    let workers = workers.map_or("-".into(), cpu);
    let master = cpu(pass.master_cpu);
    print(&format!("{name:<28}{rate:>13}{gigabytes:>8.3}{seconds:>9.2} s{master:>18}{workers:>18}\n"))
}

/// A row for a transport that cannot be had here.
pub fn print_missing(name: &str, why: &dyn std::fmt::Display) -> Result<()> {
    print(&format!("{name:<28}  not to be had here: {why}\n"))
}

/// How long the starts took.
pub fn print_startups(startups: &[(&str, Duration)]) -> Result<()> {
    let mut text = String::from("\nStart-up, apart from the above, until each worker has answered once:\n");
    for (name, took) in startups {
        writeln!(text, "{name:<28}{:>10.1} ms", took.as_secs_f64() * 1e3)?;
    }
    print(&text)
}

fn cpu(used: Cpu) -> String {
    format!("{:.2} + {:.2} s", used.user.as_secs_f64(), used.system.as_secs_f64())
}

/// Writes to stdout. If its reader has gone, as `head` does, there is nobody left to tell.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to stdout: {error}").into())
        }
        _ => Ok(()),
    }
}
