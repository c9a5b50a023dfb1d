//! The sending half of a link, whatever carries it.

use super::error::TxError;
use super::grant::{Batch, Grant};
use super::peer::Peer;
use super::rx::Rx;
use super::shm::ShmTx;
use super::undelivered::Undelivered;
use crate::ring::Corrupt;
use std::sync::Arc;
use std::time::Instant;

/// The sending half of a link.
#[derive(Debug)]
pub(crate) enum Tx {
    Shm(Box<ShmTx>),
}

/// Lends a waiting sender the receiving half of its end, so that it takes in what the peer sends meanwhile and two
/// ends that both only send do not wait for each other for ever.
pub(crate) trait Relief {
    /// Whether there is no room for anything more to be taken in.
    fn is_full(&self) -> bool;
    /// The receiving half, unless another thread has it.
    fn borrow(&mut self) -> Option<Rx>;
    /// Whether it could be borrowed now.
    fn is_back(&self) -> bool;
    /// Takes in what is there, as far as there is room.
    fn give_back(&mut self, rx: Rx);
}

impl Tx {
    /// Commits a message at once, or not at all.
    #[inline]
    pub(crate) fn try_send(&mut self, message: &[u8]) -> Result<(), TxError> {
        match self {
            Self::Shm(shm) => shm.try_send(message),
        }
    }

    /// Commits a message, waiting for space until the deadline.
    pub(crate) fn send(
        &mut self,
        message: &[u8],
        deadline: Option<Instant>,
        relief: Option<&mut dyn Relief>,
    ) -> Result<(), TxError> {
        match self {
            Self::Shm(shm) => shm.send(message, deadline, relief),
        }
    }

    /// Whether a grant of `max` bytes could be had now.
    pub(crate) fn probe(&mut self, max: usize) -> Result<(), TxError> {
        match self {
            Self::Shm(shm) => shm.probe(max),
        }
    }

    /// Waits until what was refused last has room.
    pub(crate) fn wait_for_space(&mut self, deadline: Option<Instant>) -> Result<(), TxError> {
        match self {
            Self::Shm(shm) => shm.wait_for_space(deadline),
        }
    }

    pub(crate) fn grant(&mut self, max: usize) -> Result<Grant<'_>, TxError> {
        match self {
            Self::Shm(shm) => shm.grant(max),
        }
    }

    pub(crate) fn batch(&mut self) -> Batch<'_> {
        match self {
            Self::Shm(shm) => shm.batch(),
        }
    }

    pub(crate) fn max_grant(&self) -> u64 {
        match self {
            Self::Shm(shm) => shm.max_grant(),
        }
    }

    pub(crate) fn max_atomic(&self) -> u64 {
        match self {
            Self::Shm(shm) => shm.max_atomic(),
        }
    }

    pub(crate) fn max_message(&self) -> u64 {
        match self {
            Self::Shm(shm) => shm.max_message(),
        }
    }

    /// The peer, where both directions and the watch thread meet.
    pub(crate) fn peer(&self) -> &Arc<Peer> {
        match self {
            Self::Shm(shm) => shm.peer(),
        }
    }

    /// What the peer, which is dead, had not taken.
    pub(crate) fn salvage(&mut self) -> Result<Undelivered, Corrupt> {
        match self {
            Self::Shm(shm) => shm.salvage().map(Undelivered::shm),
        }
    }

    /// Says that nothing more comes.
    pub(crate) fn close(&mut self) {
        match self {
            Self::Shm(shm) => shm.close(),
        }
    }
}
