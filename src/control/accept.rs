//! The end that answers.
//!
//! ```text
//!       Start                Hello           Opened               Sent              Go
//!  New ───────▶ AwaitingHello ──────▶ Opening ──────▶ SendingAttach ───▶ AwaitingGo ───▶ Over
//!                          │                            ▲     │   ▲
//!                          └────────────────────────────┘     └───┘ FdsDenied
//!                            no shared memory to be had
//!
//!           Opened: may not make memory    Sent               Lend         Opened
//!  Opening ────────────────▶ SendingBorrow ────▶ AwaitingLend ────▶ Lending ────▶ SendingAttach
//!                                                      │                            ▲
//!                                                      └────────────────────────────┘
//!                                                        Lend says why there is none
//! ```

use std::time::Instant;

use super::fallback::{Cause, Chosen, End, LinkChoice, Obstacle};
use super::handshake::{
    Action, Agreed, Event, FdReceipt, Limit, Local, Machine, Peer, Stage, count_fds, fences, last_word,
    lent_fds, permit, read, refused, socket,
};
use super::message::{Attach, FdKinds, Features, Hello, Kind, Message, Terms};
use super::refusal::Refusal;
use crate::segment::{Capacity, CapacityError};

/// What the accepting end brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// What it knows of itself.
    pub local: Local,
    /// What it lets the offering end propose.
    pub limits: Limits,
}

/// What an end takes part in. What an offering end proposes beyond that is refused in the handshake, before the accepting end makes
/// or maps any memory; an offering end does not propose what its own limits forbid: [`Refusal::Capacity`],
/// [`Refusal::MaxMessage`].
///
/// ```
/// use ringway::channel::{Limits, Options};
///
/// let options = Options::new().limits(Limits::NONE.capacity(1 << 20)?.max_message(64 << 10));
/// # drop(options);
/// # Ok::<(), ringway::channel::CapacityError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) capacity: Capacity,
    pub(crate) max_message: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self::NONE
    }
}

impl Limits {
    /// Whatever an offering end can propose: rings of 1 GiB each, and messages of any length. The default.
    pub const NONE: Self = Self { capacity: Capacity::MAX, max_message: u64::MAX };

    /// The largest capacity of either ring in bytes: a power of two from 4 KiB to 1 GiB.
    ///
    /// # Errors
    /// [`CapacityError`] for any other number.
    pub fn capacity(mut self, bytes: u64) -> Result<Self, CapacityError> {
        self.capacity = Capacity::new(bytes)?;
        Ok(self)
    }

    /// The largest `max_message`, in bytes. An end keeps a message that is streamed to it, as it comes: up to so much. With 0 every
    /// channel is refused.
    #[must_use]
    pub fn max_message(mut self, bytes: u64) -> Self {
        self.max_message = bytes;
        self
    }

    /// Whether they allow these terms.
    ///
    /// # Errors
    /// [`Refusal::Capacity`], [`Refusal::MaxMessage`].
    pub(crate) fn check(self, terms: &Terms) -> Result<(), Refusal> {
        let proposed = terms.to_acceptor.max(terms.to_offerer);
        if proposed > self.capacity {
            return Err(Refusal::Capacity { proposed, limit: self.capacity });
        }
        let proposed = terms.max_message;
        if proposed > self.max_message {
            return Err(Refusal::MaxMessage { proposed, limit: self.max_message });
        }
        Ok(())
    }
}

/// The machine of the accepting end.
#[derive(Debug)]
pub struct Acceptor {
    local: Local,
    limits: Limits,
    limit: Limit,
    stage: Stage,
    hello: Option<Box<Hello>>,
    chosen: Chosen,
    /// This end's segment is one that the peer lent.
    lent: bool,
    received: FdKinds,
}

impl Acceptor {
    /// A machine that must have come to an end at the instant `until`.
    #[must_use]
    pub fn new(acceptance: Acceptance, now: Instant, until: Instant) -> Self {
        Self {
            local: acceptance.local,
            limits: acceptance.limits,
            limit: Limit::new(now, until),
            stage: Stage::New,
            hello: None,
            chosen: Chosen::Shm,
            lent: false,
            received: FdKinds::NONE,
        }
    }

