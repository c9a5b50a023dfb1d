use super::{end_and_sockets, ends, recv};
use crate::link::error::{BatchError, Cause, RxError, TxError};
use crate::link::rx::{Armed, Rx};
use crate::link::tx::Relief;
use crate::sys::socket;
use crate::sys::tests::{alone, in_fork, watchdog};
use crate::wait::watch::Gone;
use std::os::fd::OwnedFd;
use std::sync::mpsc::Sender;
use std::time::Duration;

const CLOSED: TxError = TxError::Disconnected(Cause::Closed);
const HUNG_UP: TxError = TxError::Disconnected(Cause::HungUp);

#[test]
fn what_was_sent_is_received_before_the_end_is_told() {
    let ((mut tx, _keep), (_alive, mut rx)) = ends();
    tx.try_send(b"last").unwrap();
    tx.close();
    assert_eq!(tx.try_send(b"after"), Err(CLOSED));
    assert_eq!(rx.try_recv().unwrap(), b"last");
    for _ in 0..2 {
        assert_eq!(rx.try_recv(), Err(RxError::Disconnected(Cause::Closed)));
        assert!(rx.wait(None));
    }
}

#[test]
fn each_half_closes_alone() {
    let ((tx, mut rx), (mut other_tx, other_rx)) = ends();
    drop(tx);
    other_tx.try_send(b"still").unwrap();
    assert_eq!(rx.try_recv().unwrap(), b"still");
    drop(other_rx);
    other_tx.try_send(b"and still").unwrap();
    assert_eq!(rx.try_recv().unwrap(), b"and still");
    drop(rx);
    assert_eq!(other_tx.try_send(b"no more"), Err(CLOSED));
}

#[test]
fn an_end_that_is_dropped_as_a_whole_is_closed_and_not_hung_up() {
    let ((mut tx, mut rx), mut other) = ends();
    other.0.try_send(b"last").unwrap();
    // Left unread there, so that the kernel has an error to tell here.
    tx.try_send(b"unread").unwrap();
    drop(other);
    assert_eq!(tx.try_send(b"x"), Err(CLOSED));
    assert_eq!(tx.send(b"x", None, None), Err(CLOSED));
    assert_eq!(tx.grant(1).map(drop), Err(CLOSED));
    assert_eq!(tx.batch().push(b"x"), Err(BatchError::Disconnected(Cause::Closed)));
    assert_eq!(rx.try_recv().unwrap(), b"last");
    assert_eq!(rx.try_recv(), Err(RxError::Disconnected(Cause::Closed)));
}

#[test]
fn sockets_that_were_closed_without_a_word_are_hung_up() {
    let ((mut tx, mut rx), control, data) = end_and_sockets(1000);
    drop((control, data));
    assert_eq!(tx.try_send(b"x"), Err(HUNG_UP));
    assert_eq!(rx.try_recv(), Err(RxError::Disconnected(Cause::HungUp)));
    let ((mut tx, mut rx), control, _data) = end_and_sockets(1000);
    drop(control);
    assert!(rx.wait(None));
    assert_eq!(rx.try_recv(), Err(RxError::Disconnected(Cause::HungUp)));
    assert_eq!(tx.try_send(b"x"), Err(HUNG_UP));
}

#[test]
fn what_came_before_a_hang_up_is_received_and_so_is_what_comes_after() {
    let ((_tx, mut rx), (mut other_tx, other_rx)) = ends();
    other_tx.try_send(b"before").unwrap();
    let control = other_tx.peer().control().try_clone_to_owned().unwrap();
    rustix::net::shutdown(&control, rustix::net::Shutdown::Both).unwrap();
    assert_eq!(rx.try_recv().unwrap(), b"before");
    assert_eq!(rx.try_recv(), Err(RxError::Disconnected(Cause::HungUp)));
    other_tx.try_send(b"after").unwrap();
    assert_eq!(rx.try_recv().unwrap(), b"after");
    drop(other_rx);
}

#[test]
fn a_close_wakes_whoever_waits() {
    let ((mut tx, mut rx), (mut other_tx, mut other_rx)) = ends();
    while tx.try_send(&[0; 4000]).is_ok() {}
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| tx.send(b"x", Some(watchdog()), None));
        let receiver = scope.spawn(|| recv(&mut rx));
        other_tx.close();
        other_rx.close();
        assert_eq!(sender.join().unwrap(), Err(CLOSED));
        assert_eq!(receiver.join().unwrap(), Err(RxError::Disconnected(Cause::Closed)));
    });
}

/// Says when the sender comes to wait.
struct Announced(Sender<()>);

impl Relief for Announced {
    fn is_full(&self) -> bool {
        false
    }
    fn borrow(&mut self) -> Option<Rx> {
        let _ = self.0.send(());
        None
    }
    fn is_back(&self) -> bool {
        false
    }
    fn give_back(&mut self, _: Rx) {}
}

