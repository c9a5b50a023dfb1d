//! Sleeps that a hostile peer cannot keep from ending.

use super::raw::word32;
use super::{DENIALS, alone, deny, fork_child, in_fork, is_asleep, thread_id, until, wait_for, watchdog};
use crate::sync::{AtomicU32, Ordering};
use crate::sys::futex::{Stop, Waited, wait_or_stop, wake};
use crate::sys::map::Mapping;
use crate::sys::pidfd::{Exit, Signal};
use crate::sys::{Errno, memfd, process};
use rustix::thread::futex::{Flags, requeue, wait_requeue_pi};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Runs `body` where one can sleep on two words, and where a filter denies it in either way.
fn on_every_kernel(body: impl Fn()) {
    assert_eq!(in_fork(&body), Exit::Code(0));
    for errno in DENIALS {
        let exit = in_fork(|| {
            deny(libc::SYS_futex_waitv, errno);
            body();
        });
        assert_eq!(exit, Exit::Code(0), "without futex_waitv: {errno:?}");
    }
}

/// Starts a thread that sleeps on the word of `memory`, runs `meddle` once it is asleep, and returns how the
/// sleep ended.
fn sleep_while(memory: &OwnedFd, stop: &Stop, meddle: impl FnOnce()) -> Waited {
    let mapping = Mapping::read_write(memory, 4096).unwrap();
    let thread = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            thread.store(thread_id(), Ordering::SeqCst);
            wait_or_stop(word32(&mapping), 0, stop, Some(watchdog()))
        });
        until(|| is_asleep(thread.load(Ordering::SeqCst)));
        meddle();
        sleeper.join().unwrap()
    })
}

#[test]
fn a_change_and_a_wake_up_end_the_sleep() {
    alone(|| {
        on_every_kernel(|| {
            let fd = memfd::create(4096).unwrap();
            let there = Mapping::read_write(&fd, 4096).unwrap();
            let waited = sleep_while(&fd, &Stop::new(), || {
                word32(&there).store(1, Ordering::SeqCst);
                wake(word32(&there)).unwrap();
            });
            // A wake-up between two naps finds nobody, but the next nap finds the change.
            assert!(matches!(waited, Waited::Woken | Waited::Changed), "{waited:?}");
            assert_eq!(wait_or_stop(word32(&there), 0, &Stop::new(), Some(watchdog())), Waited::Changed);
        });
    });
}

#[test]
fn a_deadline_ends_the_sleep() {
    alone(|| {
        on_every_kernel(|| {
            let word = AtomicU32::new(0);
            for milliseconds in [0, 1, 20, 150] {
                let until = Instant::now() + Duration::from_millis(milliseconds);
                assert_eq!(wait_or_stop(&word, 0, &Stop::new(), Some(until)), Waited::TimedOut);
                assert!(Instant::now() >= until);
            }
        });
    });
}

#[test]
fn the_stop_ends_the_sleep_and_every_one_after_it() {
    alone(|| {
        on_every_kernel(|| {
            let fd = memfd::create(4096).unwrap();
            let stop = Stop::new();
            assert!(!stop.is_set());
            let waited = sleep_while(&fd, &stop, || stop.set());
            assert!(matches!(waited, Waited::Woken | Waited::Changed), "{waited:?}");
            assert!(stop.is_set());
            assert_eq!(wait_or_stop(&AtomicU32::new(0), 0, &stop, Some(watchdog())), Waited::Changed);
        });
    });
}

#[test]
fn a_sleeper_that_a_peer_has_moved_to_a_word_of_its_own_is_still_stopped() {
    alone(|| {
        on_every_kernel(|| {
            let fd = memfd::create(4096).unwrap();
            let stop = Stop::new();
            let waited = sleep_while(&fd, &stop, || {
                assert_eq!(in_fork(|| steal(&fd)), Exit::Code(0));
                stop.set();
            });
            assert!(matches!(waited, Waited::Woken | Waited::Changed), "{waited:?}");
        });
    });
}

/// Moves the sleepers of the word of `memory` elsewhere, with no more than a mapping for reading.
fn steal(memory: &OwnedFd) {
    let theirs = Mapping::read_only(memory, 4096).unwrap();
    let own = AtomicU32::new(0);
    until(|| requeue(word32(&theirs), Flags::empty(), 0, i32::MAX as u32, &own) == Ok(1));
}

#[test]
fn a_sleeper_behind_a_peers_priority_waiter_is_still_stopped() {
    alone(|| {
        on_every_kernel(|| {
            let fd = memfd::create(4096).unwrap();
            let blocker = fork_child(|| block(&fd));
            let mapping = Mapping::read_write(&fd, 4096).unwrap();
            let wake_fails =
                || rustix::thread::futex::wake(word32(&mapping), Flags::empty(), 1) == Err(Errno::INVAL);
            until(wake_fails);
            let stop = Stop::new();
            let waited = sleep_while(&fd, &stop, || {
                assert_eq!(wake(word32(&mapping)), Err(Errno::INVAL));
                assert!(wake_fails());
                stop.set();
            });
            assert!(matches!(waited, Waited::Woken | Waited::Changed), "{waited:?}");
            process::signal(blocker, Signal::KILL).unwrap();
            wait_for(blocker);
            assert_eq!(process::reap(blocker), Ok(Some(Exit::Signal(libc::SIGKILL))));
        });
    });
}

/// Waits on the word of `memory` in the way that makes a plain wake-up of it fail.
fn block(memory: &OwnedFd) {
    let theirs = Mapping::read_only(memory, 4096).unwrap();
    let own = AtomicU32::new(0);
    let waited = wait_requeue_pi(word32(&theirs), Flags::empty(), 0, None, &own);
    unreachable!("{waited:?}");
}
