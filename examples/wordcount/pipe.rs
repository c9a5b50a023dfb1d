//! A pair of pipes to each worker.

use crate::plain::{self, Plain};
use std::io;
use std::process::{ChildStdin, ChildStdout, Stdio};

pub fn start(workers: usize) -> io::Result<Plain<ChildStdin, ChildStdout>> {
    Plain::start(workers, || {
        let mut command = plain::worker_command()?;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => Ok((child, input, output)),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    })
}
