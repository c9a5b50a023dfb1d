//! What both machines of the handshake share: events, actions, and what comes out.
//!
//! A machine is pure: it holds no descriptor and reads no clock. Whoever drives it tells it what happened and
//! when ([`Event`]), and does what it answers ([`Action`]), one for one. [`super::drive`] does so over a socket.

use std::fmt;
use std::time::Instant;

use super::decode::decode;
use super::fallback::{Cause, Chosen, End, Fallback, LinkChoice, Obstacle};
use super::identity::Identity;
use super::message::{FdKinds, Features, Kind, Message, Terms};
use super::refusal::Refusal;
use crate::sync::Fences;

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The machine may begin. The first event, and only that.
    Start,
    /// A packet came. While a message is being sent: the peer had hung up, and this was its last word.
    Packet {
        /// Its bytes; if it was longer than [`super::message::FRAME_MAX`], at least one more than that.
        bytes: &'a [u8],
        /// The descriptors that came with it.
        fds: FdReceipt,
    },
    /// The message of [`Action::Send`] was sent.
    Sent,
    /// The message of [`Action::Send`] cannot be sent because of its descriptors.
    FdsDenied {
        /// The system's error number.
        errno: i32,
    },
    /// What [`Action::Open`] or [`Action::Lend`] asked for is done, or why not.
    Opened(Result<(), Cause>),
    /// Time has passed.
    Tick,
    /// The peer closed its end.
    HungUp,
    /// The peer's process is dead, by the kernel's word, and has left nothing to read.
    Died,
    /// A system call on the control socket failed.
    Failed {
        /// The call.
        call: &'static str,
        /// Its error number.
        errno: i32,
    },
}

/// How many descriptors came with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FdReceipt {
    /// All that were sent.
    Complete(usize),
    /// Fewer than were sent, all closed by now: there was no room for so many, or this process may open no more.
    Truncated {
        /// The system's error number, if this process may open no more; 0 if there were too many.
        errno: i32,
    },
    /// This process may not receive descriptors: the kernel dropped whatever there was.
    Denied {
        /// The system's error number.
        errno: i32,
    },
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send one packet, then say [`Event::Sent`] or why not.
    Send {
        /// Its bytes.
        packet: Vec<u8>,
        /// The descriptors of this end that go with it, in the order of the bits.
        fds: FdKinds,
    },
    /// Wait for a packet, then say what came; from this instant on, say [`Event::Tick`].
    Wait {
        /// The end of the time limit.
        until: Instant,
    },
    /// Open what came with the last packet, and at the accepting end make a segment; then say [`Event::Opened`].
    Open,
    /// At the offering end, make a segment for the accepting end; there, take the one that came with the last packet.
    /// Then say [`Event::Opened`].
    Lend,
    /// Both ends agree. The last action.
    Done(Box<Agreed>),
    /// The handshake failed. The last action.
    Refused {
        /// What to tell the peer, if it can be told.
        notice: Option<Vec<u8>>,
        /// Why.
        refusal: Refusal,
    },
}

/// What both ends agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What the link runs over, and why if it is the socket.
    pub chosen: Chosen,
    /// How the two ends pair their fences.
    pub fences: Fences,
    /// Capacities and the longest message.
    pub terms: Terms,
    /// Who the accepting end is.
    pub identity: Identity,
    /// What the other end said of itself.
    pub peer: Peer,
    /// Whether the accepting end's segment is one that the offering end lent.
    pub lent: bool,
}

/// What the other end said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its process id: a claim, in its own pid namespace; good for a message to people, not for a signal.
    pub pid: u32,
    /// What it can do.
    pub features: Features,
}

/// What either end knows of itself before the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// The hash of this end's memory layout.
    pub layout: u64,
    /// This process's id.
    pub pid: u32,
    /// What this process can do.
    pub features: Features,
    /// Which link this end was told to use.
    pub choice: LinkChoice,
    /// What already stands in the way of shared memory here. At the offering end `Ok` means that the segment and
    /// the wait page are made.
    pub shm: Result<(), Cause>,
    /// What already stands in the way of named memory here. At the offering end `Ok` means that there is a name for it.
    pub portable: Result<(), Cause>,
    /// Whether this end passes a pidfd of itself.
    pub pidfd: bool,
}

impl Local {
    /// What this end can have by itself.
    pub(super) fn chosen(&self, at: End) -> Chosen {
        let asked_for = Cause::new(Obstacle::AskedFor);
        match (self.choice, self.shm, self.portable) {
            (LinkChoice::Socket, ..) => socket(at, asked_for),
            (LinkChoice::Portable, _, Ok(())) => Chosen::Portable(Fallback { at, cause: asked_for }),
            (LinkChoice::Portable, _, Err(cause)) => socket(at, cause),
            (_, Ok(()), _) => Chosen::Shm,
            (_, Err(cause), Ok(())) if cause.is_memfd_denied() => Chosen::Portable(Fallback { at, cause }),
            (_, Err(cause), _) => socket(at, cause),
        }
    }

    /// The descriptors that go with a message: `shm` if that is what is chosen, and the pidfd.
    pub(super) fn fds(&self, chosen: Chosen, shm: FdKinds) -> FdKinds {
        let segment = if chosen == Chosen::Shm { shm } else { FdKinds::NONE };
        if self.pidfd { segment.with(FdKinds::PIDFD) } else { segment }
    }

    /// Makes the best of a process that may not pass descriptors.
    pub(super) fn fds_denied(&mut self, at: End, chosen: &mut Chosen, errno: i32) {
        self.pidfd = false;
        self.features = self.features.without(Features::FD_PASSING);
        if *chosen == Chosen::Shm {
            *chosen = socket(at, Cause::with_errno(Obstacle::SendFds, errno));
        }
    }
}

