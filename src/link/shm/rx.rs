//! The receiving half of a shared-memory link.

use crate::link::bells::Sleeper;
use crate::link::condition::Data;
use crate::link::error::{Cause, RxError};
use crate::link::peer::Peer;
use crate::link::rx::Armed;
use crate::link::turns::{Awaited, Expected};
use crate::ring::lines::{DOORBELL, SPACE};
use crate::ring::{Consumer, Memory, PopError, Reading, Taken};
use crate::segment::ShmMemory;
use crate::sync::{AtomicU64, Fences};
use crate::wait::sleep::{Ended, arm, block};
use crate::wait::spin::Spinner;
use std::sync::Arc;
use std::time::Instant;

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

impl ShmRx {
    pub(crate) fn new(consumer: Consumer<ShmMemory>, peer: Arc<Peer>, spinner: Spinner) -> Self {
        Self { consumer, peer, spinner, lingered: None, answers: 0 }
    }

    /// The short way to [`ShmRx::try_recv_into`]: `None` if there is anything to look at first.
    #[inline(always)]
    pub(crate) fn recv_fast(&mut self, buffer: &mut [u8]) -> Option<usize> {
        if self.peer.forked() { None } else { self.consumer.pop_fast(buffer).length() }
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

    /// There is nothing, or no end of a long message yet; if the peer is gone there may have been something after we looked and
    /// before it went.
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

    /// The short ways to take the next message of a stream, or the answer to one that was just sent, which is waited for a moment.
    ///
    /// Each is a function of its own, which has few registers to save, and this is small enough to be a part of its caller.
    #[inline(always)]
    pub(crate) fn recv_next(&mut self, buffer: &mut [u8]) -> Taken {
        if self.peer.gives_any() {
            return self.recv_stream(buffer);
        }
        if self.peer.turns.is_answer() {
            self.answers = self.answers.wrapping_add(1);
            if self.answers % EARLY_LOOK != 0 {
                return self.recv_answer(buffer);
            }
        }
        self.recv_early(buffer)
    }

    #[inline(never)]
    fn recv_stream(&mut self, buffer: &mut [u8]) -> Taken {
        self.consumer.pop_fast(buffer)
    }

    /// The short way to look at once, while the ends take turns: for a second message after an answer, and now and then for an
    /// answer that came [before it was waited for](EARLY_LOOK).
    #[inline(never)]
    fn recv_early(&mut self, buffer: &mut [u8]) -> Taken {
        let expected = self.peer.turns.expected();
        if expected == Expected::Any || self.peer.forked() {
            return Taken::NOTHING;
        }
        let taken = self.consumer.pop_fast(buffer);
        if taken != Taken::NOTHING {
            self.peer.turns.stream();
        } else if expected == Expected::Answer {
            return self.recv_answer(buffer);
        }
        taken
    }

    /// The short way to wait for the answer to a message of one line. That cannot be there yet, and a look would take the line away
    /// in which the peer is about to write. What there is to be found out is found out before it is there.
    #[inline(never)]
    fn recv_answer(&mut self, buffer: &mut [u8]) -> Taken {
        if self.peer.forked() {
            return Taken::NOTHING;
        }
        let Self { consumer, peer, spinner, lingered, .. } = self;
        let awaited = consumer.position();
        consumer.pop_line(buffer, |memory, look| {
            let outgoing = memory.next_outgoing(peer.turns.await_answer());
            let seen = spinner.answer(|| look.now());
            // Whoever took turns until now will send next: its line, if the peer's processor fetched it ahead, comes back
            // while this message is copied out. Not sooner: with the address at hand, so that it was asked for beside the
            // look, a round trip of 48 bytes took a third longer on Zen 3, as long as without any of this.
            ShmMemory::fetch(outgoing);
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
