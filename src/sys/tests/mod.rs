//! How the tests of system calls stay apart: a descriptor table, a resource limit, a filter and a fork belong to
//! a whole process, and the test harness runs many tests in one.

mod epoll;
mod fork;
mod futex;
mod futex_stop;
mod map;
pub(crate) mod membarrier;
mod memfd;
mod pidfd;
mod process;
pub(crate) mod raw;
pub(crate) mod seccomp;
mod socket;

use super::pidfd::{Exit, Pid, Signal};
use super::{Errno, pidfd as process_fd, socket as sockets};
use std::os::fd::AsFd;
use std::panic::AssertUnwindSafe;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) use seccomp::{deny, deny_flag, deny_value};

/// What a filter answers.
pub(crate) const DENIALS: [Errno; 2] = [Errno::PERM, Errno::NOSYS];

/// Tells a process that [`alone`] started which test it is.
const ALONE: &str = "RINGWAY_TEST_ALONE";

/// Says that the body ran to its end: a name that matches no test would end with 0.
const PASSED: i32 = 42;

/// How long a test waits at most.
const WATCHDOG: Duration = Duration::from_secs(20);

/// The instant after which a test that waits has failed.
pub(crate) fn watchdog() -> Instant {
    Instant::now() + WATCHDOG
}

/// Says why a test, or a part of one, is not run on this host. Where `CI` is set it fails: there all are run.
#[track_caller]
pub(crate) fn skip(why: &str) {
    skip_unless(std::env::var_os("CI").is_some_and(|value| !value.is_empty()), why);
}

#[track_caller]
fn skip_unless(needed: bool, why: &str) {
    assert!(!needed, "this test must not be skipped here: {why}");
    eprintln!("skipped: {why}");
}

#[test]
#[should_panic(expected = "must not be skipped here: no moon")]
fn a_test_that_is_needed_is_not_skipped() {
    skip_unless(true, "no moon");
}

#[test]
fn a_test_that_is_not_needed_may_be_skipped() {
    skip_unless(false, "no moon");
}

/// Runs the body of a test in a process of its own, in which no other test runs, until the [`watchdog`] ends it.
pub(crate) fn alone<F: FnOnce()>(body: F) {
    alone_for(WATCHDOG, body);
}

/// The same for a body that may take so long.
pub(crate) fn alone_for<F: FnOnce()>(longest: Duration, body: F) {
    let full = std::any::type_name::<F>();
    let name = full.trim_start_matches("ringway::").trim_end_matches("::{{closure}}");
    if std::env::var_os(ALONE).is_some_and(|wanted| wanted == name) {
        end_with_parent();
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
    let process = process_fd::open(Pid::from_child(&child)).unwrap();
    let mut ended = Vec::new();
    let end = Instant::now() + longest;
    sockets::wait_readable(&[process.as_fd()], &mut ended, Some(end)).unwrap();
    if ended.is_empty() {
        process_fd::signal(&process, Signal::KILL).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.code() == Some(PASSED),
        "{name} alone: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

/// Runs `body` in a forked child and returns how that ended: 0, unless the body panicked.
///
/// Only [`alone`], and in a body that needs no lock which another thread could have held.
pub(crate) fn in_fork(body: impl FnOnce()) -> Exit {
    let child = fork_child(body);
    loop {
        match super::process::reap(child).unwrap() {
            Some(exit) => return exit,
            None => wait_for(child),
        }
    }
}

/// Starts `body` in a forked child.
pub(crate) fn fork_child(body: impl FnOnce()) -> Pid {
    match raw::fork() {
        0 => {
            end_with_parent();
            let panicked = std::panic::catch_unwind(AssertUnwindSafe(body)).is_err();
            raw::quit(panicked.into())
        }
        child => Pid::from_raw(child).expect("fork"),
    }
}

/// Sees to it that a test which is killed leaves no process behind.
fn end_with_parent() {
    super::process::set_parent_death_signal(Some(Signal::KILL)).unwrap();
}

fn wait_for(child: Pid) {
    let process = process_fd::open(child).unwrap();
    let mut ended = Vec::new();
    sockets::wait_readable(&[process.as_fd()], &mut ended, Some(watchdog())).unwrap();
    assert!(!ended.is_empty(), "the forked child does not end");
}

/// How many descriptors the process has open. Only [`alone`].
pub(crate) fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The permissions of every mapping of the file that `fd` is, as in `/proc/self/maps`, sorted.
pub(crate) fn mappings(fd: impl AsFd) -> Vec<String> {
    let inode = sockets::inode(fd).unwrap().to_string();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let columns = maps.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut found: Vec<_> =
        columns.filter(|column| column[4] == inode).map(|column| column[1].to_owned()).collect();
    found.sort_unstable();
    found
}

/// Sets the soft limit of this process. Only [`alone`].
pub(crate) fn limit(resource: rustix::process::Resource, most: u64) {
    let mut limit = rustix::process::getrlimit(resource);
    limit.current = Some(most);
    rustix::process::setrlimit(resource, limit).unwrap();
}

/// Whether an exec would close the descriptor.
pub(crate) fn is_cloexec(fd: impl AsFd) -> bool {
    rustix::io::fcntl_getfd(fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC)
}

/// Opens the file of `fd` again, by its name under `/proc`.
pub(crate) fn reopen(fd: impl AsFd, flags: rustix::fs::OFlags) -> super::Result<std::os::fd::OwnedFd> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    rustix::fs::open(path, flags | rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty())
}

/// The kernel's number of the calling thread.
pub(crate) fn thread_id() -> u32 {
    rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()
}

/// Whether the kernel has the thread of this process asleep.
pub(crate) fn is_asleep(thread: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat"));
    status.is_ok_and(|status| status.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S')))
}

/// Asks until the answer is yes.
pub(crate) fn until(mut done: impl FnMut() -> bool) {
    let end = watchdog();
    while !done() {
        assert!(Instant::now() < end);
        std::thread::yield_now();
    }
}
