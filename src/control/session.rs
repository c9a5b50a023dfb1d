//! One handshake under way: its machine, its socket's packets, its descriptors.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

use super::fallback::Cause;
use super::handshake::{Action, Agreed, Event, FdReceipt, Machine};
use super::message::{FRAME_MAX, FdKinds};
use super::refusal::Refusal;
use crate::sys::{Errno, socket};

/// Room for a packet, and for one byte more to see that it was longer.
const ROOM: usize = FRAME_MAX + 1;

/// A handshake under way. `M` is its end: [`Offerer`](super::offer::Offerer) or
/// [`Acceptor`](super::accept::Acceptor).
#[derive(Debug)]
pub struct Session<M> {
    machine: M,
    started: bool,
    passed: Passed,
}

/// How far a handshake is.
#[derive(Debug)]
pub enum Progress {
    /// Call again when the control socket is readable, and at this instant.
    Waiting {
        /// The end of the time limit.
        until: Instant,
    },
    /// Both ends agree.
    Done(Box<Established>),
}

/// How a handshake ended well.
#[derive(Debug)]
pub struct Established {
    /// What both ends agreed on.
    pub agreed: Agreed,
    /// The pidfd that the peer passed, if it did. That it is the peer's is the peer's claim.
    pub pidfd: Option<OwnedFd>,
}

/// The descriptors of one's own end. They stay open here; the peer gets duplicates.
#[derive(Clone, Copy, Debug, Default)]
pub struct Own<'a> {
    /// The end's segment; at an offering end that lends one, the one that it lends.
    pub segment: Option<BorrowedFd<'a>>,
    /// The link's wait page; the offering end's only.
    pub wait_page: Option<BorrowedFd<'a>>,
    /// A pidfd of this process.
    pub pidfd: Option<BorrowedFd<'a>>,
}

impl<'a> Own<'a> {
    /// The descriptors of these kinds, in their order. One that is announced but not there cannot be passed.
    fn select(&self, kinds: FdKinds) -> Result<Vec<BorrowedFd<'a>>, Errno> {
        let slots = [
            (FdKinds::SEGMENT, self.segment),
            (FdKinds::WAIT_PAGE, self.wait_page),
            (FdKinds::PIDFD, self.pidfd),
        ];
        let wanted = slots.into_iter().filter(|(kind, _)| kinds.contains(*kind));
        wanted.map(|(_, fd)| fd.ok_or(Errno::BADF)).collect()
    }
}

/// What the peer passed and nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Passed {
    pub(super) segment: Option<OwnedFd>,
    pub(super) wait_page: Option<OwnedFd>,
    pub(super) pidfd: Option<OwnedFd>,
}

impl Passed {
    /// Takes descriptors, which the machine has counted and named in their order; those without a name are closed.
    fn sort(&mut self, kinds: FdKinds, fds: Vec<OwnedFd>) {
        let slots = [
            (FdKinds::SEGMENT, &mut self.segment),
            (FdKinds::WAIT_PAGE, &mut self.wait_page),
            (FdKinds::PIDFD, &mut self.pidfd),
        ];
        let declared = slots.into_iter().filter(|(kind, _)| kinds.contains(*kind));
        for ((_, slot), fd) in declared.zip(fds) {
            *slot = Some(fd);
        }
    }
}

/// The two kinds of hosts as one: what is opened depends on the machine.
pub(super) trait Host<M> {
    fn open(&mut self, machine: &M, passed: &mut Passed) -> Result<(), Cause>;
    fn lend(&mut self, passed: &mut Passed) -> Result<(), Cause>;
    fn own(&self) -> Own<'_>;
}

impl<M: Machine> Session<M> {
    pub(super) fn new(machine: M) -> Self {
        Self { machine, started: false, passed: Passed::default() }
    }

    /// Does what can be done without waiting.
    pub(super) fn advance_with(
        &mut self,
        socket: BorrowedFd<'_>,
        host: &mut impl Host<M>,
        now: Instant,
    ) -> Result<Progress, Refusal> {
        if !self.started {
            self.started = true;
            return self.tell(Event::Start, socket, host, now);
        }
        match self.take(socket, now) {
            Some(action) => self.perform(action, socket, host, now),
            None => self.tell(Event::Tick, socket, host, now),
        }
    }

    /// Tells the machine of an event, and does what follows.
    pub(super) fn tell(
        &mut self,
        event: Event<'_>,
        socket: BorrowedFd<'_>,
        host: &mut impl Host<M>,
        now: Instant,
    ) -> Result<Progress, Refusal> {
        let action = self.machine.step(event, now);
        self.perform(action, socket, host, now)
    }

