//! A worker that may not have shared memory.

use crate::alone;
use crate::diary::Diary;
use crate::filtered::echoes_and_ends_well;
use crate::program::over_each_link;
use crate::program::{cast, echo, leaves_nothing, role};
use crate::support::{raw, thread, until};
use crate::tally::Tally;
use ringway::channel::{Limits, Options};
use ringway::{ExitCause, LinkChoice, Worker};
use rustix::process::Signal;

/// The worker denies itself madvise in the way that its role says.
fn be_denied() {
    let errno = if role() == "EPERM" { libc::EPERM } else { libc::ENOSYS };
    raw::deny(libc::SYS_madvise, errno);
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
            echoes_and_ends_well(&cluster, diary, id);
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
            assert!(why.to_string().contains("madvise: EPERM"), "{why}");
        });
    });
}

#[test]
fn a_worker_refuses_what_is_over_its_limits_and_the_master_is_told() {
    alone!(|| {
        if !role().is_empty() {
            let tally = Tally::open(&role());
            // The master kills it as soon as it is told.
            let master = rustix::process::getppid().unwrap();
            rustix::process::kill_process(master, Signal::STOP).unwrap();
            let status = format!("/proc/{master}/status");
            until(|| thread::field(&status, "State").starts_with('T'));
            let limits = Limits::NONE.max_message(1000);
            let refused = Worker::from_env_with(&Options::new().limits(limits)).unwrap_err().to_string();
            let says = ["messages of up to 67108864 bytes", "the limit is 1000"];
            tally.set(0, says.iter().filter(|part| refused.contains(**part)).count() as u64);
            rustix::process::kill_process(master, Signal::CONT).unwrap();
            raw::pause();
        }
        over_each_link(|link| {
            let tally = Tally::new();
            let diary = Diary::of(&cast(1, link, &tally.path()), |_, _| {});
            let ExitCause::Handshake(why) = diary.only_exit() else { panic!("{diary:?}") };
            assert!(why.to_string().ends_with("max_message is over the limit of 1000 bytes"), "{why}");
            assert_eq!(tally.get(0), 2, "what the worker is told");
        });
    });
}
