//! A segment that one end lends the other, which may not make any.

use super::super::drive;
use super::super::handshake::{Action, Event, FdReceipt, Machine};
use super::super::message::Kind;
use super::super::refusal::Refusal;
use super::drive::{hang_up, heard};
use super::host::{Host, both, both_after, greet, soon};
use super::machine::{
    At, a_hello, agreed, awaiting_attach, awaiting_hello, awaiting_lend, denied, refusal, sending_lend, sent,
};
use super::*;
use crate::sys::tests::{alone, open_fds};
use crate::sys::{memfd, socket as sockets};
use std::os::fd::AsFd;
use std::thread;

const FULL: (Obstacle, i32) = (Obstacle::NoSpace, 28);

fn no_space(at: End) -> Chosen {
    socket(at, FULL.0, FULL.1)
}

fn full() -> Result<(), Cause> {
    Err(Cause::with_errno(FULL.0, FULL.1))
}

/// An accepting machine that has opened what was offered, and says how far it came with a segment of its own.
fn opened(hello: Hello, opened: Result<(), Cause>) -> (At<Acceptor>, Message) {
    let mut at = awaiting_hello(acceptance());
    assert_eq!(at.hear(&a_hello(hello)), Action::Open);
    let message = sent(at.tell(Event::Opened(opened))).0;
    (at, message)
}

#[test]
fn an_end_that_may_not_make_memory_gets_it_from_the_other_one() {
    for errno in [1, 13, 38] {
        let cause = Cause::with_errno(Obstacle::MemfdCreate, errno);
        let (mut at, message) = opened(hello(), Err(cause));
        assert_eq!(message, Message::Borrow);
        at.tell(Event::Sent);
        assert_eq!(at.hear(&Message::Lend(Chosen::Shm)), Action::Lend);
        assert_eq!(at.machine.received(), FdKinds::SEGMENT);
        let features = Features::ALL.without(Features::MEMFD);
        let answer = Message::Attach(Attach { features, ..attach() });
        assert_eq!(sent(at.tell(Event::Opened(Ok(())))), (answer, REPLY_FDS));
        at.tell(Event::Sent);
        assert!(agreed(at.hear(&Message::Go(Chosen::Shm))).lent);
    }
    let mut at = awaiting_attach(offer());
    assert_eq!(at.hear(&Message::Borrow), Action::Lend);
    assert_eq!(sent(at.tell(Event::Opened(Ok(())))), (Message::Lend(Chosen::Shm), FdKinds::SEGMENT));
    assert!(matches!(at.tell(Event::Sent), Action::Wait { .. }));
    assert_eq!(at.hear(&Message::Attach(attach())), Action::Open);
    at.tell(Event::Opened(Ok(())));
    assert!(agreed(at.tell(Event::Sent)).lent);
}

#[test]
fn only_who_may_not_make_memory_asks_for_it_and_only_who_can_make_it() {
    let causes = [
        (Obstacle::MemfdCreate, 24),
        (Obstacle::MemfdCreate, 12),
        (Obstacle::MemfdCreate, 0),
        (Obstacle::Seal, 1),
        (Obstacle::Map, 1),
    ];
    for (obstacle, errno) in causes {
        let (_, message) = opened(hello(), Err(Cause::with_errno(obstacle, errno)));
        let chosen = socket(End::Acceptor, obstacle, errno);
        assert_eq!(message, Message::Attach(Attach { chosen, fds: FdKinds::PIDFD, ..attach() }));
    }
    let features = Features::ALL.without(Features::MEMFD);
    let (_, message) = opened(Hello { features, ..hello() }, Err(denied()));
    assert_eq!(message.kind(), Kind::Attach);
}

#[test]
fn what_stands_in_the_lenders_way_is_the_reason_for_the_socket() {
    let mut at = awaiting_attach(offer());
    at.hear(&Message::Borrow);
    let said = sent(at.tell(Event::Opened(full())));
    assert_eq!(said, (Message::Lend(no_space(End::Offerer)), FdKinds::NONE));
    at.tell(Event::Sent);
    let without = Attach { chosen: no_space(End::Offerer), fds: FdKinds::PIDFD, ..attach() };
    assert_eq!(sent(at.hear(&Message::Attach(without))).0, Message::Go(no_space(End::Offerer)));
    let end = agreed(at.tell(Event::Sent));
    assert_eq!((end.chosen, end.lent), (no_space(End::Offerer), false));

    let said = sent(sending_lend(offer()).tell(Event::FdsDenied { errno: 109 }));
    assert_eq!(said, (Message::Lend(socket(End::Offerer, Obstacle::SendFds, 109)), FdKinds::NONE));

    let mut at = awaiting_lend(acceptance());
    let answer = sent(at.hear(&Message::Lend(no_space(End::Offerer)))).0;
    let features = Features::ALL.without(Features::MEMFD);
    assert_eq!(answer, Message::Attach(Attach { features, ..without }));
}

