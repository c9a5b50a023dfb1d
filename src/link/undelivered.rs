//! What a dead peer had not taken.

use super::socket::SocketUndelivered;
use crate::ring;
use crate::segment::ShmMemory;
use crate::sys::fork::Origin;

/// The messages that a dead peer had not taken, oldest first. It owns what is left of the link.
#[derive(Debug)]
pub struct Undelivered {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Empty,
    Shm {
        ring: Box<ring::Undelivered<ShmMemory>>,
        /// In a forked child there is nothing left of the link.
        origin: Origin,
    },
    Socket(Box<SocketUndelivered>),
}

impl Undelivered {
    pub(super) fn shm(ring: ring::Undelivered<ShmMemory>, origin: Origin) -> Self {
        Self { inner: Inner::Shm { ring: Box::new(ring), origin } }
    }

    pub(super) fn socket(socket: SocketUndelivered) -> Self {
        Self { inner: Inner::Socket(Box::new(socket)) }
    }

    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self { inner: Inner::Empty }
    }

    /// How many bytes were met that belong to messages of which the rest is missing. They are not handed back.
    #[must_use]
    pub fn streamed(&self) -> u64 {
        match &self.inner {
            Inner::Empty => 0,
            Inner::Shm { ring, .. } => ring.streamed(),
            Inner::Socket(socket) => socket.streamed(),
        }
    }
}

impl Iterator for Undelivered {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        match &mut self.inner {
            Inner::Empty => None,
            Inner::Shm { origin, .. } if origin.forked() => None,
            Inner::Shm { ring, .. } => ring.next(),
            Inner::Socket(socket) => socket.next(),
        }
    }
}
