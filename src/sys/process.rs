//! What this process is, and its own children where there is no pidfd.

#![allow(unsafe_code)]

use super::Result;
use super::eventfd::Bell;
use super::pidfd::{Exit, Pid, Signal, reap_one};
use rustix::process::{Resource, WaitId, WaitIdOptions, getrlimit};
use std::sync::Arc;
use std::thread::JoinHandle;

/// How many processors the calling thread may run on, at least 1.
pub(crate) fn cpus() -> usize {
    match rustix::thread::sched_getaffinity(None) {
        Ok(set) => (set.count() as usize).max(1),
        // More processors than the set has bits, or a filter.
        Err(_) => std::thread::available_parallelism().map_or(1, usize::from),
    }
}

/// How many processors the machine has in use, as far as it tells: a thread that is pinned to one of them may have a
/// peer on another.
pub(crate) fn cpus_online() -> usize {
    let ranges = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        last.checked_sub(first).map(|more| more + 1)
    };
    let counted: Option<usize> = ranges.trim().split(',').map(count).sum();
    counted.unwrap_or(0).max(cpus())
}

/// This process.
pub(crate) fn id() -> Pid {
    rustix::process::getpid()
}

/// The parent; `None` if it lives outside this pid namespace.
pub(crate) fn parent() -> Option<Pid> {
    rustix::process::getppid()
}

/// The signal that this process gets when the *thread* that started it ends. Ask for [`parent`] again
/// afterwards: it may have gone before.
pub(crate) fn set_parent_death_signal(signal: Option<Signal>) -> Result<()> {
    rustix::process::set_parent_process_death_signal(signal)
}

/// The signal that was set so. A child that this process forks has none, a program that it executes keeps it.
pub(crate) fn parent_death_signal() -> Result<Option<Signal>> {
    rustix::process::parent_process_death_signal()
}

/// How many descriptors this process may have open; `None`: as many as the system can.
pub(crate) fn open_max() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// [`super::pidfd::reap`] where pidfds are denied: until a child is reaped its pid is nobody else's.
pub(crate) fn reap(child: Pid) -> Result<Option<Exit>> {
    reap_one(WaitId::Pid(child))
}

/// A bell that is rung when the child has ended, where pidfds are denied: a thread waits for that, and ends with it. It
/// does not take the child's status.
///
/// # Errors
/// Those of `eventfd` and of the thread's start.
pub(crate) fn told_of_end(child: Pid) -> std::io::Result<Arc<Bell>> {
    let bell = Arc::new(Bell::new()?);
    let rung = Arc::clone(&bell);
    let wait = move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        // An error means that somebody else has taken the status: it has ended as well.
        let _ = rustix::io::retry_on_intr(|| rustix::process::waitid(WaitId::Pid(child), options));
        rung.ring();
    };
    spawn_thread("ringway-child", Some(64 * 1024), wait)?;
    Ok(bell)
}

/// [`super::pidfd::signal`] where pidfds are denied. Only for a child that was not reaped.
pub(crate) fn signal(child: Pid, signal: Signal) -> Result<()> {
    rustix::process::kill_process(child, signal)
}

/// Starts a thread of the library's own, in which every signal is blocked from its first instruction on, so that the
/// host's handlers run on the host's threads. `stack`: bytes, or what is usual.
///
/// # Errors
/// Those of the thread's start.
pub(crate) fn spawn_thread<T: Send + 'static>(
    name: &str,
    stack: Option<usize>,
    body: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    let builder = std::thread::Builder::new().name(name.into());
    let builder = stack.into_iter().fold(builder, std::thread::Builder::stack_size);
    // A thread begins with the mask of the one that starts it.
    let mask = SignalMask::current();
    block_signals();
    let thread = builder.spawn(body);
    mask.set();
    thread
}

/// Blocks every signal in the calling thread.
fn block_signals() {
    let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` initialises the set that it is given.
    let all = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        all.assume_init()
    };
    SignalMask(all).set();
}

/// The signals that a thread blocks. A child inherits them from the thread that starts it.
#[derive(Clone, Copy)]
pub(crate) struct SignalMask(libc::sigset_t);

impl SignalMask {
    /// Those of the calling thread.
    pub(crate) fn current() -> Self {
        let mut mask = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: without a new set the call changes nothing; it cannot fail and initialises the old one.
        unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), mask.as_mut_ptr());
            Self(mask.assume_init())
        }
    }

    /// The calling thread blocks these signals from now on and no others. Safe between `fork` and `exec`.
    pub(crate) fn set(self) {
        // SAFETY: the set is initialised; only the calling thread's mask changes, and the old one is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}

impl std::fmt::Debug for SignalMask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignalMask")
    }
}
