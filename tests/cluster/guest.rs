//! What a cluster leaves as it is: the signals and the environment of its master and of its workers.

use crate::alone;
use crate::diary::Diary;
use crate::program::{self, LEISURE, cast, comes_to, echo, over_each_link};
use crate::support::{raw, thread};
use ringway::{Cluster, LinkChoice, Worker};
use std::ffi::OsString;
use std::path::PathBuf;

/// What belongs to the program that a cluster is a guest in.
#[derive(Debug, PartialEq)]
struct House {
    /// The signals that have a handler, that are ignored, and that this thread blocks.
    signals: [u64; 3],
    environment: Vec<(OsString, OsString)>,
    directory: PathBuf,
    umask: String,
}

impl House {
    fn now() -> House {
        let status = "/proc/thread-self/status";
        House {
            signals: ["SigCgt", "SigIgn", "SigBlk"].map(|name| signals(&thread::field(status, name))),
            environment: std::env::vars_os().collect(),
            directory: std::env::current_dir().unwrap(),
            umask: thread::field(status, "Umask"),
        }
    }
}

/// A set of signals as the kernel writes it: bit 0 is signal 1.
fn signals(hex: &str) -> u64 {
    u64::from_str_radix(hex, 16).unwrap()
}

/// The signals that this thread blocks.
fn blocked() -> u64 {
    signals(&thread::field("/proc/thread-self/status", "SigBlk"))
}

/// The signals that a program can block.
fn blockable() -> u64 {
    let kept_by_libc = 32..libc::SIGRTMIN();
    let cannot =
        |signal: &i32| [libc::SIGKILL, libc::SIGSTOP].contains(signal) || kept_by_libc.contains(signal);
    (1..=64).filter(|signal| !cannot(signal)).fold(0, |set, signal| set | 1 << (signal - 1))
}

/// Has every worker echo once.
fn talk(cluster: &Cluster, diary: &mut Diary) {
    for id in cluster.ids() {
        cluster.send(id, &[7; 100_000]).unwrap();
        diary.next_message(cluster);
    }
}

fn end(cluster: &Cluster, mut diary: Diary) {
    cluster.stop(LEISURE).unwrap();
    diary.read_on(cluster, |_, _| {});
    diary.ends_well();
}

#[test]
fn a_cluster_changes_no_signal_handler_and_no_environment_at_either_end() {
    alone!(|| {
        let before = House::now();
        // A worker that finds a change panics, so it does not end well.
        let work = |worker: Worker| {
            assert_eq!(House::now(), before, "a worker that has attached");
            while let Some(message) = worker.recv().expect("a message") {
                worker.send(&message).expect("a living master");
                assert_eq!(House::now(), before, "a worker that has worked");
            }
            drop(worker);
            assert_eq!(House::now(), before, "a worker that has left");
        };
        program::run(work, || {
            over_each_link(|link| {
                let (cluster, mut diary) = (cast(2, link, "guest"), Diary::default());
                assert_eq!(House::now(), before, "a cluster that has started");
                talk(&cluster, &mut diary);
                assert_eq!(House::now(), before, "a cluster that works");
                end(&cluster, diary);
                drop(cluster);
                assert_eq!(House::now(), before, "a cluster that came and went");
            })
        });
    });
}

#[test]
fn the_threads_of_a_cluster_block_every_signal() {
    alone!(|| program::run(echo, || over_each_link(|link| {
        let (cluster, mut diary) = (cast(1, link, ""), Diary::default());
        talk(&cluster, &mut diary);
        let threads = || {
            let tasks = thread::all("self").into_iter().map(|task| format!("{task}/status"));
            let known =
                tasks.filter_map(|task| Some((thread::find(&task, "Name")?, thread::find(&task, "SigBlk")?)));
            let own = known.filter(|(name, _)| name.starts_with("ringway-"));
            let mut own: Vec<_> = own.map(|(name, set)| (name, signals(&set) & blockable())).collect();
            own.sort();
            own
        };
        let expected = ["ringway-cluster", "ringway-watch"].map(|name| (name.to_owned(), blockable()));
        // A thread has its name before it runs.
        comes_to(&expected.to_vec(), threads, "what the threads block");
        assert_eq!(blocked() & blockable(), 0, "the host's thread");
        end(&cluster, diary);
    })));
}

#[test]
fn a_worker_blocks_the_signals_that_the_thread_which_starts_the_cluster_blocks() {
    alone!(|| {
        let first = blocked();
        program::run(
            |worker| {
                worker.send(&first.to_le_bytes()).unwrap();
                echo(worker);
            },
            || {
                let started = || {
                    let (cluster, mut diary) = (cast(1, LinkChoice::Auto, ""), Diary::default());
                    let (_, message) = diary.next_message(&cluster);
                    end(&cluster, diary);
                    u64::from_le_bytes(message[..].try_into().unwrap())
                };
                assert_eq!(started(), first);
                for signal in [libc::SIGUSR1, libc::SIGTERM] {
                    raw::block(signal);
                    assert_ne!(blocked() & 1 << (signal - 1), 0);
                    assert_eq!(started(), blocked(), "after signal {signal} was blocked");
                }
            },
        );
    });
}
