use super::{CAPACITY, End, MAX_MESSAGE, end_and_sockets, ends, ends_with, numbered, recv};
use crate::control::message::CLOSED_RECEIVING;
use crate::link::error::{BatchError, Cause, RxError, TxError};
use crate::link::peer::Peer;
use crate::link::rx::{Armed, Rx};
use crate::link::socket::wire::{Half, Wire};
use crate::link::tx::Relief;
use crate::sys::epoll::{Epoll, Interest};
use crate::sys::socket;
use crate::sys::tests::watchdog;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[test]
fn full_is_said_at_once_and_taken_back_when_there_is_space() {
    let ((mut tx, _keep), (_alive, mut rx)) = ends();
    let mut sent = 0;
    while tx.try_send(&numbered(sent, 1000)).is_ok() {
        sent += 1;
    }
    assert!(sent > 100, "{sent}");
    assert_eq!(tx.try_send(b"x"), Err(TxError::Full));
    assert_eq!(tx.grant(1).map(drop), Err(TxError::Full));
    assert_eq!(tx.batch().push(b"x"), Err(BatchError::Full));
    assert_eq!(tx.send(b"x", None, Some(&mut Lender::full())), Err(TxError::Full));
    assert_eq!(rx.try_recv().unwrap(), numbered(0, 1000));
    tx.try_send(b"x").unwrap();
    for number in 1..sent {
        assert_eq!(rx.try_recv().unwrap(), numbered(number, 1000));
    }
    assert_eq!(rx.try_recv().unwrap(), b"x");
    assert_eq!(tx.probe(1), Ok(()));
}

#[test]
fn the_capacity_decides_how_much_fits() {
    let fits = |capacity| {
        let ((mut tx, _rx), _other) = ends_with(capacity, MAX_MESSAGE);
        (0..).find(|_| tx.try_send(&[0; 1000]).is_err()).unwrap()
    };
    assert!(fits(4096) < fits(64 << 10) && fits(64 << 10) < fits(CAPACITY));
    // More than the system allows is as much as it allows.
    assert!(fits(1 << 30) >= fits(CAPACITY));
}

#[test]
fn a_deadline_ends_a_wait_and_not_before() {
    let ((mut tx, mut rx), _other) = ends();
    let soon = || Some(Instant::now() + Duration::from_millis(20));
    let until = soon();
    assert!(!rx.wait(until));
    assert!(Instant::now() >= until.unwrap());
    while tx.try_send(&[0; 4000]).is_ok() {}
    let until = soon();
    assert_eq!(tx.wait_for_space(until), Err(TxError::TimedOut));
    assert!(Instant::now() >= until.unwrap());
    assert_eq!(tx.send(b"x", soon(), None), Err(TxError::TimedOut));
    assert_eq!(tx.send(b"x", soon(), Some(&mut Lender::default())), Err(TxError::TimedOut));
}

#[test]
fn a_deadline_that_has_passed_still_looks_once() {
    let ((mut tx, _keep), (_alive, mut rx)) = ends();
    tx.send(b"x", Some(Instant::now()), None).unwrap();
    assert!(rx.wait(Some(Instant::now())));
    assert_eq!(rx.try_recv().unwrap(), b"x");
}

#[test]
fn a_sleeping_ping_pong_loses_no_wake_up() {
    const ROUNDS: u32 = 5_000;
    let ((mut tx, mut rx), (mut other_tx, mut other_rx)) = ends();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..ROUNDS {
                let ping = recv(&mut other_rx).unwrap();
                other_tx.send(&ping, None, None).unwrap();
            }
        });
        for number in 0..ROUNDS {
            tx.send(&number.to_le_bytes(), None, None).unwrap();
            assert_eq!(recv(&mut rx).unwrap(), number.to_le_bytes());
        }
    });
}

/// Lends a receiving half, and keeps what it takes in.
#[derive(Default)]
struct Lender {
    rx: Option<Rx>,
    taken: Vec<Vec<u8>>,
    /// How many it takes in, if there is a limit.
    max: Option<usize>,
}

impl Lender {
    fn full() -> Self {
        Self { max: Some(0), ..Self::default() }
    }
}

