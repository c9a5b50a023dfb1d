//! Runs either machine over a control socket, with the descriptors.
//!
//! The handshake knows nothing of segments: what to do with a peer's descriptors, and which of one's own to pass,
//! is the [`OfferHost`]'s and the [`AcceptHost`]'s business. When they are asked:
//!
//! | offering end | | accepting end |
//! |---|---|---|
//! | [`OfferHost::own`] | Hello + \[segment, wait page, pidfd\] → | [`AcceptHost::attach`]: open these, make a segment |
//! | [`OfferHost::open`]: open the peer's segment | ← Attach + \[segment, pidfd\] | [`AcceptHost::own`] |
//! | | Go → | |
//!
//! and, before the Attach, if the accepting end may not make a segment:
//!
//! | offering end | | accepting end |
//! |---|---|---|
//! | [`OfferHost::lend`]: make a segment for the peer | ← Borrow | |
//! | [`OfferHost::own`] | Lend + \[segment\] → | [`AcceptHost::borrow`]: take it |
//!
//! Of named memory the Hello has the name: [`AcceptHost::attach_named`] makes it, and [`OfferHost::open_named`] opens it.
//!
//! A [`Cause`] that a host returns makes the link a socket, and is told to the peer. It may be asked to open and
//! the link become a socket all the same, because the *other* end fell back: look at [`Agreed::chosen`], and drop
//! what was opened if it is not [`Chosen::Shm`].
//!
//! [`Agreed::chosen`]: super::handshake::Agreed::chosen
//! [`Chosen::Shm`]: super::fallback::Chosen::Shm
//!
//! # Guarantees
//! - Every descriptor that a peer sends is closed, unless it was declared, in its order, and handed to the host.
//! - [`Session::advance`] does not wait for the peer (but for its named memory, a tenth of a second, which a correct one on
//!   Linux never needs), and takes at most as many packets as the handshake has.
//! - [`offer`] and [`accept`] end: by agreement, refusal, hang-up, the peer's death, or the time limit.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

use super::accept::{Acceptance, Acceptor};
use super::fallback::{Cause, Chosen, Obstacle};
use super::handshake::{Event, Machine};
use super::message::Hello;
use super::offer::{Offer, Offerer};
use super::refusal::Refusal;
pub use super::session::{Established, Own, Progress, Session};
use super::session::{Host, Passed};
use crate::segment::Name;
use crate::sys::{epoll::Ready, socket};

/// What the offering end does between the messages.
pub trait OfferHost {
    /// Opens the accepting end's segment.
    ///
    /// # Errors
    /// The cause, if it cannot be used: the link will be a socket.
    fn open(&mut self, segment: OwnedFd) -> Result<(), Cause>;

    /// Opens the memory that the accepting end made, by the name in the Hello; in it lies all that either end needs.
    ///
    /// # Errors
    /// The cause, if it cannot be used: the link will be a socket.
    fn open_named(&mut self) -> Result<(), Cause>;

    /// Makes a segment for the accepting end, which may not. From now on that is the segment of [`OfferHost::own`].
    ///
    /// # Errors
    /// The cause, if none can be made: the link will be a socket.
    fn lend(&mut self) -> Result<(), Cause>;

    /// The descriptors to pass: what [`super::handshake::Local`] announced.
    fn own(&self) -> Own<'_>;
}

/// What the accepting end does between the messages.
pub trait AcceptHost {
    /// Opens the offering end's segment and the wait page, and makes a segment of this end's own.
    ///
    /// # Errors
    /// The cause, if one of them cannot be had: the link will be a socket, unless it is that this process may not make
    /// memory. Then the offering end is asked for a segment, and what was opened is kept for [`AcceptHost::borrow`].
    fn attach(&mut self, hello: &Hello, segment: OwnedFd, wait_page: OwnedFd) -> Result<(), Cause>;

    /// Makes memory with the name that the offering end chose; in it lies all that either end needs.
    ///
    /// # Errors
    /// The cause, if it cannot be made: the link will be a socket.
    fn attach_named(&mut self, hello: &Hello, name: Name) -> Result<(), Cause>;

    /// Makes the segment that the offering end lends this end's own.
    ///
    /// # Errors
    /// The cause, if it cannot be used: the link will be a socket.
    fn borrow(&mut self, segment: OwnedFd) -> Result<(), Cause>;

    /// The descriptors to pass: the segment of [`AcceptHost::attach`] or [`AcceptHost::borrow`], and what
    /// [`super::handshake::Local`] announced.
    fn own(&self) -> Own<'_>;
}

/// Runs the offering end to its end, blocking until the instant `until` at most.
///
/// `peer` is a pidfd of the peer, if there is one: its death ends the wait at once.
///
/// # Errors
/// As [`Session::advance`].
pub fn offer(
    socket: BorrowedFd<'_>,
    peer: Option<BorrowedFd<'_>>,
    offer: Offer,
    host: &mut impl OfferHost,
    until: Instant,
) -> Result<Established, Refusal> {
    run(Session::offer(offer, Instant::now(), until), socket, peer, &mut Offering(host))
}

