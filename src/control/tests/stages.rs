//! Every message and every event in every stage.

use super::super::handshake::{Action, Event, FdReceipt, Machine, Stage};
use super::super::message::{Kind, VERSION};
use super::super::message_error::MessageError;
use super::super::refusal::Refusal;
use super::machine::{
    At, a_hello, awaiting_attach, awaiting_go, awaiting_hello, awaiting_lend, denied, refusal, sending_lend,
    sent,
};
use super::*;

/// One message of each kind.
fn one_of_each() -> [Message; 7] {
    [
        Message::Doorbell,
        a_hello(hello()),
        Message::Attach(attach()),
        Message::Go(Chosen::Shm),
        Message::Refuse(refuse(Reason::TimedOut)),
        Message::Borrow,
        Message::Lend(Chosen::Shm),
    ]
}

#[test]
fn in_every_stage_one_kind_of_message_is_due_and_every_other_is_refused() {
    for message in one_of_each() {
        let mut has_lent = sending_lend(offer());
        has_lent.tell(Event::Sent);
        let stages: [(Kind, Action); 5] = [
            (Kind::Attach, has_lent.hear(&message)),
            (Kind::Lend, awaiting_lend(acceptance()).hear(&message)),
            (Kind::Attach, awaiting_attach(offer()).hear(&message)),
            (Kind::Hello, awaiting_hello(acceptance()).hear(&message)),
            (Kind::Go, awaiting_go(acceptance()).hear(&message)),
        ];
        for (expected, action) in stages {
            match message.kind() {
                Kind::Refuse => assert_eq!(refusal(action), Refusal::Peer(refuse(Reason::TimedOut))),
                // Before it has lent, the offering end can be asked to.
                Kind::Borrow if action == Action::Lend => assert_eq!(expected, Kind::Attach),
                got if got == expected => assert!(!matches!(action, Action::Refused { .. }), "{action:?}"),
                got => assert_eq!(refusal(action), Refusal::OutOfOrder { expected, got }),
            }
        }
    }
}

#[test]
fn a_message_while_one_is_being_sent_is_the_last_word_of_a_peer_that_hung_up() {
    let now = Instant::now();
    for message in one_of_each() {
        let mut sending_hello = At { machine: offerer(offer(), now), now };
        sending_hello.tell(Event::Start);
        let mut sending_go = awaiting_attach(offer());
        sending_go.hear(&Message::Attach(attach()));
        sending_go.tell(Event::Opened(Ok(())));
        let mut sending_attach = awaiting_hello(acceptance());
        sending_attach.hear(&a_hello(hello()));
        sending_attach.tell(Event::Opened(Ok(())));
        let mut sending_borrow = awaiting_hello(acceptance());
        sending_borrow.hear(&a_hello(hello()));
        sending_borrow.tell(Event::Opened(Err(denied())));
        for (stage, action) in [
            (Stage::SendingHello, sending_hello.hear(&message)),
            (Stage::SendingGo, sending_go.hear(&message)),
            (Stage::SendingAttach, sending_attach.hear(&message)),
            (Stage::SendingBorrow, sending_borrow.hear(&message)),
            (Stage::SendingLend, sending_lend(offer()).hear(&message)),
        ] {
            let expected = match &message {
                Message::Refuse(refuse) => Refusal::Peer(*refuse),
                _ => Refusal::HungUp { stage },
            };
            assert_eq!(refusal(action), expected);
        }
    }
}

#[test]
fn a_peer_that_speaks_another_version_is_refused_by_either_end_and_both_are_named() {
    let mut packet = a_hello(hello()).encode();
    packet[4..6].copy_from_slice(&9u16.to_le_bytes());
    let event = Event::Packet { bytes: &packet, fds: FdReceipt::Complete(3) };
    let version = Refusal::Version { ours: VERSION, theirs: 9 };
    assert_eq!(refusal(awaiting_hello(acceptance()).tell(event)), version);
    assert_eq!(refusal(awaiting_attach(offer()).tell(event)), version);
    assert_eq!(refusal(awaiting_go(acceptance()).tell(event)), version);
    assert_eq!(refusal(awaiting_lend(acceptance()).tell(event)), version);
    assert!(version.to_string().contains("version 9"), "{version}");
}

