//! What the cluster asks of a link and of its handshake, so that its own rules can be tested without either.

use super::error::{HandshakeError, SendError, SpawnError};
use super::id::WorkerId;
use super::mark::Sockets;
use super::message::Undelivered;
use crate::channel::{About, Message};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

/// What one look at a link gives.
#[derive(Debug)]
pub(crate) enum Received {
    Message(Message),
    /// No whole message is there now, or none within one look.
    Empty,
    /// The peer closed the link, and everything that it sent has been taken.
    Closed,
    /// The peer has gone without a close, and everything that it sent has been taken.
    HungUp,
    /// The peer wrote what Ringway never writes.
    Corrupt {
        field: &'static str,
    },
}

/// Whether one may sleep until the doorbell rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Armed {
    Sleep,
    /// Only as long as [`Naps`](crate::wait::nap::Naps) say: a doorbell may be missed.
    Nap,
    /// No: something is there.
    Ready,
}

/// The receiving half of the master's end of a link.
pub(crate) trait ReceiveHalf: Send + 'static {
    /// Takes the next message. Bounded work.
    fn try_recv(&mut self) -> Received;

    /// After [`Received::Empty`]: whether there was something nevertheless, a part of a message.
    fn has_more(&self) -> bool;

    /// Asks the peer for a doorbell with its next commit.
    fn arm(&mut self) -> Armed;

    /// What the two ends agreed on.
    fn about(&self) -> Option<&About>;

    /// What becomes readable when the peer rings: for a message, for space, or both.
    fn doorbell(&self) -> BorrowedFd<'_>;

    /// `None` if the peer rings for space as it does for a message. Else the doorbell is *writable* when there is
    /// space, and this becomes readable when the peer says that it takes nothing more.
    fn notes(&self) -> Option<BorrowedFd<'_>>;

    /// Takes the doorbells that have arrived. What was rung for must be looked at afterwards.
    fn silence(&mut self);

    /// The peer's process has ended: what it committed is all that will come.
    fn mark_dead(&mut self);
}

/// The sending half of the master's end of a link.
pub(crate) trait SendHalf: Send + 'static {
    /// Sends if there is space. An error means that nothing was sent.
    fn try_send(&mut self, message: &[u8]) -> Result<(), SendError>;

    /// Sends, calling `wait` each time that there is no space *after* having asked the peer for a doorbell. `wait`
    /// is told whether that is certain to ring, and may return early. Its error is returned, and the message withdrawn.
    fn send(
        &mut self,
        message: &[u8],
        wait: &mut dyn FnMut(Armed) -> Result<(), SendError>,
    ) -> Result<(), SendError>;

    /// The peer is to take what is there and then be told that this was all.
    fn close(&mut self);

    /// What the peer had not taken. Only after the peer's death.
    fn undelivered(self) -> Undelivered;
}

/// A link that is up.
#[derive(Debug)]
pub(crate) struct Link<S, R> {
    pub(crate) sender: S,
    pub(crate) receiver: R,
}

/// How far a handshake has come.
#[derive(Debug)]
pub(crate) enum Progress<S, R> {
    /// The worker's next message is awaited.
    Waiting,
    Up(Link<S, R>),
    /// The worker's end is closed.
    HungUp,
}

/// The master's side of a handshake that is under way.
pub(crate) trait Handshake: Send + 'static {
    type Sender: SendHalf;
    type Receiver: ReceiveHalf;

    /// The master's end of the control socket.
    fn control(&self) -> &Arc<OwnedFd>;

    /// Takes what has arrived and answers it. Never blocks. Not called again after anything but `Waiting`.
    fn step(&mut self) -> Result<Progress<Self::Sender, Self::Receiver>, HandshakeError>;
}

/// Where links come from.
pub(crate) trait Port: Send + Sync + 'static {
    type Handshake: Handshake;

    /// Begins a handshake; the second half is for the worker.
    fn offer(&self, id: WorkerId) -> Result<(Self::Handshake, Sockets), SpawnError>;
}

pub(crate) type SenderOf<P> = <<P as Port>::Handshake as Handshake>::Sender;
pub(crate) type ReceiverOf<P> = <<P as Port>::Handshake as Handshake>::Receiver;
