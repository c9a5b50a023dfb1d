//! From two control sockets to a link: what each end brings to the handshake, and what it makes of the agreement.

use super::peer::Peer;
use super::portable::{Memory, Portable};
use super::rx::Rx;
use super::shm::{ShmRx, ShmTx};
use super::socket::SocketEnd;
use super::tx::Tx;
use crate::control::accept::{Acceptance, Limits};
use crate::control::drive::{AcceptHost, Established, OfferHost, Own};
use crate::control::fallback::{Cause, Chosen, Fallback, LinkChoice, Obstacle};
use crate::control::handshake::{Agreed, Local};
use crate::control::identity::Identity;
use crate::control::message::{Features, Hello, Terms};
use crate::control::offer::Offer;
use crate::ring::{Consumer, Producer};
use crate::segment::{Capacity, LAYOUT_HASH, Name, OwnedSegment, PeerSegment, ShmMemory, Side, WaitPage};
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
    /// What it takes part in.
    pub(crate) limits: Limits,
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
    /// Whether the link is to find out itself that the peer is gone, though that duplicate hides it from whoever sends.
    pub(crate) watched: bool,
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
    portable: Portable,
    /// What the accepting end has opened while it lacks a segment of its own.
    opened: Option<(Arc<WaitPage>, Arc<PeerSegment>)>,
    pidfd: Option<OwnedFd>,
    local: Local,
}

impl End {
    /// The offering end: makes its segment and the wait page.
    pub(crate) fn offering(wish: Wish) -> Self {
        let made = possible(wish.choice).and_then(|()| {
            let asleep = sleeps();
            let (segment, segment_fd) = own_segment(wish.terms.to_acceptor, wish.prefault && asleep.is_ok())?;
            let (page, page_fd) = WaitPage::create().map_err(|error| Cause::from(&error))?;
            let page = (Arc::new(page), Some(page_fd));
            // Told last: who may make no memfd can have named memory, on which nobody sleeps.
            asleep?;
            Ok(Shared { segment: (segment, segment_fd), page, peer: None })
        });
        let portable = match &made {
            Ok(_) => Err(Cause::new(Obstacle::AskedFor)),
            Err(cause) => Portable::offering(wish.choice, *cause),
        };
        Self::new(Side::A, wish, made, portable)
    }

    /// The accepting end: waits for what the other one offers.
    pub(crate) fn accepting(wish: Wish) -> Self {
        let shm = possible(wish.choice).and_then(|()| sleeps());
        let nothing = Err(Cause::new(Obstacle::AskedFor));
        let mut end = Self::new(Side::B, wish, nothing, Portable::accepting());
        end.local.shm = shm;
        end
    }

    fn new(
        side: Side,
        wish: Wish,
        made: std::result::Result<Shared, Cause>,
        portable: std::result::Result<Portable, Cause>,
    ) -> Self {
        let pidfd = pidfd::open(process::id()).ok();
        let local = Local {
            layout: LAYOUT_HASH,
            pid: process::id().as_raw_nonzero().get().unsigned_abs(),
            features: features(),
            choice: wish.choice,
            shm: made.as_ref().map(|_| ()).map_err(|cause| *cause),
            portable: portable.as_ref().map(|_| ()).map_err(|cause| *cause),
            pidfd: pidfd.is_some(),
        };
        let (shared, portable) = (made.ok(), portable.unwrap_or_default());
        Self { side, wish, shared, portable, opened: None, pidfd, local }
    }

    /// What the offering machine is started with.
    pub(crate) fn offer(&self) -> Offer {
        let (local, terms, identity) = (self.local, self.wish.terms, self.wish.identity.clone());
        Offer { local, terms, identity, name: self.portable.name() }
    }

    /// What the accepting machine is started with.
    pub(crate) fn acceptance(&self) -> Acceptance {
        Acceptance { local: self.local, limits: self.wish.limits }
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
        let agreed = &established.agreed;
        match (agreed.chosen, self.shared.take(), self.portable.memory.take()) {
            (Chosen::Shm, Some(Shared { segment: (own, _), page: (page, _), peer: Some(peer) }), _) => {
                self.over_memory(agreed, Memory { own, peer, page }, sockets.control, pidfd)
            }
            (Chosen::Portable(_), _, Some(memory)) => {
                self.over_memory(agreed, memory, sockets.control, pidfd)
            }
            _ => self.over_socket(&agreed.terms, sockets, pidfd),
        }
    }

