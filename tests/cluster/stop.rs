//! The end of a cluster: asked for, forced, or by dropping it; and the handle before, between and after.

use crate::alone;
use crate::diary::Diary;
use crate::program::{self, LEISURE, cast, echo, over_each_link, role};
use crate::support::{payload, raw, until};
use crate::tally::Tally;
use ringway::cluster::{DisconnectReason, NextEventError, SendError};
use ringway::{Cluster, ExitCause, LinkChoice, Worker};
use std::time::Duration;

/// Time for a stop that passes.
const SHORT: Duration = Duration::from_millis(200);

/// The same, a quarter of which is enough for a process to die of SIGTERM on a busy machine.
const LONGER: Duration = Duration::from_secs(4);

const TERM: ExitCause = ExitCause::KilledByUs { signal: libc::SIGTERM };
const KILL: ExitCause = ExitCause::KilledByUs { signal: libc::SIGKILL };

/// A worker that is told to finish, and does not.
fn stay(worker: Worker) {
    worker.send(b"here").unwrap();
    while let Ok(Some(_)) = worker.recv() {}
    raw::pause()
}

#[test]
fn a_stop_lets_the_workers_finish_what_was_sent() {
    const MESSAGES: u32 = 3000;
    alone!(|| program::run(echo, || over_each_link(|link| {
        let cluster = cast(2, link, "");
        for number in 0..MESSAGES {
            for id in cluster.ids() {
                let message = payload::numbered(id.slot(), number, payload::length(number, 5000));
                cluster.send(id, &message).unwrap();
            }
        }
        cluster.stop(LEISURE).unwrap();
        let mut back = [0; 3];
        let diary = Diary::of(&cluster, |from, message| {
            let slot = from.slot();
            assert_eq!(payload::check(message), (slot, back[slot as usize]));
            back[slot as usize] += 1;
        });
        assert_eq!(back, [0, MESSAGES, MESSAGES]);
        diary.ends_well();
    })));
}

#[test]
fn who_does_not_finish_in_time_gets_sigterm_and_then_sigkill() {
    alone!(|| {
        if role() == "ignores SIGTERM" {
            raw::ignore_sigterm();
        }
        program::run(stay, || {
            over_each_link(|link| {
                for (role, within, expected) in
                    [("minds SIGTERM", LONGER, TERM), ("ignores SIGTERM", SHORT, KILL)]
                {
                    let (cluster, mut diary) = (cast(1, link, role), Diary::default());
                    diary.next_message(&cluster);
                    cluster.stop(within).unwrap();
                    diary.read_on(&cluster, |_, _| {});
                    assert_eq!(diary.only_exit(), expected);
                    let reasons: Vec<_> = diary.lives().map(|(_, life)| life.left.clone()).collect();
                    assert_eq!(reasons, [Some(DisconnectReason::HungUp)]);
                }
            })
        });
    });
}

#[test]
fn a_second_stop_can_shorten_the_first() {
    alone!(|| program::run(stay, || over_each_link(|link| {
        let (cluster, mut diary) = (cast(1, link, ""), Diary::default());
        diary.next_message(&cluster);
        cluster.stop(Duration::from_secs(3600)).unwrap();
        cluster.stop(SHORT).unwrap();
        cluster.stop(Duration::MAX).unwrap();
        diary.read_on(&cluster, |_, _| {});
        assert!(matches!(diary.only_exit(), ExitCause::KilledByUs { .. }));
    })));
}

#[test]
fn dropping_a_cluster_asks_its_workers_to_finish_and_leaves_none() {
    let work = |worker: Worker| {
        let tally = Tally::open(&role());
        while let Ok(Some(_)) = worker.recv() {}
        tally.set(worker.id().slot().into(), 1);
        if worker.id().slot() == 2 {
            raw::pause();
        }
    };
    alone!(move || program::run(work, || over_each_link(|link| {
        let tally = Tally::new();
        let (cluster, mut diary) = (cast(2, link, &tally.path()), Diary::default());
        diary.all_online(&cluster, 2);
        drop(cluster);
        assert!(!program::has_children());
        assert_eq!([1, 2].map(|slot| tally.get(slot)), [1, 1]);
    })));
}

