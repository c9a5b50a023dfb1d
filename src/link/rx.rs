//! The receiving half of a link, whatever carries it.

use super::error::RxError;
use super::shm::ShmRx;
use std::time::Instant;

/// The receiving half of a link.
#[derive(Debug)]
pub(crate) enum Rx {
    Shm(Box<ShmRx>),
    /// Stands in while a thread has borrowed the real one.
    Lent,
}

/// Whether a receiver that wants to be woken through a descriptor may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Armed {
    /// It may.
    Sleep,
    /// For at most [`crate::wait::sleep::NAP`]: the heavy fence failed, so a wake-up may be missed.
    Nap,
    /// No: there is something to take, or to report.
    Ready,
    /// A sender of this end has borrowed the receiving half, and will say when it is back.
    Lent,
}

impl Rx {
    /// Takes a message into `buffer` if there is one.
    #[inline]
    pub(crate) fn try_recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, RxError> {
        match self {
            Self::Shm(shm) => shm.try_recv_into(buffer),
            Self::Lent => Err(RxError::Empty),
        }
    }

    /// Takes a message if there is one.
    pub(crate) fn try_recv(&mut self) -> Result<Vec<u8>, RxError> {
        match self {
            Self::Shm(shm) => shm.try_recv(),
            Self::Lent => Err(RxError::Empty),
        }
    }

    /// Waits until there is something to take, or to report. `false`: the deadline passed first.
    pub(crate) fn wait(&mut self, deadline: Option<Instant>) -> bool {
        match self {
            Self::Shm(shm) => shm.wait(deadline),
            Self::Lent => true,
        }
    }

    /// Asks to be woken through the control socket.
    pub(crate) fn arm_doorbell(&mut self) -> Armed {
        match self {
            Self::Shm(shm) => shm.arm_doorbell(),
            Self::Lent => Armed::Lent,
        }
    }

    /// One cheap look: is there something to take?
    pub(crate) fn poll(&self) -> bool {
        match self {
            Self::Shm(shm) => shm.poll(),
            Self::Lent => false,
        }
    }

    /// Asks that this end's waiting sender be woken when there is something to take.
    pub(crate) fn arm_for_sender(&mut self) {
        match self {
            Self::Shm(shm) => shm.arm_for_sender(),
            Self::Lent => {}
        }
    }

    /// Takes back [`Rx::arm_doorbell`], and the doorbells that were rung.
    pub(crate) fn disarm(&mut self) {
        match self {
            Self::Shm(shm) => shm.disarm(),
            Self::Lent => {}
        }
    }

    /// How many bytes came of a message that will never be finished.
    pub(crate) fn partial(&self) -> Option<u64> {
        match self {
            Self::Shm(shm) => shm.partial(),
            Self::Lent => None,
        }
    }

    /// Says that nothing more is taken.
    pub(crate) fn close(&mut self) {
        match self {
            Self::Shm(shm) => shm.close(),
            Self::Lent => {}
        }
    }
}
