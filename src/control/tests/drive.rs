//! Handshakes over real sockets, with real descriptors.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;

use super::super::decode::decode;
use super::super::drive::{self, Established, OfferHost, Own, Progress, Session};
use super::super::handshake::Stage;
use super::super::message::{FRAME_MAX, Kind, VERSION};
use super::super::message_error::MessageError;
use super::super::refusal::Refusal;
use super::host::{Host, accept_from, both, greet, offer_to, soon};
use super::*;
use crate::sys::epoll::Interest;
use crate::sys::{Errno, memfd, pidfd, socket};

/// The next packet that the other end sent.
pub(super) fn heard(fd: BorrowedFd<'_>) -> Message {
    let mut packet = [0; 4096];
    let mut ready = Vec::new();
    socket::wait_readable(&[fd], &mut ready, Some(soon())).unwrap();
    let len = socket::recv(fd, &mut packet).unwrap();
    decode(&packet[..len]).unwrap()
}

/// Closes a descriptor and waits until the socket at its other end knows: a process that another test starts
/// has a copy until it executes its program.
pub(super) fn hang_up(fd: OwnedFd, other: BorrowedFd<'_>) {
    drop(fd);
    let mut ready = Vec::new();
    socket::wait_any(&[(other, Interest::HangUp)], &mut ready, Some(soon())).unwrap();
    assert!(ready.first().is_some_and(|at| at.hangup), "the descriptor is still open");
}

#[test]
fn descriptors_reach_the_right_hands() {
    let (mut ours, mut theirs) = (Host::new(Ok(())), Host::new(Ok(())));
    for end in both(&mut ours, &mut theirs) {
        let Established { agreed, pidfd } = end.unwrap();
        assert_eq!((agreed.chosen, agreed.terms, agreed.identity), (Chosen::Shm, TERMS, identity()));
        assert!(!pidfd::exited(pidfd.unwrap()).unwrap());
    }
    assert_eq!(theirs.opened, ours.inodes());
    assert_eq!(ours.opened, theirs.inodes()[..1]);
}

#[test]
fn what_a_host_cannot_open_is_the_reason_at_both_ends() {
    let full = Cause::with_errno(Obstacle::NoSpace, 28);
    for (ours, theirs, at) in [(Err(full), Ok(()), End::Offerer), (Ok(()), Err(full), End::Acceptor)] {
        for end in both(&mut Host::new(ours), &mut Host::new(theirs)) {
            let Established { agreed, pidfd } = end.unwrap();
            assert_eq!(agreed.chosen, socket(at, Obstacle::NoSpace, 28));
            assert!(pidfd.is_some());
        }
    }
}

#[test]
fn a_descriptor_that_cannot_be_passed_makes_the_link_a_socket() {
    let (mut ours, mut theirs) = (Host::new(Ok(())), Host::new(Ok(())));
    theirs.segment = None;
    for end in both(&mut ours, &mut theirs) {
        assert_eq!(end.unwrap().agreed.chosen, socket(End::Acceptor, Obstacle::SendFds, 9));
    }
}

#[test]
fn sessions_advance_without_blocking() {
    let (a, b) = socket::pair().unwrap();
    let (mut ours, mut theirs) = (Host::new(Ok(())), Host::new(Ok(())));
    let now = Instant::now();
    let mut accepting = Session::accept(acceptance(), now, now + WATCHDOG);
    let mut offering = Session::offer(offer(), now, now + WATCHDOG);
    let waits = |progress| matches!(progress, Ok(Progress::Waiting { until }) if until == now + WATCHDOG);
    assert!(waits(accepting.advance(b.as_fd(), &mut theirs, now)));
    assert!(waits(accepting.advance(b.as_fd(), &mut theirs, now)));
    assert!(waits(offering.advance(a.as_fd(), &mut ours, now)));
    assert!(waits(offering.advance(a.as_fd(), &mut ours, now)));
    assert!(waits(accepting.advance(b.as_fd(), &mut theirs, now)));
    assert!(matches!(offering.advance(a.as_fd(), &mut ours, now), Ok(Progress::Done(_))));
    assert!(matches!(accepting.advance(b.as_fd(), &mut theirs, now), Ok(Progress::Done(_))));
    let late = offering.advance(a.as_fd(), &mut ours, now).unwrap_err();
    assert_eq!(late, Refusal::OutOfStep { stage: Stage::Over });
}