impl Relief for Lender {
    fn is_full(&self) -> bool {
        self.max.is_some_and(|max| self.taken.len() >= max)
    }
    fn borrow(&mut self) -> Option<Rx> {
        self.rx.take()
    }
    fn is_back(&self) -> bool {
        self.rx.is_some()
    }
    fn give_back(&mut self, mut rx: Rx) {
        while let Ok(message) = rx.try_recv() {
            self.taken.push(message);
        }
        self.rx = Some(rx);
    }
}

#[test]
fn two_ends_that_both_only_send_do_not_wait_for_each_other() {
    const COUNT: u32 = 2_000;
    fn run((mut tx, rx): End) {
        let mut lender = Lender { rx: Some(Rx::Socket(Box::new(rx))), ..Lender::default() };
        for number in 0..COUNT {
            tx.send(&numbered(number, 3000), Some(watchdog()), Some(&mut lender)).unwrap();
        }
        tx.send(&numbered(COUNT, MAX_MESSAGE as usize), Some(watchdog()), Some(&mut lender)).unwrap();
        tx.close();
        let mut taken = lender.taken;
        let Some(Rx::Socket(mut rx)) = lender.rx else { panic!("it came back") };
        taken.extend(std::iter::from_fn(|| recv(&mut rx).ok()));
        assert_eq!(taken.len() as u32, COUNT + 1);
        for (number, message) in (0..).zip(&taken) {
            assert_eq!(message, &numbered(number, if number == COUNT { MAX_MESSAGE as usize } else { 3000 }));
        }
    }
    let (a, b) = ends();
    std::thread::scope(|scope| {
        scope.spawn(|| run(a));
        run(b);
    });
}

#[test]
fn relief_takes_in_the_rest_of_a_batch_of_which_the_socket_does_not_tell() {
    let ((mut tx, mut rx), (mut other_tx, _other_rx)) = ends();
    let mut batch = other_tx.batch();
    batch.push(b"one").unwrap();
    batch.push(b"two").unwrap();
    batch.commit().unwrap();
    assert_eq!(rx.try_recv().unwrap(), b"one");
    while tx.try_send(&[0; 4000]).is_ok() {}
    let mut lender = Lender { rx: Some(Rx::Socket(Box::new(rx))), max: Some(1), ..Lender::default() };
    assert_eq!(tx.send(b"x", Some(watchdog()), Some(&mut lender)), Err(TxError::Full));
    assert_eq!(lender.taken, [b"two"]);
}

#[test]
fn relief_is_not_kept_awake_by_an_end() {
    let ((mut tx, rx), (other_tx, mut other_rx)) = ends();
    drop(other_tx);
    while tx.try_send(&[0; 4000]).is_ok() {}
    let mut lender = Lender { rx: Some(Rx::Socket(Box::new(rx))), ..Lender::default() };
    for _ in 0..2 {
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(tx.send(b"x", Some(soon), Some(&mut lender)), Err(TxError::TimedOut));
    }
    assert!(matches!(&lender.rx, Some(Rx::Socket(rx)) if rx.is_ended()));
    std::thread::scope(|scope| {
        scope.spawn(|| tx.send(b"last", Some(watchdog()), Some(&mut lender)).unwrap());
        while recv(&mut other_rx).unwrap() != b"last" {}
    });
}

/// A receiving half that another thread has, and brings back.
struct Elsewhere<'a> {
    back: &'a Mutex<Option<Rx>>,
    asked: std::sync::mpsc::Sender<()>,
    taken: usize,
}

impl Relief for Elsewhere<'_> {
    fn is_full(&self) -> bool {
        false
    }
    fn borrow(&mut self) -> Option<Rx> {
        let rx = self.back.lock().unwrap().take();
        self.asked.send(()).unwrap();
        rx
    }
    fn is_back(&self) -> bool {
        self.back.lock().unwrap().is_some()
    }
    fn give_back(&mut self, mut rx: Rx) {
        while rx.try_recv().is_ok() {
            self.taken += 1;
        }
        *self.back.lock().unwrap() = Some(rx);
    }
}

