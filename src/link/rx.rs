//! The receiving half of a link, whatever carries it.

use super::error::RxError;
#[cfg(test)]
use super::peer::Peer;
use super::shm::ShmRx;
use super::socket::SocketRx;
use crate::ring::Reading;
use crate::sys::deadline;
#[cfg(test)]
use std::sync::Arc;
use std::time::Instant;

/// The receiving half of a link.
#[derive(Debug)]
pub(crate) enum Rx {
    Shm(Box<ShmRx>),
    Socket(Box<SocketRx>),
    /// Stands in while a thread has borrowed the real one.
    Lent,
}

/// Whether a receiver that wants to be woken through a descriptor may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Armed {
    /// It may.
    Sleep,
    /// Only as long as [`crate::wait::nap`] says: the heavy fence failed, so a wake-up may be missed.
    Nap,
    /// No: there is something to take, or to report.
    Ready,
    /// A sender of this end has borrowed the receiving half, and will say when it is back.
    Lent,
}

impl Rx {
    /// The short way to [`Rx::try_recv_into`]: `None` if there is anything to look at first, and nothing was taken.
    #[inline(always)]
    pub(crate) fn recv_fast(&mut self, buffer: &mut [u8]) -> Option<usize> {
        match self {
            Self::Shm(shm) => shm.recv_fast(buffer),
            Self::Socket(_) | Self::Lent => None,
        }
    }

    /// The short ways to take the next message of a stream, or the answer to one that was just sent, which is waited for a moment:
    /// `None` if there is anything else to look at first or nothing came soon, and nothing was taken.
    #[inline(always)]
    pub(crate) fn recv_next(&mut self, buffer: &mut [u8]) -> Option<usize> {
        match self {
            Self::Shm(shm) => shm.recv_next(buffer).length(),
            Self::Socket(_) | Self::Lent => None,
        }
    }

    /// Takes a message into `buffer` if there is one.
    #[inline]
    pub(crate) fn try_recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, RxError> {
        match self {
            Self::Shm(shm) => shm.try_recv_into(buffer),
            Self::Socket(socket) => socket.try_recv_into(buffer),
            Self::Lent => Err(RxError::Empty),
        }
    }

    /// Takes a message if there is one.
    pub(crate) fn try_recv(&mut self) -> Result<Vec<u8>, RxError> {
        match self {
            Self::Shm(shm) => shm.try_recv(),
            Self::Socket(socket) => socket.try_recv(),
            Self::Lent => Err(RxError::Empty),
        }
    }

    /// Hands a message out where it lies, if there is one and it can be.
    pub(crate) fn try_read(&mut self) -> Result<Reading, RxError> {
        match self {
            Self::Shm(shm) => shm.try_read(),
            Self::Socket(socket) => socket.try_recv().map(Reading::Copy),
            Self::Lent => Err(RxError::Empty),
        }
    }

    /// Waits for a message that was not there, and takes it. [`RxError::Empty`]: the deadline passed first; of a long message a
    /// part may have come in time, and is kept.
    pub(crate) fn recv_by(&mut self, deadline: Option<Instant>) -> Result<Vec<u8>, RxError> {
        loop {
            // A wait that ends at the deadline looks once more before it says so.
            let in_time = self.wait(deadline);
            match self.try_recv() {
                Err(RxError::Empty) if in_time && !deadline::passed(deadline) => {}
                taken => return taken,
            }
        }
    }

    /// Waits until there is something to take, or to report. `false`: the deadline passed first.
    pub(crate) fn wait(&mut self, deadline: Option<Instant>) -> bool {
        match self {
            Self::Shm(shm) => shm.wait(deadline),
            Self::Socket(socket) => socket.wait(deadline),
            Self::Lent => true,
        }
    }

    /// Asks to be woken through the peer's `wake_fd`.
    pub(crate) fn arm_doorbell(&mut self) -> Armed {
        match self {
            Self::Shm(shm) => shm.arm_doorbell(),
            Self::Socket(socket) => socket.arm_doorbell(),
            Self::Lent => Armed::Lent,
        }
    }

    /// A short wait, before anything is asked of the peer: `true` if there is something to take now.
    #[inline]
    pub(crate) fn linger(&mut self) -> bool {
        match self {
            Self::Shm(shm) => shm.linger(),
            Self::Socket(_) | Self::Lent => false,
        }
    }

    /// One cheap look: is there something to take?
    pub(crate) fn poll(&self) -> bool {
        match self {
            Self::Shm(shm) => shm.poll(),
            Self::Socket(socket) => socket.poll(),
            Self::Lent => false,
        }
    }

    /// Whether the peer's sender executes full fences by now, whatever was agreed.
    pub(crate) fn is_peer_fenced(&self) -> bool {
        match self {
            Self::Shm(shm) => shm.is_peer_fenced(),
            // The kernel wakes.
            Self::Socket(_) | Self::Lent => true,
        }
    }

    /// Asks that this end's waiting sender be woken when there is something to take. `fence` is
    /// [`FENCE_LOST`](crate::ring::lines::FENCE_LOST) or 0.
    pub(crate) fn arm_for_sender(&mut self, fence: u32) {
        match self {
            Self::Shm(shm) => shm.arm_for_sender(fence),
            // Who waits for a socket polls it: nothing is armed.
            Self::Socket(_) | Self::Lent => {}
        }
    }

    /// Takes back [`Rx::arm_doorbell`], and the doorbells that were rung.
    pub(crate) fn disarm(&mut self) {
        match self {
            Self::Shm(shm) => shm.disarm(),
            // Who waits for a socket polls it: nothing is armed.
            Self::Socket(_) | Self::Lent => {}
        }
    }

    /// The peer; `None` while the receiving half is lent.
    #[cfg(test)]
    pub(crate) fn peer(&self) -> Option<&Arc<Peer>> {
        match self {
            Self::Shm(shm) => Some(shm.peer()),
            Self::Socket(socket) => Some(socket.peer()),
            Self::Lent => None,
        }
    }

    /// How many bytes came of a message that will never be finished.
    pub(crate) fn partial(&self) -> Option<u64> {
        match self {
            Self::Shm(shm) => shm.partial(),
            Self::Socket(socket) => socket.partial(),
            Self::Lent => None,
        }
    }
}
