//! From two control sockets to a link: what each end brings to the handshake, and what it makes of the agreement.

use super::peer::Peer;
use super::rx::Rx;
use super::shm::{ShmRx, ShmTx};
use super::socket::SocketEnd;
use super::tx::Tx;
use crate::control::accept::{Acceptance, Limits};
use crate::control::drive::{AcceptHost, Established, OfferHost, Own};
use crate::control::fallback::{Cause, Chosen, Fallback, LinkChoice, Obstacle};
use crate::control::handshake::Local;
use crate::control::identity::Identity;
use crate::control::message::{Features, Hello, Terms};
use crate::control::offer::Offer;
use crate::ring::{Consumer, Producer};
use crate::segment::{Capacity, LAYOUT_HASH, OwnedSegment, PeerSegment, ShmMemory, Side, WaitPage};
use crate::sys::fork::Origin;
use crate::sys::{Errno, Result, futex, membarrier, pidfd, process};
use crate::wait::spin::{Spinner, Wait};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// The packet that rings a doorbell.
const DOORBELL: &[u8] = &[crate::control::message::DOORBELL];

/// What an end wants of a link.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) choice: LinkChoice,
    pub(crate) wait: Wait,
    /// Whether this end's ring gets its memory now.
    pub(crate) prefault: bool,
    pub(crate) terms: Terms,
    pub(crate) identity: Identity,
}

/// The sockets of one end.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) control: Arc<OwnedFd>,
    /// Carries the messages if shared memory cannot be had; closed if it can.
    pub(crate) data: OwnedFd,
    /// A duplicate of the other end of `data`, for salvage.
    pub(crate) peer_data: Option<OwnedFd>,
}

/// Both directions of a link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) tx: Tx,
    pub(crate) rx: Rx,
}

/// What one end has made of shared memory, in the course of the handshake.
#[derive(Debug)]
struct Shared {
    segment: (Arc<OwnedSegment>, OwnedFd),
    page: (Arc<WaitPage>, Option<OwnedFd>),
    peer: Option<Arc<PeerSegment>>,
}

/// One end of a handshake: the host of its machine.
#[derive(Debug)]
pub(crate) struct End {
    side: Side,
    wish: Wish,
    shared: Option<Shared>,
    /// What the accepting end has opened while it lacks a segment of its own.
    opened: Option<(Arc<WaitPage>, Arc<PeerSegment>)>,
    pidfd: Option<OwnedFd>,
    local: Local,
}

impl End {
    /// The offering end: makes its segment and the wait page.
    pub(crate) fn offering(wish: Wish) -> Self {
        let made = possible(wish.choice).and_then(|()| {
            let (segment, segment_fd) = own_segment(wish.terms.to_acceptor, wish.prefault)?;
            let (page, page_fd) = WaitPage::create().map_err(|error| Cause::from(&error))?;
            let page = (Arc::new(page), Some(page_fd));
            Ok(Shared { segment: (segment, segment_fd), page, peer: None })
        });
        Self::new(Side::A, wish, made)
    }

    /// The accepting end: waits for what the other one offers.
    pub(crate) fn accepting(wish: Wish) -> Self {
        let shm = possible(wish.choice);
        let mut end = Self::new(Side::B, wish, Err(Cause::new(Obstacle::AskedFor)));
        end.local.shm = shm;
        end
    }

    fn new(side: Side, wish: Wish, made: std::result::Result<Shared, Cause>) -> Self {
        let pidfd = pidfd::open(process::id()).ok();
        let local = Local {
            layout: LAYOUT_HASH,
            pid: process::id().as_raw_nonzero().get().unsigned_abs(),
            features: features(),
            choice: wish.choice,
            shm: made.as_ref().map(|_| ()).map_err(|cause| *cause),
            pidfd: pidfd.is_some(),
        };
        Self { side, wish, shared: made.ok(), opened: None, pidfd, local }
    }