#[test]
fn garbage_is_refused() {
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], &[0; 4097], &[0; 8], b"RWAY"] {
        let event = Event::Packet { bytes, fds: FdReceipt::Complete(0) };
        for action in [
            awaiting_hello(acceptance()).tell(event),
            awaiting_attach(offer()).tell(event),
            awaiting_go(acceptance()).tell(event),
            awaiting_lend(acceptance()).tell(event),
        ] {
            assert!(matches!(refusal(action), Refusal::Malformed(_)));
        }
    }
}

#[test]
fn each_wrong_number_of_descriptors_is_refused() {
    for fds in (0..=300).filter(|fds| *fds != 3) {
        let expected = Refusal::Descriptors { kind: Kind::Hello, expected: 3, got: fds };
        let mut at = awaiting_hello(acceptance());
        assert_eq!(refusal(at.hear_with(&a_hello(hello()), fds)), expected);
        assert_eq!(at.machine.received(), FdKinds::NONE);
    }
    for fds in [0, 1, 3, 64] {
        let expected = Refusal::Descriptors { kind: Kind::Attach, expected: 2, got: fds };
        assert_eq!(refusal(awaiting_attach(offer()).hear_with(&Message::Attach(attach()), fds)), expected);
    }
    for fds in [0, 2, 3, 300] {
        let expected = Refusal::Descriptors { kind: Kind::Lend, expected: 1, got: fds };
        let mut at = awaiting_lend(acceptance());
        assert_eq!(refusal(at.hear_with(&Message::Lend(Chosen::Shm), fds)), expected);
        assert_eq!(at.machine.received(), FdKinds::NONE);
    }
    let none = Message::Lend(socket(End::Offerer, Obstacle::NoSpace, 28));
    let lend = awaiting_lend(acceptance()).hear_with(&none, 1);
    assert_eq!(refusal(lend), Refusal::Descriptors { kind: Kind::Lend, expected: 0, got: 1 });
    let borrow = awaiting_attach(offer()).hear_with(&Message::Borrow, 1);
    assert_eq!(refusal(borrow), Refusal::Descriptors { kind: Kind::Borrow, expected: 0, got: 1 });
    let go = awaiting_go(acceptance()).hear_with(&Message::Go(Chosen::Shm), 1);
    assert_eq!(refusal(go), Refusal::Descriptors { kind: Kind::Go, expected: 0, got: 1 });
}

#[test]
fn descriptors_are_named_with_the_packet_that_brought_them_and_no_other() {
    let mut at = awaiting_go(acceptance());
    assert_eq!(at.machine.received(), ALL_FDS);
    at.hear(&Message::Go(Chosen::Shm));
    assert_eq!(at.machine.received(), FdKinds::NONE);
    let mut at = awaiting_go(acceptance());
    at.hear_with(&Message::Go(Chosen::Shm), 3);
    assert_eq!(at.machine.received(), FdKinds::NONE);
    let mut at = awaiting_attach(offer());
    at.hear(&Message::Attach(attach()));
    assert_eq!(at.machine.received(), REPLY_FDS);
    at.tell(Event::HungUp);
    assert_eq!(at.machine.received(), FdKinds::NONE);
}

#[test]
fn descriptors_that_were_cut_off_are_refused() {
    let bytes = a_hello(hello()).encode();
    for (errno, shown) in [(24, "RLIMIT_NOFILE"), (0, "too many")] {
        let fds = FdReceipt::Truncated { errno };
        let action = awaiting_hello(acceptance()).tell(Event::Packet { bytes: &bytes, fds });
        let cut = Refusal::DescriptorsTruncated { kind: Kind::Hello, expected: 3, errno };
        assert_eq!(refusal(action), cut);
        assert!(cut.to_string().contains(shown), "{cut}");
    }
}

#[test]
fn the_time_limit_ends_every_wait_and_nothing_before_it_does() {
    fn check<M: Machine>(mut at: At<M>, stage: Stage) {
        let start = at.now;
        at.now = start + WATCHDOG - Duration::from_nanos(1);
        assert_eq!(at.tell(Event::Tick), Action::Wait { until: start + WATCHDOG });
        at.now = start + WATCHDOG;
        assert_eq!(refusal(at.tell(Event::Tick)), Refusal::TimedOut { stage, after: WATCHDOG });
    }
    check(awaiting_attach(offer()), Stage::AwaitingAttach);
    check(awaiting_hello(acceptance()), Stage::AwaitingHello);
    check(awaiting_go(acceptance()), Stage::AwaitingGo);
    check(awaiting_lend(acceptance()), Stage::AwaitingLend);
}

