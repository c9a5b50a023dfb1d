//! What two ends come to.

use super::super::decode::decode;
use super::super::handshake::{Action, Agreed, Event, FdReceipt, Machine, Peer};
use super::super::refusal::Refusal;
use super::machine::{At, a_hello, agreed, awaiting_attach, awaiting_go, awaiting_hello, refusal, sent};
use super::*;
use crate::sync::Fences;

#[test]
fn a_process_that_may_not_receive_descriptors_gets_the_socket() {
    let denied = FdReceipt::Denied { errno: 1 };
    let mut accepting = awaiting_hello(acceptance());
    let bytes = a_hello(hello()).encode();
    let (answer, fds) = sent(accepting.tell(Event::Packet { bytes: &bytes, fds: denied }));
    let chosen = socket(End::Acceptor, Obstacle::ReceiveFds, 1);
    assert_eq!(answer, Message::Attach(Attach { chosen, fds: FdKinds::PIDFD, ..attach() }));
    assert_eq!((fds, accepting.machine.received()), (FdKinds::PIDFD, FdKinds::NONE));

    let bytes = Message::Attach(attach()).encode();
    let go = awaiting_attach(offer()).tell(Event::Packet { bytes: &bytes, fds: denied });
    assert_eq!(sent(go).0, Message::Go(socket(End::Offerer, Obstacle::ReceiveFds, 1)));
}

#[test]
fn a_process_that_may_not_send_descriptors_gets_the_socket() {
    let now = Instant::now();
    let mut offering = At::start(offerer(offer(), now), now);
    let (greeting, fds) = sent(offering.tell(Event::FdsDenied { errno: 38 }));
    let chosen = socket(End::Offerer, Obstacle::SendFds, 38);
    let features = Features::ALL.without(Features::FD_PASSING);
    assert_eq!(greeting, a_hello(Hello { chosen, features, fds: FdKinds::NONE, ..hello() }));
    assert_eq!(fds, FdKinds::NONE);

    let mut accepting = awaiting_hello(acceptance());
    accepting.hear(&a_hello(hello()));
    accepting.tell(Event::Opened(Ok(())));
    let (answer, fds) = sent(accepting.tell(Event::FdsDenied { errno: 38 }));
    let chosen = socket(End::Acceptor, Obstacle::SendFds, 38);
    assert_eq!(answer, Message::Attach(Attach { chosen, features, fds: FdKinds::NONE, ..attach() }));
    assert_eq!(fds, FdKinds::NONE);
}

#[test]
fn a_denied_pidfd_does_not_change_the_reason_for_the_socket() {
    let now = Instant::now();
    let local = Local { shm: Err(Cause::new(Obstacle::NoSpace)), ..local() };
    let mut offering = At::start(offerer(Offer { local, ..offer() }, now), now);
    let Message::Hello(greeting) = sent(offering.tell(Event::FdsDenied { errno: 1 })).0 else { panic!() };
    assert_eq!(greeting.chosen, socket(End::Offerer, Obstacle::NoSpace, 0));
}

#[test]
fn both_ends_agree_on_shared_memory() {
    let mut offering = awaiting_attach(offer());
    assert_eq!(offering.hear(&Message::Attach(attach())), Action::Open);
    assert_eq!(offering.machine.received(), REPLY_FDS);
    assert_eq!(sent(offering.tell(Event::Opened(Ok(())))), (Message::Go(Chosen::Shm), FdKinds::NONE));
    let ours = agreed(offering.tell(Event::Sent));
    let mut accepting = awaiting_go(acceptance());
    assert_eq!(accepting.machine.received(), ALL_FDS);
    let theirs = agreed(accepting.hear(&Message::Go(Chosen::Shm)));
    let features = Features::ALL;
    assert_eq!(ours.peer, Peer { pid: 8, features });
    assert_eq!(theirs.peer, Peer { pid: 7, features });
    let expected = Agreed {
        chosen: Chosen::Shm,
        fences: Fences::Membarrier,
        terms: TERMS,
        identity: identity(),
        peer: ours.peer,
        lent: false,
    };
    assert_eq!(ours, expected);
    assert_eq!(Agreed { peer: ours.peer, ..theirs }, expected);
}

