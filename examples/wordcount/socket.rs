//! A Unix stream socket to each worker, which is both its stdin and its stdout.

use crate::plain::{self, Plain};
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

pub fn start(workers: usize) -> io::Result<Plain<SendingEnd, UnixStream>> {
    Plain::start(workers, || {
        let (ours, theirs) = UnixStream::pair()?;
        let input = OwnedFd::from(theirs.try_clone()?);
        // The command owns the worker's end, and goes with it here: once the worker is gone nobody holds it.
        let child = plain::worker_command()?.stdin(input).stdout(OwnedFd::from(theirs)).spawn()?;
        Ok((child, SendingEnd(ours.try_clone()?), ours))
    })
}

/// The socket, of which another handle receives: so to close it for sending takes more than to drop it.
#[derive(Debug)]
pub struct SendingEnd(UnixStream);

impl Write for SendingEnd {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Drop for SendingEnd {
    fn drop(&mut self) {
        // It fails only if the worker has gone.
        self.0.shutdown(Shutdown::Write).ok();
    }
}
