//! The sending half of a shared-memory link.

use crate::link::bells::Sleeper;
use crate::link::condition::Space;
use crate::link::error::{Cause, TxError};
use crate::link::grant::{Batch, Grant};
use crate::link::peer::Peer;
use crate::link::rx::Armed;
use crate::link::turns::Occasion;
use crate::link::tx::Relief;
use crate::ring::lines::DOORBELL;
use crate::ring::{CACHE_LINE, Corrupt, IN_LINE, Producer, PushError, Stream, Undelivered, footprint};
use crate::segment::ShmMemory;
use crate::sync::Fences;
use crate::sys::deadline;
use crate::wait::sleep::{Ended, arm, block};
use crate::wait::spin::Spinner;
use std::sync::Arc;
use std::time::Instant;

/// The sending half.
#[derive(Debug)]
pub(crate) struct ShmTx {
    pub(crate) producer: Producer<ShmMemory>,
    peer: Arc<Peer>,
    pub(crate) spinner: Spinner,
    max_message: u64,
    /// The longest message in one record.
    max_record: u64,
    /// What a dead peer had not taken was handed back.
    salvaged: bool,
}

/// The longest record of a turn, in bytes, that is pushed towards the other core. Of one of 64 KiB that made nothing quicker.
const HANDED_OVER: u64 = 4096;

impl ShmTx {
    pub(crate) fn new(
        producer: Producer<ShmMemory>,
        peer: Arc<Peer>,
        spinner: Spinner,
        max_message: u64,
    ) -> Self {
        let max_record = producer.geometry().max_payload().min(max_message);
        Self { producer, peer, spinner, max_message, max_record, salvaged: false }
    }

    /// The short way to [`ShmTx::try_send`] for the next message of a stream, and for one in a turn that is like the one before:
    /// `false` if there is anything to look at first.
    ///
    /// Each of the two is a function of its own, with no call in it after which much is left to be done, so it has few registers
    /// to save. A saved register is a store more, in the store buffer in which those into the ring wait until their lines have
    /// come. And this is small enough to be a part of its caller.
    #[inline(always)]
    pub(crate) fn send_fast(&mut self, message: &[u8]) -> bool {
        match self.peer.turns.occasion() {
            Occasion::Stream => self.send_next(message),
            Occasion::Turn if message.len() as u64 <= IN_LINE => self.send_again(message),
            Occasion::Turn | Occasion::Second => false,
        }
    }

    #[inline(never)]
    fn send_next(&mut self, message: &[u8]) -> bool {
        if !self.peer.is_well() || message.len() as u64 > self.max_message {
            return false;
        }
        self.producer.push_fast(message)
    }

    /// Whoever waits for it waits for each instruction before its header is stored, and for nothing behind it.
    #[inline(never)]
    fn send_again(&mut self, message: &[u8]) -> bool {
        let well = self.peer.is_well() && message.len() as u64 <= self.max_message;
        if !well || !self.producer.commit_again(message) {
            return false;
        }
        self.finish_turn()
    }

    /// What is left to be done once it is committed. The wake-up comes last: whoever polls needs none, and a sleep takes far longer
    /// than the rest.
    #[inline(never)]
    fn finish_turn(&mut self) -> bool {
        self.producer.prepare();
        self.peer.turns.take(self.producer.position());
        self.hand_over();
        self.producer.wake_consumer()
    }

    /// Nothing is to be looked at but the ring.
    #[inline(always)]
    fn takes(&self, message: &[u8]) -> bool {
        let here = !self.peer.forked() && !self.peer.presence().is_gone();
        here && message.len() as u64 <= self.max_message
    }

    /// What the short ways refused: the second message of a stream, a turn unlike the one before, a ring that is to be looked at.
    #[inline(always)]
    pub(crate) fn send_other(&mut self, message: &[u8]) -> bool {
        if !self.takes(message) {
            return false;
        }
        if self.peer.turns.occasion() != Occasion::Turn {
            return self.send_second(message);
        }
        self.send_other_turn(message)
    }

