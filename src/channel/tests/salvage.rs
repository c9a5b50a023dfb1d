//! What is handed back of a peer that was killed: over each link, whichever end it had.

use crate::channel::error::{RecvError, SalvageError, SendError, TrySendError};
use crate::channel::{Channel, LinkChoice, Options, Pending, pair};
use crate::link::error::Cause;
use crate::sys::pidfd::{Pid, Signal};
use crate::sys::process;
use crate::sys::tests::{alone, fork_child, is_asleep, raw, thread_id, until};

const LINKS: [LinkChoice; 2] = [LinkChoice::Shm, LinkChoice::Socket];

/// The end that `offers`, or the other one, after `change`, of a channel over that link, and the child that has the other end: it
/// has taken the first of four messages and takes no more.
fn taken_from(link: LinkChoice, offers: bool, change: impl FnOnce(Pending) -> Pending) -> (Channel, Pid) {
    let (first, second) = pair(&Options::new().link(link)).unwrap();
    let (ours, theirs) = if offers { (first, second) } else { (second, first) };
    let (mut ours, mut theirs) = (Some(ours), Some(theirs));
    let child = fork_child(|| {
        drop(ours.take());
        let channel = theirs.take().unwrap().connect().unwrap();
        assert_eq!(&*channel.recv().unwrap(), b"taken");
        assert_eq!(channel.salvage().unwrap_err(), elsewhere(link));
        channel.send(b"one was taken").unwrap();
        raw::pause()
    });
    drop(theirs);
    let channel = change(ours.unwrap()).connect().unwrap();
    for message in [b"taken".as_slice(), b"left", &[7; 50_000], b""] {
        channel.send(message).unwrap();
    }
    assert_eq!(&*channel.recv().unwrap(), b"one was taken");
    (channel, child)
}

/// What a process is told that did not make the pair, while its peer lives.
fn elsewhere(link: LinkChoice) -> SalvageError {
    if link == LinkChoice::Shm { SalvageError::NotDead } else { SalvageError::NotHeld }
}

fn kill(child: Pid) {
    process::signal(child, Signal::KILL).unwrap();
    until(|| process::reap(child).unwrap().is_some());
}

fn of_each_end(test: impl Fn(LinkChoice, bool)) {
    LINKS.into_iter().for_each(|link| [true, false].into_iter().for_each(|offers| test(link, offers)));
}

#[test]
fn what_a_killed_peer_had_not_taken_is_handed_back_once_over_each_link_whichever_end_it_had() {
    alone(|| {
        of_each_end(|link, offers| {
            let (channel, child) = taken_from(link, offers, |ours| ours);
            assert_eq!(channel.salvage().unwrap_err(), SalvageError::NotDead);
            kill(child);
            // Nothing has told this end of the death yet.
            let undelivered: Vec<Vec<u8>> = channel.salvage().unwrap().collect();
            assert_eq!(undelivered, [b"left".to_vec(), vec![7; 50_000], Vec::new()], "{link:?} {offers}");
            assert_eq!(channel.salvage().unwrap().count(), 0, "{link:?} {offers}: once");
            until(|| channel.recv() == Err(RecvError::Disconnected(Cause::Died)));
            assert_eq!(channel.salvage().unwrap().count(), 0, "{link:?} {offers}: once");
            let refused = channel.send(b"x").unwrap_err();
            assert!(matches!(refused, SendError::Disconnected(Cause::Closed | Cause::Died)), "{refused}");
        })
    });
}

/// As the kernel does not tell a sender that holds its peer's socket.
#[test]
fn an_end_that_is_not_called_is_told_of_the_death_over_each_link() {
    alone(|| {
        of_each_end(|link, offers| {
            let (channel, child) = taken_from(link, offers, |ours| ours);
            kill(child);
            until(|| channel.peer().is_dead());
            let refused = channel.try_send(b"late");
            assert_eq!(refused, Err(TrySendError::Disconnected(Cause::Died)), "{link:?} {offers}");
        })
    });
}

/// As an end is in a forked child, and in a program that was started with it. That nothing can be known is no reason to say that
/// there was nothing.
#[test]
fn an_end_without_its_peers_socket_says_that_it_cannot_salvage_and_learns_of_the_death() {
    alone(|| {
        of_each_end(|link, offers| {
            let (channel, child) = taken_from(link, offers, |ours| Pending { peer_data: None, ..ours });
            while channel.try_send(&[0; 1000]).is_ok() {}
            std::thread::scope(|scope| {
                // Whoever waits has the sending half, and the answer is the same.
                let (channel, (tell, told)) = (&channel, std::sync::mpsc::channel());
                scope.spawn(move || {
                    tell.send(thread_id()).unwrap();
                    channel.send(&[0; 1000]).unwrap_err()
                });
                let waiting = told.recv().unwrap();
                until(|| is_asleep(waiting));
                assert_eq!(channel.salvage().unwrap_err(), elsewhere(link));
                kill(child);
            });
            until(|| channel.try_send(b"late") == Err(TrySendError::Disconnected(Cause::Died)));
            match channel.salvage() {
                Ok(undelivered) => assert_eq!((link, undelivered.take(3).count()), (LinkChoice::Shm, 3)),
                Err(refused) => assert_eq!((link, refused), (LinkChoice::Socket, SalvageError::NotHeld)),
            }
        })
    });
}
