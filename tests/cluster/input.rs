//! What cannot be started, what ends at once, and messages at the limits.

use crate::alone;
use crate::diary::Diary;
use crate::program::{
    self, LEISURE, comes_to, descriptors, echo, has_children, leaves_nothing, over_each_link,
};
use crate::support::{child, raw};
use ringway::cluster::{Builder, SendError, StartError};
use ringway::{Cluster, ExitCause, LinkChoice, Worker, channel};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::path::Path;
use std::time::Duration;

const NO_ARGS: [&str; 0] = [];

fn refused(builder: Builder) -> StartError {
    let mut error = None;
    leaves_nothing(|| error = builder.start().err());
    error.expect("no cluster")
}

#[test]
fn what_cannot_be_a_cluster_is_refused_and_named() {
    alone!(|| {
        let one = || Cluster::builder().workers(1);
        assert!(matches!(refused(Cluster::builder()), StartError::NoWorkers));
        let many = refused(Cluster::builder().workers(65_536));
        assert!(matches!(many, StartError::TooManyWorkers { asked: 65_536, most: 65_535 }));
        for bytes in [0, 1, 4095, 5000, 3 << 20, 2 << 30, u64::MAX] {
            let error = refused(one().capacity(bytes));
            assert!(matches!(error, StartError::Capacity(_)), "{error}");
        }
        assert!(matches!(refused(one().env("RINGWAY_WORKER", "1")), StartError::Env { .. }));
    });
}

/// A cluster has a thread, and threads wait for each other by futexes.
#[test]
fn a_master_to_whom_futexes_are_denied_is_told_so() {
    alone!(|| {
        for errno in [libc::EPERM, libc::ENOSYS] {
            let denied = child::fork(|| {
                raw::deny(libc::SYS_futex, errno);
                let error = Cluster::builder().workers(1).start().unwrap_err();
                let StartError::Os { what, source } = &error else { panic!("{error}") };
                assert!(what.contains("`futex`"), "{error}");
                assert_eq!(source.raw_os_error(), Some(errno), "{error}");
                assert!(!has_children());
            });
            denied.succeeds();
        }
    });
}

#[test]
fn a_program_that_cannot_run_is_refused_and_named() {
    alone!(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (program, kind) in [
            (root.join("missing"), io::ErrorKind::NotFound),
            (root.join("Cargo.toml"), io::ErrorKind::PermissionDenied),
            (root.join("src"), io::ErrorKind::PermissionDenied),
            ("no-such-program-in-path".into(), io::ErrorKind::NotFound),
            ("".into(), io::ErrorKind::NotFound),
        ] {
            let error = refused(Cluster::builder().workers(3).command(&program, NO_ARGS));
            let StartError::Spawn { id, program: named, source } = error else { panic!("{error}") };
            assert_eq!((id.slot(), &named, source.kind()), (1, &program, kind));
        }
        let error = refused(Cluster::builder().workers(1).command("a\0b", NO_ARGS));
        assert!(matches!(error, StartError::Spawn { .. }), "{error}");
        let error = refused(Cluster::builder().workers(1).command("true", ["a\0b"]));
        assert!(matches!(error, StartError::Spawn { .. }), "{error}");
    });
}

#[test]
fn a_program_that_ends_at_once_has_its_end_told() {
    alone!(|| {
        for (script, expected) in [
            ("exit 0", ExitCause::Code(0)),
            ("exit 3", ExitCause::Code(3)),
            ("kill -9 $$", ExitCause::Signal(9)),
            ("kill -TERM $$", ExitCause::Signal(15)),
        ] {
            over_each_link(|link| {
                let builder = Cluster::builder().workers(3).link(link).command("/bin/sh", ["-c", script]);
                let cluster = builder.start().unwrap();
                let id = cluster.ids().first().copied();
                if let Some(id) = id {
                    // It is given up as soon as the worker ends.
                    assert!(matches!(cluster.send(id, b"x"), Err(SendError::Gone)));
                }
                let diary = Diary::of(&cluster, |_, _| {});
                assert!(diary.lives().all(|(_, life)| !life.online && life.exit.as_ref() == Some(&expected)));
                assert_eq!(diary.lives().count(), 3);
            });
        }
    });
}

#[test]
fn a_program_that_never_speaks_is_killed() {
    alone!(|| over_each_link(|link| {
        let limit = Duration::from_millis(100);
        let builder = Cluster::builder().workers(2).link(link).handshake_timeout(limit);
        let cluster = builder.command("sleep", ["1000"]).start().unwrap();
        let diary = Diary::of(&cluster, |_, _| {});
        for (_, life) in diary.lives() {
            assert_eq!(life.exit, Some(ExitCause::NeverSpoke { limit }));
        }
    }));
}

#[test]
fn a_time_that_no_clock_can_count_is_no_limit() {
    alone!(|| program::run(echo, || over_each_link(|link| {
        let builder = Cluster::builder().workers(1).link(link).handshake_timeout(Duration::MAX);
        let (cluster, mut diary) = (builder.start().unwrap(), Diary::default());
        cluster.send(cluster.ids()[0], b"hello").unwrap();
        assert_eq!(*diary.next_message(&cluster).1, *b"hello");
        cluster.stop(Duration::MAX).unwrap();
        diary.read_on(&cluster, |_, _| {});
        diary.ends_well();
    })));
}