#[test]
fn what_stands_in_the_borrowers_way_is_the_reason_for_the_socket() {
    let features = Features::ALL.without(Features::MEMFD);
    let attach = |chosen| Message::Attach(Attach { features, chosen, fds: FdKinds::PIDFD, ..attach() });
    let mut at = awaiting_lend(acceptance());
    at.hear(&Message::Lend(Chosen::Shm));
    assert_eq!(sent(at.tell(Event::Opened(full()))).0, attach(no_space(End::Acceptor)));
    // Once is enough: it does not ask again.
    let mut at = awaiting_lend(acceptance());
    at.hear(&Message::Lend(Chosen::Shm));
    let again = sent(at.tell(Event::Opened(Err(denied())))).0;
    assert_eq!(again, attach(socket(End::Acceptor, Obstacle::MemfdCreate, 1)));

    let bytes = Message::Lend(Chosen::Shm).encode();
    let mut at = awaiting_lend(acceptance());
    let answer = at.tell(Event::Packet { bytes: &bytes, fds: FdReceipt::Denied { errno: 1 } });
    assert_eq!(sent(answer).0, attach(socket(End::Acceptor, Obstacle::ReceiveFds, 1)));
    assert_eq!(at.machine.received(), FdKinds::NONE);
}

#[test]
fn a_segment_is_lent_once_and_only_for_shared_memory() {
    let early = Refusal::OutOfOrder { expected: Kind::Attach, got: Kind::Borrow };
    let mut lent = sending_lend(offer());
    lent.tell(Event::Sent);
    assert_eq!(refusal(lent.hear(&Message::Borrow)), early);
    let mut not_lent = awaiting_attach(offer());
    not_lent.hear(&Message::Borrow);
    not_lent.tell(Event::Opened(full()));
    not_lent.tell(Event::Sent);
    assert_eq!(refusal(not_lent.hear(&Message::Borrow)), early);
    let local = Local { choice: LinkChoice::Socket, ..local() };
    let mut on_the_socket = awaiting_attach(Offer { local, ..offer() });
    assert_eq!(refusal(on_the_socket.hear(&Message::Borrow)), early);
}

#[test]
fn a_lend_that_contradicts_itself_or_is_contradicted_is_refused() {
    let lend = awaiting_lend(acceptance()).hear(&Message::Lend(no_space(End::Acceptor)));
    assert_eq!(refusal(lend), Refusal::Contradiction { kind: Kind::Lend });
    let mut at = awaiting_attach(offer());
    at.hear(&Message::Borrow);
    at.tell(Event::Opened(full()));
    at.tell(Event::Sent);
    assert_eq!(refusal(at.hear(&Message::Attach(attach()))), Refusal::Contradiction { kind: Kind::Attach });
}

#[test]
fn a_lender_that_demands_shared_memory_and_has_none_to_lend_refuses() {
    let local = Local { choice: LinkChoice::Shm, ..local() };
    let mut at = awaiting_attach(Offer { local, ..offer() });
    at.hear(&Message::Borrow);
    let why = fallback(End::Offerer, FULL.0, FULL.1);
    assert_eq!(refusal(at.tell(Event::Opened(full()))), Refusal::NoSharedMemory(why));
}

#[test]
fn a_lent_segment_goes_there_and_comes_back() {
    let (mut ours, mut theirs) = (Host::new(Ok(())), Host::new(Err(denied())));
    let own = ours.inodes();
    for end in both(&mut ours, &mut theirs) {
        let agreed = end.unwrap().agreed;
        assert_eq!((agreed.chosen, agreed.lent), (Chosen::Shm, true));
    }
    let lent = ours.inodes()[0];
    assert_eq!(theirs.opened, [own[0], own[1], lent]);
    assert_eq!(ours.opened, [lent]);
    assert_eq!(theirs.inodes()[0], lent);
    assert_eq!(memfd::len(theirs.segment.unwrap()), Ok(8192));
}

#[test]
fn whatever_becomes_of_a_lent_segment_nothing_stays_open() {
    alone(|| {
        let before = open_fds();
        let ends = |ours: Host, theirs: Host| both_after(&mut { ours }, &mut { theirs }, |_| ());
        let borrower = || Host::new(Err(denied()));
        let cases = [
            (Ok(()), Ok(()), Ok(()), Chosen::Shm),
            (Ok(()), full(), Ok(()), no_space(End::Offerer)),
            (Ok(()), Ok(()), full(), no_space(End::Acceptor)),
            (full(), Ok(()), Ok(()), no_space(End::Offerer)),
        ];
        for (opening, lending, borrowing, chosen) in cases {
            let lender = Host::new(opening).with_lending(lending);
            for end in ends(lender, borrower().with_lending(borrowing)) {
                assert_eq!(end.unwrap().agreed.chosen, chosen);
            }
            assert_eq!(open_fds(), before);
        }
    });
}

#[test]
fn more_descriptors_than_one_lent_segment_are_closed_and_refused() {
    for count in [0, 2, 64] {
        let (a, b) = sockets::pair().unwrap();
        let (witness, passed) = sockets::pair().unwrap();
        let refusal = thread::scope(|scope| {
            let borrower = scope.spawn(|| {
                let host = &mut Host::new(Err(denied()));
                drive::accept(b.as_fd(), None, acceptance(), host, soon()).unwrap_err()
            });
            greet(a.as_fd());
            assert_eq!(heard(a.as_fd()), Message::Borrow);
            let packet = Message::Lend(Chosen::Shm).encode();
            sockets::send_with_fds(&a, &packet, &vec![passed.as_fd(); count]).unwrap();
            borrower.join().unwrap()
        });
        assert_eq!(refusal, Refusal::Descriptors { kind: Kind::Lend, expected: 1, got: count });
        assert_eq!(heard(a.as_fd()), Message::Refuse(refuse(Reason::Descriptors)));
        drop(b);
        hang_up(passed, witness.as_fd());
    }
}
