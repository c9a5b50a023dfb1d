//! The receiving half of a channel.

use super::error::{RecvError, RecvIntoError, RecvTimeoutError, TryRecvError, TryRecvIntoError};
use super::message::Message;
use crate::link::Rx;
use crate::link::error::RxError;
#[cfg(test)]
use crate::link::turns::Expected;
use crate::ring::Reading;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The receiving half of a channel.
///
/// There is one for each channel end, and it is not `Clone`: the ring behind it has exactly one consumer, whose
/// position is a private number.
///
/// # Guarantees
/// A message is handed out whole and at most once. What a peer committed before it closed, dropped the channel or
/// was killed is received before the end is told.
#[derive(Debug)]
pub struct Receiver {
    rx: Rx,
    /// What the whole channel had taken in before it was split.
    inbox: VecDeque<Vec<u8>>,
}

impl Receiver {
    pub(crate) fn new(rx: Rx, inbox: VecDeque<Vec<u8>>) -> Self {
        Self { rx, inbox }
    }

    fn next(&mut self) -> Result<Vec<u8>, RxError> {
        match self.inbox.pop_front() {
            Some(message) => Ok(message),
            None => self.rx.try_recv(),
        }
    }

    pub(super) fn next_read(&mut self) -> Result<Reading, RxError> {
        match self.inbox.pop_front() {
            Some(message) => Ok(Reading::Copy(message)),
            None => self.rx.try_read(),
        }
    }

    pub(super) fn rx(&mut self) -> &mut Rx {
        &mut self.rx
    }

    fn next_into(&mut self, buffer: &mut [u8]) -> Result<usize, RxError> {
        if self.inbox.is_empty() { self.rx.try_recv_into(buffer) } else { self.take_kept(buffer) }
    }

    #[cold]
    fn take_kept(&mut self, buffer: &mut [u8]) -> Result<usize, RxError> {
        let len = self.inbox.front().map_or(0, Vec::len);
        let target = buffer.get_mut(..len).ok_or(RxError::TooSmall { needed: len as u64 })?;
        target.copy_from_slice(&self.inbox.pop_front().unwrap_or_default());
        Ok(len)
    }

