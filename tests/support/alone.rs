//! A process for each test: a hang ends with it, and what belongs to a whole process (descriptors, mappings, a
//! filter, a fork) is this test's alone.

use super::raw;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Tells a process that [`alone`] started which test it is.
const ALONE: &str = "RINGWAY_TEST_ALONE";

/// Says that the body ran to its end: a name that matches no test would end with 0.
const PASSED: i32 = 42;

/// Runs the body of the test `path` (with the crate's name in front) in a process of its own.
pub fn alone(path: &str, body: impl FnOnce()) {
    alone_within(path, super::WATCHDOG, body);
}

/// The same with another watchdog.
pub fn alone_within(path: &str, watchdog: Duration, body: impl FnOnce()) {
    let name = path.split_once("::").map_or(path, |(_, name)| name);
    if std::env::var_os(ALONE).is_some_and(|wanted| wanted == name) {
        // A worker of the test has from its cluster what it is to have.
        if std::env::var_os("RINGWAY_WORKER").is_none() {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
        }
        body();
        // Not `exit`: the body may have denied itself what the exit handlers need.
        raw::quit(PASSED);
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(ALONE, name)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let process = rustix::process::pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
    let timeout = Timespec { tv_sec: watchdog.as_secs() as i64, tv_nsec: 0 };
    let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&timeout)).unwrap();
    if ended == 0 {
        rustix::process::pidfd_send_signal(&process, Signal::KILL).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.code() == Some(PASSED),
        "{name} alone: {}{}\n{}\n{}",
        output.status,
        if ended == 0 { ", by the watchdog" } else { "" },
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    // What the body said, for `--nocapture`.
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs the body of the test that it stands in, in a process of its own.
#[macro_export]
macro_rules! alone {
    ($body:expr) => {{
        let body = $body;
        $crate::support::alone::alone($crate::support::alone::name_of(&body), body)
    }};
}

/// The path of the function that a closure stands in.
pub fn name_of<F>(_: &F) -> &'static str {
    std::any::type_name::<F>().trim_end_matches("::{{closure}}")
}