#[test]
fn a_waiting_sender_takes_in_messages_once_the_receiving_half_is_back() {
    let ((mut tx, rx), (mut other_tx, mut other_rx)) = ends();
    while tx.try_send(&[0; 4000]).is_ok() {}
    while other_tx.try_send(&[0; 4000]).is_ok() {}
    let peer = Arc::clone(tx.peer());
    let (back, (asked, asks)) = (Mutex::new(None), std::sync::mpsc::channel());
    std::thread::scope(|scope| {
        let mut relief = Elsewhere { back: &back, asked, taken: 0 };
        let sender = scope.spawn(move || {
            tx.send(b"last", Some(watchdog()), Some(&mut relief)).unwrap();
            relief.taken
        });
        asks.recv_timeout(Duration::from_secs(60)).unwrap();
        *back.lock().unwrap() = Some(Rx::Socket(Box::new(rx)));
        peer.wake_self();
        // The other end sends on, which only works once this one takes in; then it receives.
        other_tx.send(b"room again", Some(watchdog()), None).unwrap();
        while recv(&mut other_rx).unwrap() != b"last" {}
        assert!(sender.join().unwrap() > 100);
    });
}

#[test]
fn a_note_that_another_thread_took_wakes_the_sender() {
    let ((control, _theirs), (data, _other)) = (socket::pair().unwrap(), socket::pair().unwrap());
    while socket::send(&data, &[0; 4000]).is_ok() {}
    let wire = Arc::new(Wire::new(data).unwrap());
    let peer = Peer::over_socket(Arc::new(control), None, Arc::clone(&wire), false);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| wire.wait_to_send(&peer, Interest::Writable, Some(watchdog())));
        wire.hear(&[CLOSED_RECEIVING]);
        assert!(sender.join().unwrap());
    });
    assert!(wire.has_closed(Half::Receiving) && !wire.has_closed(Half::Sending));
}

#[test]
fn a_peer_that_shuts_a_full_socket_without_a_word_is_hung_up() {
    let ((mut tx, rx), _control, data) = end_and_sockets(MAX_MESSAGE);
    while tx.try_send(&[0; 4000]).is_ok() {}
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut lender = Lender { rx: Some(Rx::Socket(Box::new(rx))), ..Lender::default() };
            tx.send(b"x", Some(watchdog()), Some(&mut lender))
        });
        socket::shut_receiving(&data).unwrap();
        socket::shut_sending(&data).unwrap();
        assert_eq!(sender.join().unwrap(), Err(TxError::Disconnected(Cause::HungUp)));
    });
    assert_eq!(tx.send(b"x", None, None), Err(TxError::Disconnected(Cause::HungUp)));
    assert_eq!(tx.probe(1), Ok(()));
    assert_eq!(tx.grant(1).unwrap().commit(), Err(Cause::HungUp));
}

#[test]
fn an_epoll_on_the_wake_descriptor_tells_of_data_and_of_the_end() {
    let ((mut tx, _keep), (_alive, rx)) = ends();
    let mut rx = Rx::Socket(Box::new(rx));
    let (epoll, mut ready) = (Epoll::new().unwrap(), Vec::new());
    epoll.add(rx.peer().unwrap().wake_fd(), 7, Interest::Readable).unwrap();
    assert_eq!(rx.arm_doorbell(), Armed::Sleep);
    epoll.wait(&mut ready, Some(Instant::now())).unwrap();
    assert!(ready.is_empty() && !rx.poll());
    let mut batch = tx.batch();
    batch.push(b"one").unwrap();
    batch.push(b"two").unwrap();
    batch.commit().unwrap();
    epoll.wait(&mut ready, Some(watchdog())).unwrap();
    assert!(ready[0].token == 7 && ready[0].readable && rx.poll());
    assert_eq!(rx.try_recv().unwrap(), b"one");
    assert_eq!(rx.arm_doorbell(), Armed::Ready);
    assert_eq!(rx.try_recv().unwrap(), b"two");
    assert_eq!(rx.arm_doorbell(), Armed::Sleep);
    drop(tx);
    epoll.wait(&mut ready, Some(watchdog())).unwrap();
    assert_eq!(rx.try_recv(), Err(RxError::Disconnected(Cause::Closed)));
    assert_eq!(rx.arm_doorbell(), Armed::Ready);
}
