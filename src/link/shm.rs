//! The shared-memory link: one ring each way.

use super::bells::Sleeper;
use super::condition::{Data, Space};
use super::error::{Cause, RxError, TxError};
use super::grant::{Batch, Grant};
use super::peer::Peer;
use super::rx::Armed;
use super::turns::{Awaited, Expected, Occasion};
use super::tx::Relief;
use crate::ring::lines::{DOORBELL, SPACE};
use crate::ring::{
    CACHE_LINE, Consumer, Corrupt, Memory, PopError, Producer, PushError, Reading, Stream, Undelivered,
    footprint,
};
use crate::segment::ShmMemory;
use crate::sync::{AtomicU64, Fences};
use crate::wait::sleep::{Ended, arm, block};
use crate::wait::spin::Spinner;
use std::sync::Arc;
use std::time::Instant;

/// The sending half.
#[derive(Debug)]
pub(crate) struct ShmTx {
    pub(crate) producer: Producer<ShmMemory>,
    peer: Arc<Peer>,
    spinner: Spinner,
    max_message: u64,
    /// The longest message in one record.
    max_record: u64,
}

/// The receiving half.
#[derive(Debug)]
pub(crate) struct ShmRx {
    pub(crate) consumer: Consumer<ShmMemory>,
    peer: Arc<Peer>,
    spinner: Spinner,
    /// The position of a message that was [lingered](ShmRx::linger) for in vain.
    lingered: Option<u64>,
    /// How many answers were waited for.
    answers: u32,
}

/// Of so many answers one is looked for at once. If it is there, it was there before it was waited for: calls or answers
/// queue up, which is a stream in both directions, and nobody waits for a turn.
const EARLY_LOOK: u32 = 64;

impl ShmTx {
    pub(crate) fn new(
        producer: Producer<ShmMemory>,
        peer: Arc<Peer>,
        spinner: Spinner,
        max_message: u64,
    ) -> Self {
        let max_record = producer.geometry().max_payload().min(max_message);
        Self { producer, peer, spinner, max_message, max_record }
    }

    /// The short way to [`ShmTx::try_send`]: `false` if there is anything to look at first.
    #[inline(always)]
    pub(crate) fn send_fast(&mut self, message: &[u8]) -> bool {
        let here = !self.peer.forked() && !self.peer.presence().is_gone();
        if !here || message.len() as u64 > self.max_message {
            return false;
        }
        match self.peer.turns.occasion() {
            Occasion::Stream => {}
            Occasion::Turn => return self.send_turn(message),
            Occasion::Second => self.peer.turns.stream(),
        }
        self.producer.push_fast(message)
    }

    /// The same, when the peer may be waiting for this one message. Apart, so that streams have the registers to themselves.
    #[inline(never)]
    fn send_turn(&mut self, message: &[u8]) -> bool {
        if !self.producer.push_again(message) {
            return self.send_other_turn(message);
        }
        self.peer.turns.take(self.producer.position());
        true
    }

    /// A turn that is not like the one before.
    #[inline(never)]
    fn send_other_turn(&mut self, message: &[u8]) -> bool {
        self.peer.turns.stream();
        let sent = self.producer.push_turn(message);
        if sent && footprint(message.len() as u64) <= CACHE_LINE {
            self.peer.turns.take(self.producer.position());
        }
        sent
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
        let mut stream = Stream::new();
        loop {
            match self.producer.push_stream(&mut stream, message) {
                Ok(()) => return Ok(()),
                Err(PushError::Full) => {}
                Err(error) => return Err(error.into()),
            }
            let waited = match &mut relief {
                Some(relief) => self.wait_with_relief(deadline, *relief),
                None => self.wait_for_space(deadline),
            };
            if let Err(error) = waited {
                self.producer.cancel_stream();
                return Err(error);
            }
        }
    }

    /// Commits a message, waiting for space by doorbell: see [`super::Tx::send_by_doorbell`].
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
            let goes_on = self.producer.has_space().unwrap_or(true) || wait(sleep);
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

