//! From the start to a good end, and who is a worker.

use crate::alone;
use crate::diary::Diary;
use crate::program::{self, LEISURE, cast, echo, leaves_nothing, over_each_link, role};
use crate::support::{payload, raw};
use ringway::channel::Cause;
use ringway::cluster::StartError;
use ringway::{Cluster, ExitCause, LinkChoice, Worker};
use std::process::Command;

/// Messages to each worker, and back.
const MESSAGES: u32 = 60;

#[test]
fn workers_know_who_they_are_and_echo_in_order() {
    alone!(|| program::run(
        |worker| {
            worker.send(format!("{:?}", worker.id()).as_bytes()).unwrap();
            echo(worker);
        },
        || over_each_link(|link| [1, 4].into_iter().for_each(|workers| echo_with(workers, link))),
    ));
}

fn echo_with(workers: usize, link: LinkChoice) {
    let cluster = cast(workers, link, "");
    let ids = cluster.ids();
    let slots: Vec<_> = ids.iter().map(|id| (id.slot() as usize, id.generation())).collect();
    assert_eq!(slots, (1..=workers).map(|slot| (slot, 1)).collect::<Vec<_>>());
    for number in 0..MESSAGES {
        for id in &ids {
            let message = payload::numbered(id.slot(), number, payload::length(number, 100_000));
            cluster.send(*id, &message).unwrap();
        }
    }
    let (mut diary, mut came) = (Diary::default(), vec![None; workers + 1]);
    for _ in 0..(MESSAGES as usize + 1) * workers {
        let (from, message) = diary.next_message(&cluster);
        let slot = from.slot() as usize;
        match came[slot] {
            None => assert_eq!(*message, *format!("{from:?}").as_bytes()),
            Some(number) => assert_eq!(payload::check(&message), (from.slot(), number)),
        }
        came[slot] = Some(came[slot].map_or(0, |number| number + 1));
    }
    cluster.stop(LEISURE).unwrap();
    diary.read_on(&cluster, |from, _| panic!("{from} says more than it was told"));
    diary.ends_well();
    let mut pids: Vec<_> = diary.lives().map(|(_, life)| life.pid).collect();
    pids.dedup();
    assert_eq!(pids.len(), workers, "each is a process of its own");
}

#[test]
fn a_worker_that_forgot_to_say_so_cannot_start_a_cluster() {
    alone!(|| {
        if role() == "forgetful" {
            let started = Cluster::builder().workers(1).start();
            raw::quit(if matches!(started, Err(StartError::InsideWorker)) { 7 } else { 8 });
        }
        over_each_link(|link| {
            let diary = Diary::of(&cast(1, link, "forgetful"), |_, _| {});
            assert_eq!(diary.only_exit(), ExitCause::Code(7));
        });
    });
}

#[test]
fn a_child_of_a_worker_is_none_and_may_start_a_cluster_of_its_own() {
    alone!(|| match role().as_str() {
        "child" => {
            assert!(Worker::from_env().unwrap().is_none());
            leaves_nothing(|| {
                let cluster = cast(1, LinkChoice::Auto, "grandchild");
                cluster.stop(LEISURE).unwrap();
                Diary::of(&cluster, |_, _| {}).ends_well();
            });
        }
        "parent" => {
            let worker = Worker::from_env().unwrap().unwrap();
            let me = std::env::current_exe().unwrap();
            let child = Command::new(me).args(std::env::args().skip(1)).env(program::ROLE, "child").status();
            worker.send(child.unwrap().to_string().as_bytes()).unwrap();
            echo(worker);
            raw::quit(0)
        }
        _ => program::run(echo, || {
            let (cluster, mut diary) = (cast(1, LinkChoice::Auto, "parent"), Diary::default());
            let (_, status) = diary.next_message(&cluster);
            // What a test that is alone ends with.
            assert_eq!(String::from_utf8_lossy(&status), "exit status: 42");
            cluster.stop(LEISURE).unwrap();
            diary.read_on(&cluster, |_, _| {});
            diary.ends_well();
        }),
    });
}

#[test]
fn a_process_is_a_worker_once() {
    alone!(|| program::run(
        |worker| {
            let again = Worker::from_env().unwrap_err();
            worker.send(again.to_string().as_bytes()).unwrap();
            assert!(matches!(worker.recv_timeout(LEISURE), Ok(None)));
            let end = worker.recv();
            assert!(matches!(end, Ok(None)), "the end is the end, not {:?}: {end:?}", Cause::Closed);
        },
        || {
            let (cluster, mut diary) = (cast(1, LinkChoice::Auto, ""), Diary::default());
            let (_, error) = diary.next_message(&cluster);
            assert!(String::from_utf8_lossy(&error).contains("was called before"));
            cluster.stop(LEISURE).unwrap();
            diary.read_on(&cluster, |_, _| {});
            diary.ends_well();
        },
    ));
}
