//! What the job needs of a transport, and the transports that there are.

use crate::{cluster, pipe, socket};
use ringway::LinkChoice;
use std::error::Error;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The master's end: workers that were started, and a way to each and back.
///
/// The master sends all lines before it receives, and a worker answers only at the end of a pass. So a `send`
/// that blocks until the worker has room ends as long as that worker lives; if it is gone, it is an error.
pub trait Transport {
    /// How many workers there are; they are called 0, 1, ….
    fn workers(&self) -> usize;

    /// Sends a message, which may be empty. It is on its way when this returns, not kept for a fuller packet.
    fn send(&mut self, worker: usize, message: &[u8]) -> Result<()>;

    /// Waits for the next answer of any worker.
    fn receive(&mut self) -> Result<Vec<u8>>;

    /// Has the workers finish, and waits until they have. (Dropped without this, they are killed.)
    fn stop(self: Box<Self>) -> Result<()>;
}

/// Which transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    SharedMemory,
    /// What Ringway falls back to where shared memory cannot be had.
    Fallback,
    UnixSocket,
    Pipe,
}

impl Kind {
    /// In the order of the table.
    pub const ALL: [Self; 4] = [Self::SharedMemory, Self::Fallback, Self::UnixSocket, Self::Pipe];

    pub fn name(self) -> &'static str {
        match self {
            Self::SharedMemory => "shared memory (Ringway)",
            Self::Fallback => "fallback socket (Ringway)",
            Self::UnixSocket => "Unix stream socket (plain)",
            Self::Pipe => "pipe (plain)",
        }
    }

    /// Starts the workers.
    pub fn start(self, workers: usize) -> Result<Box<dyn Transport>> {
        Ok(match self {
            Self::SharedMemory => Box::new(cluster::start(workers, LinkChoice::Shm)?),
            Self::Fallback => Box::new(cluster::start(workers, LinkChoice::Socket)?),
            Self::UnixSocket => Box::new(socket::start(workers)?),
            Self::Pipe => Box::new(pipe::start(workers)?),
        })
    }
}