    /// What the dead peer had not taken.
    pub(crate) fn salvage(&mut self) -> Result<Undelivered<ShmMemory>, Corrupt> {
        self.producer.salvage()
    }
}

impl Drop for ShmTx {
    fn drop(&mut self) {
        self.close();
    }
}

impl ShmRx {
    pub(crate) fn new(consumer: Consumer<ShmMemory>, peer: Arc<Peer>, spinner: Spinner) -> Self {
        Self { consumer, peer, spinner, lingered: None, answers: 0 }
    }

    /// The short way to [`ShmRx::try_recv_into`]: `None` if there is anything to look at first.
    #[inline(always)]
    pub(crate) fn recv_fast(&mut self, buffer: &mut [u8]) -> Option<usize> {
        if self.peer.forked() { None } else { self.consumer.pop_fast(buffer) }
    }

    /// Takes a message into `buffer` if there is one.
    #[inline]
    pub(crate) fn try_recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, RxError> {
        self.usable()?;
        match self.consumer.pop_into(buffer) {
            Ok(len) => Ok(len),
            Err(PopError::Empty) => self.nothing(|consumer| consumer.pop_into(buffer)),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a message if there is one.
    pub(crate) fn try_recv(&mut self) -> Result<Vec<u8>, RxError> {
        self.usable()?;
        match self.consumer.pop() {
            Ok(message) => Ok(message),
            Err(PopError::Empty) => self.nothing(Consumer::pop),
            Err(error) => Err(error.into()),
        }
    }

    /// Hands a message out where it lies, if there is one. [`ShmRx::release`] gives its place back.
    pub(crate) fn try_read(&mut self) -> Result<Reading, RxError> {
        self.usable()?;
        match self.consumer.read() {
            Ok(reading) => Ok(reading),
            Err(PopError::Empty) => self.nothing(Consumer::read),
            Err(error) => Err(error.into()),
        }
    }

    /// The words in which a message that was read lies; none in a forked child, where there is nothing.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        if self.peer.forked() { &[] } else { self.consumer.memory().words() }
    }

    /// The place of what was read may be overwritten.
    pub(crate) fn release(&mut self) {
        if !self.peer.forked() {
            self.consumer.release();
        }
    }

    /// Not a copy of the parent's. A peer that is gone, even if it lives and has only hung up, gets no more space: what
    /// it left ends within one capacity, whatever stands there. The short way comes here once in an eighth of that.
    #[inline(always)]
    fn usable(&mut self) -> Result<(), RxError> {
        if self.peer.forked() {
            return Err(RxError::Disconnected(Cause::Forked));
        }
        if self.peer.presence().is_gone() {
            self.consumer.freeze();
        }
        Ok(())
    }

    /// There is nothing; if the peer is gone there may have been something after we looked and before it went.
    fn nothing<T>(
        &mut self,
        again: impl FnOnce(&mut Consumer<ShmMemory>) -> Result<T, PopError>,
    ) -> Result<T, RxError> {
        self.peer.look();
        let Some(cause) = self.peer.cause() else { return Err(RxError::Empty) };
        self.consumer.freeze();
        match again(&mut self.consumer) {
            Err(PopError::Empty) if self.consumer.poll() => Err(RxError::Empty),
            Err(PopError::Empty) => Err(RxError::Disconnected(cause)),
            other => Ok(other?),
        }
    }

    /// The short way to wait for a message and take it into `buffer`: `None` if there is anything else to look at first, or
    /// nothing came soon.
    #[inline(always)]
    pub(crate) fn recv_soon(&mut self, buffer: &mut [u8]) -> Option<usize> {
        match self.peer.turns.expected() {
            Expected::Any => self.recv_fast(buffer),
            expected => self.recv_turn(expected, buffer),
        }
    }

    /// The same while the ends take turns. The answer to a message that was just sent cannot be there yet, and a look would
    /// take the line away in which the peer is about to write it. Apart, as [`ShmTx::send_turn`] is.
    #[inline(never)]
    fn recv_turn(&mut self, expected: Expected, buffer: &mut [u8]) -> Option<usize> {
        if expected != Expected::Answer {
            let taken = self.recv_fast(buffer);
            if taken.is_some() {
                self.peer.turns.stream();
            }
            return taken;
        }
        self.answers = self.answers.wrapping_add(1);
        if self.answers % EARLY_LOOK == 0 {
            if let Some(len) = self.recv_fast(buffer) {
                self.peer.turns.stream();
                return Some(len);
            }
        }
        if self.peer.forked() {
            return None;
        }
        let Self { consumer, peer, spinner, lingered, .. } = self;
        let awaited = consumer.position();
        consumer.pop_line(buffer, |memory, look| {
            let position = peer.turns.await_answer();
            let seen = spinner.answer(|| look.now());
            // Whoever took turns until now will send next: its line, if the peer's processor fetched it ahead, comes back
            // while this message is copied out. Not sooner: with the address at hand, so that it was asked for beside the
            // look, a round trip of 48 bytes took a third longer on Zen 3, as long as without any of this.
            memory.fetch_outgoing(position);
            if seen.is_none() {
                *lingered = Some(awaited);
            }
            seen
        })
    }

    /// A short wait, in which nothing is looked at but the next header: each look takes its line from the sender.
    /// `false`: there was something, which has to be looked at the long way, or nothing came.
    #[inline]
    pub(crate) fn linger(&mut self) -> bool {
        if self.peer.forked() || self.has_lingered() || self.consumer.poll() {
            return false;
        }
        self.consumer.publish();
        let streams = self.peer.turns.wait() == Awaited::Next;
        let Self { consumer, spinner, .. } = self;
        let seen = spinner.linger(&mut Data { consumer, streams });
        if !seen {
            self.lingered = Some(self.consumer.position());
        }
        seen
    }

    /// Whether the next message was lingered for, in vain.
    fn has_lingered(&self) -> bool {
        self.lingered == Some(self.consumer.position())
    }

    /// Waits until there is something to take, or to report. `false`: the deadline passed first.
    pub(crate) fn wait(&mut self, deadline: Option<Instant>) -> bool {
        // What has lingered in vain waits for an answer, or for a stream that is not quick.
        let streams = !self.has_lingered() && self.peer.turns.wait() == Awaited::Next;
        let Self { consumer, peer, spinner, .. } = self;
        let mut data = Data { consumer, streams };
        block(&mut data, spinner, &peer.bed(Sleeper::Receiver), deadline) != Ended::TimedOut
    }

    /// Asks to be woken through the control socket.
    pub(crate) fn arm_doorbell(&mut self) -> Armed {
        let fences = if self.is_peer_fenced() { Fences::SeqCst } else { self.peer.fences };
        let armed = arm(DOORBELL, fences, |word| self.consumer.arm(word));
        if self.consumer.is_ready() || self.peer.cause().is_some() {
            self.consumer.disarm();
            return Armed::Ready;
        }
        if armed.certain { Armed::Sleep } else { Armed::Nap }
    }

    /// Whether the peer's sender executes full fences by now, whatever was agreed.
    pub(crate) fn is_peer_fenced(&self) -> bool {
        self.consumer.is_producer_fenced()
    }

    /// Asks that this end's waiting sender be woken when there is something to take. `fence` is
    /// [`FENCE_LOST`](crate::ring::lines::FENCE_LOST) or 0.
    pub(crate) fn arm_for_sender(&mut self, fence: u32) {
        self.consumer.arm(SPACE | fence);
    }

    pub(crate) fn disarm(&mut self) {
        self.consumer.disarm();
    }

    /// One cheap look.
    pub(crate) fn poll(&self) -> bool {
        self.consumer.poll()
    }

    #[cfg(test)]
    pub(crate) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// How many bytes of a message came that will never be finished.
    pub(crate) fn partial(&self) -> Option<u64> {
        self.consumer.partial()
    }

    pub(crate) fn close(&mut self) {
        if !self.peer.forked() {
            self.consumer.close();
        }
    }
}

impl Drop for ShmRx {
    fn drop(&mut self) {
        self.close();
    }
}
