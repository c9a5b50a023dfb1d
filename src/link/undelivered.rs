//! What a dead peer had not taken.

use crate::ring;
use crate::segment::ShmMemory;

/// The messages that a dead peer had not taken, oldest first. It owns what is left of the link.
#[derive(Debug)]
pub struct Undelivered {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Empty,
    Shm(Box<ring::Undelivered<ShmMemory>>),
}

impl Undelivered {
    pub(super) fn shm(ring: ring::Undelivered<ShmMemory>) -> Self {
        Self { inner: Inner::Shm(Box::new(ring)) }
    }

    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self { inner: Inner::Empty }
    }
}

impl Iterator for Undelivered {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        match &mut self.inner {
            Inner::Empty => None,
            Inner::Shm(ring) => ring.next(),
        }
    }
}