    fn perform(
        &mut self,
        mut action: Action,
        socket: BorrowedFd<'_>,
        host: &mut impl Host<M>,
        now: Instant,
    ) -> Result<Progress, Refusal> {
        loop {
            action = match action {
                Action::Send { packet, fds } => self.send(socket, &packet, fds, host.own(), now),
                Action::Open => {
                    let opened = host.open(&self.machine, &mut self.passed);
                    self.machine.step(Event::Opened(opened), now)
                }
                Action::Lend => {
                    let lent = host.lend(&mut self.passed);
                    self.machine.step(Event::Opened(lent), now)
                }
                Action::Wait { until } => match self.take(socket, now) {
                    Some(action) => action,
                    None => return Ok(Progress::Waiting { until }),
                },
                Action::Done(agreed) => {
                    let Passed { pidfd, .. } = std::mem::take(&mut self.passed);
                    return Ok(Progress::Done(Box::new(Established { agreed: *agreed, pidfd })));
                }
                Action::Refused { notice, refusal } => {
                    // A peer that cannot be told finds out by the hang-up.
                    let _ = notice.map(|notice| socket::send(socket, &notice));
                    return Err(refusal);
                }
            }
        }
    }

    /// Sends a packet, and tells the machine whether it went.
    fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        packet: &[u8],
        kinds: FdKinds,
        own: Own<'_>,
        now: Instant,
    ) -> Action {
        let sent = if kinds == FdKinds::NONE {
            socket::send(socket, packet)
        } else {
            own.select(kinds).and_then(|fds| socket::send_with_fds(socket, packet, &fds))
        };
        let event = match sent {
            Ok(()) => Event::Sent,
            Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => {
                // Why the peer hung up may still lie in the queue.
                return self.take(socket, now).unwrap_or_else(|| self.machine.step(Event::HungUp, now));
            }
            Err(errno) if kinds != FdKinds::NONE && errno != Errno::AGAIN => {
                Event::FdsDenied { errno: errno.raw_os_error() }
            }
            Err(errno) => Event::Failed { call: "send", errno: errno.raw_os_error() },
        };
        self.machine.step(event, now)
    }

    /// Takes a packet from the socket, if there is one, and tells the machine.
    fn take(&mut self, socket: BorrowedFd<'_>, now: Instant) -> Option<Action> {
        let mut packet = [0; ROOM];
        let mut fds = Vec::new();
        let mut received = receive(socket, &mut packet, &mut fds);
        if received == Err(Errno::CONNRESET) {
            // Said once, when the peer left something unread: what it had sent before is still there.
            received = receive(socket, &mut packet, &mut fds);
        }
        let event = match received {
            Err(Errno::AGAIN) => return None,
            // Nothing is not the end but an empty packet while the peer is there; then it is no message.
            Ok((0, _)) if socket::is_hung_up(socket).unwrap_or(true) => Event::HungUp,
            Err(Errno::CONNRESET) => Event::HungUp,
            Ok((len, fds)) => Event::Packet { bytes: &packet[..len], fds },
            Err(errno) => Event::Failed { call: "recv", errno: errno.raw_os_error() },
        };
        let action = self.machine.step(event, now);
        self.passed.sort(self.machine.received(), fds);
        Some(action)
    }
}

/// Receives a packet and its descriptors; the packet alone where a filter forbids `recvmsg`.
fn receive(
    socket: BorrowedFd<'_>,
    packet: &mut [u8; ROOM],
    fds: &mut Vec<OwnedFd>,
) -> Result<(usize, FdReceipt), Errno> {
    match socket::recv_with_fds(socket, packet, fds) {
        Ok(received) if received.fds_truncated => {
            let errno = received.no_room.map_or(0, Errno::raw_os_error);
            Ok((received.len, FdReceipt::Truncated { errno }))
        }
        Ok(received) => Ok((received.len, FdReceipt::Complete(fds.len()))),
        Err(errno @ (Errno::PERM | Errno::NOSYS | Errno::ACCESS)) => {
            let denied = FdReceipt::Denied { errno: errno.raw_os_error() };
            match socket::recv(socket, packet) {
                Ok(len) => Ok((len, denied)),
                Err(Errno::MSGSIZE) => Ok((ROOM, denied)),
                Err(errno) => Err(errno),
            }
        }
        Err(errno) => Err(errno),
    }
}