    /// Of a stream from now on, whatever it is.
    #[inline(never)]
    fn send_second(&mut self, message: &[u8]) -> bool {
        self.peer.turns.stream();
        self.producer.push_fast(message)
    }

    /// A turn that is not like the one before.
    #[inline(never)]
    fn send_other_turn(&mut self, message: &[u8]) -> bool {
        self.peer.turns.stream();
        let sent = self.producer.push_turn(message);
        if sent {
            let bytes = footprint(message.len() as u64);
            if bytes <= HANDED_OVER {
                self.hand_over();
            }
            if bytes <= CACHE_LINE {
                self.peer.turns.take(self.producer.position());
            }
        }
        sent
    }

    /// The message of a turn is what the peer waits for: it is pushed towards it. In a stream that would ruin the rate.
    #[inline(always)]
    fn hand_over(&mut self) {
        if self.spinner.demotes {
            self.producer.demote();
        }
    }

    /// Commits a message at once, or not at all.
    #[inline]
    pub(crate) fn try_send(&mut self, message: &[u8]) -> Result<(), TxError> {
        self.usable()?;
        if message.len() as u64 <= self.max_record {
            return self.producer.push(message).map_err(|error| self.peer.refused(error));
        }
        self.check_length(message.len(), self.max_message)?;
        self.producer.push_message(message).map_err(|error| self.peer.refused(error))
    }

    /// Not a copy of the parent's, and the peer is there.
    #[inline(always)]
    pub(crate) fn usable(&self) -> Result<(), TxError> {
        self.peer.turns.stream();
        if self.peer.forked() {
            return Err(TxError::Disconnected(Cause::Forked));
        }
        if self.peer.presence().is_gone() {
            return self.gone();
        }
        Ok(())
    }

    #[cold]
    fn gone(&self) -> Result<(), TxError> {
        self.peer.look();
        let Some(cause) = self.peer.cause() else { return Ok(()) };
        let closed = self.producer.is_consumer_closed();
        Err(TxError::Disconnected(if closed { Cause::Closed } else { cause }))
    }

    #[inline]
    fn check_length(&self, len: usize, max: u64) -> Result<(), TxError> {
        let len = len as u64;
        let max = if len > self.max_message { self.max_message } else { max };
        if len > max { Err(TxError::TooLong { len, max }) } else { Ok(()) }
    }

    /// Commits a message, waiting for space until the deadline.
    pub(crate) fn send(
        &mut self,
        message: &[u8],
        deadline: Option<Instant>,
        mut relief: Option<&mut dyn Relief>,
    ) -> Result<(), TxError> {
        self.usable()?;
        self.check_length(message.len(), self.max_message)?;
        let (mut stream, mut waited) = (Stream::new(), false);
        loop {
            match self.producer.push_stream(&mut stream, message) {
                Ok(()) => return Ok(()),
                Err(PushError::Full) => {}
                Err(error) => return Err(error.into()),
            }
            let wait = match &mut relief {
                // A wait is over at once as long as there is some space, or something to take in, and that may go on.
                _ if waited && deadline::passed(deadline) => Err(TxError::TimedOut),
                Some(relief) => self.wait_with_relief(deadline, *relief),
                None => self.wait_for_space(deadline),
            };
            waited = true;
            if let Err(error) = wait {
                self.producer.cancel_stream();
                return Err(error);
            }
        }
    }

