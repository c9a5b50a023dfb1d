//! A shared mapping that exists in one process only.
//!
//! `fork` would give a child the same memory to write, and two writing processes are what the ring's protocol
//! excludes. So a mapping is marked `MADV_DONTFORK`: in a forked child its addresses are empty, or by now
//! somebody else's, and the child's copy of a [`Mapping`] must neither touch nor unmap them. Every mapping
//! therefore knows its [`Origin`].
//!
//! A `fork` by another thread between the two calls of construction leaves the child a mapping that nothing in
//! it refers to.

#![allow(unsafe_code)]

use super::fork::Origin;
use super::{Errno, Result};
use memmap2::{Advice, MmapOptions, MmapRaw};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd};

/// A shared mapping, unmapped on drop in the process that made it.
#[derive(Debug)]
pub(crate) struct Mapping {
    map: ManuallyDrop<MmapRaw>,
    origin: Origin,
}

/// The name of the call that failed, and the kernel's answer.
pub(crate) type Denied = (&'static str, Errno);

impl Mapping {
    /// Maps the first `len` bytes for reading and writing.
    ///
    /// # Errors
    /// The call that failed, `mmap` or `madvise`, and why.
    pub(crate) fn read_write(fd: impl AsFd, len: usize) -> std::result::Result<Self, Denied> {
        Self::finish(MmapOptions::new().len(len).map_raw(fd.as_fd().as_raw_fd()))
    }

    /// Maps the first `len` bytes for reading. Errors as [`Mapping::read_write`].
    pub(crate) fn read_only(fd: impl AsFd, len: usize) -> std::result::Result<Self, Denied> {
        Self::finish(MmapOptions::new().len(len).map_raw_read_only(fd.as_fd().as_raw_fd()))
    }

    fn finish(mapped: std::io::Result<MmapRaw>) -> std::result::Result<Self, Denied> {
        let map = mapped.map_err(|error| ("mmap", errno(&error)))?;
        let origin = Origin::guarded().map_err(|errno| ("madvise", errno))?;
        map.advise(Advice::DontFork).map_err(|error| ("madvise", errno(&error)))?;
        Ok(Self { map: ManuallyDrop::new(map), origin })
    }

    /// The first byte. Read-only mappings must not be written through it. It is valid for [`Self::len`] bytes
    /// until drop, in the process of [`Self::origin`] alone.
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.map.as_mut_ptr()
    }

    /// The length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// The process in which the mapping exists.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// Makes the pages of a read-write mapping that hold `offset .. offset + len` present and writable, so that
    /// writing them cannot fail (a failure at the write itself would be a signal).
    ///
    /// # Errors
    /// `EFAULT`, `ENOMEM`: the system has no memory for them (or this is a forked child, where the mapping is not). `EINVAL`: the kernel is older than Linux 5.14, or
    /// the range is not within the mapping.
    pub(crate) fn populate(&self, offset: usize, len: usize) -> Result<()> {
        if self.origin.forked() {
            return Err(Errno::FAULT);
        }
        if offset.checked_add(len).is_none_or(|end| end > self.len()) {
            return Err(Errno::INVAL);
        }
        rustix::io::retry_on_intr(|| {
            self.map.advise_range(Advice::PopulateWrite, offset, len).map_err(|error| errno(&error))
        })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if !self.origin.forked() {
            // SAFETY: the field is not used again: this is the drop of its owner.
            unsafe { ManuallyDrop::drop(&mut self.map) };
        }
    }
}

/// The mapper speaks `std::io::Error`; all of its failures that can happen here are the kernel's.
fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::INVAL)
}
