//! The sending half of a socket link.

use super::grant::{SocketBatch, SocketGrant};
use super::packet::{self, Packet, Piece};
use super::salvage::SocketUndelivered;
use super::wire::{Half, Wire};
use crate::link::error::{Cause, TxError};
use crate::link::grant::{Batch, Grant};
use crate::link::peer::Peer;
use crate::link::rx::{Armed, Rx};
use crate::link::tx::Relief;
use crate::ring::{Flags, Kind, NoSpace};
use crate::sys::deadline;
use crate::sys::epoll::Interest;
use crate::sys::{Errno, socket};
use crate::wait::nap::doze;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

/// The sending half.
#[derive(Debug)]
pub(crate) struct SocketTx {
    wire: Arc<Wire>,
    peer: Arc<Peer>,
    /// The packet that is sent next. Nothing stays in it once a call has returned `Ok`.
    pub(super) packet: Packet,
    max_message: u64,
    /// A message in fragments was begun and is not finished.
    streaming: bool,
    closed: bool,
    pub(super) peer_end: Option<OwnedFd>,
    /// Whether there ever was such a one.
    pub(crate) salvages: bool,
    looks: bool,
}

impl SocketTx {
    /// `packet` is what packets are sent from. `peer_end` is a duplicate of the peer's end of the data socket, from which
    /// [`SocketTx::salvage`] reads. Each send `looks` first whether the peer is gone if neither the socket nor a thread tells.
    pub(super) fn new(
        wire: Arc<Wire>,
        peer: Arc<Peer>,
        peer_end: Option<OwnedFd>,
        packet: Packet,
        max_message: u64,
        looks: bool,
    ) -> Self {
        let (streaming, closed, salvages) = (false, false, peer_end.is_some());
        Self { wire, peer, packet, max_message, streaming, closed, peer_end, salvages, looks }
    }

