//! Rings over named memory, between two processes that poll.

#[path = "support/mod.rs"]
mod support;

use ringway::named::{self, Capacity, Name, Rings, SegmentError};
use ringway::ring::{PopError, PushError, Stream};
use std::time::{Duration, Instant};
use support::child::{self, Child, Exit};
use support::cue::{self, Cue};
use support::{PATIENCE, payload, until};

/// Not the same, so that an end which mixes them up is found.
fn sizes() -> (Capacity, Capacity) {
    (Capacity::new(8192).unwrap(), Capacity::MIN)
}

/// What the end that is not the maker calls them.
fn open(name: Name) -> Rings {
    let (theirs, ours) = sizes();
    named::open(name, ours, theirs, Duration::from_secs(20)).unwrap()
}

fn create() -> (Name, Rings) {
    let name = Name::random().unwrap();
    let (ours, theirs) = sizes();
    (name, named::create(name, ours, theirs).unwrap())
}

fn exists(name: Name) -> bool {
    std::fs::exists(format!("/dev/shm{name}")).unwrap()
}

/// A name, letter by letter.
fn hear(cue: &Cue) -> Name {
    let letters: Vec<u8> = (0..30).map(|_| cue.hear() as u8).collect();
    String::from_utf8(letters).unwrap().parse().unwrap()
}

/// A child that is told the name as text, and the rings of this end.
fn beside(theirs: impl FnOnce(Rings, &Cue)) -> (Child, Rings, Cue, Name) {
    let (our_cue, their_cue) = cue::pair();
    let mut kept = Some(our_cue);
    let child = child::fork(|| {
        drop(kept.take());
        theirs(open(hear(&their_cue)), &their_cue);
    });
    let cue = kept.unwrap();
    let (name, rings) = create();
    name.to_string().bytes().for_each(|byte| cue.tell(byte.into()));
    (child, rings, cue, name)
}

/// Asks until there is another answer than `nothing`.
fn poll<T, E: PartialEq>(nothing: &E, mut ask: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let end = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Err(error) if error == *nothing => std::thread::yield_now(),
            other => return other,
        }
        assert!(Instant::now() < end, "what was waited for does not happen");
    }
}

fn push(rings: &mut Rings, message: &[u8]) -> Result<(), PushError> {
    poll(&PushError::Full, || rings.producer.push_message(message))
}

fn pop(rings: &mut Rings) -> Result<Vec<u8>, PopError> {
    poll(&PopError::Empty, || rings.consumer.pop())
}

#[test]
fn two_processes_exchange_messages_by_name() {
    alone!(|| {
        const MESSAGES: u32 = 2_000;
        let length = |number: u32| 16 + number as usize % 1500;
        let (child, mut rings, _cue, name) = beside(|mut rings, _| {
            loop {
                match pop(&mut rings) {
                    Ok(message) => push(&mut rings, &message).unwrap(),
                    Err(error) => break assert_eq!(error, PopError::Closed),
                }
            }
            rings.producer.close();
        });
        // No more at a time than the smaller ring holds.
        for number in 0..MESSAGES {
            push(&mut rings, &payload::numbered(1, number, length(number))).unwrap();
            assert_eq!(pop(&mut rings).unwrap(), payload::numbered(1, number, length(number)));
        }
        assert!(!exists(name));
        rings.producer.push(b"the last one").unwrap();
        rings.producer.close();
        assert_eq!(pop(&mut rings).unwrap(), b"the last one");
        assert_eq!(pop(&mut rings), Err(PopError::Closed));
        child.succeeds();
    });
}

