//! A process by descriptor: the only witness of a death.
//!
//! A pid may be somebody else's by now; a pidfd is its process for ever, and becomes readable when that has
//! ended.

use super::Result;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{PidfdFlags, WaitId, WaitIdOptions, WaitIdStatus};
use std::os::fd::{AsFd, OwnedFd};

pub(crate) use rustix::process::{Pid, Signal};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It exited with this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// A descriptor of the process, close-on-exec (the kernel makes no other). For a child that was not reaped yet
/// the pid cannot be anybody else's.
///
/// # Errors
/// `ESRCH`: no such process. `EPERM`, `ENOSYS`: denied by a filter. `EMFILE`, `ENFILE`.
pub(crate) fn open(pid: Pid) -> Result<OwnedFd> {
    rustix::process::pidfd_open(pid, PidfdFlags::empty())
}

/// Sends a signal.
///
/// # Errors
/// `ESRCH`: the process has ended. `EPERM`: it is not ours to signal.
pub(crate) fn signal(fd: impl AsFd, signal: Signal) -> Result<()> {
    rustix::process::pidfd_send_signal(fd, signal)
}

/// Whether the process has ended. It need not be a child.
pub(crate) fn exited(fd: impl AsFd) -> Result<bool> {
    let mut polled = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::io::retry_on_intr(|| rustix::event::poll(&mut polled, Some(&now)))?;
    Ok(polled[0].revents().contains(PollFlags::IN))
}

/// Reaps the child, `None` if it still runs.
///
/// # Errors
/// `ECHILD`: not a child of this process, or reaped already.
pub(crate) fn reap(fd: impl AsFd) -> Result<Option<Exit>> {
    reap_one(WaitId::PidFd(fd.as_fd()))
}

/// Reaps exactly the child that is named.
pub(super) fn reap_one(id: WaitId<'_>) -> Result<Option<Exit>> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    // A status is only returned for an ended child, so it is one of the two.
    Ok(rustix::io::retry_on_intr(|| rustix::process::waitid(id.clone(), options))?.and_then(exit))
}

fn exit(status: WaitIdStatus) -> Option<Exit> {
    let code = status.exit_status().map(Exit::Code);
    code.or_else(|| status.terminating_signal().map(Exit::Signal))
}