    /// Commits a message at once, or not at all.
    #[inline]
    pub(crate) fn try_send(&mut self, message: &[u8]) -> Result<(), TxError> {
        self.usable()?;
        self.check_length(message.len(), self.max_atomic())?;
        self.commit_piece(Piece { kind: Kind::Data, total: None, bytes: message })
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
        let mut waited = false;
        for piece in packet::pieces(message, self.packet.max_payload()) {
            while let Err(error) = self.commit_piece(piece) {
                let wait = match (error, &mut relief) {
                    // As over shared memory, each wait may be a short one.
                    (TxError::Full, _) if waited && deadline::passed(deadline) => Err(TxError::TimedOut),
                    (TxError::Full, Some(relief)) => self.wait_with_relief(deadline, *relief),
                    (TxError::Full, None) => self.wait_for_space(deadline),
                    (error, _) => Err(error),
                };
                waited = true;
                if let Err(error) = wait {
                    self.cancel();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Commits a message, waiting for space beside a wait for messages: see [`super::super::Tx::send_by_doorbell`].
    pub(crate) fn send_by_doorbell(
        &mut self,
        message: &[u8],
        wait: &mut dyn FnMut(Armed) -> bool,
    ) -> Result<(), TxError> {
        self.usable()?;
        self.check_length(message.len(), self.max_message)?;
        for piece in packet::pieces(message, self.packet.max_payload()) {
            while let Err(error) = self.commit_piece(piece) {
                // What a hang-up was is soon known, and meanwhile the sockets tell nothing else.
                let settled = error == TxError::Full && self.wire.wait_in_doubt(&self.peer, None).is_some();
                let goes_on = settled || error == TxError::Full && wait(Armed::Sleep);
                let usable = self.usable();
                if !goes_on || usable.is_err() {
                    self.cancel();
                    return Err(usable.err().unwrap_or(error));
                }
            }
        }
        Ok(())
    }

    /// Not a copy of the parent's, the peer is there, and neither end has closed.
    #[inline(always)]
    pub(super) fn usable(&self) -> Result<(), TxError> {
        if self.peer.forked() {
            return Err(TxError::Disconnected(Cause::Forked));
        }
        if self.closed || self.wire.has_closed(Half::Receiving) {
            return Err(TxError::Disconnected(Cause::Closed));
        }
        if self.looks {
            self.wire.look(&self.peer, Interest::HangUp);
        }
        if self.peer.presence().is_gone() {
            return self.gone();
        }
        Ok(())
    }

    #[cold]
    fn gone(&self) -> Result<(), TxError> {
        if !self.peer.is_dead() {
            // A hang-up that was a death is found to be one by looking again.
            self.wire.look(&self.peer, Interest::HangUp);
        }
        if self.peer.cause().is_some() { Err(self.shut()) } else { Ok(()) }
    }

    pub(super) fn check_length(&self, len: usize, max: u64) -> Result<(), TxError> {
        let len = len as u64;
        let max = if len > self.max_message { self.max_message } else { max };
        if len > max { Err(TxError::TooLong { len, max }) } else { Ok(()) }
    }

    fn commit_piece(&mut self, piece: Piece<'_>) -> Result<(), TxError> {
        let flags = match piece.kind {
            Kind::Data | Kind::First => self.restart_flag(),
            _ => Flags::NONE,
        };
        self.packet.clear();
        let prefix: &[u8] = piece.total.as_ref().map_or(&[], |total| total);
        let fits = self.packet.push(piece.kind, flags, prefix, piece.bytes);
        debug_assert!(fits, "whoever cuts a message knows the packet");
        self.commit()?;
        self.streaming = matches!(piece.kind, Kind::First | Kind::Middle);
        Ok(())
    }

    /// What the first record of a packet must say.
    pub(super) fn restart_flag(&self) -> Flags {
        if self.streaming { Flags::RESTART } else { Flags::NONE }
    }

    /// Hands the packet to the kernel. After `Ok` it is the kernel's, whatever happens to this process.
    fn commit(&mut self) -> Result<(), TxError> {
        match socket::send(self.wire.data(), self.packet.written()) {
            Ok(()) => Ok(()),
            Err(Errno::AGAIN) => {
                // A dead peer whose end is still held here makes no space, and says nothing.
                self.wire.look(&self.peer, Interest::HangUp);
                self.usable().and(Err(TxError::Full))
            }
            Err(Errno::NOBUFS | Errno::NOMEM) => Err(TxError::NoSpace(NoSpace)),
            Err(_) => {
                self.wire.look(&self.peer, Interest::HangUp);
                Err(self.shut())
            }
        }
    }

    /// The same for whole messages in a packet for which there was space: it waits if that is gone.
    pub(super) fn commit_messages(&mut self) -> Result<(), Cause> {
        loop {
            match self.usable().and_then(|()| self.commit()) {
                Ok(()) => {
                    self.streaming = false;
                    return Ok(());
                }
                Err(TxError::Disconnected(cause)) => return Err(cause),
                // If this fails, the next attempt tells why.
                Err(TxError::Full) => _ = self.wait_for_space(None),
                // Nobody tells when the system has memory again, and who waits for it has to look for the peer's end.
                Err(_) => {
                    doze();
                    self.wire.look(&self.peer, Interest::HangUp);
                }
            }
        }
    }

    /// Gives up the message that is being streamed. If there is no space to say so, the next record says it.
    fn cancel(&mut self) {
        if self.streaming {
            let _ = self.commit_piece(Piece { kind: Kind::Cancel, total: None, bytes: &[] });
        }
    }

    /// Waits until there is space.
    pub(crate) fn wait_for_space(&mut self, deadline: Option<Instant>) -> Result<(), TxError> {
        self.usable()?;
        let in_time = self.wire.wait_to_send(&self.peer, Interest::Writable, deadline);
        self.waited(in_time)
    }

    /// The same, but taking in what the peer sends meanwhile.
    fn wait_with_relief(
        &mut self,
        deadline: Option<Instant>,
        relief: &mut dyn Relief,
    ) -> Result<(), TxError> {
        self.usable()?;
        if relief.is_full() {
            return Err(TxError::Full);
        }
        // If another thread has it, the bell tells when it is back.
        let incoming = relief.borrow();
        let in_time = match &incoming {
            Some(Rx::Socket(rx)) if rx.has_kept() => true,
            Some(Rx::Socket(rx)) if !rx.is_ended() => {
                self.wire.wait_to_send(&self.peer, Interest::Both, deadline)
            }
            _ => self.wire.wait_to_send(&self.peer, Interest::Writable, deadline),
        };
        if let Some(rx) = incoming {
            relief.give_back(rx);
        }
        self.waited(in_time)
    }

    fn waited(&self, in_time: bool) -> Result<(), TxError> {
        self.usable()?;
        if in_time { Ok(()) } else { Err(TxError::TimedOut) }
    }

    /// Why nothing can be sent to a peer that is gone, or has shut the socket. [`TxError::Full`] for as long as that may
    /// be its death, so that whoever waits waits for the truth.
    fn shut(&self) -> TxError {
        let closed = self.closed || self.wire.was_closed(&self.peer, Half::Receiving);
        if !closed && self.peer.may_be_dying().is_some() {
            return TxError::Full;
        }
        let cause = if closed { Cause::Closed } else { self.peer.cause().unwrap_or(Cause::HungUp) };
        TxError::Disconnected(cause)
    }

    /// Whether a grant of `max` bytes could be had now.
    pub(crate) fn probe(&mut self, max: usize) -> Result<(), TxError> {
        self.usable()?;
        self.check_length(max, self.max_grant())?;
        let seen = self.wire.look(&self.peer, Interest::Writable);
        self.usable()?;
        // What was shut both ways is never full: the commit tells.
        if seen.space || seen.shut { Ok(()) } else { Err(TxError::Full) }
    }

    pub(crate) fn grant(&mut self, max: usize) -> Result<Grant<'_>, TxError> {
        self.probe(max)?;
        Ok(Grant::socket(SocketGrant::new(self, max)))
    }

    pub(crate) fn batch(&mut self) -> Batch<'_> {
        Batch::socket(SocketBatch::new(self))
    }

    pub(crate) fn max_grant(&self) -> u64 {
        self.max_atomic()
    }

    pub(crate) fn max_atomic(&self) -> u64 {
        (self.packet.max_payload() as u64).min(self.max_message)
    }

    pub(crate) fn max_message(&self) -> u64 {
        self.max_message
    }

    pub(crate) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// Says that nothing more comes.
    pub(crate) fn close(&mut self) {
        if !self.closed && !self.peer.forked() {
            self.closed = true;
            self.wire.close(&self.peer, Half::Sending);
        }
    }

    /// What the dead peer had not received; `None` unless it is dead and its end of the socket is held here. The
    /// second call finds nothing.
    pub(crate) fn salvage(&mut self) -> Option<SocketUndelivered> {
        if self.peer.forked() {
            return None;
        }
        self.wire.look(&self.peer, Interest::HangUp);
        if !self.peer.is_dead() {
            return None;
        }
        self.close();
        self.peer_end.take().map(SocketUndelivered::new)
    }
}

impl Drop for SocketTx {
    fn drop(&mut self) {
        self.close();
    }
}