#[test]
fn a_peer_that_never_speaks_ends_by_the_time_limit_and_is_told() {
    let limit = Duration::from_millis(20);
    // The end begins after that instant, so what it says that it took is no more than what is seen from here.
    let timed_out = |begun: Instant, end: Result<Established, Refusal>, expected| match end.unwrap_err() {
        Refusal::TimedOut { stage, after } => {
            assert_eq!(stage, expected);
            assert!(begun.elapsed() >= limit && !after.is_zero() && after <= begun.elapsed(), "{after:?}");
        }
        other => panic!("{other}"),
    };
    let (a, b) = socket::pair().unwrap();
    let host = &mut Host::new(Ok(()));
    let begun = Instant::now();
    timed_out(begun, drive::offer(a.as_fd(), None, offer(), host, begun + limit), Stage::AwaitingAttach);
    assert_eq!(heard(b.as_fd()).kind(), Kind::Hello);
    assert_eq!(heard(b.as_fd()), Message::Refuse(refuse(Reason::TimedOut)));

    let (a, b) = socket::pair().unwrap();
    let begun = Instant::now();
    timed_out(begun, drive::accept(b.as_fd(), None, acceptance(), host, begun + limit), Stage::AwaitingHello);
    assert_eq!(heard(a.as_fd()), Message::Refuse(refuse(Reason::TimedOut)));

    let (a, b) = socket::pair().unwrap();
    greet(a.as_fd());
    let begun = Instant::now();
    timed_out(begun, drive::accept(b.as_fd(), None, acceptance(), host, begun + limit), Stage::AwaitingGo);
    assert_eq!(heard(a.as_fd()).kind(), Kind::Attach);
    assert_eq!(heard(a.as_fd()), Message::Refuse(refuse(Reason::TimedOut)));
}

#[test]
fn a_peer_that_hangs_up_ends_each_stage() {
    let hung_up = |end: Result<Established, Refusal>, stage| {
        assert_eq!(end.unwrap_err(), Refusal::HungUp { stage });
    };
    let (a, b) = socket::pair().unwrap();
    hang_up(b, a.as_fd());
    hung_up(offer_to(a.as_fd()), Stage::SendingHello);
    hung_up(accept_from(a.as_fd()), Stage::AwaitingHello);

    let (a, b) = socket::pair().unwrap();
    greet(a.as_fd());
    hang_up(a, b.as_fd());
    hung_up(accept_from(b.as_fd()), Stage::SendingAttach);

    let (a, b) = socket::pair().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || assert_eq!(heard(b.as_fd()).kind(), Kind::Hello));
        hung_up(offer_to(a.as_fd()), Stage::AwaitingAttach);
    });

    let (a, b) = socket::pair().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            greet(a.as_fd());
            assert_eq!(heard(a.as_fd()).kind(), Kind::Attach);
        });
        hung_up(accept_from(b.as_fd()), Stage::AwaitingGo);
    });
}

/// A host whose peer goes away while it opens.
struct Deserted<'a> {
    host: Host,
    socket: BorrowedFd<'a>,
    peer: Option<OwnedFd>,
}

impl OfferHost for Deserted<'_> {
    fn open(&mut self, segment: OwnedFd) -> Result<(), Cause> {
        hang_up(self.peer.take().unwrap(), self.socket);
        OfferHost::open(&mut self.host, segment)
    }

    fn open_named(&mut self) -> Result<(), Cause> {
        self.host.open_named()
    }

    fn lend(&mut self) -> Result<(), Cause> {
        self.host.lend()
    }

    fn own(&self) -> Own<'_> {
        self.host.own()
    }
}

