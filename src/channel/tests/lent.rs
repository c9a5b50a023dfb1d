//! Ends of which one has its segment from the other, and one is hostile.

use super::hostile::{CAPACITY, options};
use crate::channel::error::{Cause, RecvError, TrySendError};
use crate::channel::{Channel, Pending};
use crate::control::drive::{self, AcceptHost, Established, OfferHost, Own};
use crate::control::fallback::{Cause as Denial, Obstacle};
use crate::control::identity::Identity;
use crate::control::message::Hello;
use crate::control::offer::Offer;
use crate::link::connect::{End, Link, Sockets};
use crate::link::shm::ShmTx;
use crate::link::{Rx, Tx};
use crate::ring::Memory;
use crate::segment::{Capacity, Name, OwnedSegment, PeerSegment, ShmMemory, Side, WaitPage};
use crate::sync::Ordering;
use crate::sys::memfd::{self, SealFlags};
use crate::sys::pidfd::{Pid, Signal};
use crate::sys::tests::{alone, deny, deny_value, fork_child, open_fds, reopen, until, watchdog};
use crate::sys::{Errno, process, socket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// How many messages a lender sends while it scribbles.
const MESSAGES: u32 = 300;

fn capacity() -> Capacity {
    Capacity::new(CAPACITY).unwrap()
}

fn offering() -> End {
    End::offering(options().wish(Identity::new(0, 0)))
}

/// Makes what is lent.
type Lend = fn() -> OwnedFd;

/// A lender that lends what it likes.
struct Lender {
    end: End,
    lend: Lend,
    lent: Option<OwnedFd>,
}

impl OfferHost for Lender {
    fn open(&mut self, segment: OwnedFd) -> Result<(), Denial> {
        self.end.open(segment)
    }

    fn open_named(&mut self) -> Result<(), Denial> {
        self.end.open_named()
    }

    fn lend(&mut self) -> Result<(), Denial> {
        self.lent = Some((self.lend)());
        Ok(())
    }

    fn own(&self) -> Own<'_> {
        let own = OfferHost::own(&self.end);
        Own { segment: self.lent.as_ref().map(AsFd::as_fd).or(own.segment), ..own }
    }
}

/// A borrower that passes back what it was lent as it is.
struct Unsealing {
    end: End,
    borrowed: Option<OwnedFd>,
}

impl AcceptHost for Unsealing {
    fn attach(&mut self, hello: &Hello, segment: OwnedFd, wait_page: OwnedFd) -> Result<(), Denial> {
        self.end.attach(hello, segment, wait_page)?;
        Err(Denial::with_errno(Obstacle::MemfdCreate, 1))
    }

    fn attach_named(&mut self, hello: &Hello, name: Name) -> Result<(), Denial> {
        self.end.attach_named(hello, name)
    }

    fn borrow(&mut self, segment: OwnedFd) -> Result<(), Denial> {
        self.borrowed = Some(segment);
        Ok(())
    }

    fn own(&self) -> Own<'_> {
        Own { segment: self.borrowed.as_ref().map(AsFd::as_fd), ..AcceptHost::own(&self.end) }
    }
}

/// What both ends come to, which run in threads. The borrower's calls `before` first.
fn meet(
    lender: &mut (impl OfferHost + Send),
    offer: Offer,
    borrow: impl FnOnce(&OwnedFd) -> Established + Send,
) -> [Established; 2] {
    let (a, b) = socket::pair().unwrap();
    std::thread::scope(|scope| {
        let borrower = scope.spawn(|| borrow(&b));
        let lent = drive::offer(a.as_fd(), None, offer, lender, watchdog()).unwrap();
        [lent, borrower.join().unwrap()]
    })
}

/// A borrower in good faith, whose thread may make no memory.
fn borrower(socket: &OwnedFd) -> Established {
    deny(libc::SYS_memfd_create, Errno::PERM);
    let mut end = End::accepting(options().wish(Identity::new(0, 0)));
    drive::accept(socket.as_fd(), None, end.acceptance(), &mut end, watchdog()).unwrap()
}

/// The same, and it may not seal what it gets.
fn borrower_that_may_not_seal(socket: &OwnedFd) -> Established {
    deny_value(libc::SYS_fcntl, 1, libc::F_ADD_SEALS as u32, Errno::PERM);
    borrower(socket)
}

