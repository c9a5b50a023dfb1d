//! What a dead peer had not taken.

use super::socket::SocketUndelivered;
use crate::ring;
use crate::segment::ShmMemory;
use crate::sys::fork::Origin;

/// The messages that a dead peer had not taken, oldest first. It owns what is left of the link.
#[derive(Debug)]
pub struct Undelivered {
    inner: Inner,
    /// In a forked child there is nothing left of the link: the memory was let go, and what is in a socket is the parent's to take.
    origin: Option<Origin>,
}

#[derive(Debug)]
enum Inner {
    Empty,
    Shm(Box<ring::Undelivered<ShmMemory>>),
    Socket(Box<SocketUndelivered>),
}

impl Undelivered {
    pub(super) fn shm(ring: ring::Undelivered<ShmMemory>, origin: Origin) -> Self {
        Self { inner: Inner::Shm(Box::new(ring)), origin: Some(origin) }
    }

    pub(super) fn socket(socket: SocketUndelivered, origin: Origin) -> Self {
        Self { inner: Inner::Socket(Box::new(socket)), origin: Some(origin) }
    }

    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self { inner: Inner::Empty, origin: None }
    }

    /// How many bytes were met that belong to messages of which the rest is missing. They are not handed back.
    #[must_use]
    pub fn streamed(&self) -> u64 {
        match &self.inner {
            Inner::Empty => 0,
            Inner::Shm(ring) => ring.streamed(),
            Inner::Socket(socket) => socket.streamed(),
        }
    }
}

impl Iterator for Undelivered {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.origin.is_some_and(|origin| origin.forked()) {
            return None;
        }
        match &mut self.inner {
            Inner::Empty => None,
            Inner::Shm(ring) => ring.next(),
            Inner::Socket(socket) => socket.next(),
        }
    }
}
