//! What is handed back of a peer that was killed: over each link, whichever end it had.

use crate::channel::error::{RecvError, SalvageError};
use crate::channel::{Channel, LinkChoice, Options, Pending, pair};
use crate::link::error::Cause;
use crate::sys::pidfd::Signal;
use crate::sys::process;
use crate::sys::tests::{alone, fork_child, raw, until};

const LINKS: [LinkChoice; 2] = [LinkChoice::Shm, LinkChoice::Socket];

/// The end that is left of a channel over that link, made from `ours` by `change`: the peer had taken the first of four
/// messages, one of them of several records.
fn survivor(link: LinkChoice, offers: bool, change: impl FnOnce(Pending) -> Pending) -> Channel {
    let (first, second) = pair(&Options::new().link(link)).unwrap();
    let (ours, theirs) = if offers { (first, second) } else { (second, first) };
    let (mut ours, mut theirs) = (Some(ours), Some(theirs));
    let child = fork_child(|| {
        drop(ours.take());
        let channel = theirs.take().unwrap().connect().unwrap();
        assert_eq!(&*channel.recv().unwrap(), b"taken");
        channel.send(b"one was taken").unwrap();
        raw::pause()
    });
    drop(theirs);
    let channel = change(ours.unwrap()).connect().unwrap();
    for message in [b"taken".as_slice(), b"left", &[7; 100_000], b""] {
        channel.send(message).unwrap();
    }
    assert_eq!(&*channel.recv().unwrap(), b"one was taken");
    process::signal(child, Signal::KILL).unwrap();
    until(|| channel.recv() == Err(RecvError::Disconnected(Cause::Died)));
    until(|| process::reap(child).unwrap().is_some());
    channel
}

#[test]
fn what_a_killed_peer_had_not_taken_is_handed_back_in_order_over_each_link_whichever_end_it_had() {
    alone(|| {
        for (link, offers) in LINKS.into_iter().flat_map(|link| [(link, true), (link, false)]) {
            let channel = survivor(link, offers, |ours| ours);
            let undelivered: Vec<Vec<u8>> = channel.salvage().unwrap().collect();
            assert_eq!(undelivered, [b"left".to_vec(), vec![7; 100_000], Vec::new()], "{link:?} {offers}");
            assert_eq!(channel.salvage().unwrap().count(), 0, "{link:?} {offers}: once");
        }
    });
}

/// As an end is that came to a program: of its two sockets that are its own it knows.
#[test]
fn an_end_that_cannot_know_what_was_left_in_its_peers_socket_says_so_and_does_not_say_nothing_was() {
    alone(|| {
        for link in LINKS {
            let channel = survivor(link, false, |ours| Pending { peer_data: None, ..ours });
            match channel.salvage() {
                Ok(undelivered) => assert_eq!((link, undelivered.count()), (LinkChoice::Shm, 3)),
                Err(refused) => assert_eq!((link, refused), (LinkChoice::Socket, SalvageError::NotHeld)),
            }
        }
    });
}