#[test]
fn messages_at_the_limits_pass_and_longer_ones_do_not() {
    const MAX: usize = 3000;
    let work = |worker: Worker| {
        let error = worker.send(&[1; MAX + 1]).unwrap_err();
        assert!(matches!(error, channel::error::SendError::TooLong { len: 3001, max: 3000 }), "{error}");
        echo(worker);
    };
    alone!(move || program::run(work, || over_each_link(|link| {
        let builder = Cluster::builder().workers(1).link(link).capacity(4096).max_message(MAX as u64);
        let (cluster, mut diary) = (builder.start().unwrap(), Diary::default());
        let id = cluster.ids()[0];
        for len in [0, 1, MAX, 0, MAX - 1] {
            let error = cluster.send(id, &[1; MAX + 1]).unwrap_err();
            assert!(matches!(error, SendError::TooLong { len: 3001, max: MAX }), "{error}");
            cluster.send(id, &vec![1; len]).unwrap();
            assert_eq!(*diary.next_message(&cluster).1, vec![1; len]);
        }
        let error = cluster.try_send(id, &[1; MAX + 1]).unwrap_err();
        assert!(matches!(error, SendError::TooLong { len: 3001, max: MAX }), "{error}");
        cluster.stop(LEISURE).unwrap();
        diary.read_on(&cluster, |_, _| {});
        diary.ends_well();
    })));
}

#[test]
fn a_cluster_for_whose_links_there_is_no_address_space_uses_sockets_or_says_so() {
    let work = |worker: Worker| {
        let fallback = worker.about().fallback.map(|fallback| fallback.to_string());
        worker.send(fallback.unwrap_or_default().as_bytes()).unwrap();
        echo(worker);
    };
    alone!(move || program::run(work, || {
        // Too little for a ring, and enough for all else. A worker has the same limit.
        setrlimit(Resource::As, Rlimit { current: Some(1 << 30), ..getrlimit(Resource::As) }).unwrap();
        let builder = |link| Cluster::builder().workers(1).link(link).capacity(1 << 30);
        leaves_nothing(|| {
            let (cluster, mut diary) = (builder(LinkChoice::Auto).start().unwrap(), Diary::default());
            let (_, why) = diary.next_message(&cluster);
            assert_eq!(String::from_utf8_lossy(&why), "mmap: ENOMEM (offering end)");
            cluster.stop(LEISURE).unwrap();
            diary.read_on(&cluster, |_, _| {});
            diary.ends_well();
        });
        let error = refused(builder(LinkChoice::Shm));
        let StartError::Link { source, .. } = error else { panic!("{error}") };
        assert!(source.to_string().contains("mmap: ENOMEM"), "{source}");
        assert_eq!(source.raw_os_error(), Some(libc::ENOMEM));
    }));
}

/// Memory that runs out while messages are sent is an error and no signal, and nothing is lost.
#[test]
fn a_send_to_a_worker_for_which_there_is_no_memory_says_so_and_can_be_tried_again() {
    alone!(|| program::run(echo, || {
        leaves_nothing(|| {
            let (cluster, mut diary) = (program::cast(1, LinkChoice::Shm, ""), Diary::default());
            diary.all_online(&cluster, 1);
            let id = cluster.ids()[0];
            let message = |number: u32| [&number.to_le_bytes()[..], &[7; 1000]].concat();
            // The filter is the thread's own, and ends with it.
            let poor = || {
                raw::deny(libc::SYS_madvise, libc::ENOMEM);
                let refused = |number| cluster.send(id, &message(number)).err().map(|error| (number, error));
                (0..2000).find_map(refused).expect("the first lap had room for it all")
            };
            let (sent, error) = std::thread::scope(|scope| scope.spawn(poor).join().unwrap());
            assert!(matches!(error, SendError::NoSpace(_)), "{error}");
            cluster.send(id, &message(sent)).unwrap();
            for number in 0..=sent {
                assert_eq!(diary.next_message(&cluster).1[..], message(number), "{number}");
            }
            cluster.stop(LEISURE).unwrap();
            diary.read_on(&cluster, |_, _| {});
            diary.ends_well();
        });
    }));
}

/// How far the limit is raised, one by one; the last ones suffice.
const LIMITS: u64 = 40;

#[test]
fn a_cluster_that_finds_no_descriptors_fails_whole_and_can_be_tried_again() {
    alone!(|| match Worker::from_env() {
        Ok(Some(worker)) => {
            echo(worker);
            raw::quit(0)
        }
        // A worker has the same limit.
        Err(_) => raw::quit(3),
        Ok(None) => {
            program::watch();
            for &link in program::LINKS {
                let started: Vec<_> = (0..LIMITS).map(|more| starts_with(more, link)).collect();
                assert!(!started[0]);
                assert!(started[LIMITS as usize - 1]);
            }
        }
    });
}

/// Whether a cluster starts that may open so many more descriptors than there are.
fn starts_with(more: u64, link: LinkChoice) -> bool {
    let (before, unlimited) = (descriptors(), getrlimit(Resource::Nofile));
    let current = Some(before.len() as u64 + more);
    setrlimit(Resource::Nofile, Rlimit { current, ..unlimited }).unwrap();
    let started = Cluster::builder().workers(2).link(link).start();
    let has_started = started.is_ok();
    match started {
        Ok(cluster) => {
            cluster.stop(LEISURE).unwrap();
            Diary::of(&cluster, |_, _| {});
        }
        Err(StartError::Os { source, .. } | StartError::Spawn { source, .. }) => {
            assert_eq!(source.raw_os_error(), Some(libc::EMFILE), "{source}");
        }
        Err(StartError::Link { source, .. }) => {
            assert_eq!(source.raw_os_error(), Some(libc::EMFILE), "{source}");
        }
        Err(error) => panic!("{error}"),
    }
    setrlimit(Resource::Nofile, unlimited).unwrap();
    comes_to(&before, descriptors, "descriptors");
    assert!(!has_children());
    has_started
}