#[test]
fn a_stream_in_both_directions_at_once_arrives_whole() {
    alone!(|| {
        const MESSAGES: u32 = 50_000;
        fn run(mut rings: Rings, own: u32, other: u32) {
            let (mut sent, mut heard) = (0, 0);
            let end = Instant::now() + PATIENCE;
            while sent < MESSAGES || heard < MESSAGES {
                let before = (sent, heard);
                if sent < MESSAGES {
                    match rings.producer.push(&payload::numbered(own, sent, 24)) {
                        Ok(()) => sent += 1,
                        Err(error) => assert_eq!(error, PushError::Full),
                    }
                }
                match rings.consumer.pop() {
                    Ok(message) => {
                        assert_eq!(message, payload::numbered(other, heard, 24));
                        heard += 1;
                    }
                    Err(error) => assert_eq!(error, PopError::Empty),
                }
                if before == (sent, heard) {
                    assert!(Instant::now() < end, "{sent} sent, {heard} received");
                    std::thread::yield_now();
                }
            }
        }
        let (child, rings, _cue, _) = beside(|rings, _| run(rings, 2, 1));
        run(rings, 1, 2);
        child.succeeds();
    });
}

#[test]
fn a_name_is_gone_once_it_was_opened_and_when_nobody_came() {
    let (name, rings) = create();
    assert!(exists(name));
    let theirs = open(name);
    assert!(!exists(name));
    drop((rings, theirs));
    let (name, rings) = create();
    let Rings { producer, consumer, .. } = rings;
    drop(producer);
    assert!(exists(name), "the other half is there to be opened for");
    drop(consumer);
    assert!(!exists(name));
}

#[test]
fn what_was_committed_is_taken_and_what_was_not_taken_salvaged_after_a_death() {
    alone!(|| {
        let (child, mut rings, cue, name) = beside(|mut rings, cue| {
            for number in 0..10 {
                push(&mut rings, &payload::numbered(2, number, 40)).unwrap();
            }
            assert_eq!(pop(&mut rings).unwrap(), payload::numbered(1, 0, 40));
            cue.give();
            support::raw::pause();
        });
        for number in 0..5 {
            push(&mut rings, &payload::numbered(1, number, 40)).unwrap();
        }
        cue.wait();
        child.kill();
        assert_eq!(child.wait(), Exit::Signal(9));
        rings.consumer.freeze();
        for number in 0..10 {
            assert_eq!(pop(&mut rings).unwrap(), payload::numbered(2, number, 40));
        }
        assert_eq!(rings.consumer.pop(), Err(PopError::Empty), "nobody tells of a death");
        let undelivered: Vec<Vec<u8>> = rings.producer.salvage().unwrap().collect();
        let expected: Vec<Vec<u8>> = (1..5).map(|number| payload::numbered(1, number, 40)).collect();
        assert_eq!(undelivered, expected);
        assert!(!exists(name));
    });
}

#[test]
fn a_forked_child_that_drops_rings_takes_no_name_and_no_memory() {
    alone!(|| {
        let mut made = Some(create());
        child::fork(|| drop(made.take())).succeeds();
        let (name, mut rings) = made.unwrap();
        assert!(exists(name));
        let mut theirs = open(name);
        rings.producer.push(b"still here").unwrap();
        assert_eq!(theirs.consumer.pop().unwrap(), b"still here");
    });
}

#[test]
fn what_does_not_fit_is_refused_and_says_why() {
    let refused = |name, sends, receives| {
        let error = named::open(name, sends, receives, Duration::from_millis(20)).unwrap_err();
        (error, error.to_string())
    };
    let (ours, theirs) = sizes();
    let (name, _rings) = create();
    // The capacities the wrong way round have the same size in all.
    let (error, text) = refused(name, ours, theirs);
    assert!(
        matches!(error, SegmentError::Label { field: "capacity", expected: 8192, found: 4096 }),
        "{text}"
    );
    let (error, text) = refused(name, ours, ours);
    assert!(matches!(error, SegmentError::Size { .. }), "{text}");
    assert!(exists(name), "what was refused can still be opened");
    let mut opened = open(name);
    assert_eq!(opened.consumer.pop(), Err(PopError::Empty));
    let (error, text) = refused(name, theirs, ours);
    assert!(matches!(error, SegmentError::Call { call: "shm_open", errno: 2 }), "{text}");
    assert!(text.contains("shm_open: No such file"), "{text}");
}