    /// What the offering machine is started with.
    pub(crate) fn offer(&self) -> Offer {
        Offer { local: self.local, terms: self.wish.terms, identity: self.wish.identity.clone() }
    }

    /// What the accepting machine is started with.
    pub(crate) fn acceptance(&self) -> Acceptance {
        Acceptance { local: self.local, limits: Limits::NONE }
    }

    fn own_fds(&self) -> Own<'_> {
        let shared = self.shared.as_ref();
        Own {
            segment: shared.map(|shared| shared.segment.1.as_fd()),
            wait_page: shared.and_then(|shared| shared.page.1.as_ref()).map(AsFd::as_fd),
            pidfd: self.pidfd.as_ref().map(AsFd::as_fd),
        }
    }

    /// Makes the link that was agreed on. `pidfd` is the peer's process, if it is known better than by its own word.
    ///
    /// # Errors
    /// The errno of the watch thread's start, or `ENOMEM`.
    pub(crate) fn finish(
        mut self,
        established: Established,
        sockets: Sockets,
        pidfd: Option<OwnedFd>,
    ) -> Result<Link> {
        let pidfd = pidfd.or(established.pidfd);
        let cpus = process::cpus_online();
        let spinner = || Spinner::new(self.wish.wait, cpus);
        let max_message = established.agreed.terms.max_message;
        let fences = established.agreed.fences;
        match (established.agreed.chosen, self.shared.take()) {
            (Chosen::Shm, Some(Shared { segment: (own, _), page: (page, _), peer: Some(peer) })) => {
                let control = sockets.control;
                let end = Peer::new(Arc::clone(&control), pidfd, Some((page.clone(), self.side)), fences)?;
                let memory = |memory: ShmMemory| {
                    let mute = Arc::downgrade(&end);
                    memory.with_bell(Arc::clone(&control), DOORBELL).with_mute(mute)
                };
                let outgoing =
                    memory(ShmMemory::outgoing(own.clone(), peer.clone(), page.clone(), self.side));
                let incoming = memory(ShmMemory::incoming(own, peer, page, self.side));
                let producer = Producer::new(outgoing, fences, 0).ok_or(Errno::INVAL)?;
                let consumer = Consumer::new(incoming, fences, 0, max_message).ok_or(Errno::INVAL)?;
                let tx = ShmTx::new(producer, Arc::clone(&end), spinner(), max_message);
                let rx = ShmRx::new(consumer, end, spinner());
                Ok(Link { tx: Tx::Shm(Box::new(tx)), rx: Rx::Shm(Box::new(rx)) })
            }
            _ => self.over_socket(&established.agreed.terms, sockets, pidfd),
        }
    }
}

impl End {
    /// The accepting end has all that it needs.
    fn share(&mut self, segment: (Arc<OwnedSegment>, OwnedFd)) {
        let shared = |(page, peer)| Shared { segment, page: (page, None), peer: Some(peer) };
        self.shared = self.opened.take().map(shared);
    }

    fn over_socket(&self, terms: &Terms, sockets: Sockets, pidfd: Option<OwnedFd>) -> Result<Link> {
        let Sockets { control, data, peer_data } = sockets;
        let capacity = match self.side {
            Side::A => terms.to_acceptor,
            Side::B => terms.to_offerer,
        };
        let end = SocketEnd { control, data, peer_data, pidfd };
        let (tx, rx) = end.open(capacity.bytes(), terms.max_message)?;
        Ok(Link { tx: Tx::Socket(Box::new(tx)), rx: Rx::Socket(Box::new(rx)) })
    }
}

impl OfferHost for End {
    fn open(&mut self, segment: OwnedFd) -> std::result::Result<(), Cause> {
        let capacity = self.wish.terms.to_offerer;
        let peer = PeerSegment::open(segment, capacity).map_err(|error| Cause::from(&error))?;
        if let Some(shared) = &mut self.shared {
            shared.peer = Some(Arc::new(peer));
        }
        Ok(())
    }

