//! The master is killed: nothing of its cluster is left.

use crate::alone;
use crate::diary::Diary;
use crate::program::{self, LINKS, cast, role};
use crate::support::child::{self, Exit};
use crate::support::cue::{self, Cue};
use crate::support::{raw, thread, until};
use ringway::{LinkChoice, Worker};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// What the workers of one cluster do when the master is killed, by slot; one more has not attached.
const RECEIVES: usize = 0;
const COMPUTES: usize = 1;
const IS_STOPPED: usize = 2;
const WAITS_FOR_SPACE: usize = 3;
/// Computes, and has lost the signal that the kernel would send, as by a change of its user.
const IS_NOT_TOLD: usize = 4;

#[test]
fn no_worker_outlives_a_killed_master() {
    alone!(|| {
        if role() == "late" {
            raw::pause();
        }
        program::run(work, || LINKS.iter().copied().for_each(kill_the_master));
    });
}

fn work(worker: Worker) {
    let slot = worker.id().slot() as usize - 1;
    if slot == IS_NOT_TOLD {
        raw::lose_the_death_signal();
    }
    worker.send(b"here").unwrap();
    match slot {
        COMPUTES | IS_NOT_TOLD => loop {
            std::hint::spin_loop();
        },
        WAITS_FOR_SPACE => while worker.send(&[0; 1000]).is_ok() {},
        _ => while let Ok(Some(_)) = worker.recv() {},
    }
    // Who is told in time that the link has ended must not be the one that dies of it here.
    raw::pause();
}

/// Starts the workers, tells their pids, and waits to be killed.
fn be_the_master(link: LinkChoice, cue: &Cue) {
    let (cluster, mut diary) = (cast(5, link, ""), Diary::default());
    diary.all_forked(&cluster, 5);
    let mut here = BTreeSet::new();
    while here.len() < 5 {
        let (from, message) = diary.next_message(&cluster);
        if *message == *b"here" {
            here.insert(from);
        }
    }
    let (late, mut late_diary) = (cast(1, link, "late"), Diary::default());
    late_diary.all_forked(&late, 1);
    for (_, life) in diary.lives().chain(late_diary.lives()) {
        cue.tell(life.pid.into());
    }
    raw::pause()
}

fn kill_the_master(link: LinkChoice) {
    let before = shared_names();
    // The orphans become children of this process, so that it sees whether one is left.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let (ours, theirs) = cue::pair();
    let master = child::fork(|| be_the_master(link, &theirs));
    let pids = [(); 6].map(|()| ours.hear() as u32);
    let watched = pids.map(pidfd);
    until(|| [RECEIVES, WAITS_FOR_SPACE].iter().all(|slot| thread::is_asleep(pids[*slot])));
    rustix::process::pidfd_send_signal(&watched[IS_STOPPED], Signal::STOP).unwrap();
    until(|| thread::state(pids[IS_STOPPED]) == Some('T'));
    master.kill();
    assert_eq!(master.wait(), Exit::Signal(9));
    let end = Instant::now() + Duration::from_secs(10);
    let ended = watched.each_ref().map(|pidfd| has_ended(pidfd, end));
    for pidfd in &watched {
        // If this test fails, it leaves nothing either.
        let _ = rustix::process::pidfd_send_signal(pidfd, Signal::KILL);
    }
    assert_eq!(ended, [true; 6], "who has ended");
    watched.iter().for_each(reap);
    assert!(!program::has_children());
    // What others make beside this test, they take back.
    until(|| shared_names().is_subset(&before));
}

/// What has a name where shared memory has one.
fn shared_names() -> BTreeSet<OsString> {
    let files = std::fs::read_dir("/dev/shm").into_iter().flatten();
    files.map(|file| file.unwrap().file_name()).collect()
}

fn pidfd(pid: u32) -> OwnedFd {
    rustix::process::pidfd_open(Pid::from_raw(pid as i32).unwrap(), PidfdFlags::empty()).unwrap()
}

fn has_ended(pidfd: &OwnedFd, until: Instant) -> bool {
    let left = until.saturating_duration_since(Instant::now());
    let timeout = Timespec::try_from(left).unwrap();
    poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&timeout)).unwrap() == 1
}

fn reap(pidfd: &OwnedFd) {
    let status = rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED).unwrap();
    assert_eq!(status.and_then(|status| status.terminating_signal()), Some(libc::SIGKILL));
}
