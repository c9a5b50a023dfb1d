//! Named memory as other systems have it. Type-checked for macOS and Windows, and run on neither.

use super::{Errno, Result};
use std::process;

/// The process that something was made in, known by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin(u32);

impl Origin {
    /// This process.
    pub(crate) fn here() -> Self {
        Self(process::id())
    }

    /// Whether the caller runs in another one, such as a forked child.
    pub(crate) fn forked(&self) -> bool {
        process::id() != self.0
    }
}

/// There is no such limit.
pub(super) fn may_be_so_long(_: usize) -> Result<()> {
    Ok(())
}

/// macOS has no call for it; Windows makes the file as long as the memory when it is mapped.
pub(super) fn allocate(_: &str, _: usize) -> Result<()> {
    Ok(())
}

#[cfg(unix)]
pub(super) fn unlink(name: &str) {
    let _ = rustix::shm::unlink(name);
}

/// As well as can be done: by that crate's way of deleting the file while it is mapped, or, if it cannot be mapped any more,
/// the file itself.
#[cfg(windows)]
pub(super) fn unlink(name: &str) {
    if !super::unlink_by_drop(name) {
        let file = std::env::temp_dir().join("shared_memory-rs").join(name.trim_start_matches('/'));
        let _ = std::fs::remove_file(file);
    }
}

pub(super) fn random(bytes: &mut [u8; 16]) -> Result<()> {
    let errno = |error: getrandom::Error| error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error);
    getrandom::getrandom(bytes).map_err(errno)
}