    /// Commits a message, waiting for space by doorbell: see [`crate::link::Tx::send_by_doorbell`].
    pub(crate) fn send_by_doorbell(
        &mut self,
        message: &[u8],
        wait: &mut dyn FnMut(Armed) -> bool,
    ) -> Result<(), TxError> {
        self.usable()?;
        self.check_length(message.len(), self.max_message)?;
        let mut stream = Stream::new();
        loop {
            match self.producer.push_stream(&mut stream, message) {
                Ok(()) => return Ok(()),
                Err(PushError::Full) => {}
                Err(error) => return Err(error.into()),
            }
            let fences = if self.producer.is_consumer_fenced() { Fences::SeqCst } else { self.peer.fences };
            let armed = arm(DOORBELL, fences, |word| self.producer.arm(word));
            let sleep = if armed.certain { Armed::Sleep } else { Armed::Nap };
            // Damage is told by the push that follows.
            let has_space = self.producer.has_space().unwrap_or(true);
            let goes_on = wait(if has_space { Armed::Ready } else { sleep });
            self.producer.disarm();
            let usable = self.usable();
            if !goes_on || usable.is_err() {
                self.producer.cancel_stream();
                return Err(usable.err().unwrap_or(TxError::Full));
            }
        }
    }

    /// Waits until what was refused last has room.
    pub(crate) fn wait_for_space(&mut self, deadline: Option<Instant>) -> Result<(), TxError> {
        let mut space = Space { producer: &mut self.producer, incoming: None, relief: None };
        let ended = block(&mut space, &mut self.spinner, &self.peer.bed(Sleeper::Sender), deadline);
        self.waited(ended)
    }

    /// The same, but taking in what the peer sends meanwhile.
    fn wait_with_relief(
        &mut self,
        deadline: Option<Instant>,
        relief: &mut dyn Relief,
    ) -> Result<(), TxError> {
        if relief.is_full() {
            return Err(TxError::Full);
        }
        let mut incoming = relief.borrow();
        let mut space =
            Space { producer: &mut self.producer, incoming: incoming.as_mut(), relief: Some(&*relief) };
        let ended = block(&mut space, &mut self.spinner, &self.peer.bed(Sleeper::Sender), deadline);
        if let Some(rx) = incoming {
            relief.give_back(rx);
        }
        self.waited(ended)
    }

    fn waited(&self, ended: Ended) -> Result<(), TxError> {
        match ended {
            Ended::Ready => Ok(()),
            Ended::TimedOut => Err(TxError::TimedOut),
            Ended::Gone => self.usable(),
        }
    }

    /// Whether a record of `max` bytes could be claimed now.
    #[inline]
    pub(crate) fn probe(&mut self, max: usize) -> Result<(), TxError> {
        self.usable()?;
        self.check_length(max, self.max_grant())?;
        self.producer.probe(max).map_err(|error| self.peer.refused(error))
    }

    #[inline]
    pub(crate) fn grant(&mut self, max: usize) -> Result<Grant<'_>, TxError> {
        self.usable()?;
        self.check_length(max, self.max_grant())?;
        let Self { producer, peer, .. } = self;
        let claim = producer.claim(max).map_err(|error| peer.refused(error))?;
        Ok(Grant::shm(claim, peer.origin))
    }

    #[inline]
    pub(crate) fn batch(&mut self) -> Batch<'_> {
        let (usable, longest) = (self.usable(), self.max_atomic());
        Batch::shm(self.producer.batch(), usable, longest, &self.peer)
    }

    #[inline]
    pub(crate) fn max_grant(&self) -> u64 {
        self.max_record
    }

    #[inline]
    pub(crate) fn max_atomic(&self) -> u64 {
        self.producer.geometry().max_atomic().min(self.max_message)
    }

    pub(crate) fn max_message(&self) -> u64 {
        self.max_message
    }

    pub(crate) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    pub(crate) fn close(&mut self) {
        if !self.peer.forked() {
            self.producer.close();
        }
    }

    /// What the dead peer had not taken; `None` once that was handed back.
    pub(crate) fn salvage(&mut self) -> Result<Option<Undelivered<ShmMemory>>, Corrupt> {
        if self.salvaged {
            return Ok(None);
        }
        let undelivered = self.producer.salvage()?;
        self.salvaged = true;
        Ok(Some(undelivered))
    }
}

impl Drop for ShmTx {
    fn drop(&mut self) {
        self.close();
    }
}
