//! The pipe and the Unix stream: bytes in order, messages only by agreement on their size.
//!
//! Both are used at their best: 1 MiB of buffer (or what the system allows to the stream), one write a message, and
//! reads of 64 KiB, from which the receiver takes many small messages without a system call for each.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Socket;

use rustix::io::ioctl_fionbio;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use super::{End, Subject};

/// What the kernel may hold of messages not yet read.
const CAPACITY: usize = 1 << 20;
/// How much is read at once.
const READ: usize = 64 << 10;

/// A pipe each way. Whoever waits is asleep in `read` or `write`.
#[derive(Debug)]
pub struct Pipe;

/// A pipe each way, whose ends never sleep: they call `read` and `write` again until these do something.
#[derive(Debug)]
pub struct PolledPipe;

/// A Unix stream socket. Whoever waits is asleep in `read` or `write`.
#[derive(Debug)]
pub struct UnixStream;

/// Where one end reads and where it writes.
#[derive(Debug)]
pub struct Files {
    from: File,
    to: File,
}

impl Subject for Pipe {
    type Half = Files;
    type End = StreamEnd;

    fn name(&self) -> &'static str {
        "pipe"
    }

    fn spins(&self) -> bool {
        false
    }

    fn halves(&self, _size: usize) -> io::Result<(Files, Files)> {
        let pipe = || -> io::Result<(OwnedFd, OwnedFd)> {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
            fcntl_setpipe_size(&write, CAPACITY)?;
            Ok((read, write))
        };
        let (there, back) = (pipe()?, pipe()?);
        let files = |from: OwnedFd, to: OwnedFd| Files { from: from.into(), to: to.into() };
        Ok((files(back.0, there.1), files(there.0, back.1)))
    }

    fn connect(&self, half: Files) -> io::Result<StreamEnd> {
        Ok(StreamEnd::new(half))
    }
}

impl Subject for PolledPipe {
    type Half = Files;
    type End = StreamEnd;

    fn name(&self) -> &'static str {
        "pipe, polled"
    }

    fn spins(&self) -> bool {
        true
    }

    fn halves(&self, size: usize) -> io::Result<(Files, Files)> {
        let halves = Pipe.halves(size)?;
        for file in [&halves.0.from, &halves.0.to, &halves.1.from, &halves.1.to] {
            ioctl_fionbio(file, true)?;
        }
        Ok(halves)
    }

    fn connect(&self, half: Files) -> io::Result<StreamEnd> {
        Ok(StreamEnd::new(half))
    }
}

impl Subject for UnixStream {
    type Half = Files;
    type End = StreamEnd;

    fn name(&self) -> &'static str {
        "Unix stream"
    }

    fn spins(&self) -> bool {
        false
    }

    fn halves(&self, _size: usize) -> io::Result<(Files, Files)> {
        let files = |socket: Socket| -> io::Result<Files> {
            // The system limits it and says nothing, which is what a user gets too.
            set_socket_send_buffer_size(&socket, CAPACITY)?;
            let from = OwnedFd::from(socket.try_clone()?).into();
            Ok(Files { from, to: OwnedFd::from(socket).into() })
        };
        let (one, other) = Socket::pair()?;
        Ok((files(one)?, files(other)?))
    }

    fn connect(&self, half: Files) -> io::Result<StreamEnd> {
        Ok(StreamEnd::new(half))
    }
}

/// One end of a byte stream.
#[derive(Debug)]
pub struct StreamEnd {
    files: Files,
    /// What was read and not yet taken is `ahead[taken..filled]`.
    ahead: Vec<u8>,
    taken: usize,
    filled: usize,
}

impl StreamEnd {
    fn new(files: Files) -> Self {
        Self { files, ahead: vec![0; READ], taken: 0, filled: 0 }
    }

    /// Reads into `ahead` when nothing is left there.
    fn refill(&mut self) {
        self.taken = 0;
        self.filled = read(&mut self.files.from, &mut self.ahead);
    }
}

impl End for StreamEnd {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        let mut rest = message;
        while !rest.is_empty() {
            match self.files.to.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if is_passing(&error) => {}
                Err(error) => panic!("write: {error}"),
            }
        }
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8]) -> usize {
        let mut got = 0;
        while got < buffer.len() {
            let rest = &mut buffer[got..];
            if self.taken < self.filled {
                let count = rest.len().min(self.filled - self.taken);
                rest[..count].copy_from_slice(&self.ahead[self.taken..][..count]);
                self.taken += count;
                got += count;
            } else if rest.len() >= READ {
                got += read(&mut self.files.from, rest);
            } else {
                self.refill();
            }
        }
        got
    }
}

/// Reads at least one byte.
fn read(from: &mut File, buffer: &mut [u8]) -> usize {
    loop {
        match from.read(buffer) {
            Ok(0) => panic!("the other process has gone"),
            Ok(count) => return count,
            Err(error) if is_passing(&error) => {}
            Err(error) => panic!("read: {error}"),
        }
    }
}

/// Whether to call again at once: a signal came, or a polled pipe has nothing yet.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock)
}