/// Runs the accepting end to its end, blocking until the instant `until` at most.
///
/// `peer` is a pidfd of the peer, if there is one: its death ends the wait at once.
///
/// # Errors
/// As [`Session::advance`].
pub fn accept(
    socket: BorrowedFd<'_>,
    peer: Option<BorrowedFd<'_>>,
    acceptance: Acceptance,
    host: &mut impl AcceptHost,
    until: Instant,
) -> Result<Established, Refusal> {
    run(Session::accept(acceptance, Instant::now(), until), socket, peer, &mut Accepting(host))
}

/// Tells the other end why this one does not even begin. If it cannot be told that, it will see that this one hung up.
pub(crate) fn tell(socket: BorrowedFd<'_>, refusal: &Refusal) {
    if let Some(notice) = refusal.notice() {
        let _ = socket::send(socket, &notice.encode());
    }
}

fn run<M: Machine>(
    mut session: Session<M>,
    socket: BorrowedFd<'_>,
    peer: Option<BorrowedFd<'_>>,
    host: &mut impl Host<M>,
) -> Result<Established, Refusal> {
    let watched: Vec<BorrowedFd<'_>> = std::iter::once(socket).chain(peer).collect();
    let mut ready = Vec::new();
    loop {
        let until = match session.advance_with(socket, host, Instant::now())? {
            Progress::Done(established) => return Ok(*established),
            Progress::Waiting { until } => until,
        };
        // The peer was dead before the packets were looked at, so there are no more.
        if ready.iter().any(|at: &Ready| at.token == PEER) {
            session.tell(Event::Died, socket, host, Instant::now())?;
        }
        if let Err(errno) = socket::wait_readable(&watched, &mut ready, Some(until)) {
            let event = Event::Failed { call: "poll", errno: errno.raw_os_error() };
            session.tell(event, socket, host, Instant::now())?;
        }
    }
}

/// The place of the peer's pidfd among the watched descriptors.
const PEER: u64 = 1;

struct Offering<'a, H>(&'a mut H);

impl<H: OfferHost> Host<Offerer> for Offering<'_, H> {
    fn open(&mut self, machine: &Offerer, passed: &mut Passed) -> Result<(), Cause> {
        if let Chosen::Portable(_) = machine.chosen() {
            return self.0.open_named();
        }
        match passed.segment.take() {
            Some(segment) => self.0.open(segment),
            None => Err(Cause::new(Obstacle::NotMemfd)),
        }
    }

    fn lend(&mut self, _: &mut Passed) -> Result<(), Cause> {
        self.0.lend()
    }

    fn own(&self) -> Own<'_> {
        self.0.own()
    }
}

struct Accepting<'a, H>(&'a mut H);

impl<H: AcceptHost> Host<Acceptor> for Accepting<'_, H> {
    fn open(&mut self, machine: &Acceptor, passed: &mut Passed) -> Result<(), Cause> {
        if let Some((hello, name)) = machine.hello().and_then(|hello| Some((hello, hello.name?))) {
            return self.0.attach_named(hello, name);
        }
        match (machine.hello(), passed.segment.take(), passed.wait_page.take()) {
            (Some(hello), Some(segment), Some(wait_page)) => self.0.attach(hello, segment, wait_page),
            _ => Err(Cause::new(Obstacle::NotMemfd)),
        }
    }

    fn lend(&mut self, passed: &mut Passed) -> Result<(), Cause> {
        match passed.segment.take() {
            Some(segment) => self.0.borrow(segment),
            None => Err(Cause::new(Obstacle::NotMemfd)),
        }
    }

    fn own(&self) -> Own<'_> {
        self.0.own()
    }
}

impl Session<Offerer> {
    /// A handshake of the offering end. It has failed if it is not done at the instant `until`.
    #[must_use]
    pub fn offer(offer: Offer, now: Instant, until: Instant) -> Self {
        Self::new(Offerer::new(offer, now, until))
    }

    /// Does what can be done without waiting.
    ///
    /// # Errors
    /// The refusal, of either end. The peer has been told of it if it could be.
    pub fn advance(
        &mut self,
        socket: BorrowedFd<'_>,
        host: &mut impl OfferHost,
        now: Instant,
    ) -> Result<Progress, Refusal> {
        self.advance_with(socket, &mut Offering(host), now)
    }
}

impl Session<Acceptor> {
    /// A handshake of the accepting end. It has failed if it is not done at the instant `until`.
    #[must_use]
    pub fn accept(acceptance: Acceptance, now: Instant, until: Instant) -> Self {
        Self::new(Acceptor::new(acceptance, now, until))
    }

    /// Does what can be done without waiting.
    ///
    /// # Errors
    /// The refusal, of either end. The peer has been told of it if it could be.
    pub fn advance(
        &mut self,
        socket: BorrowedFd<'_>,
        host: &mut impl AcceptHost,
        now: Instant,
    ) -> Result<Progress, Refusal> {
        self.advance_with(socket, &mut Accepting(host), now)
    }
}
