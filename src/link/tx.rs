//! The sending half of a link, whatever carries it.

use super::error::TxError;
use super::grant::{Batch, Grant};
use super::peer::Peer;
use super::rx::{Armed, Rx};
use super::shm::ShmTx;
use super::socket::SocketTx;
use super::undelivered::Undelivered;
use crate::ring::Corrupt;
use std::sync::Arc;
use std::time::Instant;

/// The sending half of a link.
#[derive(Debug)]
pub(crate) enum Tx {
    Shm(Box<ShmTx>),
    Socket(Box<SocketTx>),
    /// Stands in while a thread that waits for space has borrowed the real one.
    Lent(Arc<Peer>),
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
    /// The short ways to [`Tx::try_send`], in a stream and for a turn like the one before: `false` if there is anything to look at
    /// first, and nothing was sent.
    #[inline(always)]
    pub(crate) fn send_fast(&mut self, message: &[u8]) -> bool {
        match self {
            Self::Shm(shm) => shm.send_fast(message),
            Self::Socket(_) | Self::Lent(_) => false,
        }
    }

    /// The next short way, for what those refused.
    #[inline(always)]
    pub(crate) fn send_other(&mut self, message: &[u8]) -> bool {
        match self {
            Self::Shm(shm) => shm.send_other(message),
            Self::Socket(_) | Self::Lent(_) => false,
        }
    }

    /// Commits a message at once, or not at all.
    #[inline]
    pub(crate) fn try_send(&mut self, message: &[u8]) -> Result<(), TxError> {
        match self {
            Self::Shm(shm) => shm.try_send(message),
            Self::Socket(socket) => socket.try_send(message),
            Self::Lent(_) => Err(TxError::Full),
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
            Self::Socket(socket) => socket.send(message, deadline, relief),
            Self::Lent(_) => Err(TxError::Full),
        }
    }

    /// Commits a message. Each time that there is no space it asks the peer for a doorbell and calls `wait`, which is
    /// told whether that is certain to ring, or that there is space already ([`Armed::Ready`]), may return early, and gives
    /// up (with [`TxError::Full`]) by `false`. Over
    /// a socket no doorbell rings for space: there the peer's `wake_fd` is writable.
    pub(crate) fn send_by_doorbell(
        &mut self,
        message: &[u8],
        wait: &mut dyn FnMut(Armed) -> bool,
    ) -> Result<(), TxError> {
        match self {
            Self::Shm(shm) => shm.send_by_doorbell(message, wait),
            Self::Socket(socket) => socket.send_by_doorbell(message, wait),
            Self::Lent(_) => Err(TxError::Full),
        }
    }

    /// Whether a grant of `max` bytes could be had now.
    #[inline]
    pub(crate) fn probe(&mut self, max: usize) -> Result<(), TxError> {
        match self {
            Self::Shm(shm) => shm.probe(max),
            Self::Socket(socket) => socket.probe(max),
            Self::Lent(_) => Err(TxError::Full),
        }
    }

    /// Waits until what was refused last has room.
    pub(crate) fn wait_for_space(&mut self, deadline: Option<Instant>) -> Result<(), TxError> {
        match self {
            Self::Shm(shm) => shm.wait_for_space(deadline),
            Self::Socket(socket) => socket.wait_for_space(deadline),
            Self::Lent(_) => Ok(()),
        }
    }

    #[inline]
    pub(crate) fn grant(&mut self, max: usize) -> Result<Grant<'_>, TxError> {
        match self {
            Self::Shm(shm) => shm.grant(max),
            Self::Socket(socket) => socket.grant(max),
            Self::Lent(_) => Err(TxError::Full),
        }
    }

    #[inline]
    pub(crate) fn batch(&mut self) -> Batch<'_> {
        match self {
            Self::Shm(shm) => shm.batch(),
            Self::Socket(socket) => socket.batch(),
            Self::Lent(_) => Batch::none(),
        }
    }

    pub(crate) fn max_grant(&self) -> u64 {
        match self {
            Self::Shm(shm) => shm.max_grant(),
            Self::Socket(socket) => socket.max_grant(),
            Self::Lent(_) => 0,
        }
    }

    pub(crate) fn max_atomic(&self) -> u64 {
        match self {
            Self::Shm(shm) => shm.max_atomic(),
            Self::Socket(socket) => socket.max_atomic(),
            Self::Lent(_) => 0,
        }
    }

    pub(crate) fn max_message(&self) -> u64 {
        match self {
            Self::Shm(shm) => shm.max_message(),
            Self::Socket(socket) => socket.max_message(),
            Self::Lent(_) => 0,
        }
    }

    /// The peer, where both directions and the watch thread meet.
    pub(crate) fn peer(&self) -> &Arc<Peer> {
        match self {
            Self::Shm(shm) => shm.peer(),
            Self::Socket(socket) => socket.peer(),
            Self::Lent(peer) => peer,
        }
    }

    /// Whether [`Tx::salvage`] can know what a dead peer had not taken.
    pub(crate) fn salvages(&self) -> bool {
        !matches!(self, Self::Socket(socket) if !socket.salvages)
    }

    /// What the peer, which is dead, had not taken.
    pub(crate) fn salvage(&mut self) -> Result<Undelivered, Corrupt> {
        let origin = self.peer().origin;
        let undelivered = match self {
            Self::Shm(shm) => shm.salvage()?.map(|ring| Undelivered::shm(ring, origin)),
            Self::Socket(socket) => socket.salvage().map(|socket| Undelivered::socket(socket, origin)),
            Self::Lent(_) => None,
        };
        Ok(undelivered.unwrap_or_else(Undelivered::empty))
    }

    /// Says that nothing more comes.
    pub(crate) fn close(&mut self) {
        match self {
            Self::Shm(shm) => shm.close(),
            Self::Socket(socket) => socket.close(),
            Self::Lent(_) => {}
        }
    }
}
