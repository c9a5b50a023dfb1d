//! A worker of which there is always something and never a message: it streams and streams, or rings for nothing.

use super::*;
use crate::cluster::link_port::Armed;
use crate::sync::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};

/// What a worker does without end, until it is told to stop.
type Endlessly = fn(&FakeWorker, &AtomicU32);

const WAYS: [Endlessly; 2] = [
    |worker, stop| {
        worker.shared().endless = true;
        worker.ring();
        while stop.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        worker.shared().endless = false;
    },
    |worker, stop| {
        while stop.load(Ordering::Relaxed) == 0 {
            worker.ring();
        }
    },
];

/// Runs `body` in a thread of its own beside a worker ONE that does `way`, and another one that does nothing, and ends the
/// process of the test if it does not come back: then it has the lock.
fn beside(
    way: Endlessly,
    body: impl FnOnce(&Arc<TestInbox>, [&mut FakeSender; 2], &FakeWorker, &FakeWorker) + Send,
) {
    let (inbox, stop) = (inbox(), AtomicU32::new(0));
    let [(mut to_endless, endless), (mut to_other, other)] = [online(&inbox, ONE), online(&inbox, TWO)];
    assert_eq!([next(&inbox), next(&inbox)], ["online 1", "online 2"]);
    assert!(is_idle(&inbox));
    thread::scope(|scope| {
        let (ended, end) = channel::<()>();
        scope.spawn(|| way(&endless, &stop));
        scope.spawn(|| {
            // Dropped at the end, also of a test that fails.
            let _ended = (Stop(&stop), ended);
            body(&inbox, [&mut to_endless, &mut to_other], &endless, &other);
        });
        if end.recv_timeout(Duration::from_secs(60)) == Err(RecvTimeoutError::Timeout) {
            eprintln!("a thread did not get the lock, or did not heed its deadline");
            std::process::abort();
        }
    });
}

struct Stop<'a>(&'a AtomicU32);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(1, Ordering::Relaxed);
    }
}

fn in_a_while() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(30))
}

/// A thread that waits for an event.
fn waiting(
    inbox: &Arc<TestInbox>,
    deadline: Option<Instant>,
) -> thread::JoinHandle<Result<String, NextEventError>> {
    let inbox = Arc::clone(inbox);
    thread::spawn(move || inbox.next_event(deadline).map(told))
}

#[test]
fn who_waits_for_events_beside_an_endless_stream_is_told_of_the_others_and_of_the_deadline() {
    for way in WAYS {
        beside(way, |inbox, _, _, other| {
            assert!(matches!(inbox.next_event(in_a_while()), Err(NextEventError::TimedOut)));
            let threads: Vec<_> = (0..3).map(|_| waiting(inbox, watchdog())).collect();
            for message in [b"a", b"b"] {
                other.send(message);
            }
            // Whoever posts news has the lock in between.
            inbox.exited(TWO, exit(TWO));
            let mut told: Vec<_> =
                threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect();
            told.sort();
            assert_eq!(told, ["2: a", "2: b", "disconnected 2: hung up"]);
            assert_eq!(next(inbox), "exited 2");
        });
    }
}

#[test]
fn a_thread_whose_deadline_passes_while_another_looks_at_an_endless_stream_is_told() {
    for way in WAYS {
        beside(way, |inbox, _, _, other| {
            let looks = waiting(inbox, watchdog());
            let sleep: Vec<_> = (0..3).map(|_| waiting(inbox, in_a_while())).collect();
            for thread in sleep {
                assert!(matches!(thread.join().unwrap(), Err(NextEventError::TimedOut)));
            }
            assert!(matches!(inbox.try_next_event(), Err(NextEventError::TimedOut)));
            other.send(b"end");
            assert_eq!(looks.join().unwrap().unwrap(), "2: end");
        });
    }
}

/// Fills the link to a worker, and sends once more: until a deadline, and until the worker takes something.
fn send_into_a_full_link(inbox: &TestInbox, id: WorkerId, sender: &mut FakeSender, worker: &FakeWorker) {
    let mut send = |deadline| {
        let mut wait = inbox.space_wait(id);
        sender.send(b"m", &mut |armed| inbox.wait_for_space(id, &mut wait, armed, deadline))
    };
    assert!(send(watchdog()).is_ok() && send(watchdog()).is_ok());
    assert!(matches!(send(in_a_while()), Err(SendError::TimedOut)));
    thread::scope(|scope| {
        let sending = scope.spawn(|| send(watchdog()));
        // Whoever posts news has the lock in between.
        (0..100).for_each(|_| inbox.nudge(ONE));
        assert_eq!(worker.recv().as_deref(), Some(&b"m"[..]));
        assert!(sending.join().unwrap().is_ok());
    });
}

#[test]
fn a_sender_beside_an_endless_stream_waits_until_its_deadline_or_for_space() {
    for way in WAYS {
        beside(way, |inbox, [to_endless, to_other], endless, other| {
            let looks = waiting(inbox, watchdog());
            send_into_a_full_link(inbox, ONE, to_endless, endless);
            endless.send(b"end");
            assert_eq!(looks.join().unwrap().unwrap(), "1: end");
            // Now nobody looks but who waits for space for the other one.
            send_into_a_full_link(inbox, TWO, to_other, other);
        });
    }
}

/// The sender's looks have disarmed the worker, which did not ring for what it committed then.
#[test]
fn what_came_while_a_sender_looked_in_vain_is_told() {
    for looks_in_vain in 1..5 {
        let inbox = inbox();
        let (mut sender, worker) = online(&inbox, ONE);
        assert_eq!(next(&inbox), "online 1");
        assert!(is_idle(&inbox));
        assert!(send(&inbox, &mut sender, b"m").is_ok() && send(&inbox, &mut sender, b"m").is_ok());
        let mut looks = inbox.space_wait(ONE);
        let mut shared = worker.shared();
        (shared.looks_in_vain, shared.last_of_a_stream) = (looks_in_vain, Some(b"last".to_vec()));
        drop(shared);
        assert!(
            inbox.wait_for_space(ONE, &mut looks, Armed::Sleep, in_a_while()).is_ok() || looks_in_vain < 2
        );
        assert_eq!(next(&inbox), "1: last");
    }
}

/// A look takes a part, and the worker has ended.
#[test]
fn the_last_message_of_a_worker_is_told_before_its_end_however_many_looks_it_takes() {
    for looks_in_vain in [0, 1, 2, 10] {
        let inbox = inbox();
        let (_sender, worker) = online(&inbox, ONE);
        assert_eq!(next(&inbox), "online 1");
        let mut shared = worker.shared();
        (shared.looks_in_vain, shared.last_of_a_stream) = (looks_in_vain, Some(b"last".to_vec()));
        drop(shared);
        inbox.disconnected(ONE);
        inbox.exited(ONE, exit(ONE));
        let told = [next(&inbox), next(&inbox), next(&inbox)];
        assert_eq!(told, ["1: last", "disconnected 1: hung up", "exited 1"]);
    }
}
