//! Anonymous memory that can be mapped, passed to a peer and sealed.

use super::{Errno, Result};
use rustix::fs::{FallocateFlags, MemfdFlags, OFlags};
use rustix::process::{Resource, getrlimit};
use std::os::fd::{AsFd, OwnedFd};

pub(crate) use rustix::fs::SealFlags;

/// How much is allocated by one call, so that a signal costs at most one step.
const ALLOCATION_STEP: u64 = 1 << 20;

/// An unsealed memfd of `len` zero bytes, close-on-exec. No page of it is allocated yet.
///
/// # Errors
/// `EFBIG` above `RLIMIT_FSIZE` (the kernel would raise `SIGXFSZ`), `EMFILE`, `ENFILE`, `ENOMEM`; `EPERM` or
/// `ENOSYS` where a filter denies it.
pub(crate) fn create(len: u64) -> Result<OwnedFd> {
    if getrlimit(Resource::Fsize).current.is_some_and(|most| len > most) {
        return Err(Errno::FBIG);
    }
    let plain = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = match rustix::fs::memfd_create(c"ringway", plain | MemfdFlags::NOEXEC_SEAL) {
        // The flag is younger (Linux 6.3) than everything else used here.
        Err(Errno::INVAL | Errno::PERM | Errno::NOSYS) => rustix::fs::memfd_create(c"ringway", plain),
        made => made,
    }?;
    rustix::io::retry_on_intr(|| rustix::fs::ftruncate(&fd, len))?;
    Ok(fd)
}

/// Adds seals. They bind the memory itself, through whichever descriptor it is reached, and are never taken off.
pub(crate) fn seal(fd: impl AsFd, seals: SealFlags) -> Result<()> {
    rustix::fs::fcntl_add_seals(fd, seals)
}

/// The seals, or `EINVAL` for what cannot be sealed (a pipe, a file on a disk), `EBADF` for an `O_PATH` one.
pub(crate) fn seals(fd: impl AsFd) -> Result<SealFlags> {
    rustix::fs::fcntl_get_seals(fd)
}

/// The size in bytes.
pub(crate) fn len(fd: impl AsFd) -> Result<u64> {
    Ok(u64::try_from(rustix::fs::fstat(fd)?.st_size).unwrap_or(0))
}

/// Whether the descriptor itself is open for reading and writing.
pub(crate) fn is_read_write(fd: impl AsFd) -> Result<bool> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    Ok(flags & (OFlags::RWMODE | OFlags::PATH) == OFlags::RDWR)
}

/// Allocates the pages of the first `len` bytes, so that no later access needs memory.
///
/// # Errors
/// `ENOSPC` or `ENOMEM` if the system has no memory for them.
pub(crate) fn allocate(fd: impl AsFd, len: u64) -> Result<()> {
    let fd = fd.as_fd();
    let mut at = 0;
    while at < len {
        let step = ALLOCATION_STEP.min(len - at);
        rustix::io::retry_on_intr(|| rustix::fs::fallocate(fd, FallocateFlags::empty(), at, step))?;
        at += step;
    }
    Ok(())
}
