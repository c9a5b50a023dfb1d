//! What ends a worker whose master has died, where the kernel does not.
//!
//! The kernel's signal (`PR_SET_PDEATHSIG`) is the first means: it reaches a worker that has not attached yet, and one that is
//! stopped. But it is forgotten by a process that changes its user or its capabilities, or that asks for it. So the watch
//! thread, which sees the master's end in any case, kills the process then.

use crate::sys::pidfd::Signal;
use crate::sys::{Errno, Result, futex, process};
use crate::wait::watch::{Watch, Watched};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The master's pidfd, and what is done when it tells.
#[derive(Debug)]
struct Orphan(OwnedFd);

/// A worker is one for as long as its process lasts, whatever becomes of its channel. A forked child has no watch thread
/// from its parent, and so outlives the master by this.
static ORPHAN: OnceLock<Arc<Orphan>> = OnceLock::new();

impl Watched for Orphan {
    fn descriptors(&self) -> (Option<BorrowedFd<'_>>, Option<BorrowedFd<'_>>) {
        (None, Some(self.0.as_fd()))
    }

    fn hung_up(&self) -> Option<Instant> {
        None
    }

    fn died(&self) {
        // There is nobody to tell of a failure; `recv` and `send` end anyway.
        let _ = process::signal(process::id(), Signal::KILL);
    }
}

/// From now on this process does not outlive the process behind `master`, its parent. Without futexes there is no watch
/// thread, and nothing is done.
///
/// # Errors
/// The errno of the pidfd's copy, or of the watch thread.
pub(super) fn die_with(master: &OwnedFd) -> Result<()> {
    if ORPHAN.get().is_some() || futex::probe().is_err() {
        return Ok(());
    }
    let copy = master.try_clone().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::MFILE))?;
    let orphan = ORPHAN.get_or_init(|| Arc::new(Orphan(copy)));
    Watch::here()?.add(orphan).map(drop)
}
