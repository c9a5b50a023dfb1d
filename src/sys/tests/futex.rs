use super::raw::word32;
use super::{DENIALS, alone, deny, in_fork, is_asleep, thread_id, until, watchdog};
use crate::sync::{AtomicU32, Ordering};
use crate::sys::futex::{Waited, probe, wait, wake};
use crate::sys::map::Mapping;
use crate::sys::memfd;
use crate::sys::pidfd::Exit;
use std::time::{Duration, Instant};

#[test]
fn a_word_that_changed_is_not_slept_on() {
    assert_eq!(wait(&AtomicU32::new(1), 0, None), Waited::Changed);
}

#[test]
fn a_deadline_ends_the_sleep() {
    let word = AtomicU32::new(0);
    let until = Instant::now() + Duration::from_millis(20);
    assert_eq!(wait(&word, 0, Some(until)), Waited::TimedOut);
    assert!(Instant::now() >= until);
    assert_eq!(wait(&word, 0, Some(until)), Waited::TimedOut);
}

#[test]
fn a_sleeper_is_woken_through_another_mapping() {
    let fd = memfd::create(4096).unwrap();
    let here = Mapping::read_write(&fd, 4096).unwrap();
    let there = Mapping::read_write(&fd, 4096).unwrap();
    let sleeper = std::thread::spawn(move || wait(word32(&there), 0, Some(watchdog())));
    // The word keeps its value: only a wake-up can end the sleep.
    while !sleeper.is_finished() {
        wake(word32(&here)).unwrap();
        std::thread::yield_now();
    }
    assert_eq!(sleeper.join().unwrap(), Waited::Woken);
}

#[test]
fn a_sleeper_is_woken_by_another_process() {
    alone(|| {
        let fd = memfd::create(4096).unwrap();
        let here = Mapping::read_write(&fd, 4096).unwrap();
        let child = super::fork_child(|| {
            let there = Mapping::read_write(&fd, 4096).unwrap();
            word32(&there).store(1, Ordering::SeqCst);
            assert_eq!(wait(word32(&there), 1, Some(watchdog())), Waited::Woken);
            word32(&there).store(2, Ordering::SeqCst);
        });
        let end = watchdog();
        while word32(&here).load(Ordering::SeqCst) != 2 {
            assert!(Instant::now() < end);
            wake(word32(&here)).unwrap();
            std::thread::yield_now();
        }
        super::wait_for(child);
        assert_eq!(crate::sys::process::reap(child), Ok(Some(Exit::Code(0))));
    });
}

#[test]
fn a_wake_reaches_every_sleeper() {
    let word = AtomicU32::new(0);
    let threads = [0; 4].map(AtomicU32::new);
    let sleep = |thread: &AtomicU32| {
        thread.store(thread_id(), Ordering::SeqCst);
        wait(&word, 0, Some(watchdog()))
    };
    let sleep = &sleep;
    std::thread::scope(|scope| {
        let sleepers: Vec<_> = threads.iter().map(|thread| scope.spawn(move || sleep(thread))).collect();
        until(|| threads.iter().all(|thread| is_asleep(thread.load(Ordering::SeqCst))));
        wake(&word).unwrap();
        for sleeper in sleepers {
            assert_eq!(sleeper.join().unwrap(), Waited::Woken);
        }
    });
}

#[test]
fn the_probe_finds_futexes() {
    assert_eq!(probe(), Ok(()));
}

#[test]
fn a_filter_that_denies_futexes_is_reported() {
    alone(|| {
        for errno in DENIALS {
            let exit = in_fork(|| {
                deny(libc::SYS_futex, errno);
                assert_eq!(probe(), Err(errno));
                let word = AtomicU32::new(0);
                assert_eq!(wait(&word, 0, Some(watchdog())), Waited::Failed(errno));
                assert_eq!(wake(&word), Err(errno));
            });
            assert_eq!(exit, Exit::Code(0));
        }
    });
}
