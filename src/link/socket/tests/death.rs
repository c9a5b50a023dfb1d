use super::{End, MAX_MESSAGE, end, end_and_child, end_of, numbered, recv};
use crate::link::Tx;
use crate::link::error::{Cause, RxError, TxError};
use crate::link::socket::packet::MAX_PAYLOAD;
use crate::sys::pidfd::{self, Exit, Pid, Signal};
use crate::sys::tests::raw::pause;
use crate::sys::tests::{alone, fork_child, open_fds, until, watchdog};
use crate::sys::{process, socket};
use crate::wait::watch::Gone;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

/// As `kill -9` does, at this very place.
fn die() -> ! {
    process::signal(process::id(), Signal::KILL).unwrap();
    pause()
}

fn reaped(child: Pid) {
    assert_eq!(process::reap(child), Ok(Some(Exit::Signal(libc::SIGKILL))));
}

#[test]
fn what_a_killed_peer_had_committed_arrives_and_then_its_death() {
    alone(|| {
        let before = open_fds();
        for count in [0, 1, 100] {
            let ((tx, mut rx), child) = end_and_child(|(mut tx, _rx)| {
                for number in 0..count {
                    tx.try_send(&numbered(number, 10 * number as usize)).unwrap();
                }
                die()
            });
            for number in 0..count {
                assert_eq!(recv(&mut rx).unwrap(), numbered(number, 10 * number as usize));
            }
            assert_eq!(recv(&mut rx), Err(RxError::Disconnected(Cause::Died)));
            assert_eq!(rx.partial(), None);
            reaped(child);
            drop((tx, rx));
            assert_eq!(open_fds(), before);
        }
    });
}

#[test]
fn a_peer_that_closed_and_was_killed_has_closed() {
    alone(|| {
        let ((_tx, mut rx), child) = end_and_child(|(mut tx, rx)| {
            tx.try_send(b"last").unwrap();
            drop((tx, rx));
            die()
        });
        assert_eq!(recv(&mut rx).unwrap(), b"last");
        assert_eq!(recv(&mut rx), Err(RxError::Disconnected(Cause::Closed)));
        wait_until_dead(&mut rx, child);
        assert_eq!(recv(&mut rx), Err(RxError::Disconnected(Cause::Closed)));
    });
}

#[test]
fn a_message_that_was_being_streamed_dies_with_its_sender() {
    alone(|| {
        let ((_tx, mut rx), child) = end_and_child(|(mut tx, _rx)| {
            let long = numbered(1, MAX_MESSAGE as usize);
            assert_eq!(tx.send(&long, Some(Instant::now()), None), Err(TxError::TimedOut));
            die()
        });
        wait_until_dead(&mut rx, child);
        assert_eq!(recv(&mut rx), Err(RxError::Disconnected(Cause::Died)));
        assert!(rx.partial().is_some_and(|bytes| 0 < bytes && bytes < MAX_MESSAGE));
    });
}

#[test]
fn a_sender_that_waits_learns_of_the_death() {
    alone(|| {
        let ((mut tx, _rx), child) = end_and_child(|_end| pause());
        while tx.try_send(&[0; 4000]).is_ok() {}
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| tx.send(b"x", Some(watchdog()), None));
            process::signal(child, Signal::KILL).unwrap();
            assert_eq!(sender.join().unwrap(), Err(TxError::Disconnected(Cause::Died)));
        });
    });
}

#[test]
fn a_full_socket_is_not_what_a_dead_peer_is_told_as() {
    alone(|| {
        let ((mut tx, _rx), child) = end_and_child(|_end| pause());
        while tx.try_send(&[0; 4000]).is_ok() {}
        process::signal(child, Signal::KILL).unwrap();
        wait_for_exit(child);
        assert_eq!(tx.try_send(b"x"), Err(TxError::Disconnected(Cause::Died)));
        // A hang-up that was seen first is found to have been a death.
        let ((mut tx, _rx), child) = end_and_child(|_end| pause());
        tx.peer().mark(Gone::HungUp);
        assert_eq!(tx.try_send(b"x"), Err(TxError::Disconnected(Cause::HungUp)));
        process::signal(child, Signal::KILL).unwrap();
        wait_for_exit(child);
        assert_eq!(tx.try_send(b"x"), Err(TxError::Disconnected(Cause::Died)));
    });
}