#[test]
fn a_peer_that_hangs_up_while_its_segment_is_opened_ends_the_sending_of_go() {
    let (a, b) = socket::pair().unwrap();
    let host = Host::new(Ok(()));
    let Own { segment, pidfd, .. } = host.own();
    let fds = [segment.unwrap(), pidfd.unwrap()];
    socket::send_with_fds(&b, &Message::Attach(attach()).encode(), &fds).unwrap();
    // It never read the Hello, which the system tells as an error before the end.
    let mut deserted = Deserted { host: Host::new(Ok(())), socket: a.as_fd(), peer: Some(b) };
    let end = drive::offer(a.as_fd(), None, offer(), &mut deserted, soon());
    assert_eq!(end.unwrap_err(), Refusal::HungUp { stage: Stage::SendingGo });
}

#[test]
fn the_last_word_of_a_peer_is_heard_although_it_hung_up() {
    let last = Message::Refuse(refuse(Reason::TimedOut));
    let told = Refusal::Peer(refuse(Reason::TimedOut));
    let (a, b) = socket::pair().unwrap();
    socket::send(&b, &last.encode()).unwrap();
    hang_up(b, a.as_fd());
    assert_eq!(offer_to(a.as_fd()).unwrap_err(), told);

    let (a, b) = socket::pair().unwrap();
    greet(a.as_fd());
    socket::send(&a, &last.encode()).unwrap();
    hang_up(a, b.as_fd());
    assert_eq!(accept_from(b.as_fd()).unwrap_err(), told);

    // It refuses, and leaves the Hello unread.
    let (a, b) = socket::pair().unwrap();
    let mut session = Session::offer(offer(), Instant::now(), soon());
    session.advance(a.as_fd(), &mut Host::new(Ok(())), Instant::now()).unwrap();
    socket::send(&b, &last.encode()).unwrap();
    hang_up(b, a.as_fd());
    let end = session.advance(a.as_fd(), &mut Host::new(Ok(())), Instant::now());
    assert_eq!(end.unwrap_err(), told);
}

#[test]
fn a_dead_peer_is_heard_to_its_end_and_no_longer() {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let dead = pidfd::open(pidfd::Pid::from_child(&child)).unwrap();
    child.wait().unwrap();
    let accept = |fd: BorrowedFd<'_>| {
        let host = &mut Host::new(Ok(()));
        drive::accept(fd, Some(dead.as_fd()), acceptance(), host, soon()).unwrap_err()
    };
    // Somebody else still holds the dead peer's end.
    let (a, b) = socket::pair().unwrap();
    assert_eq!(accept(b.as_fd()), Refusal::Died { stage: Stage::AwaitingHello });
    greet(a.as_fd());
    assert_eq!(accept(b.as_fd()), Refusal::Died { stage: Stage::AwaitingGo });
}

#[test]
fn another_version_is_refused_in_words_that_it_can_read() {
    let (a, b) = socket::pair().unwrap();
    let mut packet = Message::Hello(Box::new(hello())).encode();
    packet[4] = 2;
    packet.push(0xff);
    socket::send(&a, &packet).unwrap();
    let version = Refusal::Version { ours: VERSION, theirs: 2 };
    assert_eq!(accept_from(b.as_fd()).unwrap_err(), version);
    assert_eq!(heard(a.as_fd()), Message::Refuse(refuse(Reason::Version)));

    let mut packet = Message::Refuse(refuse(Reason::Version)).encode();
    packet[4] = 2;
    socket::send(&a, &packet).unwrap();
    assert_eq!(offer_to(b.as_fd()).unwrap_err(), version);
}