#[test]
fn a_slow_message_that_came_is_taken_but_no_other_is_waited_for() {
    let mut at = awaiting_hello(acceptance());
    at.now += WATCHDOG;
    assert_eq!(at.hear(&a_hello(hello())), Action::Open);
    sent(at.tell(Event::Opened(Ok(()))));
    let over = refusal(at.tell(Event::Sent));
    assert_eq!(over, Refusal::TimedOut { stage: Stage::AwaitingGo, after: WATCHDOG });
}

#[test]
fn a_hang_up_a_death_and_an_error_end_every_stage_with_their_name() {
    type Make = fn() -> Box<dyn Machine>;
    let waiting: [(Stage, Make); 4] = [
        (Stage::AwaitingLend, || Box::new(awaiting_lend(acceptance()).machine)),
        (Stage::AwaitingAttach, || Box::new(awaiting_attach(offer()).machine)),
        (Stage::AwaitingHello, || Box::new(awaiting_hello(acceptance()).machine)),
        (Stage::AwaitingGo, || Box::new(awaiting_go(acceptance()).machine)),
    ];
    for (stage, make) in waiting {
        let end = |event| refusal(make().step(event, Instant::now()));
        assert_eq!(end(Event::HungUp), Refusal::HungUp { stage });
        assert_eq!(end(Event::Died), Refusal::Died { stage });
        let io = Refusal::Io { call: "recv", errno: 12 };
        assert_eq!(end(Event::Failed { call: "recv", errno: 12 }), io);
        assert_eq!(end(Event::Sent), Refusal::OutOfStep { stage });
        assert_eq!(io.notice(), None);
    }
}

#[test]
fn contradictions_are_refused() {
    let (at_offerer, at_acceptor) =
        (socket(End::Offerer, Obstacle::Map, 12), socket(End::Acceptor, Obstacle::Map, 12));
    let pidfd = FdKinds::PIDFD;
    let hellos = [
        Hello { choice: LinkChoice::Socket, ..hello() },
        Hello { chosen: at_acceptor, fds: pidfd, ..hello() },
    ];
    for hello in hellos {
        let action = awaiting_hello(acceptance()).hear(&a_hello(hello));
        assert_eq!(refusal(action), Refusal::Contradiction { kind: Kind::Hello });
    }
    let attaches = [
        (local(), Attach { choice: LinkChoice::Socket, ..attach() }),
        (local(), Attach { chosen: at_offerer, fds: pidfd, ..attach() }),
        (Local { choice: LinkChoice::Socket, ..local() }, attach()),
        (
            Local { choice: LinkChoice::Socket, ..local() },
            Attach { chosen: at_acceptor, fds: pidfd, ..attach() },
        ),
    ];
    for (local, attach) in attaches {
        let action = awaiting_attach(Offer { local, ..offer() }).hear(&Message::Attach(attach));
        assert_eq!(refusal(action), Refusal::Contradiction { kind: Kind::Attach });
    }
    let go = awaiting_go(acceptance()).hear(&Message::Go(at_acceptor));
    assert_eq!(refusal(go), Refusal::Contradiction { kind: Kind::Go });
    let mut on_the_socket =
        awaiting_hello(Acceptance { local: Local { choice: LinkChoice::Socket, ..local() }, ..acceptance() });
    on_the_socket.hear(&a_hello(hello()));
    on_the_socket.tell(Event::Sent);
    let go = on_the_socket.hear(&Message::Go(Chosen::Shm));
    assert_eq!(refusal(go), Refusal::Contradiction { kind: Kind::Go });
}

#[test]
fn the_first_reason_is_kept_by_the_error_chain() {
    use std::error::Error;
    let refusal = Refusal::from(MessageError::from(super::super::identity::IdentityError::NotUtf8));
    let source = refusal.source().and_then(Error::source).unwrap();
    assert_eq!(source.to_string(), "a name, key or value is not UTF-8");
}