/// A dying process closes its sockets first. Who waits is told what it was, and nothing before that is known.
#[test]
fn a_hang_up_or_an_end_that_was_the_beginning_of_a_death_is_told_as_a_death() {
    alone(|| {
        let shut: [fn(&End); 2] = [
            |(tx, _)| socket::shut_sending(tx.peer().control()).unwrap(),
            |(_, rx)| {
                let data = rx.peer().wake_fd();
                socket::shut_sending(data).unwrap();
                socket::shut_receiving(data).unwrap();
            },
        ];
        // A machine that is too slow to kill the child while its hang-up is in doubt tries again.
        let dies_in_doubt = |shut: fn(&End)| {
            let ((mut tx, mut rx), child) = end_and_child(|end| {
                shut(&end);
                pause()
            });
            let peer = Arc::clone(rx.peer());
            std::thread::scope(|scope| {
                let receiver = scope.spawn(|| recv(&mut rx));
                until(|| peer.doubt().is_some() || peer.cause().is_some());
                let doubt = peer.doubt();
                let in_time = || doubt.is_some_and(|until| Instant::now() < until);
                // One that may be dead takes nothing, and is not said to have hung up.
                while tx.try_send(&[0; 4000]).is_ok() {}
                let refused = tx.try_send(b"x");
                assert!(!in_time() || refused == Err(TxError::Full), "{refused:?}");
                let sender = scope.spawn(|| tx.send(b"x", Some(watchdog()), None));
                process::signal(child, Signal::KILL).unwrap();
                wait_for_exit(child);
                let in_time = in_time();
                let (received, sent) = (receiver.join().unwrap(), sender.join().unwrap());
                assert!(!in_time || received == Err(RxError::Disconnected(Cause::Died)), "{received:?}");
                assert!(!in_time || sent == Err(TxError::Disconnected(Cause::Died)), "{sent:?}");
                in_time
            })
        };
        shut.into_iter().for_each(|shut| until(|| dies_in_doubt(shut)));
    });
}

#[test]
fn a_hang_up_of_a_peer_that_lives_on_is_told_as_one_in_the_end() {
    alone(|| {
        let ((mut tx, mut rx), child) = end_and_child(|(tx, _rx)| {
            socket::shut_sending(tx.peer().control()).unwrap();
            pause()
        });
        assert_eq!(recv(&mut rx), Err(RxError::Disconnected(Cause::HungUp)));
        assert_eq!(tx.send(b"x", None, None), Err(TxError::Disconnected(Cause::HungUp)));
        process::signal(child, Signal::KILL).unwrap();
        wait_for_exit(child);
        assert_eq!(recv(&mut rx), Err(RxError::Disconnected(Cause::Died)));
    });
}

fn wait_for_exit(child: Pid) {
    let mut ready = Vec::new();
    let pidfd = pidfd::open(child).unwrap();
    socket::wait_readable(&[pidfd.as_fd()], &mut ready, Some(watchdog())).unwrap();
    assert!(!ready.is_empty());
}

/// Waits until the peer's death can be seen, and sees it.
fn wait_until_dead(rx: &mut super::SocketRx, child: Pid) {
    wait_for_exit(child);
    assert!(rx.wait(Some(watchdog())));
}

/// A child that takes `takes` messages, says so, and is killed; then this end, knowing that.
fn killed_after(takes: usize, send: impl FnOnce(&mut super::SocketTx)) -> (End, Pid) {
    let ((mut tx, mut rx), child) = end_and_child(move |(mut tx, mut rx)| {
        for _ in 0..takes {
            recv(&mut rx).unwrap();
        }
        tx.try_send(b"taken").unwrap();
        pause()
    });
    send(&mut tx);
    assert_eq!(recv(&mut rx).unwrap(), b"taken");
    assert!(tx.salvage().is_none(), "it lives: its messages are its own");
    process::signal(child, Signal::KILL).unwrap();
    wait_until_dead(&mut rx, child);
    ((tx, rx), child)
}

