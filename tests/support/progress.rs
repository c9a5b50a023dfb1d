//! A watchdog for tests that may run for hours: it looks at progress, not at the whole time.

use super::{WATCHDOG, raw};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;

/// Ends the process when nothing was done for as long as [`WATCHDOG`].
#[derive(Debug)]
pub struct Progress {
    done: Arc<AtomicU64>,
    stop: Option<Sender<()>>,
    watcher: Option<JoinHandle<()>>,
}

impl Progress {
    pub fn watch() -> Self {
        let done = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = channel();
        let seen = Arc::clone(&done);
        let watcher = std::thread::spawn(move || {
            let mut before = None;
            while stopped.recv_timeout(WATCHDOG) == Err(RecvTimeoutError::Timeout) {
                let now = seen.load(Ordering::Relaxed);
                if before == Some(now) {
                    eprintln!("nothing is done any more after {now} steps");
                    raw::quit(1);
                }
                before = Some(now);
            }
        });
        Self { done, stop: Some(stop), watcher: Some(watcher) }
    }

    /// One more step.
    pub fn step(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.watcher.take().map(JoinHandle::join);
    }
}