#[test]
fn a_name_that_is_not_there_is_asked_for_again_for_as_long_as_was_said() {
    let (name, rings) = create();
    drop(rings);
    let ((theirs, ours), limit, begun) = (sizes(), Duration::from_millis(30), Instant::now());
    let error = named::open(name, ours, theirs, limit).unwrap_err();
    assert!(matches!(error, SegmentError::Call { call: "shm_open", .. }));
    assert!(begun.elapsed() >= limit);
}

#[test]
fn what_a_killed_maker_leaves_can_be_opened_or_taken_back() {
    alone!(|| {
        let left = || {
            let name = Name::random().unwrap();
            let (our_cue, their_cue) = cue::pair();
            let mut kept = Some(our_cue);
            let (ours, theirs) = sizes();
            let child = child::fork(|| {
                drop(kept.take());
                let mut rings = named::create(name, ours, theirs).unwrap();
                rings.producer.push(b"last words").unwrap();
                their_cue.give();
                support::raw::pause();
            });
            drop(their_cue);
            kept.unwrap().wait();
            child.kill();
            assert_eq!(child.wait(), Exit::Signal(9));
            assert!(exists(name));
            name
        };
        let name = left();
        assert_eq!(open(name).consumer.pop().unwrap(), b"last words");
        assert!(!exists(name));
        let name = left();
        named::unlink(name);
        assert!(!exists(name));
        named::unlink(name);
    });
}

#[test]
fn rings_can_be_opened_before_they_are_made() {
    let name = Name::random().unwrap();
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| open(name));
        (0..1000).for_each(|_| std::thread::yield_now());
        let (ours, theirs) = sizes();
        let mut rings = named::create(name, ours, theirs).unwrap();
        rings.producer.push(b"at last").unwrap();
        assert_eq!(opening.join().unwrap().consumer.pop().unwrap(), b"at last");
    });
}

#[test]
fn of_several_who_open_a_name_one_has_rings() {
    for _ in 0..20 {
        let (name, _rings) = create();
        let (theirs, ours) = sizes();
        let opened = std::thread::scope(|scope| {
            let tries: Vec<_> =
                (0..4).map(|_| scope.spawn(|| named::open(name, ours, theirs, Duration::ZERO))).collect();
            tries.into_iter().map(|tried| tried.join().unwrap()).filter(Result::is_ok).count()
        });
        assert_eq!(opened, 1);
    }
}

#[test]
fn a_name_that_is_there_is_not_made_again() {
    let (name, mut rings) = create();
    let (ours, theirs) = sizes();
    let error = named::create(name, ours, theirs).unwrap_err();
    assert!(error.to_string().contains("File exists"), "{error}");
    rings.producer.push(b"as before").unwrap();
    assert_eq!(open(name).consumer.pop().unwrap(), b"as before");
}

#[test]
fn a_message_longer_than_the_ring_arrives_in_pieces() {
    let (name, mut rings) = create();
    let mut theirs = open(name);
    let long = payload::numbered(1, 1, 100_000);
    std::thread::scope(|scope| {
        let receiving = scope.spawn(|| pop(&mut theirs));
        let mut stream = Stream::new();
        poll(&PushError::Full, || rings.producer.push_stream(&mut stream, &long)).unwrap();
        assert_eq!(receiving.join().unwrap().unwrap(), long);
    });
}

#[test]
fn a_ring_that_is_full_says_so_and_takes_more_once_something_was_taken() {
    let (name, mut rings) = create();
    let mut theirs = open(name);
    let mut sent = 0_u64;
    until(|| match rings.producer.push(&sent.to_le_bytes()) {
        Ok(()) => {
            sent += 1;
            false
        }
        Err(error) => {
            assert_eq!(error, PushError::Full);
            true
        }
    });
    assert_eq!(sent, 511, "16 bytes each, and 8 for the next header");
    for number in 0..sent {
        assert_eq!(theirs.consumer.pop().unwrap(), number.to_le_bytes());
    }
    assert_eq!(theirs.consumer.pop(), Err(PopError::Empty));
    rings.producer.push(b"more").unwrap();
    assert_eq!(theirs.consumer.pop().unwrap(), b"more");
}