/// The kinds of link that two ends agree on, after which nothing may be left.
fn assert_comes_to(why: &str, ends: impl FnOnce() -> [Established; 2]) {
    let before = open_fds();
    for end in ends() {
        let fallback = end.agreed.chosen.fallback().map(|fallback| fallback.to_string());
        assert_eq!((fallback.unwrap_or_default().as_str(), end.agreed.lent), (why, why.is_empty()));
    }
    assert_eq!(open_fds(), before, "{why}");
}

fn sealed(seals: SealFlags) -> OwnedFd {
    let fd = OwnedSegment::lend(capacity()).unwrap();
    memfd::seal(&fd, seals).unwrap();
    fd
}

#[test]
fn what_a_hostile_lender_lends_is_a_reason_for_the_socket() {
    let lends: [(Lend, &str); 7] = [
        (|| OwnedSegment::lend(capacity()).unwrap(), ""),
        (|| memfd::create(CAPACITY).unwrap(), "wrong size (accepting end)"),
        (|| OwnedSegment::lend(Capacity::MAX).unwrap(), "wrong size (accepting end)"),
        (|| socket::pair().unwrap().0, "not a memfd: EINVAL (accepting end)"),
        (|| sealed(SealFlags::SEAL), "F_ADD_SEALS: EPERM (accepting end)"),
        (|| sealed(SealFlags::FUTURE_WRITE), "sealed against writing (accepting end)"),
        (
            || reopen(sealed(SealFlags::empty()), rustix::fs::OFlags::RDONLY).unwrap(),
            "F_ADD_SEALS: EPERM (accepting end)",
        ),
    ];
    alone(|| {
        for (lend, why) in lends {
            assert_comes_to(why, || {
                let mut lender = Lender { end: offering(), lend, lent: None };
                let offer = lender.end.offer();
                meet(&mut lender, offer, borrower)
            });
        }
    });
}

#[test]
fn a_borrower_that_may_not_seal_gets_the_socket() {
    alone(|| {
        assert_comes_to("F_ADD_SEALS: EPERM (accepting end)", || {
            let mut lender = offering();
            let offer = lender.offer();
            meet(&mut lender, offer, borrower_that_may_not_seal)
        });
    });
}

#[test]
fn memory_that_a_borrower_gives_back_unsealed_is_not_mapped() {
    alone(|| {
        assert_comes_to("seals missing (offering end)", || {
            let mut lender = offering();
            let offer = lender.offer();
            meet(&mut lender, offer, |socket| {
                let end = End::accepting(options().wish(Identity::new(0, 0)));
                let acceptance = end.acceptance();
                let mut host = Unsealing { end, borrowed: None };
                drive::accept(socket.as_fd(), None, acceptance, &mut host, watchdog()).unwrap()
            })
        });
    });
}

/// Everything of the borrower's segment, for a lender that kept it.
struct Kept {
    outgoing: ShmMemory,
    incoming: ShmMemory,
    numbers: u64,
}

impl Kept {
    fn new(own: OwnedSegment, seed: u64) -> Self {
        let (_, peer) = OwnedSegment::create(capacity()).unwrap();
        let parts = (
            Arc::new(own),
            Arc::new(PeerSegment::open(peer, capacity()).unwrap()),
            Arc::new(WaitPage::create().unwrap().0),
        );
        let (own, peer, page) = parts.clone();
        let outgoing = ShmMemory::outgoing(own, peer, page, Side::B);
        let (own, peer, page) = parts;
        let incoming = ShmMemory::incoming(own, peer, page, Side::B);
        Self { outgoing, incoming, numbers: seed * 2 + 1 }
    }

    fn number(&mut self) -> u64 {
        self.numbers = self.numbers.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        self.numbers >> 20
    }

    /// Writes a word: mostly a header where one could be. Not the head, by which this very process sends.
    fn scribble(&mut self) {
        let (place, value) = (self.number() as usize, self.number());
        let header = (value % 3000) | (((value >> 12) % 8) << 32);
        let words = self.outgoing.words();
        match place % 64 {
            0 => self.outgoing.producer().want.store(value, Ordering::Relaxed),
            1 => self.outgoing.producer().closed.store(value as u32, Ordering::Relaxed),
            2 => self.outgoing.producer().fenced.store(value as u32, Ordering::Relaxed),
            3 => self.incoming.cursor().cursor.store(value, Ordering::Relaxed),
            4..=9 => words[place % words.len()].store(value, Ordering::Relaxed),
            _ => words[place % words.len()].store(header, Ordering::Relaxed),
        }
    }
}

