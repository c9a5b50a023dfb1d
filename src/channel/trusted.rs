//! Reading messages where they lie, from a peer that is trusted.

#![allow(unsafe_code)]

use super::error::{RecvError, TryRecvError};
use super::receiver::Receiver;
use crate::link::Rx;
use crate::link::error::RxError;
use crate::ring::Reading;
use std::fmt;
use std::ops::Deref;

/// A [`Receiver`] whose messages can be read where the sender put them, without a copy.
///
/// Made by [`Receiver::assume_trusted_peer`]. Only messages of one record, at most a quarter of the capacity, over
/// shared memory, are read in place; others are copied, and read the same way.
#[derive(Debug)]
pub struct TrustedReceiver {
    receiver: Receiver,
}

impl Receiver {
    /// Allows reading messages in place.
    ///
    /// # Safety
    /// The peer's process must be Ringway's own code and nothing else may write its segment: no memory corruption
    /// there, no other program that was given the descriptor. Then it leaves a committed record alone until it is
    /// released, and a `&[u8]` over it is sound. With a peer that writes on, the bytes change under the reference,
    /// which is undefined behaviour; the copying receiver has no such condition.
    #[must_use]
    pub unsafe fn assume_trusted_peer(self) -> TrustedReceiver {
        TrustedReceiver { receiver: self }
    }
}

impl TrustedReceiver {
    /// Hands out the next message, waiting for it. Its place in the ring is given back when the grant is dropped; a
    /// leaked grant costs nothing but that the place is given back later, with the next one.
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] after the last message, with the cause.
    pub fn read(&mut self) -> Result<ReadGrant<'_>, RecvError> {
        loop {
            match self.receiver.next_read() {
                Ok(reading) => return Ok(self.grant(reading)),
                Err(RxError::Disconnected(cause)) => return Err(RecvError::Disconnected(cause)),
                Err(RxError::Empty | RxError::TooSmall { .. }) => self.receiver.rx().wait(None),
            };
        }
    }

    /// Hands out the next message if there is one now.
    ///
    /// # Errors
    /// [`TryRecvError`]; no message was taken then.
    pub fn try_read(&mut self) -> Result<ReadGrant<'_>, TryRecvError> {
        match self.receiver.next_read() {
            Ok(reading) => Ok(self.grant(reading)),
            Err(RxError::Disconnected(cause)) => Err(TryRecvError::Disconnected(cause)),
            Err(RxError::Empty | RxError::TooSmall { .. }) => Err(TryRecvError::Empty),
        }
    }

    fn grant(&mut self, reading: Reading) -> ReadGrant<'_> {
        ReadGrant { rx: self.receiver.rx(), reading }
    }

    /// The copying receiver again.
    #[must_use]
    pub fn into_receiver(self) -> Receiver {
        self.receiver
    }
}

/// A message that is read in place. Dropped, it gives its place back to the sender. In a forked child it is empty.
pub struct ReadGrant<'a> {
    rx: &'a mut Rx,
    reading: Reading,
}

impl Deref for ReadGrant<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match (&self.reading, &*self.rx) {
            (Reading::Copy(bytes), _) => bytes,
            (Reading::InPlace { first, len }, Rx::Shm(shm)) => {
                let Some(words) = shm.words().get(*first..*first + len.div_ceil(8)) else { return &[] };
                // SAFETY: `words` covers `len` bytes. Whoever made the receiver vouched that the peer leaves a
                // committed record alone until it is released, which the drop of this grant does.
                unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), *len) }
            }
            (Reading::InPlace { .. }, _) => &[],
        }
    }
}

impl Drop for ReadGrant<'_> {
    fn drop(&mut self) {
        if let Rx::Shm(shm) = &mut *self.rx {
            shm.release();
        }
    }
}

impl fmt::Debug for ReadGrant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadGrant({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, pair};
    use super::TryRecvError;
    use crate::sys::pidfd::Exit;
    use crate::sys::tests::{alone, in_fork};

    #[test]
    fn a_message_that_is_read_across_a_fork_is_empty_in_the_child() {
        alone(|| {
            let (ours, theirs) = pair(&Options::new()).unwrap();
            let theirs = std::thread::spawn(|| theirs.connect().unwrap());
            let (ours, theirs) = (ours.connect().unwrap(), theirs.join().unwrap());
            theirs.send(b"in place").unwrap();
            // SAFETY: the peer is a channel of this test, which only calls `send`.
            let mut reader = unsafe { ours.split().1.assume_trusted_peer() };
            let mut grant = Some(reader.read().unwrap());
            let child = in_fork(|| {
                let grant = grant.take().unwrap();
                assert_eq!((&*grant, format!("{grant:?}").is_empty()), (&[][..], false));
            });
            assert_eq!(child, Exit::Code(0));
            assert_eq!(**grant.as_ref().unwrap(), *b"in place");
        });
    }

    #[test]
    fn a_trusted_peers_messages_are_read_in_place_and_their_places_given_back() {
        let (ours, theirs) = pair(&Options::new().capacity(4096).unwrap()).unwrap();
        let theirs = std::thread::spawn(|| theirs.connect().unwrap());
        let (ours, theirs) = (ours.connect().unwrap(), theirs.join().unwrap());
        let (mut sender, _) = theirs.split();
        // SAFETY: the peer is a thread of this test, which only calls `send`.
        let mut reader = unsafe { ours.split().1.assume_trusted_peer() };
        for round in 0..1000usize {
            let message: Vec<u8> = (0..round % 1016).map(|i| (i + round) as u8).collect();
            sender.send(&message).unwrap();
            let grant = reader.read().unwrap();
            assert_eq!(*grant, *message);
            if round % 7 == 0 {
                std::mem::forget(grant);
            }
        }
        sender.send(&[1; 2000]).unwrap();
        assert_eq!(*reader.try_read().unwrap(), [1; 2000]);
        assert_eq!(reader.try_read().unwrap_err(), TryRecvError::Empty);
    }
}
