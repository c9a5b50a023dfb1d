//! A bell inside this process: it wakes a thread that sleeps in an epoll.
//!
//! Never passed to a peer, who shares the file description and could clear what we rely on.

use super::{Errno, Result};
use rustix::event::EventfdFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// An eventfd that is only ever rung and silenced.
#[derive(Debug)]
pub(crate) struct Bell {
    fd: OwnedFd,
}

impl Bell {
    /// A silent one, close-on-exec.
    pub(crate) fn new() -> Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self { fd: rustix::event::eventfd(0, flags)? })
    }

    /// Makes it readable. It cannot fail in a way that matters: a counter that is full (`EAGAIN`) has been rung.
    pub(crate) fn ring(&self) {
        let _ = rustix::io::retry_on_intr(|| rustix::io::write(&self.fd, &1u64.to_ne_bytes()));
    }

    /// Makes it silent. What it was rung for must be looked at afterwards.
    pub(crate) fn silence(&self) {
        let mut count = [0; 8];
        // `EAGAIN` is a bell that is silent already.
        let _: std::result::Result<usize, Errno> =
            rustix::io::retry_on_intr(|| rustix::io::read(&self.fd, &mut count));
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::Bell;
    use crate::sys::epoll::{Epoll, Interest};
    use std::time::Instant;

    #[test]
    fn a_bell_is_heard_until_it_is_silenced() {
        let (bell, epoll) = (Bell::new().unwrap(), Epoll::new().unwrap());
        epoll.add(&bell, 7, Interest::Readable).unwrap();
        let mut ready = Vec::new();
        let mut heard = || {
            epoll.wait(&mut ready, Some(Instant::now())).unwrap();
            ready.len()
        };
        assert_eq!(heard(), 0);
        bell.ring();
        bell.ring();
        assert_eq!((heard(), heard()), (1, 1));
        bell.silence();
        assert_eq!(heard(), 0);
        bell.silence();
    }
}