/// A link to a child that lent this process its segment, keeps it, and sends while it scribbles over it.
fn lent_by_a_scribbler(seed: u64) -> (Pid, Channel) {
    let (control, data) = (socket::pair().unwrap(), socket::pair().unwrap());
    let (mut ours, mut theirs) = (Some((control.0, data.0)), Some((control.1, data.1)));
    let child = fork_child(|| {
        drop(ours.take());
        let (control, data) = theirs.take().unwrap();
        let lend = || OwnedSegment::lend(capacity()).unwrap();
        let mut lender = Keeper { lender: Lender { end: offering(), lend, lent: None }, kept: None };
        let offer = lender.lender.end.offer();
        let established = drive::offer(control.as_fd(), None, offer, &mut lender, watchdog()).unwrap();
        let mut kept = Kept::new(lender.kept.unwrap(), seed);
        let sockets = Sockets { control: Arc::new(control), data, peer_data: None, watched: false };
        match lender.lender.end.finish(established, sockets, None).unwrap() {
            Link { tx: Tx::Shm(tx), rx: Rx::Shm(_rx) } => send_and_scribble(*tx, &mut kept),
            _ => panic!("this link is not shared memory"),
        }
    });
    drop(theirs);
    let (control, data) = ours.unwrap();
    // The filter is the thread's own, and so is not that of the next child.
    let connect = || {
        deny(libc::SYS_memfd_create, Errno::PERM);
        Pending::accepting(control, data, options()).connect().unwrap()
    };
    (child, std::thread::scope(|scope| scope.spawn(connect).join().unwrap()))
}

/// Maps what it lends before the borrower can seal it.
struct Keeper {
    lender: Lender,
    kept: Option<OwnedSegment>,
}

impl OfferHost for Keeper {
    fn open(&mut self, segment: OwnedFd) -> Result<(), Denial> {
        self.lender.open(segment)
    }

    fn open_named(&mut self) -> Result<(), Denial> {
        self.lender.open_named()
    }

    fn lend(&mut self) -> Result<(), Denial> {
        self.lender.lend()?;
        self.kept = self.lender.lent.as_ref().map(|lent| OwnedSegment::kept(lent, capacity()));
        Ok(())
    }

    fn own(&self) -> Own<'_> {
        self.lender.own()
    }
}

fn send_and_scribble(mut tx: ShmTx, kept: &mut Kept) -> ! {
    for number in 0..MESSAGES {
        while tx.try_send(&number.to_le_bytes().repeat(10)).is_err() {
            kept.scribble();
        }
        (0..number % 16).for_each(|_| kept.scribble());
    }
    loop {
        kept.scribble();
    }
}

/// What the borrower sends is spoilt, or not; what it receives is whole.
fn is_spoilt(seed: u64) -> bool {
    let (child, channel) = lent_by_a_scribbler(seed);
    assert!(channel.about().lent);
    let (mut sender, mut receiver) = channel.split();
    let mut sent = Vec::new();
    for number in 0..MESSAGES {
        let message = number.to_le_bytes().repeat(10);
        assert!(*receiver.recv().unwrap() == message, "{number}");
        match sender.try_send(&message) {
            Ok(()) => sent.push(message),
            Err(TrySendError::Full) => {}
            Err(error) => panic!("{error}"),
        }
    }
    process::signal(child, Signal::KILL).unwrap();
    until(|| receiver.recv() == Err(RecvError::Disconnected(Cause::Died)));
    let Ok(undelivered) = sender.salvage() else { return true };
    let back: Vec<_> = undelivered.collect();
    assert!(back.len() as u64 <= CAPACITY / 8);
    back != sent
}

#[test]
fn a_lender_that_scribbles_over_what_it_lent_spoils_what_the_borrower_sends_and_no_more() {
    alone(|| {
        let spoilt = (0..8).filter(|seed| is_spoilt(*seed)).count();
        // On a busy machine the lender may have come too late each time.
        let mut seeds = 8..;
        until(|| spoilt > 0 || seeds.next().is_some_and(is_spoilt));
    });
}
