//! A worker that may not have shared memory.

use crate::alone;
use crate::diary::Diary;
use crate::program::{LEISURE, cast, echo, leaves_nothing, role};
use crate::support::{payload, raw};
use ringway::{Cluster, ExitCause, LinkChoice, Worker, WorkerId};

/// The worker denies itself memfd_create in the way that its role says.
fn be_denied() {
    let errno = if role() == "EPERM" { libc::EPERM } else { libc::ENOSYS };
    raw::deny(libc::SYS_memfd_create, errno);
}

/// The worker answers so many messages of many lengths with themselves, and is stopped.
fn echoes_and_ends_well(cluster: &Cluster, mut diary: Diary, id: WorkerId, messages: u32) {
    for number in 0..messages {
        let message = payload::numbered(7, number, payload::length(number, 500_000));
        cluster.send(id, &message).unwrap();
        assert_eq!(payload::check(&diary.next_message(cluster).1), (7, number));
    }
    cluster.stop(LEISURE).unwrap();
    diary.read_on(cluster, |_, _| {});
    diary.ends_well();
}

#[test]
fn a_worker_without_memfd_create_uses_the_socket_and_says_why() {
    alone!(|| {
        if !role().is_empty() {
            be_denied();
            let worker = Worker::from_env().unwrap().unwrap();
            let fallback = worker.about().fallback.map(|fallback| fallback.to_string());
            worker.send(fallback.unwrap_or_default().as_bytes()).unwrap();
            echo(worker);
            raw::quit(0)
        }
        for errno in ["EPERM", "ENOSYS"] {
            leaves_nothing(|| {
                let (cluster, mut diary) = (cast(1, LinkChoice::Auto, errno), Diary::default());
                let (id, why) = diary.next_message(&cluster);
                let why = String::from_utf8_lossy(&why);
                assert_eq!(why, format!("memfd_create: {errno} (accepting end)"));
                echoes_and_ends_well(&cluster, diary, id, 100);
            });
        }
    });
}

#[test]
fn a_worker_that_loses_membarrier_while_it_works_loses_nothing_else() {
    alone!(|| {
        if role() == "late" {
            let worker = Worker::from_env().unwrap().unwrap();
            raw::deny(libc::SYS_membarrier, libc::EPERM);
            echo(worker);
            raw::quit(0)
        }
        leaves_nothing(|| {
            let (cluster, diary) = (cast(1, LinkChoice::Shm, "late"), Diary::default());
            let id = *cluster.ids().first().unwrap();
            echoes_and_ends_well(&cluster, diary, id, 300);
        });
    });
}

#[test]
fn a_worker_that_cannot_have_the_link_that_was_demanded_is_refused() {
    alone!(|| {
        if !role().is_empty() {
            be_denied();
            let _refused = Worker::from_env().unwrap_err();
            raw::pause();
        }
        leaves_nothing(|| {
            let diary = Diary::of(&cast(1, LinkChoice::Shm, "EPERM"), |_, _| {});
            let ExitCause::Handshake(why) = diary.only_exit() else { panic!("{diary:?}") };
            assert!(why.to_string().contains("memfd_create: EPERM"), "{why}");
        });
    });
}
