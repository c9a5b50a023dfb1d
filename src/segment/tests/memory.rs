//! The ring over real mappings.

use super::{Link, smallest};
use crate::ring::lines::{AWAKE, DOORBELL, FENCE_LOST, FUTEX, SPACE};
use crate::ring::{Consumer, Fences, Memory, PopError, Producer, PushError};
use crate::segment::memory::Mute;
use crate::segment::{Capacity, OwnedSegment, PeerSegment, ShmMemory, Side, WaitPage};
use crate::sync::{AtomicU32, Ordering};
use crate::sys::futex::{Waited, wait};
use crate::sys::pidfd::Exit;
use crate::sys::tests::{alone, in_fork, mappings, open_fds, seccomp, until, watchdog};
use crate::sys::{Errno, socket};
use std::os::fd::OwnedFd;
use std::sync::Arc;

fn ring(link: &Link, from: Side) -> (Producer<ShmMemory>, Consumer<ShmMemory>) {
    let producer = Producer::new(link.outgoing(from), Fences::SeqCst, 0).unwrap();
    let consumer = Consumer::new(link.incoming(from.other()), Fences::SeqCst, 0, 1 << 20).unwrap();
    (producer, consumer)
}

fn message(number: usize) -> Vec<u8> {
    (0..number % 900).map(|place| (place * 7 + number) as u8).collect()
}

#[test]
fn both_directions_carry_messages_round_and_round() {
    let link = Link::new(smallest());
    for side in [Side::A, Side::B] {
        let (mut producer, mut consumer) = ring(&link, side);
        for number in 0..5000 {
            producer.push(&message(number)).unwrap();
            assert_eq!(consumer.pop(), Ok(message(number)));
        }
        assert_eq!(consumer.pop(), Err(PopError::Empty));
    }
}

#[test]
fn a_full_ring_says_so_until_it_is_read() {
    let link = Link::new(smallest());
    let (mut producer, mut consumer) = ring(&link, Side::A);
    let mut sent = 0;
    while producer.push(&message(sent)).is_ok() {
        sent += 1;
    }
    assert_eq!(producer.push(&message(sent)), Err(PushError::Full));
    for number in 0..sent {
        assert_eq!(consumer.pop(), Ok(message(number)));
    }
    consumer.publish();
    producer.push(&message(sent)).unwrap();
}

#[test]
fn another_process_reads_what_this_one_writes() {
    alone(|| {
        let capacity = smallest();
        let (own, to_child) = OwnedSegment::create(capacity).unwrap();
        let (wait, wait_fd) = WaitPage::create().unwrap();
        let (here, there) = socket::pair().unwrap();
        let child = crate::sys::tests::fork_child(|| child_end(capacity, to_child, wait_fd, &there));
        let mut fds = Vec::new();
        socket::wait_readable(&[std::os::fd::AsFd::as_fd(&here)], &mut Vec::new(), Some(watchdog())).unwrap();
        socket::recv_with_fds(&here, &mut [0; 8], &mut fds).unwrap();
        let peer = PeerSegment::open(fds.remove(0), capacity).unwrap();
        let memory = ShmMemory::outgoing(Arc::new(own), Arc::new(peer), Arc::new(wait), Side::A);
        let mut producer = Producer::new(memory, Fences::SeqCst, 0).unwrap();
        for number in 0..MESSAGES {
            until(|| producer.push(&message(number)) != Err(PushError::Full));
        }
        until(|| {
            crate::sys::process::reap(child).unwrap().map(|exit| assert_eq!(exit, Exit::Code(0))).is_some()
        });
    });
}

const MESSAGES: usize = 2000;

/// Takes every message and checks it, in a process that got only descriptors.
fn child_end(capacity: Capacity, segment: OwnedFd, wait: OwnedFd, parent: &OwnedFd) {
    let (own, fd) = OwnedSegment::create(capacity).unwrap();
    socket::send_with_fds(parent, b"x", &[std::os::fd::AsFd::as_fd(&fd)]).unwrap();
    let peer = PeerSegment::open(segment, capacity).unwrap();
    let wait = WaitPage::open(wait).unwrap();
    let memory = ShmMemory::incoming(Arc::new(own), Arc::new(peer), Arc::new(wait), Side::B);
    let mut consumer = Consumer::new(memory, Fences::SeqCst, 0, 1 << 20).unwrap();
    for number in 0..MESSAGES {
        until(|| match consumer.pop() {
            Ok(received) => {
                assert_eq!(received, message(number));
                true
            }
            Err(error) => {
                assert_eq!(error, PopError::Empty);
                false
            }
        });
    }
}

#[test]
fn a_link_keeps_no_descriptor_and_leaves_no_mapping() {
    alone(|| {
        let before = open_fds();
        let (own, fd) = OwnedSegment::create(smallest()).unwrap();
        let witness = fd.try_clone().unwrap();
        let peer = PeerSegment::open(fd, smallest()).unwrap();
        let (wait, page) = WaitPage::create().unwrap();
        drop(page);
        let memory = ShmMemory::outgoing(Arc::new(own), Arc::new(peer), Arc::new(wait), Side::A);
        assert_eq!(open_fds(), before + 1);
        assert_eq!(mappings(&witness).len(), 2);
        drop(memory);
        assert!(mappings(&witness).is_empty());
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert!(!maps.contains("memfd:ringway"));
    });
}

#[test]
fn a_memory_keeps_its_mappings() {
    let link = Link::new(smallest());
    let (mut producer, mut consumer) = ring(&link, Side::B);
    drop(link);
    producer.push(b"still here").unwrap();
    assert_eq!(consumer.pop(), Ok(b"still here".to_vec()));
}

