//! The job, apart from what carries it: the master deals lines out and merges what comes back, a worker counts.

use crate::answer::{self, Answer, Report};
use crate::count::{self, Counts};
use crate::cpu::Cpu;
use crate::progress::Progress;
use crate::text::Shown;
use crate::transport::{Result, Transport};
use crate::walk::Input;
use std::time::{Duration, Instant};

/// Ends a pass. No line is empty, because each has its line end.
const END: &[u8] = &[];

/// A worker's side: what it has counted in this pass.
#[derive(Debug, Default)]
pub struct Tally {
    counts: Counts,
    report: Report,
    used_before: Cpu,
}

impl Tally {
    pub fn new() -> Self {
        Self { used_before: Cpu::used(), ..Self::default() }
    }

    /// Takes a message and gives what is to be sent back: nothing but at the end of a pass.
    pub fn take(&mut self, message: &[u8]) -> Vec<Vec<u8>> {
        if message != END {
            count::add_words(&mut self.counts, message);
            self.report.messages += 1;
            self.report.bytes += message.len() as u64;
            return Vec::new();
        }
        let used = Cpu::used();
        self.report.cpu = used - self.used_before;
        let answers = answer::encode(&self.counts, &self.report);
        *self = Self { used_before: used, ..Self::default() };
        answers
    }
}

/// What a pass over the input came to.
#[derive(Debug, Default)]
pub struct Pass {
    pub counts: Counts,
    /// What the workers say of themselves, added up.
    pub workers: Report,
    /// What the master sent.
    pub messages: u64,
    pub bytes: u64,
    pub elapsed: Duration,
    pub master_cpu: Cpu,
}

/// The master's side: sends the input `times` over, to each worker in turn, then collects the counts.
pub fn pass(
    transport: &mut dyn Transport,
    input: &Input,
    times: u64,
    progress: &mut Progress,
) -> Result<Pass> {
    let (started, used_before) = (Instant::now(), Cpu::used());
    let mut pass = Pass::default();
    let mut turns = (0..transport.workers()).cycle();
    for message in (0..times).flat_map(|_| input.messages()) {
        transport.send(turns.next().unwrap_or(0), message)?;
        pass.messages += 1;
        pass.bytes += message.len() as u64;
        progress.add(message.len());
    }
    for worker in 0..transport.workers() {
        transport.send(worker, END)?;
    }
    collect(transport, &mut pass)?;
    pass.elapsed = started.elapsed();
    pass.master_cpu = Cpu::used() - used_before;
    Ok(pass)
}

/// Merges the answers until each worker has reported.
fn collect(transport: &mut dyn Transport, pass: &mut Pass) -> Result<()> {
    let mut reports = 0;
    while reports < transport.workers() {
        match answer::decode(&transport.receive()?) {
            Some(Answer::Counts(counts)) => {
                for (word, count) in counts {
                    count::add(&mut pass.counts, word, count);
                }
            }
            Some(Answer::Report(report)) => {
                reports += 1;
                pass.workers.messages += report.messages;
                pass.workers.bytes += report.bytes;
                pass.workers.cpu = pass.workers.cpu + report.cpu;
            }
            None => return Err("a worker sent an answer that makes no sense".into()),
        }
    }
    Ok(())
}

/// Checks that nothing was lost, doubled or changed: `expected` is what one process counted in one pass.
pub fn check(pass: &Pass, expected: &Counts, times: u64) -> Result<()> {
    let (sent, taken) = ((pass.messages, pass.bytes), (pass.workers.messages, pass.workers.bytes));
    if sent != taken {
        let ((messages, bytes), (messages_taken, bytes_taken)) = (sent, taken);
        let sent = format!("{messages} messages of {bytes} bytes in all were sent");
        return Err(format!("{sent}, {messages_taken} of {bytes_taken} were taken").into());
    }
    match count::difference(&pass.counts, expected, times) {
        None => Ok(()),
        Some((word, counted, right)) => {
            let word = Shown(word);
            Err(format!("the word {word} was counted {counted} times, but it is there {right} times").into())
        }
    }
}
