//! What is handed back of a peer that was killed: over each link, whichever end it had.

use crate::channel::error::{RecvError, SalvageError};
use crate::channel::{Channel, LinkChoice, Options, pair};
use crate::link::error::Cause;
use crate::sys::pidfd::Signal;
use crate::sys::process;
use crate::sys::tests::{alone, fork_child, raw, until};

/// What is left of a channel over that link: the end that `offers`, or the other. The peer had taken the first of four messages.
fn survivor(link: LinkChoice, offers: bool) -> Channel {
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
    let channel = ours.unwrap().connect().unwrap();
    for message in [b"taken".as_slice(), b"left", &[7; 50_000], b""] {
        channel.send(message).unwrap();
    }
    assert_eq!(&*channel.recv().unwrap(), b"one was taken");
    let alive = if link == LinkChoice::Shm { SalvageError::NotDead } else { SalvageError::NotHeld };
    assert_eq!(channel.salvage().unwrap_err(), alive);
    process::signal(child, Signal::KILL).unwrap();
    until(|| channel.recv() == Err(RecvError::Disconnected(Cause::Died)));
    until(|| process::reap(child).unwrap().is_some());
    channel
}

#[test]
fn what_a_killed_peer_had_not_taken_is_handed_back_once_or_refused_whichever_end_it_had() {
    alone(|| {
        for offers in [true, false] {
            let channel = survivor(LinkChoice::Shm, offers);
            let undelivered: Vec<Vec<u8>> = channel.salvage().unwrap().collect();
            assert_eq!(undelivered, [b"left".to_vec(), vec![7; 50_000], Vec::new()], "{offers}");
            assert_eq!(channel.salvage().unwrap().count(), 0, "{offers}: once");

            // It cannot be known here, and that is no reason to say that there was nothing.
            let channel = survivor(LinkChoice::Socket, offers);
            for _ in 0..2 {
                assert_eq!(channel.salvage().unwrap_err(), SalvageError::NotHeld, "{offers}");
            }
        }
    });
}