    /// Takes the next message, waiting for it.
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] after the last message, with the cause.
    pub fn recv(&mut self) -> Result<Message, RecvError> {
        loop {
            match self.next() {
                Ok(bytes) => return Ok(Message::new(bytes)),
                Err(RxError::Disconnected(cause)) => return Err(RecvError::Disconnected(cause)),
                Err(RxError::Empty | RxError::TooSmall { .. }) => self.rx.wait(None),
            };
        }
    }

    /// Takes the next message into the front of `buffer`, waiting for it, and returns its length. Allocates
    /// nothing, unless the message was streamed.
    ///
    /// # Errors
    /// [`RecvIntoError`]; no message was taken then.
    #[inline]
    pub fn recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, RecvIntoError> {
        let taken = if self.inbox.is_empty() { self.rx.recv_next(buffer) } else { None };
        match taken {
            Some(len) => Ok(len),
            None => self.recv_into_slow(buffer),
        }
    }

    /// The short way alone once there is something, and whether it is the one of an answer.
    #[cfg(test)]
    pub(crate) fn recv_soon(&mut self, buffer: &mut [u8]) -> (bool, Option<usize>) {
        let answer = self.rx.peer().is_some_and(|peer| peer.turns.expected() == Expected::Answer);
        (0..100_000).any(|_| self.rx.poll());
        (answer, self.rx.recv_next(buffer))
    }

    #[cold]
    #[inline(never)]
    fn recv_into_slow(&mut self, buffer: &mut [u8]) -> Result<usize, RecvIntoError> {
        // Most often the ring is empty and a plain record is about to come.
        if self.inbox.is_empty() && self.rx.linger() {
            if let Some(len) = self.rx.recv_fast(buffer) {
                return Ok(len);
            }
        }
        loop {
            // What a wait was for is most often a plain record.
            if self.inbox.is_empty() {
                if let Some(len) = self.rx.recv_fast(buffer) {
                    return Ok(len);
                }
            }
            match self.next_into(buffer) {
                Ok(len) => return Ok(len),
                Err(RxError::Empty) => self.rx.wait(None),
                Err(RxError::TooSmall { needed }) => return Err(RecvIntoError::TooSmall { needed }),
                Err(RxError::Disconnected(cause)) => return Err(RecvIntoError::Disconnected(cause)),
            };
        }
    }

    /// Takes the next message if there is one now.
    ///
    /// # Errors
    /// [`TryRecvError`]; no message was taken then.
    pub fn try_recv(&mut self) -> Result<Message, TryRecvError> {
        match self.next() {
            Ok(bytes) => Ok(Message::new(bytes)),
            Err(RxError::Disconnected(cause)) => Err(TryRecvError::Disconnected(cause)),
            Err(RxError::Empty | RxError::TooSmall { .. }) => Err(TryRecvError::Empty),
        }
    }

    /// Takes the next message into the front of `buffer` if there is one now, and returns its length.
    ///
    /// # Errors
    /// [`TryRecvIntoError`]; no message was taken then.
    #[inline]
    pub fn try_recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, TryRecvIntoError> {
        if self.inbox.is_empty() {
            if let Some(len) = self.rx.recv_fast(buffer) {
                return Ok(len);
            }
        }
        self.try_recv_into_slow(buffer)
    }

    #[cold]
    #[inline(never)]
    fn try_recv_into_slow(&mut self, buffer: &mut [u8]) -> Result<usize, TryRecvIntoError> {
        self.next_into(buffer).map_err(|error| match error {
            RxError::Empty => TryRecvIntoError::Empty,
            RxError::TooSmall { needed } => TryRecvIntoError::TooSmall { needed },
            RxError::Disconnected(cause) => TryRecvIntoError::Disconnected(cause),
        })
    }

    /// Takes the next message, waiting for it for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvTimeoutError`]; no message was taken then.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Message, RecvTimeoutError> {
        self.recv_by(Instant::now().checked_add(timeout))
    }

    /// Takes the next message, waiting for it until `deadline`.
    ///
    /// # Errors
    /// [`RecvTimeoutError`]; no message was taken then.
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<Message, RecvTimeoutError> {
        self.recv_by(Some(deadline))
    }

    pub(crate) fn recv_by(&mut self, deadline: Option<Instant>) -> Result<Message, RecvTimeoutError> {
        let taken = match self.next() {
            Err(RxError::Empty | RxError::TooSmall { .. }) => self.rx.recv_by(deadline),
            taken => taken,
        };
        match taken {
            Ok(bytes) => Ok(Message::new(bytes)),
            Err(RxError::Disconnected(cause)) => Err(RecvTimeoutError::Disconnected(cause)),
            Err(RxError::Empty | RxError::TooSmall { .. }) => Err(RecvTimeoutError::Timeout),
        }
    }

    /// Waits for a message, then takes what is there, at most `max` messages, and appends them to `messages`.
    /// Returns how many there were; 0 only if `max` is 0.
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] after the last message, with the cause.
    pub fn recv_many(&mut self, messages: &mut Vec<Message>, max: usize) -> Result<usize, RecvError> {
        let before = messages.len();
        if max > 0 {
            messages.push(self.recv()?);
        }
        while messages.len() - before < max {
            match self.next() {
                Ok(bytes) => messages.push(Message::new(bytes)),
                // An end is told by the next call: it would hide the messages that this one took.
                Err(_) => break,
            }
        }
        Ok(messages.len() - before)
    }

    /// How many bytes there are of a message that was being streamed and was not finished.
    ///
    /// After the end this tells that a message was lost with its sender.
    #[must_use]
    pub fn partial(&self) -> Option<u64> {
        self.rx.partial()
    }

    /// Closes this direction, as dropping does: the peer's next send fails.
    pub fn close(self) {}
}
