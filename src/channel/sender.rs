//! The sending half of a channel.

use super::duplex::salvage;
use super::error::{SalvageError, SendError, SendTimeoutError, TrySendError};
use crate::link::error::TxError;
use crate::link::{Batch, Grant, Tx, Undelivered};
use std::time::{Duration, Instant};

/// The sending half of a channel.
///
/// There is one for each channel end, and it is not `Clone`: the ring behind it has exactly one producer, which is
/// what lets it send without an atomic read-modify-write. Give each thread a channel of its own, or share one
/// behind a lock.
///
/// # Guarantees
/// Messages arrive in the order in which they were sent, each once or not at all. `Ok` means *committed*: a living
/// peer gets the message even if this process is killed at the next instruction.
#[derive(Debug)]
pub struct Sender {
    tx: Tx,
}

impl Sender {
    pub(crate) fn new(tx: Tx) -> Self {
        Self { tx }
    }

    #[cfg(test)]
    pub(super) fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// Sends a message, waiting for space if there is none. An empty message is a message.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent then. A message of more than half the capacity is streamed: if that fails in
    /// the middle, the peer forgets what it has of it.
    #[inline]
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        if self.tx.send_fast(message) { Ok(()) } else { self.send_other(message) }
    }

    /// What the short ways refused.
    #[inline(never)]
    fn send_other(&mut self, message: &[u8]) -> Result<(), SendError> {
        if self.tx.send_other(message) { Ok(()) } else { self.send_slow(message) }
    }

    #[cold]
    #[inline(never)]
    fn send_slow(&mut self, message: &[u8]) -> Result<(), SendError> {
        match self.tx.try_send(message) {
            Ok(()) => Ok(()),
            Err(TxError::Full | TxError::TooLong { .. }) => Ok(self.tx.send(message, None, None)?),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a message if there is space now.
    ///
    /// # Errors
    /// [`TrySendError`]; nothing was sent then.
    #[inline]
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        if self.tx.send_fast(message) { Ok(()) } else { self.try_send_other(message) }
    }

    #[inline(never)]
    fn try_send_other(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        if self.tx.send_other(message) { Ok(()) } else { self.try_send_slow(message) }
    }

    #[cold]
    #[inline(never)]
    fn try_send_slow(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        self.tx.try_send(message).map_err(|error| TrySendError::of(error, self.tx.max_message()))
    }

    /// Sends a message, waiting for space for at most `timeout`.
    ///
    /// # Errors
    /// [`SendTimeoutError`]; nothing was sent then.
    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendTimeoutError> {
        match self.tx.try_send(message) {
            Ok(()) => Ok(()),
            Err(TxError::Full | TxError::TooLong { .. }) => {
                Ok(self.tx.send(message, Instant::now().checked_add(timeout), None)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a message, waiting for space until `deadline`.
    ///
    /// # Errors
    /// [`SendTimeoutError`]; nothing was sent then.
    pub fn send_deadline(&mut self, message: &[u8], deadline: Instant) -> Result<(), SendTimeoutError> {
        Ok(self.tx.send(message, Some(deadline), None)?)
    }

    /// Reserves room for a message of at most `max` bytes, to be written in place; waits for space if need be.
    ///
    /// # Errors
    /// [`SendError`]; nothing was reserved then. [`SendError::TooLong`] above [`Sender::max_grant`].
    #[inline]
    pub fn grant(&mut self, max: usize) -> Result<Grant<'_>, SendError> {
        while let Err(error) = self.tx.probe(max) {
            match error {
                TxError::Full => self.tx.wait_for_space(None)?,
                error => return Err(error.into()),
            }
        }
        Ok(self.tx.grant(max)?)
    }

    /// Reserves room for a message of at most `max` bytes if there is space now.
    ///
    /// # Errors
    /// [`TrySendError`]; nothing was reserved then.
    #[inline]
    pub fn try_grant(&mut self, max: usize) -> Result<Grant<'_>, TrySendError> {
        let max_message = self.tx.max_message();
        self.tx.grant(max).map_err(|error| TrySendError::of(error, max_message))
    }

    /// Begins a batch: messages that the peer sees all at once, or not at all, and for which it is woken once.
    #[inline]
    pub fn batch(&mut self) -> Batch<'_> {
        self.tx.batch()
    }

    /// The longest message that [`Sender::grant`] can reserve, in bytes.
    #[must_use]
    pub fn max_grant(&self) -> u64 {
        self.tx.max_grant()
    }

    /// The longest message that is committed at once, and so the longest for [`Sender::try_send`], in bytes.
    #[must_use]
    pub fn max_atomic(&self) -> u64 {
        self.tx.max_atomic()
    }

    /// The longest message, in bytes.
    #[must_use]
    pub fn max_message(&self) -> u64 {
        self.tx.max_message()
    }

    /// What the peer, which is dead, had not taken, oldest first; nothing, once that was asked. The sender is closed by this. Over
    /// the socket link the process that made the [`pair`](super::pair) can have it, and no other: [`SalvageError::NotHeld`].
    ///
    /// # Errors
    /// [`SalvageError`]; nothing is changed then.
    pub fn salvage(&mut self) -> Result<Undelivered, SalvageError> {
        salvage(&mut self.tx)
    }

    /// Closes this direction, as dropping does: the peer takes what was sent, then is told of the end.
    pub fn close(self) {}
}
