//! The end that speaks first.
//!
//! ```text
//!       Start               Sent                 Attach          Opened           Sent
//!  New ───────▶ SendingHello ───▶ AwaitingAttach ───────▶ Opening ──────▶ SendingGo ───▶ Over
//!                 │      ▲                       │                            ▲
//!                 └──────┘ FdsDenied             └────────────────────────────┘
//!                                                  Attach chose the socket
//!
//!                  Borrow         Opened              Sent
//!  AwaitingAttach ────────▶ Lending ────▶ SendingLend ────▶ AwaitingAttach       once, if at all
//!                                           │     ▲
//!                                           └─────┘ FdsDenied
//! ```

use std::time::Instant;

use super::fallback::{Cause, Chosen, End, LinkChoice};
use super::handshake::{
    Action, Agreed, Event, FdReceipt, Limit, Local, Machine, Peer, Stage, count_fds, fences, last_word,
    lent_fds, permit, read, refused, socket,
};
use super::identity::Identity;
use super::message::{Attach, FdKinds, Features, Hello, Kind, Message, Terms};
use super::refusal::Refusal;
use crate::segment::Name;

/// What the offering end brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What it knows of itself.
    pub local: Local,
    /// What it proposes.
    pub terms: Terms,
    /// Who the accepting end is.
    pub identity: Identity,
    /// The name that the accepting end is to give the memory, if it is to make any.
    pub name: Option<Name>,
}

/// The machine of the offering end.
#[derive(Debug)]
pub struct Offerer {
    offer: Offer,
    limit: Limit,
    stage: Stage,
    chosen: Chosen,
    peer: Peer,
    peer_choice: LinkChoice,
    /// A segment was made for the peer.
    lent: bool,
    received: FdKinds,
}

impl Offerer {
    /// A machine that must have come to an end at the instant `until`.
    #[must_use]
    pub fn new(offer: Offer, now: Instant, until: Instant) -> Self {
        Self {
            chosen: offer.local.chosen(End::Offerer),
            offer,
            limit: Limit::new(now, until),
            stage: Stage::New,
            peer: Peer { pid: 0, features: Features::NONE },
            peer_choice: LinkChoice::Auto,
            lent: false,
            received: FdKinds::NONE,
        }
    }

    /// What the link runs over, as far as it is settled.
    pub(super) fn chosen(&self) -> Chosen {
        self.chosen
    }

    fn try_step(&mut self, event: Event<'_>, now: Instant) -> Result<Action, Refusal> {
        use Stage::{AwaitingAttach, Lending, New, Opening, SendingGo, SendingHello, SendingLend};
        let stage = self.stage;
        match (stage, event) {
            (New, Event::Start) => self.greet(),
            (SendingHello, Event::FdsDenied { errno }) => {
                self.offer.local.fds_denied(End::Offerer, &mut self.chosen, errno);
                self.greet()
            }
            (SendingHello | SendingLend, Event::Sent) => {
                self.stage = AwaitingAttach;
                self.limit.wait(self.stage, now)
            }
            (AwaitingAttach, Event::Tick) => self.limit.wait(stage, now),
            (AwaitingAttach, Event::Packet { bytes, fds }) => self.attached(bytes, fds),
            (Lending, Event::Opened(opened)) => {
                self.lent = opened.is_ok();
                self.chosen = opened.map_or_else(|cause| socket(End::Offerer, cause), |()| self.chosen);
                self.lend()
            }
            (SendingLend, Event::FdsDenied { errno }) => {
                self.offer.local.fds_denied(End::Offerer, &mut self.chosen, errno);
                self.lend()
            }
            (Opening, Event::Opened(Ok(()))) => self.conclude(),
            (Opening, Event::Opened(Err(cause))) => {
                self.chosen = socket(End::Offerer, cause);
                self.conclude()
            }
            (SendingGo, Event::Sent) => Ok(self.done()),
            (SendingHello | SendingLend | SendingGo, Event::Packet { bytes, .. }) => {
                Err(last_word(bytes, stage))
            }
            (SendingHello | AwaitingAttach | SendingLend | SendingGo, Event::HungUp) => {
                Err(Refusal::HungUp { stage })
            }
            (SendingHello | AwaitingAttach | SendingLend | SendingGo, Event::Failed { call, errno }) => {
                Err(Refusal::Io { call, errno })
            }
            (AwaitingAttach, Event::Died) => Err(Refusal::Died { stage }),
            _ => Err(Refusal::OutOfStep { stage }),
        }
    }