    fn over_memory(
        &self,
        agreed: &Agreed,
        memory: Memory,
        control: Arc<OwnedFd>,
        pidfd: Option<OwnedFd>,
    ) -> Result<Link> {
        let Memory { own, peer, page } = memory;
        let (fences, max_message) = (agreed.fences, agreed.terms.max_message);
        let cpus = process::cpus_online();
        let spinner = || Spinner::new(self.wish.wait, cpus);
        let by_doorbell = matches!(agreed.chosen, Chosen::Portable(_));
        let end = Peer::new(Arc::clone(&control), pidfd, (page.clone(), self.side), fences, by_doorbell)?;
        let memory = |memory: ShmMemory| {
            let mute = Arc::downgrade(&end);
            memory.with_bell(Arc::clone(&control), DOORBELL).with_mute(mute)
        };
        let outgoing = memory(ShmMemory::outgoing(own.clone(), peer.clone(), page.clone(), self.side));
        let incoming = memory(ShmMemory::incoming(own, peer, page, self.side));
        let producer = Producer::new(outgoing, fences, 0).ok_or(Errno::INVAL)?;
        let consumer = Consumer::new(incoming, fences, 0, max_message).ok_or(Errno::INVAL)?;
        let tx = ShmTx::new(producer, Arc::clone(&end), spinner(), max_message);
        let rx = ShmRx::new(consumer, end, spinner());
        Ok(Link { tx: Tx::Shm(Box::new(tx)), rx: Rx::Shm(Box::new(rx)) })
    }
}

impl End {
    /// The accepting end has all that it needs.
    fn share(&mut self, segment: (Arc<OwnedSegment>, OwnedFd)) {
        let shared = |(page, peer)| Shared { segment, page: (page, None), peer: Some(peer) };
        self.shared = self.opened.take().map(shared);
    }

    fn over_socket(&self, terms: &Terms, sockets: Sockets, pidfd: Option<OwnedFd>) -> Result<Link> {
        let Sockets { control, data, peer_data, watched } = sockets;
        let capacity = match self.side {
            Side::A => terms.to_acceptor,
            Side::B => terms.to_offerer,
        };
        let end = SocketEnd { control, data, peer_data, pidfd, watched };
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

    fn open_named(&mut self) -> std::result::Result<(), Cause> {
        self.portable.open(&self.wish.terms)
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

    fn attach_named(&mut self, hello: &Hello, name: Name) -> std::result::Result<(), Cause> {
        self.wish.terms = hello.terms;
        self.portable.create(&hello.terms, name)
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
    if let LinkChoice::Socket | LinkChoice::Portable = choice {
        return Err(Cause::new(Obstacle::AskedFor));
    }
    Origin::guarded().map(|_| ()).map_err(denied(Obstacle::Populate))
}

/// What stands in the way of sleeping on it.
fn sleeps() -> std::result::Result<(), Cause> {
    futex::probe().map_err(denied(Obstacle::Futex))
}

fn denied(obstacle: Obstacle) -> impl Fn(Errno) -> Cause {
    move |errno| Cause::with_errno(obstacle, errno.raw_os_error())
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

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkKind {
    /// Anonymous shared memory, which each end keeps from the other by seals.
    Shm,
    /// Named shared memory, which both ends can write: see the feature `portable`. While the ends connect the memory has a
    /// name, which stays if both are killed then.
    Portable,
    /// A socket.
    Socket,
}

/// What the two ends agreed on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct About {
    /// What carries the messages.
    pub link: LinkKind,
    /// Why that is not anonymous shared memory, if it is not.
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
        let link = match agreed.chosen {
            Chosen::Shm => LinkKind::Shm,
            Chosen::Portable(_) => LinkKind::Portable,
            Chosen::Socket(_) => LinkKind::Socket,
        };
        Self {
            link,
            fallback: agreed.chosen.fallback(),
            lent: agreed.lent,
            fences: agreed.fences,
            terms: agreed.terms,
            identity: agreed.identity.clone(),
            peer_pid: agreed.peer.pid,
        }
    }
}
