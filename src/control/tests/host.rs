//! Ends over a real socket, with descriptors for segments.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;

use super::super::drive::{self, AcceptHost, Established, OfferHost, Own};
use super::super::refusal::Refusal;
use super::*;
use crate::sys::{memfd, pidfd, process, socket};

/// A host whose segments are nothing but descriptors.
pub(super) struct Host {
    pub(super) segment: Option<OwnedFd>,
    wait_page: OwnedFd,
    pidfd: OwnedFd,
    opening: Result<(), Cause>,
    lending: Result<(), Cause>,
    pub(super) opened: Vec<u64>,
    pub(super) named: Option<Name>,
}

impl Host {
    pub(super) fn new(opening: Result<(), Cause>) -> Self {
        Self {
            segment: Some(memfd::create(4096).unwrap()),
            wait_page: memfd::create(4096).unwrap(),
            pidfd: pidfd::open(process::id()).unwrap(),
            opening,
            lending: Ok(()),
            opened: Vec::new(),
            named: None,
        }
    }

    /// The same, but this is what comes of a segment that is lent.
    pub(super) fn with_lending(self, lending: Result<(), Cause>) -> Self {
        Self { lending, ..self }
    }

    pub(super) fn own(&self) -> Own<'_> {
        Own {
            segment: self.segment.as_ref().map(AsFd::as_fd),
            wait_page: Some(self.wait_page.as_fd()),
            pidfd: Some(self.pidfd.as_fd()),
        }
    }

    pub(super) fn inodes(&self) -> [u64; 2] {
        [self.segment.as_ref().unwrap(), &self.wait_page].map(|fd| socket::inode(fd).unwrap())
    }
}

impl OfferHost for Host {
    fn open(&mut self, segment: OwnedFd) -> Result<(), Cause> {
        self.opened.push(socket::inode(segment).unwrap());
        self.opening
    }

    fn open_named(&mut self) -> Result<(), Cause> {
        self.named = Some(Name::from_bytes([0; Name::LEN]));
        self.opening
    }

    fn lend(&mut self) -> Result<(), Cause> {
        self.lending?;
        self.segment = Some(memfd::create(8192).unwrap());
        Ok(())
    }

    fn own(&self) -> Own<'_> {
        Host::own(self)
    }
}

impl AcceptHost for Host {
    fn attach(&mut self, hello: &Hello, segment: OwnedFd, wait_page: OwnedFd) -> Result<(), Cause> {
        assert_eq!(hello.terms, TERMS);
        self.opened.extend([segment, wait_page].map(|fd| socket::inode(fd).unwrap()));
        self.opening
    }

    fn attach_named(&mut self, hello: &Hello, name: Name) -> Result<(), Cause> {
        assert_eq!(hello.terms, TERMS);
        self.named = Some(name);
        self.opening
    }

    fn borrow(&mut self, segment: OwnedFd) -> Result<(), Cause> {
        self.opened.push(socket::inode(&segment).unwrap());
        self.segment = Some(segment);
        self.lending
    }

    fn own(&self) -> Own<'_> {
        Host::own(self)
    }
}

pub(super) fn soon() -> Instant {
    Instant::now() + WATCHDOG
}

/// Runs both ends, each in its own thread.
pub(super) fn both(ours: &mut Host, theirs: &mut Host) -> [Result<Established, Refusal>; 2] {
    both_after(ours, theirs, |_| ())
}

/// Runs both ends, each in its own thread, in which `before` is called first.
pub(super) fn both_after(
    ours: &mut Host,
    theirs: &mut Host,
    before: impl Fn(End) + Sync,
) -> [Result<Established, Refusal>; 2] {
    both_with(ours, theirs, (offer(), acceptance()), before)
}

/// The same, and this is what they bring.
pub(super) fn both_with(
    ours: &mut Host,
    theirs: &mut Host,
    (offer, acceptance): (Offer, Acceptance),
    before: impl Fn(End) + Sync,
) -> [Result<Established, Refusal>; 2] {
    let (a, b) = socket::pair().unwrap();
    let before = &before;
    thread::scope(|scope| {
        let offerer = scope.spawn(|| {
            before(End::Offerer);
            drive::offer(a.as_fd(), None, offer, ours, soon())
        });
        let acceptor = scope.spawn(|| {
            before(End::Acceptor);
            drive::accept(b.as_fd(), None, acceptance, theirs, soon())
        });
        [offerer.join().unwrap(), acceptor.join().unwrap()]
    })
}

pub(super) fn accept_from(peer: BorrowedFd<'_>) -> Result<Established, Refusal> {
    drive::accept(peer, None, acceptance(), &mut Host::new(Ok(())), soon())
}

pub(super) fn offer_to(peer: BorrowedFd<'_>) -> Result<Established, Refusal> {
    drive::offer(peer, None, offer(), &mut Host::new(Ok(())), soon())
}

/// A Hello as a peer sends it, with its three descriptors.
pub(super) fn greet(fd: BorrowedFd<'_>) {
    let host = Host::new(Ok(()));
    let Own { segment, wait_page, pidfd } = host.own();
    let fds = [segment.unwrap(), wait_page.unwrap(), pidfd.unwrap()];
    socket::send_with_fds(fd, &Message::Hello(Box::new(hello())).encode(), &fds).unwrap();
}
