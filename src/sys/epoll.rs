//! Which of many descriptors is ready.

use super::{Errno, Result, deadline};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

/// How many answers one call takes from the kernel; the rest comes with the next one.
pub(crate) const BATCH: usize = 64;

/// What a descriptor is watched for. A hang-up is always told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Something to read.
    Readable,
    /// Space to write. That the peer sends no more is not told, only that it is gone.
    Writable,
    /// Either.
    Both,
    /// Nothing but a hang-up.
    HangUp,
}

/// One ready descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    /// What it was registered with: the token, or its place in the list of [`super::socket::wait_any`].
    pub(crate) token: u64,
    /// A read would not block. True with a hang-up as well, as long as something is left to read.
    pub(crate) readable: bool,
    /// A write would not block.
    pub(crate) writable: bool,
    /// The peer is gone, or the descriptor is in error.
    pub(crate) hangup: bool,
}

/// An epoll instance: level-triggered, so what is not handled is told again.
#[derive(Debug)]
pub(crate) struct Epoll {
    fd: OwnedFd,
}

impl Epoll {
    /// An empty one, close-on-exec.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { fd: epoll::create(CreateFlags::CLOEXEC)? })
    }

    /// Watches a descriptor. Remove it before it is closed: its duplicates, in this process or another, would
    /// keep it watched.
    pub(crate) fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> Result<()> {
        epoll::add(&self.fd, fd, EventData::new_u64(token), flags(interest))
    }

    /// Changes token and interest of a watched descriptor.
    pub(crate) fn modify(&self, fd: impl AsFd, token: u64, interest: Interest) -> Result<()> {
        epoll::modify(&self.fd, fd, EventData::new_u64(token), flags(interest))
    }

    /// No longer watches a descriptor.
    pub(crate) fn remove(&self, fd: impl AsFd) -> Result<()> {
        epoll::delete(&self.fd, fd)
    }

    /// Replaces the content of `ready` by what is ready at once, [`BATCH`] at most. Whether there may be more: the next call
    /// begins with that.
    pub(crate) fn poll(&self, ready: &mut Vec<Ready>) -> Result<bool> {
        self.ask(ready, Some(&Timespec::default()))?;
        Ok(ready.len() == BATCH)
    }

    /// Replaces the content of `ready` by what is ready, waiting for something until the deadline. Empty means
    /// that the deadline passed.
    pub(crate) fn wait(&self, ready: &mut Vec<Ready>, until: Option<Instant>) -> Result<()> {
        loop {
            let last = deadline::passed(until);
            let left = until.map(deadline::left);
            match self.ask(ready, left.as_ref()) {
                Ok(()) if !ready.is_empty() || last => return Ok(()),
                Ok(()) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    fn ask(&self, ready: &mut Vec<Ready>, timeout: Option<&Timespec>) -> Result<()> {
        ready.clear();
        let mut events = [MaybeUninit::<Event>::uninit(); BATCH];
        let (some, _) = epoll::wait(&self.fd, &mut events, timeout)?;
        ready.extend(some.iter().map(|event| answer(*event)));
        Ok(())
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn flags(interest: Interest) -> EventFlags {
    match interest {
        Interest::Readable => EventFlags::IN | EventFlags::RDHUP,
        // Not `RDHUP`: a peer that only sends no more may well make space.
        Interest::Writable => EventFlags::OUT,
        Interest::Both => EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP,
        Interest::HangUp => EventFlags::RDHUP,
    }
}

fn answer(event: Event) -> Ready {
    // The struct is packed on some targets: fields are copied, never referred to.
    let (flags, data) = (event.flags, event.data);
    Ready {
        token: data.u64(),
        readable: flags.contains(EventFlags::IN),
        writable: flags.contains(EventFlags::OUT),
        hangup: flags.intersects(EventFlags::HUP | EventFlags::RDHUP | EventFlags::ERR),
    }
}