#[test]
fn a_sender_that_waits_is_told_when_only_the_receiving_is_closed() {
    let ((mut tx, _rx), (_other_tx, mut other_rx)) = ends();
    while tx.try_send(&[0; 4000]).is_ok() {}
    let (waiting, waits) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || tx.send(b"x", Some(watchdog()), Some(&mut Announced(waiting))));
        // From here on the sender asks the kernel for nothing but to be woken.
        waits.recv_timeout(Duration::from_secs(60)).unwrap();
        other_rx.close();
        assert_eq!(sender.join().unwrap(), Err(CLOSED));
    });
}

#[test]
fn what_a_peer_left_unread_does_not_hide_what_it_sent() {
    let ((mut tx, mut rx), mut other) = ends();
    other.0.try_send(b"last").unwrap();
    tx.try_send(b"unread").unwrap();
    drop(other);
    assert_eq!(rx.try_recv().unwrap(), b"last");
    assert_eq!(rx.try_recv(), Err(RxError::Disconnected(Cause::Closed)));
    // Nor do notes that it left unread hide its own.
    let ((mut tx, mut rx), other) = ends();
    tx.close();
    drop(other);
    assert_eq!(rx.try_recv(), Err(RxError::Disconnected(Cause::Closed)));
}

#[test]
fn what_was_sent_just_before_a_hang_up_is_never_missed() {
    const ROUNDS: usize = 3_000;
    let start = std::sync::Barrier::new(2);
    let (give, take) = std::sync::mpsc::channel::<(OwnedFd, OwnedFd)>();
    std::thread::scope(|scope| {
        let start = &start;
        scope.spawn(move || {
            for (control, data) in take {
                start.wait();
                socket::send(&data, &[0, 0, 0, 0, 1, 0, 0, 0]).unwrap();
                socket::shut_sending(&control).unwrap();
                start.wait();
            }
        });
        for _ in 0..ROUNDS {
            let ((_tx, mut rx), control, data) = end_and_sockets(1000);
            give.send((control, data)).unwrap();
            start.wait();
            let first = std::iter::repeat_with(|| rx.try_recv()).find(|got| *got != Err(RxError::Empty));
            start.wait();
            assert_eq!(first, Some(Ok(Vec::new())));
        }
        drop(give);
    });
}

#[test]
fn what_a_supervisor_says_of_the_peer_ends_every_wait() {
    let ((mut tx, mut rx), _other) = ends();
    while tx.try_send(&[0; 4000]).is_ok() {}
    let peer = std::sync::Arc::clone(tx.peer());
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| tx.send(b"x", Some(watchdog()), None));
        peer.mark(Gone::Dead);
        assert_eq!(sender.join().unwrap(), Err(TxError::Disconnected(Cause::Died)));
    });
    assert!(rx.wait(Some(watchdog())));
    assert_eq!(rx.arm_doorbell(), Armed::Ready);
    assert_eq!(rx.try_recv(), Err(RxError::Disconnected(Cause::Died)));
}

#[test]
fn a_commit_of_what_was_begun_before_the_close_says_so() {
    let ((mut tx, _rx), (_other_tx, mut other_rx)) = ends();
    let mut grant = tx.grant(4).unwrap();
    grant.put(b"late").unwrap();
    other_rx.close();
    assert_eq!(grant.commit(), Err(Cause::Closed));
    let ((mut tx, _rx), (_other_tx, mut other_rx)) = ends();
    let mut batch = tx.batch();
    batch.push(b"late").unwrap();
    other_rx.close();
    assert_eq!(batch.commit(), Err(Cause::Closed));
}

#[test]
fn a_forked_copy_touches_nothing() {
    alone(|| {
        let (mut end, (mut other_tx, mut other_rx)) = ends();
        end.0.try_send(b"one").unwrap();
        other_tx.try_send(b"two").unwrap();
        let mut end = Some(end);
        let exit = in_fork(|| {
            let (mut tx, mut rx) = end.take().unwrap();
            let forked = TxError::Disconnected(Cause::Forked);
            assert_eq!(tx.try_send(b"x"), Err(forked));
            assert_eq!(tx.send(b"x", None, None), Err(forked));
            assert_eq!(tx.wait_for_space(None), Err(forked));
            assert!(tx.salvage().is_none());
            assert_eq!(rx.try_recv(), Err(RxError::Disconnected(Cause::Forked)));
            assert!(rx.wait(None));
            drop((tx, rx));
        });
        assert_eq!(exit, crate::sys::pidfd::Exit::Code(0));
        assert_eq!(other_rx.try_recv().unwrap(), b"one");
        assert_eq!(other_rx.try_recv(), Err(RxError::Empty));
        assert_eq!(socket::recv(other_tx.peer().control(), &mut [0; 8]), Err(crate::sys::Errno::AGAIN));
        other_tx.try_send(b"x").unwrap();
        assert!(end.is_some());
    });
}