#[test]
fn a_forked_child_is_told_and_may_drop_what_it_inherited() {
    alone(|| {
        let link = Link::new(smallest());
        let mut ends = Some(link.outgoing(Side::A));
        let exit = in_fork(|| {
            assert!(link.own[0].is_forked() && link.peer[0].is_forked() && link.wait[0].is_forked());
            let memory = ends.take().unwrap();
            assert_eq!(memory.populate(4096), Err(crate::ring::NoSpace));
            drop(memory);
            assert!(!OwnedSegment::create(smallest()).unwrap().0.is_forked());
        });
        assert_eq!(exit, Exit::Code(0));
        assert!(!link.own[0].is_forked());
        assert_eq!(ends.unwrap().populate(4096), Ok(()));
        let (mut producer, mut consumer) = ring(&link, Side::A);
        producer.push(b"x").unwrap();
        assert_eq!(consumer.pop(), Ok(b"x".to_vec()));
    });
}

/// Sleeps on `word` in a thread until `wake` has woken it.
fn is_woken(word: &AtomicU32, expected: u32, wake: impl Fn()) {
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| wait(word, expected, Some(watchdog())));
        // The word keeps its value: only a wake-up can end the sleep.
        while !sleeper.is_finished() {
            wake();
            std::thread::yield_now();
        }
        assert_eq!(sleeper.join().unwrap(), Waited::Woken);
    });
}

#[test]
fn each_end_wakes_the_other_by_the_word_that_it_sleeps_on() {
    let link = Link::new(smallest());
    for (side, end) in [(Side::A, 0), (Side::B, 1)] {
        let (out, back) = (link.outgoing(side), link.incoming(side));
        let theirs = &link.wait[1 - end];
        is_woken(&theirs.data(side.other()).armed, 0, || out.wake_consumer(FUTEX));
        is_woken(&theirs.space(side.other()).armed, 0, || back.wake_producer(FUTEX));
    }
}

#[test]
fn a_consumer_that_sleeps_as_a_sender_is_woken_by_its_space_word() {
    let link = Link::new(smallest());
    for side in [Side::A, Side::B] {
        let word = &link.wait[0].space(side.other()).armed;
        for direction in [link.outgoing(side), link.incoming(side.other())] {
            word.store(FUTEX, Ordering::SeqCst);
            let waited = std::thread::scope(|scope| {
                let sleeper = scope.spawn(|| wait(word, FUTEX, Some(watchdog())));
                direction.wake_consumer(SPACE);
                assert_eq!(word.load(Ordering::SeqCst), 0);
                sleeper.join().unwrap()
            });
            assert!(matches!(waited, Waited::Woken | Waited::Changed), "{waited:?}");
        }
    }
}

#[test]
fn a_bell_is_rung_for_who_sleeps_on_the_socket() {
    let link = Link::new(smallest());
    let (here, there) = socket::pair().unwrap();
    let socket = Arc::new(here);
    let out = link.outgoing(Side::A).with_bell(socket.clone(), b"d");
    let back = link.incoming(Side::A).with_bell(socket, b"d");
    let rings = || {
        let mut rings = 0;
        while socket::recv(&there, &mut [0; 8]) == Ok(1) {
            rings += 1;
        }
        rings
    };
    out.wake_consumer(DOORBELL);
    back.wake_producer(DOORBELL);
    assert_eq!(rings(), 2);
    // A sender on its doorbell, told of data.
    link.wait[1].space(Side::B).armed.store(DOORBELL, Ordering::SeqCst);
    out.wake_consumer(SPACE);
    assert_eq!(rings(), 1);
    // One whose heavy fence failed is rung for all the same.
    link.wait[1].space(Side::B).armed.store(DOORBELL | FENCE_LOST, Ordering::SeqCst);
    out.wake_consumer(SPACE);
    assert_eq!(rings(), 1);
    out.wake_consumer(FUTEX);
    assert_eq!(socket::recv(&there, &mut [0; 8]), Err(Errno::AGAIN));
    drop(there);
    out.wake_consumer(DOORBELL);
}

/// Counts how often its end could wake nobody.
#[derive(Debug, Default)]
struct Muted(AtomicU32);

impl Mute for Muted {
    fn cannot_wake(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The waker has seen the word armed, and the sleeper takes it back before the waker's swap: it owes nobody a wake-up.
#[test]
fn who_takes_a_word_that_was_disarmed_meanwhile_needs_no_system_call() {
    alone(|| {
        for errno in [Errno::PERM, Errno::NOSYS] {
            let exit = in_fork(|| {
                let (link, muted) = (Link::new(smallest()), Arc::new(Muted::default()));
                let mute = Arc::downgrade(&muted);
                let (here, _there) = socket::pair().unwrap();
                let here = Arc::new(here);
                let memory = |memory: ShmMemory| memory.with_bell(here.clone(), &[0]).with_mute(mute.clone());
                let (outgoing, incoming) = (memory(link.outgoing(Side::A)), memory(link.incoming(Side::B)));
                seccomp::deny(libc::SYS_futex, errno);
                for fence in [0, FENCE_LOST] {
                    outgoing.wake_consumer(AWAKE | fence);
                    incoming.wake_producer(AWAKE | fence);
                }
                assert_eq!(muted.0.load(Ordering::Relaxed), 0);
                outgoing.wake_consumer(FUTEX);
                incoming.wake_producer(FUTEX);
                assert_eq!(muted.0.load(Ordering::Relaxed), 2);
            });
            assert_eq!(exit, Exit::Code(0));
        }
    });
}
