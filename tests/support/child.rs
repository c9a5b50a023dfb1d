//! Forked children, each reaped by whoever made it.

use super::raw;
use rustix::process::{Pid, Signal, WaitOptions};
use std::panic::AssertUnwindSafe;

/// A forked child. Dropped, it is killed and reaped.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    reaped: bool,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this status; 0 unless its body panicked.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// Runs `body` in a forked child. Only in a test that is alone in its process.
pub fn fork(body: impl FnOnce()) -> Child {
    match raw::fork() {
        0 => {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
            let panicked = std::panic::catch_unwind(AssertUnwindSafe(body)).is_err();
            raw::quit(panicked.into())
        }
        pid => Child { pid: Pid::from_raw(pid).expect("fork"), reaped: false },
    }
}

impl Child {
    pub fn pid(&self) -> Pid {
        self.pid
    }

    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid, signal).unwrap();
    }

    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Waits until the child has ended, which the watchdog of the whole test bounds.
    pub fn wait(mut self) -> Exit {
        self.reap()
    }

    /// The child must end of its own, and without a panic.
    pub fn succeeds(self) {
        assert_eq!(self.wait(), Exit::Code(0), "how the child ended");
    }

    fn reap(&mut self) -> Exit {
        self.reaped = true;
        loop {
            match rustix::process::waitpid(Some(self.pid), WaitOptions::empty()) {
                Ok(Some((_, status))) => match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => return Exit::Code(code),
                    (None, signal) => return Exit::Signal(signal.unwrap_or(0)),
                },
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => panic!("waitpid: {errno}"),
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = rustix::process::kill_process(self.pid, Signal::KILL);
            self.reap();
        }
    }
}