    /// This end's own segment is passed by now, and mapped: of its descriptor there is no more need.
    fn lend(&mut self) -> std::result::Result<(), Cause> {
        let lent = OwnedSegment::lend(self.wish.terms.to_offerer).map_err(|error| Cause::from(&error))?;
        if let Some(shared) = &mut self.shared {
            shared.segment.1 = lent;
        }
        Ok(())
    }

    fn own(&self) -> Own<'_> {
        self.own_fds()
    }
}

impl AcceptHost for End {
    fn attach(
        &mut self,
        hello: &Hello,
        segment: OwnedFd,
        wait_page: OwnedFd,
    ) -> std::result::Result<(), Cause> {
        self.wish.terms = hello.terms;
        let peer =
            PeerSegment::open(segment, hello.terms.to_acceptor).map_err(|error| Cause::from(&error))?;
        let page = WaitPage::open(wait_page).map_err(|error| Cause::from(&error))?;
        self.opened = Some((Arc::new(page), Arc::new(peer)));
        let segment = own_segment(hello.terms.to_offerer, self.wish.prefault)?;
        self.share(segment);
        Ok(())
    }

    fn borrow(&mut self, segment: OwnedFd) -> std::result::Result<(), Cause> {
        let own = OwnedSegment::borrow(&segment, self.wish.terms.to_offerer);
        let own = ready(own.map_err(|error| Cause::from(&error))?, self.wish.prefault)?;
        self.share((own, segment));
        Ok(())
    }

    fn own(&self) -> Own<'_> {
        self.own_fds()
    }
}

fn features() -> Features {
    let membarrier = Features::MEMBARRIER_REGISTERED.with(Features::MEMBARRIER_SLEEPS);
    let always = Features::FD_PASSING.with(Features::MEMFD);
    if membarrier::register() { always.with(membarrier) } else { always }
}

/// What stands in the way of shared memory whatever the peer is.
fn possible(choice: LinkChoice) -> std::result::Result<(), Cause> {
    if choice == LinkChoice::Socket {
        return Err(Cause::new(Obstacle::AskedFor));
    }
    let denied = |obstacle| move |errno: Errno| Cause::with_errno(obstacle, errno.raw_os_error());
    Origin::guarded().map_err(denied(Obstacle::Populate))?;
    futex::probe().map_err(denied(Obstacle::Futex))
}

fn own_segment(
    capacity: Capacity,
    prefault: bool,
) -> std::result::Result<(Arc<OwnedSegment>, OwnedFd), Cause> {
    let (segment, fd) = OwnedSegment::create(capacity).map_err(|error| Cause::from(&error))?;
    Ok((ready(segment, prefault)?, fd))
}

fn ready(mut segment: OwnedSegment, prefault: bool) -> std::result::Result<Arc<OwnedSegment>, Cause> {
    if prefault {
        segment.prefault().map_err(|error| Cause::from(&error))?;
    }
    Ok(Arc::new(segment))
}

/// What the two ends agreed on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct About {
    /// Why the link is a socket, if it is. `None`: it is shared memory.
    pub fallback: Option<Fallback>,
    /// Whether the accepting end may make no memory of its own (`memfd_create` is denied to it) and uses some that the
    /// offering end lent: then it trusts the offering end with what it sends. `false` over a socket.
    pub lent: bool,
    /// How waiters and wakers pair their fences.
    pub fences: crate::ring::Fences,
    /// Capacities and the longest message, in bytes.
    pub terms: Terms,
    /// Who the accepting end is.
    pub identity: Identity,
    /// The peer's process id, as the peer says.
    pub peer_pid: u32,
}

impl About {
    pub(crate) fn of(established: &Established) -> Self {
        let agreed = &established.agreed;
        Self {
            fallback: agreed.chosen.fallback(),
            lent: agreed.lent,
            fences: agreed.fences,
            terms: agreed.terms,
            identity: agreed.identity.clone(),
            peer_pid: agreed.peer.pid,
        }
    }
}