#[test]
fn fences_are_paired_by_membarrier_only_if_both_ends_register_and_sleep_with_it() {
    for ours in 0..4 {
        for theirs in 0..4 {
            let [ours, theirs] = [ours, theirs].map(|bits| Features::from_bits(bits).unwrap());
            let mut at = awaiting_attach(Offer { local: Local { features: ours, ..local() }, ..offer() });
            at.hear(&Message::Attach(Attach { features: theirs, ..attach() }));
            at.tell(Event::Opened(Ok(())));
            let all = ours.bits() == 3 && theirs.bits() == 3;
            let expected = if all { Fences::Membarrier } else { Fences::SeqCst };
            assert_eq!(agreed(at.tell(Event::Sent)).fences, expected);
        }
    }
}

/// What an end comes to.
pub(super) type Outcome = Result<Chosen, Refusal>;
/// Whether an end can open what the other one passed, or can lend or borrow.
pub(super) type Opened = Result<(), Cause>;

/// Carries out what a machine wants until it waits or ends: what it said last, and its end.
fn run<M: Machine>(at: &mut At<M>, mut action: Action, opened: [Opened; 2]) -> (Message, Option<Outcome>) {
    let mut said = Message::Doorbell;
    loop {
        action = match action {
            Action::Send { packet, .. } => {
                said = decode(&packet).unwrap();
                at.tell(Event::Sent)
            }
            Action::Open => at.tell(Event::Opened(opened[0])),
            Action::Lend => at.tell(Event::Opened(opened[1])),
            Action::Wait { .. } => return (said, None),
            Action::Done(agreed) => return (said, Some(Ok(agreed.chosen))),
            Action::Refused { refusal, .. } => {
                return (refusal.notice().unwrap_or(said), Some(Err(refusal)));
            }
        }
    }
}

/// Lets two ends talk: what the offering and what the accepting end come to. Each has what it can open, and lend or borrow.
pub(super) fn talk(offer: Offer, acceptance: Acceptance, opened: [[Opened; 2]; 2]) -> (Outcome, Outcome) {
    let now = Instant::now();
    let mut ours = At { machine: offerer(offer, now), now };
    let mut theirs = awaiting_hello(acceptance);
    let action = ours.tell(Event::Start);
    let (mut said, mut our_end) = run(&mut ours, action, opened[0]);
    loop {
        let action = theirs.hear(&said);
        let (answer, their_end) = run(&mut theirs, action, opened[1]);
        if our_end.is_none() {
            let action = ours.hear(&answer);
            (said, our_end) = run(&mut ours, action, opened[0]);
        }
        if let (Some(ours), Some(theirs)) = (our_end.clone(), their_end) {
            return (ours, theirs);
        }
    }
}

/// Two ends, and what stands between them and shared memory.
struct Case {
    ours: Local,
    theirs: Local,
    opened: [[Opened; 2]; 2],
    chosen: Chosen,
}

