//! What needs more than the public face; the rest is in `tests/conformance`.

mod endless;
mod errors;
mod fence_lost;
mod gone;
mod hostile;
mod lent;
mod salvage;

use super::error::SendError;
use super::{Channel, Options, Sender, pair};
use crate::link::turns::{Awaited, Expected};
use crate::link::{Rx, Tx};
use crate::ring::Fences;
use crate::sys::tests::membarrier::registered;
use crate::sys::tests::{alone, skip};
use std::time::{Duration, Instant};

fn connected(options: &Options) -> (Channel, Channel) {
    let (ours, theirs) = pair(options).unwrap();
    let theirs = std::thread::spawn(|| theirs.connect().unwrap());
    (ours.connect().unwrap(), theirs.join().unwrap())
}

#[test]
fn two_ends_echo() {
    echo(super::LinkChoice::Shm);
    echo(super::LinkChoice::Socket);
}

fn echo(link: super::LinkChoice) {
    let (ours, theirs) = connected(&Options::new().link(link));
    let echo = std::thread::spawn(move || {
        while let Ok(message) = theirs.recv() {
            theirs.send(&message).unwrap();
        }
    });
    for len in [0, 1, 7, 8, 9, 1000, 70_000, 300_000, 600_000, 3_000_000] {
        let message: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        ours.send(&message).unwrap();
        assert_eq!(&*ours.recv().unwrap(), &message[..]);
    }
    ours.close_sending();
    echo.join().unwrap();
}

#[test]
fn two_ends_that_both_only_send_do_not_hang() {
    let (ours, theirs) = connected(&Options::new().capacity(4096).unwrap());
    let sender = std::thread::spawn(move || {
        (0..10_000u32).for_each(|i| theirs.send(&i.to_le_bytes()).unwrap());
        (0..10_000u32).for_each(|i| assert_eq!(&*theirs.recv().unwrap(), i.to_le_bytes()));
    });
    (0..10_000u32).for_each(|i| ours.send(&i.to_le_bytes()).unwrap());
    (0..10_000u32).for_each(|i| assert_eq!(&*ours.recv().unwrap(), i.to_le_bytes()));
    sender.join().unwrap();
}

/// How much memory the rings of this process have, in bytes, as often as it is mapped.
fn resident() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut of_a_ring, mut sum) = (false, 0);
    for line in maps.lines() {
        // The line that begins a mapping has its name, the others what is known of it.
        match line.strip_prefix("Rss:") {
            Some(size) if of_a_ring => {
                sum += size.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
            }
            _ if line.contains('-') && line.contains(" 00:") => of_a_ring = line.contains("memfd:ringway"),
            _ => {}
        }
    }
    sum
}

#[test]
fn each_end_that_wants_its_rings_memory_at_once_has_it_before_the_first_message() {
    alone(|| {
        let before = connected(&Options::new());
        assert!(resident() < 256 << 10, "{}", resident());
        drop(before);
        let (ours, theirs) = connected(&Options::new().prefault(true));
        assert_eq!(ours.about().fallback, None);
        assert!((2 << 20..3 << 20).contains(&resident()), "{}", resident());
        ours.send(b"there").unwrap();
        assert_eq!(&*theirs.recv().unwrap(), b"there");
    });
}

#[test]
fn who_has_sent_waits_for_an_answer() {
    let (ours, theirs) = connected(&Options::new().link(super::LinkChoice::Shm));
    let ((mut sender, mut receiver), (_to, _from)) = (ours.split(), theirs.split());
    let mut waits_for_answer = || {
        let Rx::Shm(shm) = receiver.rx() else { panic!("not over shared memory") };
        shm.peer().turns.wait() != Awaited::Next
    };
    assert!(!waits_for_answer(), "nothing was sent yet");
    // The first message begins where the ring does.
    sender.send(b"first").unwrap();
    waits_for_answer();
    for send in [
        |sender: &mut Sender| sender.send(b"call").unwrap(),
        |sender: &mut Sender| sender.send_timeout(b"call", Duration::ZERO).unwrap(),
        |sender: &mut Sender| sender.grant(0).unwrap().commit().unwrap(),
        |sender: &mut Sender| {
            let mut batch = sender.batch();
            batch.push(b"call").unwrap();
            batch.commit().unwrap();
        },
    ] {
        send(&mut sender);
        assert!(waits_for_answer());
        assert!(!waits_for_answer(), "that was the answer");
    }
}

fn position(sender: &mut Sender) -> u64 {
    let Tx::Shm(shm) = sender.tx() else { panic!("not over shared memory") };
    shm.producer.position()
}

