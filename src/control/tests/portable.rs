//! Named memory in the handshake: when it is chosen, and what both ends make of it.

use super::super::handshake::{Event, Machine};
use super::super::message::Kind;
use super::super::refusal::Refusal;
use super::host::{Host, both_with};
use super::machine::{At, a_hello, awaiting_attach, refusal};
use super::outcomes::{Opened, Outcome, talk};
use super::*;
use LinkChoice::{Auto, Portable, Shm, Socket};

const NAME: Name = Name::from_bytes([0x5a; Name::LEN]);

fn denied() -> Cause {
    Cause::with_errno(Obstacle::MemfdCreate, 1)
}

/// An end that may make no memfds and was built with named memory, or not.
fn end(portable: bool, shm: Result<(), Cause>, choice: LinkChoice) -> Local {
    let portable = if portable { Ok(()) } else { Err(Cause::new(Obstacle::NotBuilt)) };
    Local { shm, portable, choice, ..local() }
}

fn offer_of(local: Local) -> Offer {
    Offer { local, name: local.portable.ok().map(|()| NAME), ..offer() }
}

/// What the two ends come to, and whether the accepting one can make memory.
fn agreed(ours: Local, theirs: Local, making: Opened) -> [Outcome; 2] {
    agreed_if(ours, theirs, making, Ok(()))
}

/// The same, and whether the offering one can open it.
fn agreed_if(ours: Local, theirs: Local, making: Opened, opening: Opened) -> [Outcome; 2] {
    let never = Err(Cause::new(Obstacle::Other));
    let acceptance = Acceptance { local: theirs, ..acceptance() };
    let (ours, theirs) = talk(offer_of(ours), acceptance, [[opening, never], [making, never]]);
    [ours, theirs]
}

#[test]
fn who_may_make_no_memfd_offers_named_memory_and_both_know_why() {
    let why = Chosen::Portable(Fallback { at: End::Offerer, cause: denied() });
    assert_eq!(agreed(end(true, Err(denied()), Auto), end(true, Ok(()), Auto), Ok(())), [Ok(why), Ok(why)]);
    // What the accepting end lacks itself does not matter.
    let both = end(true, Err(denied()), Auto);
    assert_eq!(agreed(both, both, Ok(())), [Ok(why), Ok(why)]);
}

#[test]
fn named_memory_that_is_asked_for_comes_before_any_other() {
    let why = Chosen::Portable(Fallback { at: End::Offerer, cause: Cause::new(Obstacle::AskedFor) });
    for theirs in [Auto, Portable] {
        let ends = agreed(end(true, Ok(()), Portable), end(true, Ok(()), theirs), Ok(()));
        assert_eq!(ends, [Ok(why), Ok(why)]);
    }
}

#[test]
fn without_the_feature_at_either_end_it_is_the_socket() {
    let here = socket(End::Offerer, Obstacle::MemfdCreate, 1);
    assert_eq!(
        agreed(end(false, Err(denied()), Auto), end(true, Ok(()), Auto), Ok(())),
        [Ok(here), Ok(here)]
    );
    let there = socket(End::Acceptor, Obstacle::NotBuilt, 0);
    let ends = agreed(end(true, Err(denied()), Auto), end(false, Ok(()), Auto), Ok(()));
    assert_eq!(ends, [Ok(there), Ok(there)]);
}

#[test]
fn named_memory_that_cannot_be_made_or_opened_makes_the_link_a_socket() {
    let full = Cause::with_errno(Obstacle::NoSpace, 28);
    let why = Chosen::Socket(Fallback { at: End::Acceptor, cause: full });
    let (ours, theirs) = (end(true, Err(denied()), Auto), end(true, Ok(()), Auto));
    assert_eq!(agreed_if(ours, theirs, Err(full), Ok(())), [Ok(why), Ok(why)]);
    // Not even if it is for want of a memfd: there is nothing to borrow.
    let why = Chosen::Socket(Fallback { at: End::Acceptor, cause: denied() });
    assert_eq!(agreed_if(ours, theirs, Err(denied()), Ok(())), [Ok(why), Ok(why)]);
    let gone = Cause::with_errno(Obstacle::ShmOpen, 2);
    let why = Chosen::Socket(Fallback { at: End::Offerer, cause: gone });
    assert_eq!(agreed_if(ours, theirs, Ok(()), Err(gone)), [Ok(why), Ok(why)]);
}

#[test]
fn another_obstacle_than_memfd_is_no_reason_for_named_memory() {
    let other = Cause::with_errno(Obstacle::NoSpace, 28);
    let why = socket(End::Offerer, Obstacle::NoSpace, 28);
    let ends = agreed(end(true, Err(other), Auto), end(true, Ok(()), Auto), Ok(()));
    assert_eq!(ends, [Ok(why), Ok(why)]);
}

