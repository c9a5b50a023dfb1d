//! Workers behind byte streams, as a program that has only the standard library would have them.
//!
//! A message is its length (u32, little-endian) and its bytes, sent by one `write`. The reader has a buffer, so
//! one `read` takes what has gathered. A worker reads from its stdin and writes to its stdout. The master reads
//! only when all is sent, one worker after the other: a thread that waits in `read` on a socket meanwhile would be
//! woken each time the worker takes something from it, and slow the sender down.

use crate::answer;
use crate::job::Tally;
use crate::transport::{Result, Transport};
use std::env;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command};

/// The one argument of a worker.
pub const WORKER: &str = "--plain-worker";

/// As in Ringway, so that a length that makes no sense does not become memory.
const LONGEST_MESSAGE: usize = 64 << 20;
const READ_BUFFER: usize = 64 << 10;

/// The workers of one job. `W` and `R` are the master's ends of a worker's stdin and stdout; a worker ends when the
/// first is dropped.
#[derive(Debug)]
pub struct Plain<W, R> {
    workers: Vec<Worker<W, R>>,
    /// The worker whose answers are read at present.
    reading: usize,
    frame: Vec<u8>,
}

#[derive(Debug)]
struct Worker<W, R> {
    input: Option<W>,
    output: BufReader<R>,
    process: Process,
}

/// The command that starts this program as a worker.
pub fn worker_command() -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(WORKER);
    Ok(command)
}

impl<W: Write, R: Read> Plain<W, R> {
    /// Starts workers; `spawn` gives each with the master's ends of its stdin and stdout.
    pub fn start(workers: usize, spawn: impl Fn() -> io::Result<(Child, W, R)>) -> io::Result<Self> {
        let mut started = Self { workers: Vec::new(), reading: 0, frame: Vec::new() };
        for _ in 0..workers {
            let (child, input, output) = spawn()?;
            let output = BufReader::with_capacity(READ_BUFFER, output);
            started.workers.push(Worker { input: Some(input), output, process: Process(child) });
        }
        Ok(started)
    }
}

impl<W: Write, R: Read> Transport for Plain<W, R> {
    fn workers(&self) -> usize {
        self.workers.len()
    }

    fn send(&mut self, worker: usize, message: &[u8]) -> Result<()> {
        let sent = match &mut self.workers[worker].input {
            Some(input) => write_message(input, message, &mut self.frame),
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        sent.map_err(|error| format!("worker {} takes no more lines: {error}", worker + 1).into())
    }

    fn receive(&mut self) -> Result<Vec<u8>> {
        let mut answer = Vec::new();
        match read_message(&mut self.workers[self.reading].output, &mut answer) {
            Ok(true) => {}
            Ok(false) => return Err(format!("worker {} went without an answer", self.reading + 1).into()),
            Err(error) => return Err(format!("no answer from worker {}: {error}", self.reading + 1).into()),
        }
        if answer::is_report(&answer) {
            self.reading = (self.reading + 1) % self.workers.len();
        }
        Ok(answer)
    }

    fn stop(mut self: Box<Self>) -> Result<()> {
        for worker in &mut self.workers {
            worker.input = None;
        }
        for (number, worker) in (1..).zip(&mut self.workers) {
            let status = worker.process.0.wait()?;
            if !status.success() {
                return Err(format!("worker {number} ended with {status}").into());
            }
        }
        Ok(())
    }
}

/// A worker's process; dropped, it is killed if it still runs, and reaped.
#[derive(Debug)]
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it is gone and reaped already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A worker's whole life, until the master closes its end.
pub fn serve() -> io::Result<()> {
    // Not by the handles of the standard library: those have buffers of their own.
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut input = BufReader::with_capacity(READ_BUFFER, input);
    let (mut message, mut frame) = (Vec::new(), Vec::new());
    let mut tally = Tally::new();
    while read_message(&mut input, &mut message)? {
        for answer in tally.take(&message) {
            write_message(&mut output, &answer, &mut frame)?;
        }
    }
    Ok(())
}

fn write_message(to: &mut impl Write, message: &[u8], frame: &mut Vec<u8>) -> io::Result<()> {
    frame.clear();
    frame.extend((message.len() as u32).to_le_bytes());
    frame.extend_from_slice(message);
    to.write_all(frame)
}

/// Reads a message into `message`; `false` if the other end closed before one began.
fn read_message(from: &mut BufReader<impl Read>, message: &mut Vec<u8>) -> io::Result<bool> {
    message.clear();
    let mut length = [0; 4];
    if from.read(&mut length[..1])? == 0 {
        return Ok(false);
    }
    from.read_exact(&mut length[1..])?;
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST_MESSAGE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes")));
    }
    message.resize(length, 0);
    from.read_exact(message)?;
    Ok(true)
}
