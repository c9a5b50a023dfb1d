//! System calls that a container's filter denies to the workers, or to the whole cluster: what the links fall back to, and
//! that nothing is lost over them.

use crate::alone;
use crate::crash::{kill_one, victim};
use crate::diary::Diary;
use crate::program::{LEISURE, cast, echo, leaves_nothing, role, run};
#[cfg(feature = "portable")]
use crate::support::thread;
use crate::support::{payload, raw};
use ringway::channel::About;
use ringway::{Cluster, LinkChoice, Worker, WorkerId};

const ERRORS: [(i32, &str); 2] = [(libc::EPERM, "EPERM"), (libc::ENOSYS, "ENOSYS")];

/// What a worker says whose segment is the master's.
const LENT: &str = "lent";

/// What a worker may not call, and why its link is a socket then; empty if it is shared memory, and [`LENT`].
const OF_WORKERS: [(libc::c_long, &str); 7] = [
    (libc::SYS_membarrier, ""),
    (libc::SYS_pidfd_open, ""),
    (libc::SYS_memfd_create, LENT),
    (libc::SYS_madvise, "madvise"),
    (libc::SYS_futex, "futex"),
    (libc::SYS_sendmsg, "sendmsg"),
    (libc::SYS_recvmsg, "recvmsg"),
];

/// The worker answers a hundred messages of many lengths with themselves, and is stopped.
pub fn echoes_and_ends_well(cluster: &Cluster, mut diary: Diary, id: WorkerId) {
    for number in 0..100 {
        let message = payload::numbered(7, number, payload::length(number, 300_000));
        cluster.send(id, &message).unwrap();
        assert_eq!(payload::check(&diary.next_message(cluster).1), (7, number));
    }
    cluster.stop(LEISURE).unwrap();
    diary.read_on(cluster, |_, _| {});
    diary.ends_well();
}

/// Which link it is and why, as [`OF_WORKERS`] has it.
fn told(about: &About) -> String {
    let lent = if about.lent { LENT } else { "" };
    about.fallback.map_or(lent.to_owned(), |fallback| fallback.to_string())
}

/// Each worker denies itself a call before the library is used, says why its link is what it is, and works.
#[test]
fn a_worker_to_whom_a_call_is_denied_uses_what_is_left_and_says_why() {
    alone!(|| {
        if let Some((call, errno)) = role().split_once(' ') {
            raw::deny(call.parse().unwrap(), errno.parse().unwrap());
            let worker = Worker::from_env().unwrap().unwrap();
            worker.send(told(worker.about()).as_bytes()).unwrap();
            echo(worker);
            raw::quit(0)
        }
        for (call, obstacle) in OF_WORKERS {
            for (errno, name) in ERRORS {
                println!("call {call} answers {name}");
                leaves_nothing(|| {
                    let cluster = cast(1, LinkChoice::Auto, &format!("{call} {errno}"));
                    let mut diary = Diary::default();
                    let (id, why) = diary.next_message(&cluster);
                    let expected = match obstacle {
                        "" | LENT => obstacle.to_owned(),
                        obstacle => format!("{obstacle}: {name} (accepting end)"),
                    };
                    assert_eq!(String::from_utf8_lossy(&why), expected);
                    assert_eq!(told(&cluster.about(id).unwrap()), expected, "what the master knows");
                    echoes_and_ends_well(&cluster, diary, id);
                });
            }
        }
    });
}

/// Over named memory nobody sleeps on a futex. A worker without them has no second thread that watches its master.
#[cfg(feature = "portable")]
#[test]
fn a_worker_without_futexes_works_over_named_memory() {
    alone!(|| {
        if role() == "alone" {
            [libc::SYS_futex, libc::SYS_futex_waitv].iter().for_each(|call| raw::deny(*call, libc::EPERM));
            let threads = thread::names();
            let worker = Worker::from_env().unwrap().unwrap();
            assert_eq!(thread::names(), threads);
            echo(worker);
            raw::quit(0)
        }
        leaves_nothing(|| {
            let cluster = cast(1, LinkChoice::Portable, "alone");
            let id = *cluster.ids().first().unwrap();
            echoes_and_ends_well(&cluster, Diary::default(), id);
        });
    });
}

/// The master denies itself a call, and so its workers, one of which is killed in full flow, again and again.
fn denied_to_all(call: libc::c_long, errno: i32) {
    run(victim, || {
        raw::deny(call, errno);
        leaves_nothing(|| (0..3).for_each(|round| kill_one(LinkChoice::Auto, round)));
    });
}

/// The workers alone deny themselves memfd_create; of each that is killed in full flow nothing is lost.
fn denied_to_workers(errno: libc::c_int) {
    if std::env::var_os("RINGWAY_WORKER").is_some() {
        raw::deny(libc::SYS_memfd_create, errno);
    }
    let work = |worker: Worker| {
        assert!(worker.about().lent);
        victim(worker);
    };
    run(work, || leaves_nothing(|| (0..3).for_each(|round| kill_one(LinkChoice::Shm, round))));
}

#[test]
fn nothing_is_lost_of_a_killed_worker_that_borrowed_its_segment() {
    alone!(|| denied_to_workers(libc::EPERM));
}

#[test]
fn nothing_is_lost_of_a_killed_worker_that_borrowed_its_segment_as_memfds_are_unknown() {
    alone!(|| denied_to_workers(libc::ENOSYS));
}

macro_rules! denied_to_all {
    ($($name:ident = $call:ident $errno:ident),+ $(,)?) => {
        /// Of a killed worker nothing is lost, whatever call is denied to the whole cluster. Without pidfds: see `crash`.
        mod nothing_is_lost_of_a_killed_worker {
            $(
                #[test]
                fn $name() {
                    crate::alone!(|| super::denied_to_all(libc::$call, libc::$errno));
                }
            )+
        }
    };
}

denied_to_all! {
    where_memfd_create_is_denied = SYS_memfd_create EPERM,
    where_memfd_create_is_unknown = SYS_memfd_create ENOSYS,
    where_membarrier_is_denied = SYS_membarrier EPERM,
    where_membarrier_is_unknown = SYS_membarrier ENOSYS,
    where_sendmsg_is_denied = SYS_sendmsg EPERM,
    where_sendmsg_is_unknown = SYS_sendmsg ENOSYS,
    where_recvmsg_is_denied = SYS_recvmsg EPERM,
    where_recvmsg_is_unknown = SYS_recvmsg ENOSYS,
}