    fn greet(&mut self) -> Result<Action, Refusal> {
        let Offer { local, terms, identity, name } = &self.offer;
        permit(self.chosen, local.choice, LinkChoice::Auto)?;
        let fds = local.fds(self.chosen, FdKinds::SEGMENT.with(FdKinds::WAIT_PAGE));
        let hello = Hello {
            layout: local.layout,
            terms: *terms,
            pid: local.pid,
            features: local.features,
            chosen: self.chosen,
            choice: local.choice,
            fds,
            identity: identity.clone(),
            name: name.filter(|_| matches!(self.chosen, Chosen::Portable(_))),
        };
        self.stage = Stage::SendingHello;
        Ok(Action::Send { packet: Message::Hello(Box::new(hello)).encode(), fds })
    }

    fn attached(&mut self, bytes: &[u8], receipt: FdReceipt) -> Result<Action, Refusal> {
        let attach = match read(bytes)? {
            Message::Attach(attach) => attach,
            Message::Borrow if self.chosen == Chosen::Shm && !self.lent => {
                // `Borrow` declares no descriptors, so none can be lost.
                let _none = count_fds(Kind::Borrow, FdKinds::NONE, receipt)?;
                self.stage = Stage::Lending;
                return Ok(Action::Lend);
            }
            other => return Err(Refusal::OutOfOrder { expected: Kind::Attach, got: other.kind() }),
        };
        let received = count_fds(Kind::Attach, attach.fds, receipt)?;
        self.check(&attach)?;
        self.peer = Peer { pid: attach.pid, features: attach.features };
        self.peer_choice = attach.choice;
        self.received = received.unwrap_or(FdKinds::NONE);
        let lost: Option<Cause> = received.err();
        match (attach.chosen, lost) {
            (Chosen::Shm, None) => {
                self.stage = Stage::Opening;
                Ok(Action::Open)
            }
            (Chosen::Shm, Some(cause)) => {
                self.chosen = socket(End::Offerer, cause);
                self.conclude()
            }
            // There was nothing to lose of it but a pidfd.
            (Chosen::Portable(_), _) => {
                self.stage = Stage::Opening;
                Ok(Action::Open)
            }
            (fallback @ Chosen::Socket(_), _) => {
                self.chosen = fallback;
                self.conclude()
            }
        }
    }

    fn lend(&mut self) -> Result<Action, Refusal> {
        permit(self.chosen, self.offer.local.choice, LinkChoice::Auto)?;
        self.stage = Stage::SendingLend;
        Ok(Action::Send { packet: Message::Lend(self.chosen).encode(), fds: lent_fds(self.chosen) })
    }

    /// The acceptor may fall back for a reason of its own, and must keep to ours.
    fn check(&self, attach: &Attach) -> Result<(), Refusal> {
        let consistent = match (self.chosen, attach.chosen) {
            (Chosen::Shm, Chosen::Shm) => Chosen::Shm.suits(attach.choice),
            (Chosen::Shm | Chosen::Portable(_), Chosen::Socket(fallback)) => fallback.at == End::Acceptor,
            (ours @ Chosen::Portable(_), theirs) => ours == theirs && theirs.suits(attach.choice),
            (ours, theirs) => ours == theirs,
        };
        if consistent { Ok(()) } else { Err(Refusal::Contradiction { kind: Kind::Attach }) }
    }

    fn conclude(&mut self) -> Result<Action, Refusal> {
        permit(self.chosen, self.offer.local.choice, self.peer_choice)?;
        self.stage = Stage::SendingGo;
        Ok(Action::Send { packet: Message::Go(self.chosen).encode(), fds: FdKinds::NONE })
    }

    fn done(&mut self) -> Action {
        self.stage = Stage::Over;
        Action::Done(Box::new(Agreed {
            chosen: self.chosen,
            fences: fences(self.offer.local.features, self.peer.features),
            terms: self.offer.terms,
            identity: self.offer.identity.clone(),
            peer: self.peer,
            lent: self.lent && self.chosen == Chosen::Shm,
        }))
    }
}

impl Machine for Offerer {
    fn step(&mut self, event: Event<'_>, now: Instant) -> Action {
        self.try_step(event, now).unwrap_or_else(|refusal| {
            self.stage = Stage::Over;
            self.received = FdKinds::NONE;
            refused(refusal)
        })
    }

    fn received(&self) -> FdKinds {
        self.received
    }
}