#[test]
fn salvage_hands_back_exactly_what_the_dead_peer_had_not_received() {
    alone(|| {
        for takes in [0, 4, 10] {
            let ((mut tx, _rx), child) = killed_after(takes, |tx| {
                for number in 0..10 {
                    tx.try_send(&numbered(number, 500)).unwrap();
                }
            });
            // Sent before this end has looked: it comes back with the rest.
            let late = tx.try_send(b"late");
            let mut undelivered = tx.salvage().unwrap();
            for number in takes as u32..10 {
                assert_eq!(undelivered.next(), Some(numbered(number, 500)));
            }
            assert_eq!(undelivered.next(), late.is_ok().then(|| b"late".to_vec()));
            assert_eq!((undelivered.next(), undelivered.streamed()), (None, 0));
            assert!(tx.salvage().is_none());
            assert!(matches!(tx.try_send(b"x"), Err(TxError::Disconnected(_))));
            reaped(child);
        }
    });
}

#[test]
fn what_was_salvaged_is_the_parents_to_take_and_no_forked_childs() {
    alone(|| {
        let ((tx, _rx), _child) = killed_after(0, |tx| tx.try_send(b"not taken").unwrap());
        let mut tx = Tx::Socket(Box::new(tx));
        let undelivered = tx.salvage().unwrap();
        let mut undelivered = Some(undelivered);
        let copy = fork_child(|| assert_eq!(undelivered.take().unwrap().count(), 0));
        until(|| process::reap(copy).unwrap().is_some_and(|exit| exit == Exit::Code(0)));
        assert!(undelivered.unwrap().eq([b"not taken"]));
        assert_eq!(tx.salvage().unwrap().count(), 0);
    });
}

#[test]
fn salvage_puts_batches_and_long_messages_together_again() {
    alone(|| {
        let long = numbered(7, 5 * MAX_PAYLOAD);
        let ((mut tx, _rx), _child) = killed_after(1, |tx| {
            tx.try_send(b"taken by the child").unwrap();
            let mut batch = tx.batch();
            batch.push(b"one").unwrap();
            batch.push(b"").unwrap();
            batch.commit().unwrap();
            tx.send(&long, None, None).unwrap();
            let longer = numbered(8, MAX_MESSAGE as usize);
            assert_eq!(tx.send(&longer, Some(Instant::now()), None), Err(TxError::TimedOut));
        });
        let mut undelivered = tx.salvage().unwrap();
        assert_eq!(undelivered.by_ref().collect::<Vec<_>>(), [b"one".to_vec(), Vec::new(), long]);
        let streamed = undelivered.streamed();
        assert!(0 < streamed && streamed < MAX_MESSAGE, "{streamed}");
    });
}

/// A batch is one packet, and a packet is taken whole.
#[test]
fn the_rest_of_a_batch_goes_with_the_peer_that_had_taken_its_first_message() {
    alone(|| {
        let ((mut tx, _rx), _child) = killed_after(1, |tx| {
            let mut batch = tx.batch();
            batch.push(b"taken by the child").unwrap();
            batch.push(b"gone with it").unwrap();
            batch.commit().unwrap();
            tx.try_send(b"not received").unwrap();
        });
        assert_eq!(tx.salvage().unwrap().collect::<Vec<_>>(), [b"not received"]);
    });
}

#[test]
fn salvage_outlives_the_link() {
    alone(|| {
        let ((mut tx, mut rx), child) = end_and_child(|(mut tx, _rx)| {
            tx.try_send(b"never received").unwrap();
            die()
        });
        tx.try_send(b"one").unwrap();
        tx.try_send(b"two").unwrap();
        wait_until_dead(&mut rx, child);
        let undelivered = tx.salvage().unwrap();
        drop((tx, rx));
        assert_eq!(undelivered.collect::<Vec<_>>(), [b"one", b"two"]);
    });
}

