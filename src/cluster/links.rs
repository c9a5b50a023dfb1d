//! The real links: what the cluster asks of a handshake and of a link, answered by the channel's parts.

use super::error::{HandshakeError, SendError, SpawnError};
use super::id::WorkerId;
use super::link_port::{Armed, Handshake, Link, Port, Progress, ReceiveHalf, Received, SendHalf};
use super::mark::Sockets as WorkerSockets;
use super::message::Undelivered;
use crate::channel::{About, Message, Options, handshake::Refusal};
use crate::control::drive::{self, Session};
use crate::control::identity::Identity;
use crate::control::offer::Offerer;
use crate::link::connect::{End, Sockets};
use crate::link::error::{Cause, RxError, TxError};
use crate::link::peer::Peer;
use crate::link::{Rx, Tx};
use crate::sys::{deadline, socket};
use crate::wait::watch::Gone;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

/// Makes links as the options say.
#[derive(Debug)]
pub(crate) struct Links {
    options: Options,
}

impl Links {
    pub(crate) fn new(options: Options) -> Self {
        Self { options }
    }
}

impl From<&Refusal> for HandshakeError {
    fn from(refusal: &Refusal) -> Self {
        Self::new(refusal.to_string(), refusal.errno())
    }
}

impl Port for Links {
    type Handshake = Offering;

    fn offer(&self, id: WorkerId) -> Result<(Offering, WorkerSockets), SpawnError> {
        let (control, worker_control) = socket::pair()?;
        let (data, worker_data) = socket::pair()?;
        let peer_data = Some(worker_data.try_clone()?);
        let end = End::offering(self.options.wish(Identity::new(id.slot(), id.generation())));
        // The supervisor has the time limit: it knows when the process was started.
        let now = Instant::now();
        let until = deadline::after(now, self.options.handshake_limit().saturating_mul(2));
        let session = Session::offer(end.offer(), now, until);
        let control = Arc::new(control);
        let under_way = Some(UnderWay { end, session, data, peer_data });
        let mut offering = Offering { control, under_way };
        // The offer waits in the socket for the worker to be there.
        offering.step()?;
        Ok((offering, WorkerSockets { control: worker_control, data: worker_data }))
    }
}

/// A handshake with a worker.
#[derive(Debug)]
pub(crate) struct Offering {
    control: Arc<OwnedFd>,
    under_way: Option<UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    end: End,
    session: Session<Offerer>,
    data: OwnedFd,
    peer_data: Option<OwnedFd>,
}

impl Handshake for Offering {
    type Sender = Tx;
    type Receiver = Incoming;

    fn control(&self) -> &Arc<OwnedFd> {
        &self.control
    }

    fn step(&mut self) -> Result<Progress<Tx, Incoming>, HandshakeError> {
        let Some(UnderWay { end, session, .. }) = &mut self.under_way else { return Ok(Progress::HungUp) };
        let established = match session.advance(self.control.as_fd(), end, Instant::now()) {
            Ok(drive::Progress::Waiting { .. }) => return Ok(Progress::Waiting),
            Ok(drive::Progress::Done(established)) => *established,
            Err(Refusal::HungUp { .. } | Refusal::Died { .. }) => return Ok(Progress::HungUp),
            Err(refusal) => return Err(HandshakeError::from(&refusal)),
        };
        let Some(UnderWay { end, data, peer_data, .. }) = self.under_way.take() else {
            return Ok(Progress::HungUp);
        };
        // Whether a worker is gone the supervisor finds out.
        let sockets = Sockets { control: Arc::clone(&self.control), data, peer_data, watched: false };
        let about = About::of(&established);
        match end.finish(established, sockets, None) {
            Ok(link) => {
                let peer = Arc::clone(link.tx.peer());
                Ok(Progress::Up(Link { sender: link.tx, receiver: Incoming { rx: link.rx, peer, about } }))
            }
            Err(errno) => {
                let what = format!("the link could not be set up: {errno}");
                Err(HandshakeError::new(what, Some(errno.raw_os_error())))
            }
        }
    }
}

/// The receiving half, and the peer behind it.
#[derive(Debug)]
pub(crate) struct Incoming {
    rx: Rx,
    peer: Arc<Peer>,
    about: About,
}

impl ReceiveHalf for Incoming {
    fn try_recv(&mut self) -> Received {
        match self.rx.try_recv() {
            Ok(bytes) => Received::Message(Message::new(bytes)),
            Err(RxError::Empty | RxError::TooSmall { .. }) => Received::Empty,
            Err(RxError::Disconnected(Cause::Corrupt(corrupt))) => {
                Received::Corrupt { field: corrupt.field.name() }
            }
            Err(RxError::Disconnected(Cause::Closed)) => Received::Closed,
            Err(RxError::Disconnected(_)) => Received::HungUp,
        }
    }

    fn has_more(&self) -> bool {
        self.rx.poll()
    }

    fn about(&self) -> Option<&About> {
        Some(&self.about)
    }

    fn arm(&mut self) -> Armed {
        armed(self.rx.arm_doorbell())
    }

    fn doorbell(&self) -> BorrowedFd<'_> {
        self.peer.wake_fd()
    }

    fn notes(&self) -> Option<BorrowedFd<'_>> {
        self.peer.note_fd()
    }

    fn silence(&mut self) {
        let _ = self.peer.drain_doorbells();
    }

    fn mark_dead(&mut self) {
        self.peer.mark(Gone::Dead);
    }
}

impl SendHalf for Tx {
    fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        Tx::try_send(self, message).map_err(|error| refused(error, self.max_message()))
    }

    fn send(
        &mut self,
        message: &[u8],
        wait: &mut dyn FnMut(Armed) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let max_message = self.max_message();
        let mut failed = None;
        let sent = self.send_by_doorbell(message, &mut |sleep| match wait(armed(sleep)) {
            Ok(()) => true,
            Err(error) => {
                failed = Some(error);
                false
            }
        });
        match (sent, failed) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(error)) => Err(error),
            (Err(error), None) => Err(refused(error, max_message)),
        }
    }

    fn close(&mut self) {
        Tx::close(self);
    }

    fn undelivered(mut self) -> Undelivered {
        // Its status was taken. Where pidfds are denied, the link has seen a hang-up at most.
        self.peer().mark(Gone::Dead);
        match self.salvage() {
            Ok(messages) => Undelivered::new(messages.map(Message::new)),
            // A cursor that lies: what the worker had taken cannot be told from what it had not.
            Err(_) => Undelivered::none(),
        }
    }
}

fn armed(armed: crate::link::Armed) -> Armed {
    match armed {
        crate::link::Armed::Sleep => Armed::Sleep,
        crate::link::Armed::Nap => Armed::Nap,
        crate::link::Armed::Ready | crate::link::Armed::Lent => Armed::Ready,
    }
}

fn refused(error: TxError, max_message: u64) -> SendError {
    match error {
        TxError::Full | TxError::BatchFull => SendError::Full,
        TxError::TimedOut => SendError::TimedOut,
        TxError::TooLong { len, .. } if len > max_message => {
            SendError::TooLong { len: len as usize, max: max_message as usize }
        }
        TxError::TooLong { .. } => SendError::TooLongForTry,
        TxError::NoSpace(no_space) => SendError::NoSpace(no_space),
        TxError::Disconnected(Cause::Corrupt(corrupt)) => SendError::Corrupt { field: corrupt.field.name() },
        TxError::Disconnected(Cause::Forked) => SendError::Forked,
        TxError::Disconnected(_) => SendError::Gone,
    }
}
