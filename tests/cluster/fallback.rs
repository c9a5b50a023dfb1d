//! A worker that may not have shared memory.

use crate::alone;
use crate::diary::Diary;
use crate::filtered::echoes_and_ends_well;
use crate::program::{cast, echo, leaves_nothing, role};
use crate::support::raw;
use ringway::{ExitCause, LinkChoice, Worker};

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
