//! The watch thread's state belongs to every thread of the process.

use crate::sys::tests::alone;
use crate::wait::watch::Watch;
use std::path::Path;
use std::time::{Duration, Instant};

/// Whoever is not the first reads what another thread has just made: a race, were it not whole before its address is
/// known. ThreadSanitizer runs this. And there is one thread with one epoll in the end, not one for each that asked.
#[test]
fn threads_that_ask_first_at_once_share_one_watch_that_is_whole() {
    alone(|| {
        let (threads, epolls) = (count("task", |_| true), count("fd", is_epoll));
        let start = std::sync::Barrier::new(8);
        let watches: Vec<&Watch> = std::thread::scope(|scope| {
            let ask = || {
                start.wait();
                Watch::here().unwrap()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(watches.iter().all(|watch| std::ptr::eq(*watch, watches[0])));
        assert_eq!(count("fd", is_epoll), epolls + 1);
        // A thread that was joined is listed until the kernel has done with it.
        let patience = Instant::now() + Duration::from_secs(20);
        while count("task", |_| true) != threads + 1 && Instant::now() < patience {
            std::thread::yield_now();
        }
        assert_eq!(count("task", |_| true), threads + 1);
    });
}

/// How many of the threads or descriptors of this process are such.
fn count(what: &str, such: fn(&Path) -> bool) -> usize {
    let entries = std::fs::read_dir(format!("/proc/self/{what}")).unwrap();
    entries.filter(|entry| such(&entry.as_ref().unwrap().path())).count()
}

fn is_epoll(descriptor: &Path) -> bool {
    std::fs::read_link(descriptor).is_ok_and(|target| target.ends_with("anon_inode:[eventpoll]"))
}