#[test]
fn who_took_its_turn_with_one_line_will_send_from_the_next_one() {
    let (ours, theirs) = connected(&Options::new().link(super::LinkChoice::Shm));
    let ((mut sender, mut receiver), (_to, _from)) = (ours.split(), theirs.split());
    let Rx::Shm(shm) = receiver.rx() else { panic!("not over shared memory") };
    let peer = shm.peer();
    // Nothing was surveyed yet, so the first message goes the long way.
    sender.send(&[1; 48]).unwrap();
    assert_eq!((peer.turns.expected(), peer.turns.wait()), (Expected::Any, Awaited::Answer));
    for _ in 0..2 {
        sender.send(&[1; 48]).unwrap();
        assert_eq!(peer.turns.expected(), Expected::Answer);
        assert_eq!(peer.turns.await_answer(), position(&mut sender));
    }
    sender.send(&[1; 57]).unwrap();
    assert_eq!((peer.turns.expected(), peer.turns.wait()), (Expected::Any, Awaited::Answer), "two lines");
    (0..2).for_each(|_| sender.send(&[1; 48]).unwrap());
    assert_eq!(peer.turns.expected(), Expected::Any, "the peer still reads what came second");
    assert_eq!([peer.turns.wait(), peer.turns.wait()], [Awaited::Answer, Awaited::Next]);
}

#[test]
fn a_turn_like_the_one_before_may_be_no_longer_than_was_agreed() {
    let options = Options::new().link(super::LinkChoice::Shm).max_message(45);
    let (ours, theirs) = connected(&options);
    let ((mut sender, mut receiver), (_to, _from)) = (ours.split(), theirs.split());
    let Rx::Shm(shm) = receiver.rx() else { panic!("not over shared memory") };
    let peer = shm.peer();
    // Nothing was surveyed yet, so the first message goes the long way.
    for _ in 0..3 {
        sender.send(&[1; 45]).unwrap();
        peer.turns.wait();
    }
    let before = position(&mut sender);
    // As many words as those of 45 bytes have.
    assert_eq!(sender.send(&[1; 46]), Err(SendError::TooLong { len: 46, max: 45 }));
    assert_eq!(position(&mut sender), before);
    peer.turns.wait();
    sender.send(&[1; 41]).unwrap();
    assert_eq!(position(&mut sender) - before, 64);
}

#[test]
fn a_call_and_its_answer_of_any_length_arrive_and_lie_in_a_line_each_if_they_fit() {
    let (ours, theirs) = connected(&Options::new().link(super::LinkChoice::Shm));
    let ((mut sender, mut receiver), (mut back, mut calls)) = (ours.split(), theirs.split());
    let mut buffer = [0; 80];
    for len in (0..=72).flat_map(|len| [len; 6]) {
        let message: Vec<u8> = (0..len).map(|index| (index * 7 + len) as u8).collect();
        let begin = position(&mut sender);
        sender.send(&message).unwrap();
        assert_eq!((calls.recv_into(&mut buffer), &buffer[..len]), (Ok(len), &message[..]));
        let end = position(&mut sender);
        back.send(&message).unwrap();
        buffer.fill(0xee);
        assert_eq!((receiver.recv_into(&mut buffer), &buffer[..len]), (Ok(len), &message[..]));
        assert_eq!(buffer[len..], [0xee; 80][len..]);
        let padded = (len as u64).div_ceil(8) * 8 + 8;
        assert!((padded..=padded.max(64)).contains(&(end - begin)), "{len} bytes took {}", end - begin);
    }
}

#[test]
fn who_finds_a_second_message_behind_an_answer_sends_the_next_one_as_of_a_stream() {
    let (ours, theirs) = connected(&Options::new().link(super::LinkChoice::Shm));
    let ((mut sender, mut receiver), (mut back, mut there)) = (ours.split(), theirs.split());
    let mut buffer = [0; 48];
    let mut call = |answers: usize| {
        let begin = position(&mut sender);
        sender.send(&[1; 48]).unwrap();
        assert_eq!(there.recv_into(&mut buffer), Ok(48));
        (0..answers).for_each(|_| back.send(&[2; 48]).unwrap());
        (0..answers).for_each(|_| assert_eq!(receiver.recv_into(&mut buffer), Ok(48)));
        if answers == 0 {
            assert!(!receiver.rx().wait(Some(Instant::now())));
        }
        position(&mut sender) - begin
    };
    // Two go the long way, to find out what the next ones may do without a look.
    (0..2).for_each(|_| _ = call(0));
    assert_eq!([1, 1, 2, 1, 1].map(&mut call), [64, 64, 64, 56, 56], "streams after two answers to one call");
    call(0);
    let once_it_has_waited = [1, 1].map(call);
    assert!(once_it_has_waited[0] > 56, "{once_it_has_waited:?} bytes: up to the end of a line");
    assert_eq!(once_it_has_waited[1], 64);
}

