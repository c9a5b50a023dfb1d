//! Sockets that cross an `exec`: the one place where a descriptor is a number.
//!
//! A program is told which numbers were meant for it. Before it believes that, it compares the socket's inode,
//! which no other socket has while this one lives: numbers are used again, by children of the program too. Inodes of
//! sockets are counted through 32 bits, so only a program that waits for billions of sockets meets one again.

#![allow(unsafe_code)]

use super::{Result, socket};
use rustix::fs::FileType;
use rustix::io::FdFlags;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
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

    /// Reads what [`Display`](fmt::Display) writes: `<fd>:<inode>`, and some that it does not.
    pub(crate) fn parse(field: &str) -> Option<Passed> {
        let (fd, inode) = field.split_once(':')?;
        Some(Passed { fd: fd.parse().ok()?, inode: inode.parse().ok()? })
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.fd, self.inode)
    }
}

/// What came of [`adopt`].
#[derive(Debug)]
pub(crate) enum Adopted {
    /// They are this process's own, and close-on-exec from now on.
    Both([OwnedFd; 2]),
    /// One of them was taken before.
    Taken,
    /// They are not here.
    Neither,
}

/// Takes two sockets that were passed to this program, if both are here. Of several that ask for them, one gets them.
///
/// # Errors
/// The errno of what makes them close-on-exec. They are closed then.
pub(crate) fn adopt(sockets: [Passed; 2]) -> Result<Adopted> {
    let mut adopted = ADOPTED.lock().unwrap_or_else(PoisonError::into_inner);
    if sockets.iter().any(|socket| adopted.contains(socket)) {
        return Ok(Adopted::Taken);
    }
    if sockets[0] == sockets[1] || !sockets.iter().all(|socket| socket.is_here()) {
        return Ok(Adopted::Neither);
    }
    adopted.extend(sockets);
    // SAFETY: the numbers are open, and the inodes prove that they are the very sockets that crossed the `exec` and
    // that nothing in this program opened. They differ, whoever passed them named them to us alone, and `adopted`
    // sees to it that we make one owner only.
    let sockets = sockets.map(|socket| unsafe { OwnedFd::from_raw_fd(socket.fd) });
    for socket in &sockets {
        rustix::io::fcntl_setfd(socket, FdFlags::CLOEXEC)?;
    }
    Ok(Adopted::Both(sockets))
}

/// Has the program that `command` will start keep these sockets, and returns what it must be told to find them. The
/// command owns them until it is dropped; in this process they stay close-on-exec, so that no other program gets them
/// that is started meanwhile.
pub(crate) fn pass(command: &mut Command, [first, second]: [OwnedFd; 2]) -> Result<[Passed; 2]> {
    let sockets = [above_stdio(first)?, above_stdio(second)?];
    let passed = [describe(&sockets[0])?, describe(&sockets[1])?];
    let keep = move || sockets.iter().try_for_each(keep_on_exec).map_err(io::Error::from);
    // SAFETY: the closure runs in the child between fork and exec, where other threads' locks may be held for ever. It
    // makes two system calls (fcntl), and neither allocates nor locks; building an `io::Error` from an error number
    // does not either.
    unsafe { command.pre_exec(keep) };
    Ok(passed)
}

/// What a program must be told to find this socket again.
pub(crate) fn describe(fd: impl AsFd) -> Result<Passed> {
    Ok(Passed { inode: socket::inode(&fd)?, fd: fd.as_fd().as_raw_fd() })
}

/// Lets the socket cross the next `exec` of this process. Safe to call between `fork` and `exec`.
fn keep_on_exec(fd: &OwnedFd) -> Result<()> {
    rustix::io::fcntl_setfd(fd, FdFlags::empty())
}

/// The same socket under a number that cannot be mistaken for standard input, output or error.
fn above_stdio(fd: OwnedFd) -> Result<OwnedFd> {
    if fd.as_raw_fd() > 2 { Ok(fd) } else { rustix::io::fcntl_dupfd_cloexec(fd, 3) }
}

#[cfg(test)]
mod tests {
    use super::{Adopted, Passed, adopt, describe};
    use crate::sys::socket;
    use std::os::fd::{AsRawFd, IntoRawFd};

    #[test]
    fn sockets_are_adopted_once() {
        let (ours, theirs) = socket::pair().unwrap();
        let passed = [describe(&ours).unwrap(), describe(&theirs).unwrap()];
        assert!(matches!(adopt([passed[0], passed[0]]), Ok(Adopted::Neither)), "one socket has one owner");
        let fds = [ours.into_raw_fd(), theirs.into_raw_fd()];
        let Ok(Adopted::Both(taken)) = adopt(passed) else { panic!("they are here") };
        assert_eq!(taken.each_ref().map(AsRawFd::as_raw_fd), fds);
        assert!(passed[0].is_here());
        let (other, _) = socket::pair().unwrap();
        for again in [passed, [describe(&other).unwrap(), passed[1]]] {
            assert!(matches!(adopt(again), Ok(Adopted::Taken)), "it has an owner");
        }
        socket::send(&taken[0], b"x").unwrap();
        assert_eq!(socket::recv(&taken[1], &mut [0; 8]).unwrap(), 1);
        drop(taken);
        assert!(!passed[0].is_here());
    }

    #[test]
    fn what_is_not_that_socket_is_left_alone() {
        let (ours, theirs) = socket::pair().unwrap();
        let passed = describe(&ours).unwrap();
        let other_inode = Passed { inode: passed.inode + 1_000_000, ..passed };
        assert!(!other_inode.is_here());
        let half = [describe(&theirs).unwrap(), other_inode];
        assert!(matches!(adopt(half), Ok(Adopted::Neither)));
        for fd in [-1, i32::MIN, i32::MAX] {
            assert!(!Passed { fd, ..passed }.is_here());
        }
        let file = std::fs::File::open("/dev/null").unwrap();
        let inode = socket::inode(&file).unwrap();
        assert!(!Passed { fd: file.as_raw_fd(), inode }.is_here(), "not a socket");
    }
}