    /// What the offering end said, once it has.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_deref()
    }

    fn try_step(&mut self, event: Event<'_>, now: Instant) -> Result<Action, Refusal> {
        use Stage::{
            AwaitingGo, AwaitingHello, AwaitingLend, Lending, New, Opening, SendingAttach, SendingBorrow,
        };
        let stage = self.stage;
        match (stage, event) {
            (New, Event::Start) => {
                self.stage = AwaitingHello;
                self.limit.wait(self.stage, now)
            }
            (AwaitingHello, Event::Packet { bytes, fds }) => self.greeted(bytes, fds),
            (AwaitingHello | AwaitingLend | AwaitingGo, Event::Tick) => self.limit.wait(stage, now),
            (Opening, Event::Opened(Err(cause))) if self.may_borrow(cause) => Ok(self.borrow()),
            (SendingBorrow, Event::Sent) => {
                self.stage = AwaitingLend;
                self.limit.wait(self.stage, now)
            }
            (AwaitingLend, Event::Packet { bytes, fds }) => self.lent(bytes, fds),
            (Opening | Lending, Event::Opened(Ok(()))) => {
                self.lent = stage == Lending;
                self.answer()
            }
            (Opening | Lending, Event::Opened(Err(cause))) => {
                self.chosen = socket(End::Acceptor, cause);
                self.answer()
            }
            (SendingAttach, Event::FdsDenied { errno }) => {
                self.local.fds_denied(End::Acceptor, &mut self.chosen, errno);
                self.answer()
            }
            (SendingAttach, Event::Sent) => {
                self.stage = AwaitingGo;
                self.limit.wait(self.stage, now)
            }
            (AwaitingGo, Event::Packet { bytes, fds }) => self.concluded(bytes, fds),
            (SendingBorrow | SendingAttach, Event::Packet { bytes, .. }) => Err(last_word(bytes, stage)),
            (AwaitingHello | AwaitingLend | AwaitingGo, Event::Died) => Err(Refusal::Died { stage }),
            (New | Opening | Lending | Stage::Over, _) => Err(Refusal::OutOfStep { stage }),
            (_, Event::HungUp) => Err(Refusal::HungUp { stage }),
            (_, Event::Failed { call, errno }) => Err(Refusal::Io { call, errno }),
            _ => Err(Refusal::OutOfStep { stage }),
        }
    }

    fn greeted(&mut self, bytes: &[u8], receipt: FdReceipt) -> Result<Action, Refusal> {
        let hello = match read(bytes)? {
            Message::Hello(hello) => hello,
            other => return Err(Refusal::OutOfOrder { expected: Kind::Hello, got: other.kind() }),
        };
        let received = count_fds(Kind::Hello, hello.fds, receipt)?;
        check(&hello)?;
        self.limits.check(&hello.terms)?;
        self.received = received.unwrap_or(FdKinds::NONE);
        self.chosen = self.choose(&hello, received.err());
        // Before anything is made or mapped that this end does not want.
        permit(self.chosen, self.local.choice, hello.choice)?;
        self.hello = Some(hello);
        if let Chosen::Shm | Chosen::Portable(_) = self.chosen {
            self.stage = Stage::Opening;
            return Ok(Action::Open);
        }
        self.answer()
    }

    /// The first obstacle in the way of shared memory: the offerer's, this end's own, then what lies between.
    fn choose(&self, hello: &Hello, lost: Option<Cause>) -> Chosen {
        let own = self.local.chosen(End::Acceptor);
        match (hello.chosen, own, lost) {
            (theirs @ Chosen::Socket(_), _, _) => theirs,
            // Whether this end could make a memfd does not matter.
            (Chosen::Portable(_), own @ Chosen::Socket(_), _) if self.local.choice == LinkChoice::Socket => {
                own
            }
            (Chosen::Portable(_), ..) if self.local.portable.is_err() => {
                let built = self.local.portable.err().unwrap_or(Cause::new(Obstacle::NotBuilt));
                socket(End::Acceptor, built)
            }
            (Chosen::Shm, own @ Chosen::Socket(_), _) => own,
            // It is not this end that could make any.
            (Chosen::Shm, Chosen::Portable(fallback), _) => Chosen::Socket(fallback),
            _ if hello.layout != self.local.layout => {
                socket(End::Acceptor, Cause::new(Obstacle::LayoutDiffers))
            }
            // What is lost of it is a pidfd at most.
            (theirs @ Chosen::Portable(_), ..) => theirs,
            (_, _, Some(cause)) => socket(End::Acceptor, cause),
            _ => Chosen::Shm,
        }
    }

    /// Whether memory that the peer makes is what this end lacks.
    fn may_borrow(&self, cause: Cause) -> bool {
        let theirs = self.hello.as_ref().map_or(Features::NONE, |hello| hello.features);
        self.chosen == Chosen::Shm && cause.is_memfd_denied() && theirs.contains(Features::MEMFD)
    }

    fn borrow(&mut self) -> Action {
        self.local.features = self.local.features.without(Features::MEMFD);
        self.stage = Stage::SendingBorrow;
        Action::Send { packet: Message::Borrow.encode(), fds: FdKinds::NONE }
    }

    fn lent(&mut self, bytes: &[u8], receipt: FdReceipt) -> Result<Action, Refusal> {
        let chosen = match read(bytes)? {
            Message::Lend(chosen) => chosen,
            other => return Err(Refusal::OutOfOrder { expected: Kind::Lend, got: other.kind() }),
        };
        let received = count_fds(Kind::Lend, lent_fds(chosen), receipt)?;
        self.received = received.unwrap_or(FdKinds::NONE);
        self.chosen = match (chosen, received) {
            (Chosen::Shm, Ok(_)) => {
                self.stage = Stage::Lending;
                return Ok(Action::Lend);
            }
            (Chosen::Shm, Err(cause)) => socket(End::Acceptor, cause),
            (theirs @ Chosen::Socket(fallback), _) if fallback.at == End::Offerer => theirs,
            _ => return Err(Refusal::Contradiction { kind: Kind::Lend }),
        };
        self.answer()
    }

    fn answer(&mut self) -> Result<Action, Refusal> {
        let theirs = self.hello.as_ref().map_or(LinkChoice::Auto, |hello| hello.choice);
        permit(self.chosen, self.local.choice, theirs)?;
        let fds = self.local.fds(self.chosen, FdKinds::SEGMENT);
        let attach = Attach {
            pid: self.local.pid,
            features: self.local.features,
            chosen: self.chosen,
            choice: self.local.choice,
            fds,
        };
        self.stage = Stage::SendingAttach;
        Ok(Action::Send { packet: Message::Attach(attach).encode(), fds })
    }

    fn concluded(&mut self, bytes: &[u8], receipt: FdReceipt) -> Result<Action, Refusal> {
        let chosen = match read(bytes)? {
            Message::Go(chosen) => chosen,
            other => return Err(Refusal::OutOfOrder { expected: Kind::Go, got: other.kind() }),
        };
        // `Go` declares no descriptors, so none can be lost.
        let _none = count_fds(Kind::Go, FdKinds::NONE, receipt)?;
        let consistent = match (self.chosen, chosen) {
            (Chosen::Shm | Chosen::Portable(_), Chosen::Socket(fallback)) => fallback.at == End::Offerer,
            (ours, theirs) => ours == theirs,
        };
        if !consistent {
            return Err(Refusal::Contradiction { kind: Kind::Go });
        }
        let hello = self.hello.as_deref().ok_or(Refusal::OutOfStep { stage: self.stage })?;
        permit(chosen, self.local.choice, hello.choice)?;
        self.received = FdKinds::NONE;
        self.stage = Stage::Over;
        Ok(Action::Done(Box::new(Agreed {
            chosen,
            fences: fences(self.local.features, hello.features),
            terms: hello.terms,
            identity: hello.identity.clone(),
            peer: Peer { pid: hello.pid, features: hello.features },
            lent: self.lent && chosen == Chosen::Shm,
        })))
    }
}

/// A fallback in a `Hello` is the offerer's own, and follows from what it was told to use.
fn check(hello: &Hello) -> Result<(), Refusal> {
    let consistent = match hello.chosen {
        Chosen::Shm => Chosen::Shm.suits(hello.choice),
        named @ Chosen::Portable(fallback) => fallback.at == End::Offerer && named.suits(hello.choice),
        Chosen::Socket(fallback) => fallback.at == End::Offerer,
    };
    if consistent { Ok(()) } else { Err(Refusal::Contradiction { kind: Kind::Hello }) }
}

impl Machine for Acceptor {
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
