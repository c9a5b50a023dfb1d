//! Named memory as other systems have it. Type-checked for macOS and Windows, and run on neither.

use super::{Errno, Result, unlink_by_drop};
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

/// macOS has no call for it, and takes memory from its swap; Windows made the file as long as it is when it was mapped.
pub(super) fn allocate(_: &str, _: usize) -> Result<()> {
    Ok(())
}

pub(super) fn unlink(name: &str) {
    unlink_by_drop(name);
}

pub(super) fn random(bytes: &mut [u8; 16]) -> Result<()> {
    let unknown = Errno::INVAL;
    getrandom::getrandom(bytes)
        .map_err(|error| error.raw_os_error().map_or(unknown, Errno::from_raw_os_error))
}
