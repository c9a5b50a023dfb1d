//! Shared memory with a name, by the crate `shared_memory`, for where there are no memfds.
//!
//! Of that crate only what holds is used: no link files; the name is this module's to take back, not a drop's, which in
//! a forked child would take it from its parent; and an error is the system's number.
//!
//! What it cannot give: whoever has the name can change the size, so an access may raise `SIGBUS` if the peer shrinks the
//! memory. Each mapping holds a descriptor for as long as it lasts, and a forked child a copy of that, which pins the memory
//! until the child ends or executes another program. A process whose standard input is closed, so that the descriptor is
//! number 0, keeps it for good.

#![allow(unsafe_code)]

use super::fork::Origin;
use super::{Errno, Result, memfd};
use rustix::fs::Mode;
use rustix::mm::Advice;
use rustix::process::{Resource, getrlimit};
use rustix::rand::GetRandomFlags;
use rustix::shm::{self, OFlags};
use shared_memory::{Shmem, ShmemConf, ShmemError};
use std::mem::ManuallyDrop;

/// A mapping of named memory for reading and writing, unmapped on drop in the process that made it. A forked child has
/// none of it, as of a [`Mapping`](super::map::Mapping).
pub(crate) struct NamedMapping {
    shmem: ManuallyDrop<Shmem>,
    origin: Origin,
}

// SAFETY: the mapping belongs to the process and not to a thread, and what is shared of it here is its address, its length
// and its name, which never change.
unsafe impl Send for NamedMapping {}
// SAFETY: as above.
unsafe impl Sync for NamedMapping {}

impl NamedMapping {
    /// Makes memory of `len` zero bytes with this name, which nobody else has, for this user alone; all of it is
    /// allocated. The name stays until [`unlink`].
    ///
    /// # Errors
    /// `EEXIST`; `EFBIG` above `RLIMIT_FSIZE` (the kernel would raise `SIGXFSZ`); `ENOSPC`: the file system that has the
    /// names is full; `EMFILE`, `ENFILE`, `ENOMEM`; `ENOENT`, `EACCES`, `EROFS`: there is none. There is no such name then.
    pub(crate) fn create(name: &str, len: usize) -> Result<Self> {
        if getrlimit(Resource::Fsize).current.is_some_and(|most| len as u64 > most) {
            return Err(Errno::FBIG);
        }
        let made = ShmemConf::new().os_id(name).size(len).create().map_err(|error| errno(&error));
        // That crate leaves the name of what it could not map, if its descriptor was number 0.
        let made = made.inspect_err(|error| _ = (*error != Errno::EXIST).then(|| unlink(name)))?;
        let made = Self::finish(made).and_then(|made| {
            let fd = shm::open(name, OFlags::RDWR, Mode::empty())?;
            // A page that is not there yet would be asked for by an access, which cannot be refused but by a signal.
            memfd::allocate(fd, len as u64)?;
            Ok(made)
        });
        made.inspect_err(|_| unlink(name))
    }

    /// Maps what somebody made under this name, whatever its length.
    ///
    /// # Errors
    /// `ENOENT`: there is no such name. `EINVAL`: it has no bytes (yet). `EACCES`: it belongs to another user.
    pub(crate) fn open(name: &str) -> Result<Self> {
        Self::finish(ShmemConf::new().os_id(name).open().map_err(|error| errno(&error))?)
    }

    fn finish(mut shmem: Shmem) -> Result<Self> {
        shmem.set_owner(false);
        let (origin, shmem) = (Origin::guarded()?, shmem);
        // SAFETY: the range is the mapping that was just made, to which nothing refers yet; the advice changes only what a
        // future child finds.
        unsafe { rustix::mm::madvise(shmem.as_ptr().cast(), shmem.len(), Advice::LinuxDontFork) }?;
        Ok(Self { shmem: ManuallyDrop::new(shmem), origin })
    }

    /// The first byte, at the beginning of a page. It is valid for [`Self::len`] bytes until drop, in the process of
    /// [`Self::origin`] alone.
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.shmem.as_ptr()
    }

    /// The length in bytes, as it was when this was mapped.
    pub(crate) fn len(&self) -> usize {
        self.shmem.len()
    }

    /// The process in which the mapping exists.
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
        if !self.origin.forked() {
            // SAFETY: the field is not used again: this is the drop of its owner.
            unsafe { ManuallyDrop::drop(&mut self.shmem) };
        }
    }
}

/// Takes the name back, if there is one; who has mapped the memory keeps it.
pub(crate) fn unlink(name: &str) {
    let _ = shm::unlink(name);
}

/// Fills `bytes` from the system's source of randomness.
///
/// # Errors
/// `EPERM`, `ENOSYS`: denied by a filter.
pub(crate) fn random(bytes: &mut [u8; 16]) -> Result<()> {
    let got = rustix::io::retry_on_intr(|| rustix::rand::getrandom(&mut *bytes, GetRandomFlags::empty()))?;
    if got == bytes.len() { Ok(()) } else { Err(Errno::IO) }
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
        _ => Errno::INVAL,
    }
}
