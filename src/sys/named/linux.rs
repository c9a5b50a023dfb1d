//! Named memory as Linux has it.

use super::{Errno, NamedMapping, Result};
use crate::sys::memfd;
use rustix::fs::Mode;
use rustix::mm::Advice;
use rustix::process::{Resource, getrlimit};
use rustix::rand::GetRandomFlags;
use rustix::shm::{self, OFlags};

pub(crate) use crate::sys::fork::Origin;

/// Whether the kernel would not answer such a length by a signal.
pub(super) fn may_be_so_long(len: usize) -> Result<()> {
    let limited = getrlimit(Resource::Fsize).current.is_some_and(|most| len as u64 > most);
    if limited { Err(Errno::FBIG) } else { Ok(()) }
}

/// Makes all of it be there: a page that is not would be asked for by an access, which cannot be refused but by a signal.
pub(super) fn allocate(name: &str, len: usize) -> Result<()> {
    memfd::allocate(shm::open(name, OFlags::RDWR, Mode::empty())?, len as u64)
}

pub(super) fn unlink(name: &str) {
    let _ = shm::unlink(name);
}

pub(super) fn random(bytes: &mut [u8; 16]) -> Result<()> {
    let got = rustix::io::retry_on_intr(|| rustix::rand::getrandom(&mut *bytes, GetRandomFlags::empty()))?;
    if got == bytes.len() { Ok(()) } else { Err(Errno::IO) }
}

impl NamedMapping {
    /// The same, of which a forked child has nothing, as of a [`Mapping`](crate::sys::map::Mapping).
    ///
    /// # Errors
    /// What [`Origin::guarded`] says, and `madvise`.
    pub(crate) fn kept_from_children(mut self) -> Result<Self> {
        self.origin = Origin::guarded()?;
        // SAFETY: the range is the mapping, to which nothing refers yet; the advice changes only what a future child finds.
        unsafe { rustix::mm::madvise(self.as_ptr().cast(), self.len(), Advice::LinuxDontFork) }?;
        self.inherited = false;
        Ok(self)
    }
}
