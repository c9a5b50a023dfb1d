//! A full fence that one process makes all registered ones execute.

use super::Result;
use crate::sync::{AtomicU32, Ordering};
use rustix::thread::{MembarrierCommand, MembarrierQuery, membarrier, membarrier_query};

const UNKNOWN: u32 = 0;
const REGISTERED: u32 = 1;
const REFUSED: u32 = 2;

/// What [`register`] found. A forked child inherits it together with the registration; `exec` clears both.
static STATE: AtomicU32 = AtomicU32::new(UNKNOWN);

/// Registers this process as one that [`heavy`], called by any process, reaches. `false`: not to be had here.
///
/// It must have returned `true` before this process tells a peer that it executes light fences. The kernel
/// is asked once.
pub(crate) fn register() -> bool {
    match STATE.load(Ordering::Relaxed) {
        UNKNOWN => {
            let registered = ask().is_ok();
            STATE.store(if registered { REGISTERED } else { REFUSED }, Ordering::Relaxed);
            registered
        }
        known => known == REGISTERED,
    }
}

fn ask() -> Result<()> {
    let needed = MembarrierQuery::GLOBAL_EXPEDITED | MembarrierQuery::REGISTER_GLOBAL_EXPEDITED;
    if !membarrier_query().contains(needed) {
        return Err(super::Errno::NOSYS);
    }
    membarrier(MembarrierCommand::RegisterGlobalExpedited)?;
    // R4, heavy side, tried out: a filter may allow one command and deny another.
    heavy()
}

/// Every thread of every registered process has executed a full fence when this returns, and so has the caller.
///
/// # Errors
/// `EPERM`, `ENOSYS` if a filter was installed since [`register`]; `ENOMEM`.
pub(crate) fn heavy() -> Result<()> {
    membarrier(MembarrierCommand::GlobalExpedited)
}