/// Where a machine is. Each end has its own path:
///
/// - offering: new, sending Hello, awaiting Attach, opening (left out if the link is a socket), sending Go, over;
/// - accepting: new, awaiting Hello, opening (likewise), sending Attach, awaiting Go, over.
///
/// If the accepting end must borrow, it comes from opening to sending Attach by sending Borrow, awaiting Lend and lending,
/// and the offering end from awaiting Attach back to it by lending and sending Lend.
///
/// From everywhere a refusal leads to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Nothing has happened.
    New,
    /// The offering end sends its Hello.
    SendingHello,
    /// The accepting end waits for the Hello.
    AwaitingHello,
    /// An end opens what the other one passed.
    Opening,
    /// The accepting end sends its Attach.
    SendingAttach,
    /// The offering end waits for the Attach.
    AwaitingAttach,
    /// The accepting end sends its Borrow.
    SendingBorrow,
    /// The accepting end waits for the Lend.
    AwaitingLend,
    /// The offering end makes the segment that it lends, or the accepting end takes it.
    Lending,
    /// The offering end sends its Lend.
    SendingLend,
    /// The offering end sends its Go.
    SendingGo,
    /// The accepting end waits for the Go.
    AwaitingGo,
    /// The handshake has come to its end.
    Over,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::New => "not yet begun",
            Stage::SendingHello => "sending Hello",
            Stage::AwaitingHello => "awaiting Hello",
            Stage::Opening => "opening the peer's segment",
            Stage::SendingAttach => "sending Attach",
            Stage::AwaitingAttach => "awaiting Attach",
            Stage::SendingBorrow => "sending Borrow",
            Stage::AwaitingLend => "awaiting Lend",
            Stage::Lending => "lending a segment",
            Stage::SendingLend => "sending Lend",
            Stage::SendingGo => "sending Go",
            Stage::AwaitingGo => "awaiting Go",
            Stage::Over => "over",
        })
    }
}

/// A machine: one of the two ends of a handshake.
pub trait Machine {
    /// Takes note of what happened and says what to do.
    fn step(&mut self, event: Event<'_>, now: Instant) -> Action;

    /// What the descriptors of the last packet are, in their order. Empty if they are to be closed.
    fn received(&self) -> FdKinds;
}

/// The time limit of a handshake.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    started: Instant,
    until: Instant,
}

impl Limit {
    pub(super) fn new(started: Instant, until: Instant) -> Self {
        Self { started, until }
    }

    /// Waits for a message, unless the limit has passed.
    pub(super) fn wait(self, stage: Stage, now: Instant) -> Result<Action, Refusal> {
        if now < self.until {
            Ok(Action::Wait { until: self.until })
        } else {
            Err(Refusal::TimedOut { stage, after: now.saturating_duration_since(self.started) })
        }
    }
}

/// The descriptors of a [`Message::Lend`].
pub(super) fn lent_fds(chosen: Chosen) -> FdKinds {
    if chosen == Chosen::Shm { FdKinds::SEGMENT } else { FdKinds::NONE }
}

pub(super) const fn socket(at: End, cause: Cause) -> Chosen {
    Chosen::Socket(Fallback { at, cause })
}

pub(super) fn refused(refusal: Refusal) -> Action {
    Action::Refused { notice: refusal.notice().map(|notice| notice.encode()), refusal }
}

/// Refuses what one of the ends does not want.
pub(super) fn permit(chosen: Chosen, ours: LinkChoice, theirs: LinkChoice) -> Result<(), Refusal> {
    match chosen.fallback() {
        Some(fallback) if !chosen.suits(ours) || !chosen.suits(theirs) => {
            Err(Refusal::NoSharedMemory(fallback))
        }
        _ => Ok(()),
    }
}

/// Fences can be paired by membarrier only if each end can be reached by it and calls it.
pub(super) fn fences(ours: Features, theirs: Features) -> Fences {
    let both = Features::MEMBARRIER_REGISTERED.with(Features::MEMBARRIER_SLEEPS);
    if ours.contains(both) && theirs.contains(both) { Fences::Membarrier } else { Fences::SeqCst }
}

/// Reads a packet; a refusal of the peer is one of this end.
pub(super) fn read(bytes: &[u8]) -> Result<Message, Refusal> {
    match decode(bytes)? {
        Message::Refuse(refuse) => Err(Refusal::Peer(refuse)),
        message => Ok(message),
    }
}

/// The reason that a peer gave before it hung up, if it gave one.
pub(super) fn last_word(bytes: &[u8], stage: Stage) -> Refusal {
    match read(bytes) {
        Err(refusal @ (Refusal::Peer(_) | Refusal::Version { .. })) => refusal,
        _ => Refusal::HungUp { stage },
    }
}

/// Compares the descriptors that came with those that the message declared.
///
/// `Ok(Err(cause))`: they did not reach this end, and that is not the peer's fault. All of them are to be closed.
pub(super) fn count_fds(
    kind: Kind,
    declared: FdKinds,
    receipt: FdReceipt,
) -> Result<Result<FdKinds, Cause>, Refusal> {
    let expected = declared.count();
    match receipt {
        FdReceipt::Complete(got) if got == expected => Ok(Ok(declared)),
        FdReceipt::Denied { errno } => Ok(Err(Cause::with_errno(Obstacle::ReceiveFds, errno))),
        FdReceipt::Complete(got) => Err(Refusal::Descriptors { kind, expected, got }),
        FdReceipt::Truncated { errno } => Err(Refusal::DescriptorsTruncated { kind, expected, errno }),
    }
}
