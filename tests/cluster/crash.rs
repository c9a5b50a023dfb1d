//! A worker is killed in full flow, in both directions.

use crate::alone;
use crate::diary::Diary;
use crate::program::{self, LEISURE, over_each_link, role};
use crate::support::{WATCHDOG, payload, raw};
use crate::tally::Tally;
use ringway::cluster::SendError;
use ringway::{Cluster, ExitCause, LinkChoice, Worker, WorkerId};
use rustix::process::{Pid, Signal};
use std::time::Duration;

/// Where the worker writes how many messages it has sent, and received.
const SENT: u64 = 0;
const TAKEN: u64 = 1;

/// The longest message: several records of the smaller ring, committed at once.
const LONGEST: usize = 20_000;

fn numbered(lane: u32, number: u32) -> Vec<u8> {
    payload::numbered(lane, number, payload::length(number, LONGEST))
}

#[test]
fn what_a_killed_worker_committed_arrives_and_what_it_had_not_taken_comes_back() {
    alone!(|| program::run(victim, || over_each_link(|link| {
        for round in 0..12 {
            kill_one(link, round);
        }
    })));
}

#[test]
fn a_master_to_whom_pidfds_are_denied_misses_no_death_and_loses_nothing() {
    alone!(|| without_pidfds(libc::EPERM));
}

#[test]
fn a_master_whose_kernel_has_no_pidfds_misses_no_death_and_loses_nothing() {
    alone!(|| without_pidfds(libc::ENOSYS));
}

fn without_pidfds(errno: i32) {
    program::run(victim, || {
        raw::deny(libc::SYS_pidfd_open, errno);
        over_each_link(|link| {
            for round in 0..3 {
                kill_one(link, round);
            }
            // Nor is a signal sent to anyone else.
            let tally = Tally::new();
            let builder = Cluster::builder().workers(2).link(link).env(program::ROLE, tally.path());
            let (cluster, mut diary) = (builder.start().unwrap(), Diary::default());
            diary.next_message(&cluster);
            cluster.stop(Duration::ZERO).unwrap();
            diary.read_on(&cluster, |_, _| {});
            for (id, life) in diary.lives() {
                assert!(matches!(life.exit, Some(ExitCause::KilledByUs { .. })), "{id}: {:?}", life.exit);
            }
        });
    });
}

/// Sends and receives as fast as it can, with the two halves: a sender that waits for space takes in nothing, so that
/// what was taken was handed out.
pub fn victim(worker: Worker) {
    let tally = Tally::open(&role());
    let (mut sender, mut receiver) = worker.into_channel().split();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if sender.send(&numbered(1, number)).is_err() {
                    return;
                }
                tally.set(SENT, u64::from(number) + 1);
            }
        });
        let mut taken = 0;
        while let Ok(message) = receiver.recv() {
            assert_eq!(payload::check(&message), (0, taken));
            taken += 1;
            tally.set(TAKEN, taken.into());
        }
    });
}

pub fn kill_one(link: LinkChoice, round: u32) {
    let tally = Tally::new();
    let builder = Cluster::builder().workers(1).link(link).capacity(64 << 10);
    let cluster = builder.env(program::ROLE, tally.path()).start().unwrap();
    let id = cluster.ids()[0];
    let (mut diary, mut received) = (Diary::default(), 0);
    let mut hear = |from: WorkerId, message: &[u8]| {
        assert_eq!(payload::check(message), (from.slot(), received));
        received += 1;
    };
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| send_until_gone(&cluster, id));
        for _ in 0..=round * 30 {
            let (from, message) = diary.next_message(&cluster);
            hear(from, &message);
        }
        let pid = Pid::from_raw(diary.life(id).pid as i32).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
        diary.read_on(&cluster, |from, message| hear(from, message));
        sender.join().unwrap()
    });
    // It may have died between a call and the note of it.
    let (committed, taken) = (tally.get(SENT), tally.get(TAKEN));
    assert!((committed..=committed + 1).contains(&received.into()), "{committed} sent, {received} came");
    let life = diary.life(id);
    assert_eq!(life.exit, Some(ExitCause::Signal(9)));
    let back: Vec<_> = life.undelivered.iter().map(|message| payload::check(message)).collect();
    let first = sent - back.len() as u32;
    assert!((taken..=taken + 1).contains(&first.into()), "{taken} taken, {first} not handed back");
    assert_eq!(back, (first..sent).map(|number| (0, number)).collect::<Vec<_>>());
    assert!(matches!(cluster.send(id, b"x"), Err(SendError::Gone)));
}

/// How many messages were sent.
fn send_until_gone(cluster: &Cluster, id: WorkerId) -> u32 {
    let mut number = 0;
    loop {
        match cluster.send(id, &numbered(0, number)) {
            Ok(()) => number += 1,
            Err(SendError::Full) => std::thread::yield_now(),
            Err(SendError::Gone) => return number,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn the_others_go_on_when_one_worker_is_killed() {
    alone!(|| program::run(program::echo, || over_each_link(|link| {
        let (cluster, mut diary) = (program::cast(3, link, ""), Diary::default());
        diary.all_online(&cluster, 3);
        let ids = cluster.ids();
        let pid = Pid::from_raw(diary.life(ids[1]).pid as i32).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
        while cluster.ids().len() == 3 {
            let event = cluster.next_event_timeout(WATCHDOG).unwrap().unwrap();
            assert!(diary.note(event).is_none());
        }
        assert_eq!(cluster.ids(), [ids[0], ids[2]]);
        for number in 0..100 {
            for id in [ids[0], ids[2]] {
                cluster.send_timeout(id, &numbered(id.slot(), number), LEISURE).unwrap();
                let (from, message) = diary.next_message(&cluster);
                assert_eq!((from, payload::check(&message)), (id, (id.slot(), number)));
            }
        }
        cluster.stop(Duration::from_secs(20)).unwrap();
        diary.read_on(&cluster, |_, _| {});
        assert_eq!(diary.life(ids[0]).exit, Some(ExitCause::Code(0)));
        assert_eq!(diary.life(ids[1]).exit, Some(ExitCause::Signal(9)));
        assert_eq!(diary.life(ids[2]).exit, Some(ExitCause::Code(0)));
    })));
}