#[test]
fn salvage_finds_what_a_peer_left_that_had_closed_its_receiving() {
    alone(|| {
        let ((mut tx, mut rx), child) = end_and_child(|(mut tx, mut rx)| {
            assert_eq!(recv(&mut rx).unwrap(), b"one");
            assert_eq!(recv(&mut rx).unwrap(), b"go");
            rx.close();
            tx.try_send(b"closed").unwrap();
            die()
        });
        for message in [&b"one"[..], b"go", b"two", b"three"] {
            tx.try_send(message).unwrap();
        }
        assert_eq!(recv(&mut rx).unwrap(), b"closed");
        assert_eq!(tx.try_send(b"four"), Err(TxError::Disconnected(Cause::Closed)));
        wait_until_dead(&mut rx, child);
        let undelivered: Vec<_> = tx.salvage().unwrap().collect();
        assert_eq!(undelivered, [b"two".to_vec(), b"three".to_vec()]);
    });
}

#[test]
fn whoever_else_holds_a_dead_peers_socket_adds_nothing() {
    alone(|| {
        let ((tx, mut rx), child) = end_and_child(|(mut tx, _rx)| {
            tx.try_send(b"mine").unwrap();
            die()
        });
        wait_until_dead(&mut rx, child);
        // As a supervisor does, that has reaped it.
        rx.peer().mark(Gone::Dead);
        assert_eq!(recv(&mut rx).unwrap(), b"mine");
        let theirs = tx.peer_end.as_ref().unwrap();
        assert_eq!(socket::send(theirs, &[0; 8]), Err(crate::sys::Errno::PIPE));
        assert_eq!(recv(&mut rx), Err(RxError::Disconnected(Cause::Died)));
    });
}

/// As a copy of this process does that was forked from it.
#[test]
fn whoever_holds_this_ends_socket_adds_nothing_once_it_salvages() {
    alone(|| {
        let ((mut tx, rx), child) = end_of(true, |_end| pause());
        let ours = rx.peer().wake_fd().try_clone_to_owned().unwrap();
        tx.try_send(b"mine").unwrap();
        // Neither is a packet that this end would send; a message of its form could not be told from one.
        for forged in [&[0; 3][..], &[], &[0xff; 100], &[0; 70_000], &[]] {
            rustix::net::send(&ours, forged, rustix::net::SendFlags::empty()).unwrap();
            tx.try_send(b"mine too").unwrap();
        }
        process::signal(child, Signal::KILL).unwrap();
        wait_for_exit(child);
        let mut undelivered = tx.salvage().unwrap();
        assert_eq!(socket::send(&ours, &[0; 8]), Err(crate::sys::Errno::PIPE));
        assert_eq!(undelivered.next().unwrap(), b"mine");
        for _ in 0..5 {
            assert_eq!(undelivered.next().unwrap(), b"mine too");
        }
        assert_eq!((undelivered.next(), undelivered.next()), (None, None));
    });
}

/// It could be the only one that does, where sends do nothing but send.
#[test]
fn a_watched_peers_death_is_told_though_nobody_looks() {
    alone(|| {
        let ((mut tx, _rx), child) = end_of(true, |_end| pause());
        tx.try_send(b"not taken").unwrap();
        process::signal(child, Signal::KILL).unwrap();
        until(|| tx.peer().is_dead());
        assert_eq!(tx.try_send(b"x"), Err(TxError::Disconnected(Cause::Died)));
        assert_eq!(tx.salvage().unwrap().collect::<Vec<_>>(), [b"not taken"]);
        reaped(child);
    });
}

#[test]
fn without_a_duplicate_and_a_pidfd_a_death_is_a_hang_up() {
    alone(|| {
        let (control, data) = (socket::pair().unwrap(), socket::pair().unwrap());
        let theirs = (control.1, data.1);
        let child = fork_child(|| {
            let end = end(theirs.0.try_clone().unwrap(), theirs.1.try_clone().unwrap());
            let (mut tx, _rx) = end.open(super::CAPACITY, MAX_MESSAGE).unwrap();
            tx.try_send(b"last").unwrap();
            die()
        });
        drop(theirs);
        let (mut tx, mut rx) = end(control.0, data.0).open(super::CAPACITY, MAX_MESSAGE).unwrap();
        assert_eq!(recv(&mut rx).unwrap(), b"last");
        assert_eq!(recv(&mut rx), Err(RxError::Disconnected(Cause::HungUp)));
        assert_eq!(tx.try_send(b"x"), Err(TxError::Disconnected(Cause::HungUp)));
        assert!(tx.salvage().is_none());
        wait_for_exit(child);
        reaped(child);
    });
}
