//! What this process is, and its own children where there is no pidfd.

#![allow(unsafe_code)]

use super::Result;
use super::pidfd::{Exit, Pid, Signal, reap_one};
use rustix::process::{Resource, WaitId, getrlimit};

/// How many processors the calling thread may run on, at least 1.
pub(crate) fn cpus() -> usize {
    match rustix::thread::sched_getaffinity(None) {
        Ok(set) => (set.count() as usize).max(1),
        // More processors than the set has bits, or a filter.
        Err(_) => std::thread::available_parallelism().map_or(1, usize::from),
    }
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

/// How many descriptors this process may have open; `None`: as many as the system can.
pub(crate) fn open_max() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// [`super::pidfd::reap`] where pidfds are denied: until a child is reaped its pid is nobody else's.
pub(crate) fn reap(child: Pid) -> Result<Option<Exit>> {
    reap_one(WaitId::Pid(child))
}

/// [`super::pidfd::signal`] where pidfds are denied. Only for a child that was not reaped.
pub(crate) fn signal(child: Pid, signal: Signal) -> Result<()> {
    rustix::process::kill_process(child, signal)
}

/// Blocks every signal in the calling thread: for threads that the library owns, so that the host's handlers
/// run on the host's threads.
pub(crate) fn block_signals() {
    let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` initialises the set that it is given.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: the set is initialised; only the calling thread's mask changes, and the old one is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut()) };
}
