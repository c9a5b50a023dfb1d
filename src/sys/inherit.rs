//! Sockets that cross an `exec`: the one place where a descriptor is a number.
//!
//! A program is told which numbers were meant for it. Before it believes that, it compares the socket's inode,
//! which no other socket of this boot has: numbers are used again, by children of the program too.

#![allow(unsafe_code)]

use super::{Result, socket};
use rustix::fs::FileType;
use rustix::io::FdFlags;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

/// A socket by number and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) fd: RawFd,
    pub(crate) inode: u64,
}

/// What this process has adopted: a number has one owner.
static ADOPTED: Mutex<Vec<Passed>> = Mutex::new(Vec::new());

impl Passed {
    /// Whether this process has the socket under that number.
    pub(crate) fn is_here(self) -> bool {
        if self.fd < 0 {
            return false;
        }
        // SAFETY: the number is not -1, and the borrow is used for one `fstat`, which closes nothing, keeps
        // nothing, and answers EBADF for a number that is not open.
        let fd = unsafe { BorrowedFd::borrow_raw(self.fd) };
        rustix::fs::fstat(fd).is_ok_and(|stat| {
            stat.st_ino == self.inode && FileType::from_raw_mode(stat.st_mode) == FileType::Socket
        })
    }

    /// Takes the socket, which from now on is close-on-exec. `None` if it is not here, or was taken before.
    pub(crate) fn adopt(self) -> Option<OwnedFd> {
        let mut adopted = ADOPTED.lock().unwrap_or_else(PoisonError::into_inner);
        if adopted.contains(&self) || !self.is_here() {
            return None;
        }
        adopted.push(self);
        // SAFETY: the number is open, and its inode proves that it is the very socket that crossed the `exec` and
        // that nothing in this program opened. Whoever passed it named it to us alone, and `adopted` sees to it
        // that we make one owner only.
        let fd = unsafe { OwnedFd::from_raw_fd(self.fd) };
        rustix::io::fcntl_setfd(&fd, FdFlags::CLOEXEC).ok()?;
        Some(fd)
    }
}

/// What a program must be told to find this socket again.
pub(crate) fn describe(fd: impl AsFd) -> Result<Passed> {
    use std::os::fd::AsRawFd;
    Ok(Passed { inode: socket::inode(&fd)?, fd: fd.as_fd().as_raw_fd() })
}

/// Lets the socket cross the next `exec` of this process. Safe to call between `fork` and `exec`.
pub(crate) fn keep_on_exec(fd: impl AsFd) -> Result<()> {
    rustix::io::fcntl_setfd(fd, FdFlags::empty())
}

/// The same socket under a number that cannot be mistaken for standard input, output or error.
pub(crate) fn above_stdio(fd: OwnedFd) -> Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    if fd.as_raw_fd() > 2 { Ok(fd) } else { rustix::io::fcntl_dupfd_cloexec(fd, 3) }
}

#[cfg(test)]
mod tests {
    use super::{Passed, describe};
    use crate::sys::socket;
    use std::os::fd::AsRawFd;
    use std::os::fd::IntoRawFd;

    #[test]
    fn a_socket_is_adopted_once() {
        let (ours, theirs) = socket::pair().unwrap();
        let passed = describe(&theirs).unwrap();
        let fd = theirs.into_raw_fd();
        let taken = passed.adopt().expect("it is here");
        assert_eq!(taken.as_raw_fd(), fd);
        assert!(passed.is_here());
        assert!(passed.adopt().is_none(), "it has an owner");
        socket::send(&ours, b"x").unwrap();
        assert_eq!(socket::recv(&taken, &mut [0; 8]).unwrap(), 1);
        drop(taken);
        assert!(!passed.is_here());
    }

    #[test]
    fn what_is_not_that_socket_is_left_alone() {
        let (ours, _theirs) = socket::pair().unwrap();
        let passed = describe(&ours).unwrap();
        let other_inode = Passed { inode: passed.inode + 1_000_000, ..passed };
        assert!(!other_inode.is_here() && other_inode.adopt().is_none());
        for fd in [-1, i32::MIN, i32::MAX] {
            assert!(!Passed { fd, ..passed }.is_here());
        }
        let file = std::fs::File::open("/dev/null").unwrap();
        let inode = socket::inode(&file).unwrap();
        assert!(!Passed { fd: file.as_raw_fd(), inode }.is_here(), "not a socket");
    }
}