#[test]
fn a_doorbell_and_garbage_are_refused_and_the_peer_is_told() {
    let (a, b) = socket::pair().unwrap();
    socket::send(&a, &Message::Doorbell.encode()).unwrap();
    let early = Refusal::OutOfOrder { expected: Kind::Hello, got: Kind::Doorbell };
    assert_eq!(accept_from(b.as_fd()).unwrap_err(), early);
    assert_eq!(heard(a.as_fd()), Message::Refuse(refuse(Reason::OutOfOrder)));

    for garbage in [&b"GET / HTTP/1.1\r\n"[..], &[0; 4096], &[1; 8192]] {
        socket::send(&a, garbage).unwrap();
        assert!(matches!(accept_from(b.as_fd()), Err(Refusal::Malformed(_))));
        assert_eq!(heard(a.as_fd()), Message::Refuse(refuse(Reason::Malformed)));
    }
    let mut long = Message::Hello(Box::new(hello())).encode();
    long.resize(5000, 0);
    socket::send(&a, &long).unwrap();
    let too_long = MessageError::TooLong { len: FRAME_MAX + 1 };
    assert_eq!(accept_from(b.as_fd()).unwrap_err(), Refusal::Malformed(too_long));
}

#[test]
fn descriptors_that_nobody_declared_are_closed_and_refused() {
    let packet = Message::Hello(Box::new(hello())).encode();
    for count in [0, 1, 2, 4, 63, 64] {
        let (a, b) = socket::pair().unwrap();
        let (witness, passed) = socket::pair().unwrap();
        let fds = vec![passed.as_fd(); count];
        // 300 and more, if there are several packets: the first one ends it.
        for _ in 0..5 {
            socket::send_with_fds(&a, &packet, &fds).unwrap();
        }
        let refusal = accept_from(b.as_fd()).unwrap_err();
        assert_eq!(refusal, Refusal::Descriptors { kind: Kind::Hello, expected: 3, got: count });
        assert_eq!(heard(a.as_fd()), Message::Refuse(refuse(Reason::Descriptors)));
        drop(b);
        hang_up(passed, witness.as_fd());
    }
}

#[test]
fn descriptors_of_a_peer_that_is_refused_later_are_closed() {
    let (a, b) = socket::pair().unwrap();
    let (witness, passed) = socket::pair().unwrap();
    let local = Local { layout: 1, ..local() };
    let fds = [passed.as_fd(); 3];
    socket::send_with_fds(&a, &Message::Hello(Box::new(hello())).encode(), &fds).unwrap();
    socket::send(&a, &Message::Doorbell.encode()).unwrap();
    let acceptance = Acceptance { local, ..acceptance() };
    let end = drive::accept(b.as_fd(), None, acceptance, &mut Host::new(Ok(())), soon());
    assert_eq!(end.unwrap_err(), Refusal::OutOfOrder { expected: Kind::Go, got: Kind::Doorbell });
    hang_up(passed, witness.as_fd());
}

#[test]
fn an_end_that_is_no_socket_is_an_error_of_the_system() {
    let file = memfd::create(4096).unwrap();
    let io = |call| Refusal::Io { call, errno: Errno::NOTSOCK.raw_os_error() };
    assert_eq!(accept_from(file.as_fd()).unwrap_err(), io("recv"));
    assert_eq!(offer_to(file.as_fd()).unwrap_err(), io("send"));
}

#[test]
fn an_empty_packet_is_refused_at_once_and_no_hang_up() {
    let (a, b) = socket::pair().unwrap();
    rustix::net::send(&a, &[], rustix::net::SendFlags::empty()).unwrap();
    assert!(!socket::is_hung_up(&b).unwrap());
    let short = accept_from(b.as_fd()).unwrap_err();
    assert!(matches!(short, Refusal::Malformed(MessageError::Short { have: 0, .. })), "{short}");
    drop(a);
    assert!(socket::is_hung_up(&b).unwrap());
}
