//! The watch thread's state belongs to every thread of the process.

use crate::sys::tests::alone;
use crate::wait::watch::Watch;

/// Whoever is not the first reads what another thread has just made: a race, were it not whole before its address is
/// known. ThreadSanitizer runs this.
#[test]
fn threads_that_ask_first_at_once_share_one_watch_that_is_whole() {
    alone(|| {
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
    });
}