#[test]
fn who_answers_calls_that_queue_up_streams_the_answers() {
    let (ours, theirs) = connected(&Options::new().link(super::LinkChoice::Shm));
    let ((mut sender, mut receiver), (mut back, mut calls)) = (ours.split(), theirs.split());
    let mut buffer = [0; 48];
    // Two go the long way, to find out what the next ones may do without a look; then both wait.
    for _ in 0..2 {
        back.send(&[2; 48]).unwrap();
        assert_eq!(receiver.recv_into(&mut buffer), Ok(48));
    }
    assert!(!calls.rx().wait(Some(Instant::now())));
    (0..300).for_each(|_| sender.send(&[1; 48]).unwrap());
    let answers: Vec<_> = (0..300)
        .map(|_| {
            assert_eq!(calls.recv_into(&mut buffer), Ok(48));
            let begin = position(&mut back);
            back.send(&buffer).unwrap();
            position(&mut back) - begin
        })
        .collect();
    assert_eq!(answers[10..50], [64; 40], "that the calls queue up cannot be known yet");
    assert_eq!(answers[100..], [56; 200], "packed");
}

#[test]
fn a_message_lies_in_one_line_while_the_ends_take_turns_and_is_packed_in_a_stream() {
    let (ours, theirs) = connected(&Options::new().link(super::LinkChoice::Shm));
    let ((mut sender, mut receiver), (_to, mut from)) = (ours.split(), theirs.split());
    // Nothing comes, so this waits for as long as it may: for an answer, if something was sent.
    let mut look = || assert!(!receiver.rx().wait(Some(Instant::now())));
    let mut send = |sender: &mut Sender| {
        let begin = position(sender);
        sender.send(&[1; 48]).unwrap();
        assert_eq!(from.recv_into(&mut [0; 48]), Ok(48));
        position(sender) - begin
    };
    send(&mut sender);
    let turns: Vec<_> = (0..100).map(|_| (look(), send(&mut sender)).1).collect();
    assert_eq!(turns[2..], [64; 98], "a record of 56 bytes takes the rest of its line: {turns:?}");
    look();
    let stream = [(); 9].map(|()| send(&mut sender));
    assert_eq!((stream[0], &stream[1..]), (64, &[56; 8][..]), "only the first could be an answer");
}

/// What was received and not given back is so little that the longest message which is committed at once finds room
/// beside it, wherever in the ring it begins.
#[test]
fn what_a_split_receiver_holds_back_leaves_room_for_the_longest_atomic_message() {
    let options = Options::new().link(super::LinkChoice::Shm).capacity(16 << 10).unwrap();
    let (ours, theirs) = connected(&options);
    let ((mut sender, _receiver), (_sender, mut receiver)) = (ours.split(), theirs.split());
    let longest = vec![7; sender.max_atomic() as usize];
    let mut buffer = longest.clone();
    for round in 0..2000 {
        let (count, len) = (1 + round % 6, round * 37 % 1000);
        (0..count).for_each(|_| sender.try_send(&longest[..len]).unwrap());
        // Exactly as many as there are, so that no empty ring is found, at which all would be given back.
        (0..count).for_each(|_| assert_eq!(receiver.recv_into(&mut buffer), Ok(len)));
        sender.try_send(&longest).unwrap();
        assert_eq!(receiver.recv_into(&mut buffer), Ok(longest.len()));
    }
}

#[test]
fn whoever_agrees_on_light_fences_is_registered_for_heavy_ones() {
    alone(|| {
        let (ours, _theirs) = connected(&Options::new());
        match ours.about().fences {
            Fences::Membarrier => assert_ne!(registered(), Some(false)),
            Fences::SeqCst => skip("there is no membarrier here"),
        }
    });
}

/// Pushed towards the other core: what the peer may be waiting for, up to a length, and nothing of a stream; and nothing where
/// the processor cannot do that.
#[test]
fn the_message_of_a_turn_is_handed_over_and_those_of_a_stream_are_not() {
    let (ours, theirs) = connected(&Options::new().link(super::LinkChoice::Shm).prefault(true));
    let ((mut sender, mut receiver), (_to, mut from)) = (ours.split(), theirs.split());
    let mut handed_over = |can, len| {
        let Tx::Shm(shm) = sender.tx() else { unreachable!() };
        shm.spinner.demotes = can;
        sender.send(&vec![1; len]).unwrap();
        assert_eq!(from.recv_into(&mut vec![0; len]), Ok(len));
        let Tx::Shm(shm) = sender.tx() else { unreachable!() };
        shm.producer.is_demoted()
    };
    // The first message goes the long way, on which the space is counted.
    handed_over(true, 8);
    for (can, len) in
        [true, false].into_iter().flat_map(|can| [8, 48, 48, 64, 4088, 4089, 48].map(|len| (can, len)))
    {
        // Nothing comes, so this waits for as long as it may.
        assert!(!receiver.rx().wait(Some(Instant::now())));
        let expected = [can && len <= 4088, false, false, false];
        assert_eq!([len; 4].map(|len| handed_over(can, len)), expected, "{len} B");
    }
}
