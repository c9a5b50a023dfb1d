//! Shared memory with a name, by the crate `shared_memory`, for where there are no memfds.
//!
//! Of that crate only what holds is used: no link files; the name is this module's to take back, not a drop's, which in
//! a forked child would take it from its parent; and an error is the system's number.
//!
//! What it cannot give: whoever has the name can change the size, so an access may raise `SIGBUS` if the peer shrinks the
//! memory. Each mapping holds a descriptor for as long as it lasts, and a forked child a copy of that, which pins the memory
//! until the child ends or executes another program. A process whose standard input is closed, so that the descriptor is
//! number 0, keeps it for good.
//!
//! What Linux is asked for besides (`system`) is that all of the memory is there, that the name can be taken back without
//! mapping the memory again, and that a forked child does not have it.

#![allow(unsafe_code)]

#[cfg_attr(target_os = "linux", path = "named/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "named/elsewhere.rs")]
mod system;

use super::{Errno, Result};
use shared_memory::{Shmem, ShmemConf, ShmemError};
use std::mem::ManuallyDrop;
pub(crate) use system::Origin;

/// A mapping of named memory for reading and writing, unmapped on drop.
pub(crate) struct NamedMapping {
    shmem: ManuallyDrop<Shmem>,
    origin: Origin,
    /// Whether a forked child has it too.
    inherited: bool,
}

// SAFETY: the mapping belongs to the process and not to a thread, and what is shared of it here is its address, its length
// and its name, which never change.
unsafe impl Send for NamedMapping {}
// SAFETY: as above.
unsafe impl Sync for NamedMapping {}

impl NamedMapping {
    /// Makes memory of `len` zero bytes with this name, which nobody else has, for this user alone; on Linux all of it is
    /// allocated. The name stays until [`unlink`].
    ///
    /// # Errors
    /// `EEXIST`; `EFBIG` above `RLIMIT_FSIZE` (the kernel would raise `SIGXFSZ`); `ENOSPC`: the file system that has the
    /// names is full; `EMFILE`, `ENFILE`, `ENOMEM`; `ENOENT`, `EACCES`, `EROFS`: there is none. There is no such name then.
    pub(crate) fn create(name: &str, len: usize) -> Result<Self> {
        system::may_be_so_long(len)?;
        let made = ShmemConf::new().os_id(name).size(len).create().map_err(|error| errno(&error));
        // That crate leaves the name of what it could not map, if its descriptor was number 0.
        let made = made.inspect_err(|error| _ = (*error != Errno::EXIST).then(|| unlink(name)))?;
        let made = Self::finish(made);
        match system::allocate(name, len) {
            Ok(()) => Ok(made),
            Err(errno) => {
                unlink(name);
                Err(errno)
            }
        }
    }

    /// Maps what somebody made under this name, whatever its length.
    ///
    /// # Errors
    /// `ENOENT`: there is no such name. `EINVAL`: it has no bytes (yet). `EACCES`: it belongs to another user.
    pub(crate) fn open(name: &str) -> Result<Self> {
        Ok(Self::finish(ShmemConf::new().os_id(name).open().map_err(|error| errno(&error))?))
    }

    fn finish(mut shmem: Shmem) -> Self {
        shmem.set_owner(false);
        Self { shmem: ManuallyDrop::new(shmem), origin: Origin::here(), inherited: true }
    }

    /// The first byte, at the beginning of a page. It is valid for [`Self::len`] bytes until drop; in the process of
    /// [`Self::origin`] alone, if it is kept from children.
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.shmem.as_ptr()
    }

    /// The length in bytes, as it was when this was mapped.
    pub(crate) fn len(&self) -> usize {
        self.shmem.len()
    }

    /// The process that made the mapping, which alone has it if that is [kept from children](Self::kept_from_children).
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }
}

impl std::fmt::Debug for NamedMapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamedMapping").field("name", &self.shmem.get_os_id()).finish_non_exhaustive()
    }
}

impl Drop for NamedMapping {
    fn drop(&mut self) {
        if self.inherited || !self.origin.forked() {
            // SAFETY: the field is not used again: this is the drop of its owner.
            unsafe { ManuallyDrop::drop(&mut self.shmem) };
        }
    }
}

/// Takes the name back, if there is one; who has mapped the memory keeps it.
pub(crate) fn unlink(name: &str) {
    system::unlink(name);
}

/// Fills `bytes` from the system's source of randomness.
///
/// # Errors
/// `EPERM`, `ENOSYS`: denied by a filter.
pub(crate) fn random(bytes: &mut [u8; 16]) -> Result<()> {
    system::random(bytes)
}

/// The same as [`unlink`] by the means of that crate, whose drop takes the name if told so: `false` if it could not be opened.
#[cfg(any(test, windows))]
pub(crate) fn unlink_by_drop(name: &str) -> bool {
    let mut found = ShmemConf::new().os_id(name).open();
    _ = found.as_mut().map(|found| found.set_owner(true));
    found.is_ok()
}

/// The system's number, which most of that crate's errors carry.
fn errno(error: &ShmemError) -> Errno {
    match error {
        ShmemError::MappingIdExists => Errno::EXIST,
        ShmemError::MapCreateFailed(number)
        | ShmemError::MapOpenFailed(number)
        | ShmemError::UnknownOsError(number) => {
            i32::try_from(*number).map_or(Errno::INVAL, Errno::from_raw_os_error)
        }
        _ => Errno::IO,
    }
}