fn cases() -> Vec<Case> {
    let (ok, denied) = (Ok(()), Cause::with_errno(Obstacle::MemfdCreate, 1));
    let full = Err(Cause::with_errno(Obstacle::NoSpace, 28));
    let by_choice = |local| Local { choice: LinkChoice::Socket, ..local };
    let without = |local| Local { shm: Err(denied), ..local };
    let (ours, theirs) = (local(), acceptance().local);
    let asked_for = |at| socket(at, Obstacle::AskedFor, 0);
    let cannot = |at| socket(at, Obstacle::MemfdCreate, 1);
    let no_space = |at| socket(at, Obstacle::NoSpace, 28);
    let cannot_lend = Local { features: Features::ALL.without(Features::MEMFD), ..ours };
    let layout = Local { layout: 1, ..theirs };
    let case = |ours, theirs, chosen| Case { ours, theirs, opened: [[ok; 2]; 2], chosen };
    let opening =
        |[a, b]: [Opened; 2], chosen| Case { opened: [[a, ok], [b, ok]], ..case(ours, theirs, chosen) };
    let lending = |[a, b]: [Opened; 2], chosen| Case {
        opened: [[ok, a], [Err(denied), b]],
        ..case(ours, theirs, chosen)
    };
    vec![
        case(ours, theirs, Chosen::Shm),
        case(by_choice(ours), theirs, asked_for(End::Offerer)),
        case(ours, by_choice(theirs), asked_for(End::Acceptor)),
        case(by_choice(ours), without(theirs), asked_for(End::Offerer)),
        case(without(ours), theirs, cannot(End::Offerer)),
        case(ours, without(theirs), cannot(End::Acceptor)),
        case(ours, layout, socket(End::Acceptor, Obstacle::LayoutDiffers, 0)),
        opening([ok, full], no_space(End::Acceptor)),
        opening([full, ok], no_space(End::Offerer)),
        opening([full, full], no_space(End::Acceptor)),
        lending([ok, ok], Chosen::Shm),
        lending([full, ok], no_space(End::Offerer)),
        lending([ok, full], no_space(End::Acceptor)),
        Case { ours: cannot_lend, ..lending([ok, ok], cannot(End::Acceptor)) },
    ]
}

fn talk_about(case: &Case, ours: Local, theirs: Local) -> (Outcome, Outcome) {
    let acceptance = Acceptance { local: theirs, ..acceptance() };
    talk(Offer { local: ours, ..offer() }, acceptance, case.opened)
}

#[test]
fn what_stands_in_the_way_at_either_end_is_the_reason_that_both_ends_know() {
    for case in cases() {
        let ends = talk_about(&case, case.ours, case.theirs);
        assert_eq!(ends, (Ok(case.chosen), Ok(case.chosen)));
    }
}

#[test]
fn who_demands_shared_memory_gets_it_or_a_refusal_with_the_reason() {
    let demand = |local: Local| Local { choice: LinkChoice::Shm, ..local };
    for case in cases() {
        let Case { ours, theirs, chosen, .. } = case;
        let free = |local: &Local| local.choice == LinkChoice::Auto;
        let by_ours = free(&ours).then(|| (demand(ours), theirs));
        let by_theirs = free(&theirs).then(|| (ours, demand(theirs)));
        for (ours, theirs) in by_ours.into_iter().chain(by_theirs) {
            let ends = talk_about(&case, ours, theirs);
            let Some(why) = chosen.fallback() else {
                assert_eq!(ends, (Ok(chosen), Ok(chosen)));
                continue;
            };
            let here = Err(Refusal::NoSharedMemory(why));
            let told = Refuse { reason: Reason::NoSharedMemory, limit: 0, fallback: Some(why) };
            let there = Err(Refusal::Peer(told));
            assert!(ends == (here.clone(), there.clone()) || ends == (there, here), "{ends:?}");
        }
    }
}

#[test]
fn a_demand_stands_although_the_peer_forgets_it() {
    let local = Local { choice: LinkChoice::Shm, ..acceptance().local };
    let mut at = awaiting_go(Acceptance { local, ..acceptance() });
    let why = fallback(End::Offerer, Obstacle::Map, 12);
    assert_eq!(refusal(at.hear(&Message::Go(Chosen::Socket(why)))), Refusal::NoSharedMemory(why));
}

#[test]
fn terms_over_the_limits_are_refused_with_both_numbers() {
    let limits = [
        (
            Limits { capacity: Capacity::MIN, ..Limits::NONE },
            Refusal::Capacity { proposed: Capacity::MAX, limit: Capacity::MIN },
        ),
        (Limits { max_message: 5, ..Limits::NONE }, Refusal::MaxMessage { proposed: 64 << 20, limit: 5 }),
    ];
    for (limits, theirs) in limits {
        let Some(Message::Refuse(told)) = theirs.notice() else { panic!("{theirs}") };
        assert!(theirs.to_string().ends_with(&format!("the limit is {}", told.limit)), "{theirs}");
        let ends = talk(offer(), Acceptance { limits, ..acceptance() }, [[Ok(()); 2]; 2]);
        assert_eq!(ends, (Err(Refusal::Peer(told)), Err(theirs)));
    }
}