#[test]
fn who_wants_no_named_memory_refuses_it_before_it_makes_any() {
    let now = Instant::now();
    let why = Fallback { at: End::Offerer, cause: denied() };
    let hello = Hello { chosen: Chosen::Portable(why), fds: FdKinds::NONE, name: Some(NAME), ..hello() };
    let acceptance = Acceptance { local: end(true, Ok(()), Shm), ..acceptance() };
    let mut accepting = At::start(acceptor(acceptance, now), now);
    assert_eq!(refusal(accepting.hear(&a_hello(hello))), Refusal::NoSharedMemory(why));
}

/// The one that finds out refuses with the reason, and the other one hears it.
fn refused(ours: Local, theirs: Local, opening: Result<(), Cause>, at: End, cause: Cause) {
    let why = Fallback { at, cause };
    let ends = agreed(ours, theirs, opening);
    let refused = ends.iter().filter(|end| **end == Err(Refusal::NoSharedMemory(why))).count();
    let told = |end: &&Result<Chosen, Refusal>| match end {
        Err(Refusal::Peer(refuse)) => refuse.fallback == Some(why),
        _ => false,
    };
    assert_eq!((refused, ends.iter().filter(told).count()), (1, 1), "{ends:?}");
}

#[test]
fn who_demands_another_link_than_there_is_is_refused_with_the_reason() {
    let asked_for = Cause::new(Obstacle::AskedFor);
    let not_built = Cause::new(Obstacle::NotBuilt);
    let gone = Cause::with_errno(Obstacle::ShmOpen, 2);
    let ok = |choice| end(true, Ok(()), choice);
    refused(ok(Portable), ok(Shm), Ok(()), End::Offerer, asked_for);
    refused(ok(Portable), ok(Socket), Ok(()), End::Acceptor, asked_for);
    refused(ok(Portable), end(false, Ok(()), Auto), Ok(()), End::Acceptor, not_built);
    refused(ok(Portable), ok(Auto), Err(gone), End::Acceptor, gone);
    refused(ok(Auto), ok(Portable), Ok(()), End::Acceptor, asked_for);
    refused(end(true, Err(denied()), Auto), ok(Shm), Ok(()), End::Offerer, denied());
}

#[test]
fn who_demands_what_it_cannot_make_says_nothing_but_that() {
    let cases = [
        (end(true, Err(denied()), Shm), denied()),
        (end(false, Ok(()), Portable), Cause::new(Obstacle::NotBuilt)),
    ];
    for (ours, cause) in cases {
        let now = Instant::now();
        let begun = offerer(offer_of(ours), now).step(Event::Start, now);
        assert_eq!(refusal(begun), Refusal::NoSharedMemory(Fallback { at: End::Offerer, cause }));
    }
}

#[test]
fn an_attach_that_does_not_fit_an_offer_of_named_memory_is_refused() {
    let named = |at, cause| Chosen::Portable(Fallback { at, cause });
    let answers = [
        (Chosen::Shm, REPLY_FDS),
        (named(End::Offerer, Cause::new(Obstacle::NoSpace)), FdKinds::NONE),
        (named(End::Acceptor, denied()), FdKinds::NONE),
        (socket(End::Offerer, Obstacle::NoSpace, 28), FdKinds::NONE),
    ];
    for (chosen, fds) in answers {
        let mut at = awaiting_attach(offer_of(end(true, Err(denied()), Auto)));
        let answer = Message::Attach(Attach { chosen, fds, ..attach() });
        assert_eq!(refusal(at.hear(&answer)), Refusal::Contradiction { kind: Kind::Attach }, "{chosen:?}");
    }
}

#[test]
fn a_hello_that_offers_named_memory_for_somebody_elses_reason_is_refused() {
    let now = Instant::now();
    for (at, choice) in [(End::Acceptor, Auto), (End::Offerer, Shm), (End::Offerer, Socket)] {
        let chosen = Chosen::Portable(Fallback { at, cause: denied() });
        let hello = Hello { chosen, choice, fds: FdKinds::NONE, name: Some(NAME), ..hello() };
        let mut accepting = At::start(acceptor(acceptance(), now), now);
        let refused = refusal(accepting.hear(&a_hello(hello)));
        assert_eq!(refused, Refusal::Contradiction { kind: Kind::Hello });
    }
}

#[test]
fn the_accepting_end_makes_the_memory_by_the_name_that_the_other_one_gave_and_opens() {
    let (mut ours, mut theirs) = (Host::new(Ok(())), Host::new(Ok(())));
    let local = end(true, Err(denied()), Auto);
    let acceptance = Acceptance { local: end(true, Ok(()), Auto), ..acceptance() };
    let ends = both_with(&mut ours, &mut theirs, (offer_of(local), acceptance), |_| ());
    for end in ends {
        let established = end.unwrap();
        assert!(matches!(established.agreed.chosen, Chosen::Portable(_)));
        assert!(established.pidfd.is_some(), "death is told as ever");
    }
    assert_eq!((ours.opened, theirs.opened), (vec![], vec![]), "nothing was passed");
    assert_eq!((ours.named.is_some(), theirs.named), (true, Some(NAME)));
}
