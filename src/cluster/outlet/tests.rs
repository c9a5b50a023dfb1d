//! The outlet with a fake link.

use super::{Outlet, Patience};
use crate::cluster::error::SendError;
use crate::cluster::fake::{self, FakeSender, FakeWorker};
use crate::cluster::link_port::SendHalf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(20);

fn attached() -> (Outlet<FakeSender>, FakeWorker) {
    let (link, worker) = fake::link(2);
    let outlet = Outlet::new();
    outlet.attach(link.sender);
    (outlet, worker)
}

fn try_send(outlet: &Outlet<FakeSender>, message: &[u8]) -> Result<(), SendError> {
    outlet.with(Patience::None, |sender| sender.try_send(message))
}

/// How many messages the heir of a retired sender found, `None` if there was no sender.
fn heir() -> (impl FnOnce(Option<FakeSender>) + Send, mpsc::Receiver<Option<usize>>) {
    let (said, hear) = mpsc::channel();
    (move |sender: Option<FakeSender>| said.send(sender.map(|s| s.undelivered().count())).unwrap(), hear)
}

#[test]
fn before_the_link_is_up_only_the_patient_wait() {
    let outlet = Outlet::<FakeSender>::new();
    assert!(matches!(try_send(&outlet, b"m"), Err(SendError::NotOnline)));
    let soon = Patience::Until(Instant::now() + SOON);
    assert!(matches!(outlet.with(soon, |_| Ok(())), Err(SendError::TimedOut)));
    let (link, worker) = fake::link(2);
    thread::scope(|scope| {
        let sending = scope.spawn(|| outlet.with(Patience::Endless, |sender| sender.try_send(b"m")));
        outlet.attach(link.sender);
        assert!(sending.join().unwrap().is_ok());
    });
    assert_eq!(worker.recv().as_deref(), Some(&b"m"[..]));
}

#[test]
fn a_lent_sender_is_waited_for() {
    let (outlet, _worker) = attached();
    thread::scope(|scope| {
        let waiting = outlet.with(Patience::None, |_| {
            assert!(matches!(try_send(&outlet, b"m"), Err(SendError::Full)));
            Ok(scope.spawn(|| outlet.with(Patience::Endless, |sender| sender.try_send(b"m"))))
        });
        assert!(waiting.unwrap().join().unwrap().is_ok());
    });
}

#[test]
fn a_borrower_that_panics_gives_it_back() {
    let (outlet, _worker) = attached();
    thread::scope(|scope| {
        let panicking = scope.spawn(|| outlet.with::<()>(Patience::None, |_| panic!("on purpose")));
        assert!(panicking.join().is_err());
    });
    assert!(try_send(&outlet, b"m").is_ok());
}

#[test]
fn a_close_is_carried_out_at_once_or_by_the_borrower() {
    let (outlet, worker) = attached();
    let while_lent = outlet.with(Patience::None, |_| {
        outlet.close();
        Ok(worker.shared().closed_by_master)
    });
    assert!(!while_lent.unwrap());
    assert!(worker.shared().closed_by_master);
    assert!(matches!(try_send(&outlet, b"m"), Err(SendError::Stopping)));

    let (outlet, worker) = attached();
    outlet.close();
    assert!(worker.shared().closed_by_master);

    let (link, worker) = fake::link(2);
    let outlet = Outlet::new();
    outlet.close();
    outlet.attach(link.sender);
    assert!(worker.shared().closed_by_master);
}

#[test]
fn who_is_cut_off_is_gone() {
    let (outlet, _worker) = attached();
    outlet.cut();
    assert!(matches!(try_send(&outlet, b"m"), Err(SendError::Gone)));
    assert!(!outlet.is_gone());
}

#[test]
fn the_heir_gets_the_sender_once_it_is_free() {
    let (outlet, _worker) = attached();
    try_send(&outlet, b"1").unwrap();
    let (first, heard) = heir();
    let (second, never) = heir();
    let sent = outlet.with(Patience::None, |sender| {
        outlet.retire(first);
        outlet.retire(second);
        assert!(heard.try_recv().is_err());
        sender.try_send(b"2")
    });
    assert!(sent.is_ok());
    assert_eq!(heard.try_recv(), Ok(Some(2)));
    assert!(never.try_recv().is_err());
    assert!(outlet.is_gone());
    assert!(matches!(try_send(&outlet, b"m"), Err(SendError::Gone)));
}

#[test]
fn the_heir_of_a_link_that_never_was_gets_nothing() {
    let outlet = Outlet::<FakeSender>::new();
    let (heir, heard) = heir();
    outlet.retire(heir);
    assert_eq!(heard.try_recv(), Ok(None));
}