#[test]
fn handles_and_threads_share_a_cluster() {
    const EACH: u32 = 500;
    alone!(|| program::run(echo, || over_each_link(|link| {
        let first = cast(2, link, "");
        let second = first.clone();
        drop(first);
        let (ids, mut back) = (second.ids(), 0);
        std::thread::scope(|scope| {
            let senders: Vec<_> = (0..3u32)
                .map(|lane| {
                    let (cluster, ids) = (second.clone(), &ids);
                    scope.spawn(move || {
                        for number in 0..EACH {
                            let message = payload::numbered(lane, number, payload::length(number, 2000));
                            cluster.send(ids[number as usize % 2], &message).unwrap();
                        }
                    })
                })
                .collect();
            let listeners: Vec<_> = (0..2)
                .map(|_| {
                    let cluster = second.clone();
                    scope.spawn(move || {
                        let mut heard = 0;
                        while let Some(event) = cluster.next_event().unwrap() {
                            if let ringway::Event::Message { message, .. } = event {
                                payload::check(&message);
                                heard += 1;
                            }
                        }
                        heard
                    })
                })
                .collect();
            senders.into_iter().for_each(|sender| sender.join().unwrap());
            second.stop(LEISURE).unwrap();
            back += listeners.into_iter().map(|listener| listener.join().unwrap()).sum::<u32>();
        });
        assert_eq!(back, 3 * EACH);
    })));
}

#[test]
fn a_send_says_why_it_cannot() {
    alone!(|| {
        if role() == "late" {
            raw::pause();
        }
        program::run(echo, || {
            over_each_link(|link| {
                let (cluster, mut diary) = (cast(1, link, ""), Diary::default());
                let larger = cast(3, link, "");
                let (id, other) = (cluster.ids()[0], larger.ids()[2]);
                assert!(matches!(cluster.send(other, b"x"), Err(SendError::NoSuchWorker)));
                diary.all_online(&cluster, 1);
                cluster.stop(LEISURE).unwrap();
                until(|| is_over(&cluster.try_send(id, b"x")));
                assert!(is_over(&cluster.send(id, b"x")));
                // What was accepted before the stop was seen is echoed, or comes back.
                diary.read_on(&cluster, |_, message| assert_eq!(**message, *b"x"));
                assert!(matches!(cluster.send(id, b"x"), Err(SendError::Gone)));
                assert!(matches!(cluster.try_send(id, b"x"), Err(SendError::Gone)));
                drop(larger);
                has_not_attached(&cast(1, link, "late"));
            })
        });
    });
}

fn is_over(sent: &Result<(), SendError>) -> bool {
    matches!(sent, Err(SendError::Stopping | SendError::Gone))
}

fn has_not_attached(cluster: &Cluster) {
    let id = cluster.ids()[0];
    assert!(matches!(cluster.try_send(id, b"x"), Err(SendError::NotOnline)));
    assert!(matches!(cluster.send_timeout(id, b"x", SHORT / 10), Err(SendError::TimedOut)));
    let mut diary = Diary::default();
    diary.all_forked(cluster, 1);
    assert!(matches!(cluster.try_next_event(), Err(NextEventError::TimedOut)));
    assert!(matches!(cluster.next_event_timeout(SHORT / 10), Err(NextEventError::TimedOut)));
    cluster.stop(SHORT).unwrap();
    diary.read_on(cluster, |_, _| {});
    assert!(matches!(diary.only_exit(), ExitCause::KilledByUs { .. }));
}

#[test]
fn a_send_that_waits_is_told_of_the_stop() {
    alone!(|| program::run(stay_deaf, || over_each_link(|link| {
        let (cluster, mut diary) = (cast(1, link, ""), Diary::default());
        let (id, _) = diary.next_message(&cluster);
        let sent = std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let mut sent = 0u64;
                loop {
                    match cluster.send(id, &[7; 1000]) {
                        Ok(()) => sent += 1,
                        Err(SendError::Stopping) => return sent,
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            let mut more = 0;
            until(|| match cluster.send_timeout(id, &[7; 1000], SHORT) {
                // The sender is in use for that long: by a thread that waits for space.
                Err(SendError::TimedOut) => true,
                Ok(()) => {
                    more += 1;
                    false
                }
                Err(error) => panic!("{error}"),
            });
            cluster.stop(SHORT).unwrap();
            sender.join().unwrap() + more
        });
        diary.read_on(&cluster, |_, _| {});
        assert!(matches!(diary.only_exit(), ExitCause::KilledByUs { .. }));
        assert_eq!(diary.life(id).undelivered.len() as u64, sent, "it received none");
    })));
}

/// A worker that does not even listen.
fn stay_deaf(worker: Worker) {
    worker.send(b"here").unwrap();
    raw::pause()
}

#[test]
fn a_cluster_over_the_best_link_is_over_shared_memory() {
    alone!(|| program::run(
        |worker| {
            let fallback = worker.about().fallback;
            worker.send(format!("{fallback:?}").as_bytes()).unwrap();
            echo(worker);
        },
        || {
            let (cluster, mut diary) = (cast(1, LinkChoice::Auto, ""), Diary::default());
            assert_eq!(*diary.next_message(&cluster).1, *b"None");
            cluster.stop(LEISURE).unwrap();
            diary.read_on(&cluster, |_, _| {});
            diary.ends_well();
        },
    ));
}
