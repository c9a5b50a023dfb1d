//! What a worker answers at the end of a pass: its counts in as many messages as they need, then a report.
//!
//! | message | bytes |
//! |---|---|
//! | counts | 0, then for each word its length: u32, its count: u64, its bytes |
//! | report | 1, messages: u64, bytes: u64, user CPU in µs: u64, system CPU in µs: u64 |
//!
//! All numbers are little-endian.

use crate::count::Counts;
use crate::cpu::Cpu;
use std::time::Duration;

const COUNTS: u8 = 0;
const REPORT: u8 = 1;
/// A message of counts that has reached this length is sent; one with a longer word is longer.
const FULL: usize = 32 << 10;

/// What a worker says of itself at the end of a pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    pub messages: u64,
    pub bytes: u64,
    /// What it used since its last report.
    pub cpu: Cpu,
}

/// An answer, read.
#[derive(Debug)]
pub enum Answer<'a> {
    Counts(Vec<(&'a [u8], u64)>),
    Report(Report),
}

/// The answers to one pass.
pub fn encode(counts: &Counts, report: &Report) -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    let mut answer = vec![COUNTS];
    for (word, count) in counts {
        answer.extend((word.len() as u32).to_le_bytes());
        answer.extend(count.to_le_bytes());
        answer.extend_from_slice(word);
        if answer.len() >= FULL {
            answers.push(std::mem::replace(&mut answer, vec![COUNTS]));
        }
    }
    answers.push(answer);
    answers.push(encode_report(report));
    answers
}

fn encode_report(report: &Report) -> Vec<u8> {
    let micros = |time: Duration| time.as_micros() as u64;
    let numbers = [report.messages, report.bytes, micros(report.cpu.user), micros(report.cpu.system)];
    let mut answer = vec![REPORT];
    answer.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    answer
}

/// Whether an answer is the last of its pass.
pub fn is_report(answer: &[u8]) -> bool {
    answer.first() == Some(&REPORT)
}

/// Reads an answer; `None` if no worker of ours wrote it.
pub fn decode(answer: &[u8]) -> Option<Answer<'_>> {
    match answer.split_first()? {
        (&COUNTS, entries) => decode_counts(entries).map(Answer::Counts),
        (&REPORT, numbers) => decode_report(numbers).map(Answer::Report),
        _ => None,
    }
}

fn decode_counts(mut rest: &[u8]) -> Option<Vec<(&[u8], u64)>> {
    let mut counts = Vec::new();
    while !rest.is_empty() {
        let (&length, after) = rest.split_first_chunk()?;
        let (&count, after) = after.split_first_chunk()?;
        let (word, after) = after.split_at_checked(u32::from_le_bytes(length) as usize)?;
        counts.push((word, u64::from_le_bytes(count)));
        rest = after;
    }
    Some(counts)
}

fn decode_report(mut rest: &[u8]) -> Option<Report> {
    let mut number = || {
        let (&number, after) = rest.split_first_chunk()?;
        rest = after;
        Some(u64::from_le_bytes(number))
    };
    let (messages, bytes) = (number()?, number()?);
    let cpu = Cpu { user: Duration::from_micros(number()?), system: Duration::from_micros(number()?) };
    rest.is_empty().then_some(Report { messages, bytes, cpu })
}
