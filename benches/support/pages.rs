//! Memory that a process and its children share.
#![allow(unsafe_code, reason = "maps memory and hands out atomics in it")]

use std::io;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// The distance of two words that must not share a cache line: x86-64 prefetches lines in pairs.
pub const LINE: usize = 128;

/// A shared anonymous mapping, populated and zero at birth.
#[derive(Debug)]
pub struct Pages {
    start: NonNull<u8>,
    len: usize,
}

impl Pages {
    /// Maps `len` bytes.
    pub fn new(len: usize) -> io::Result<Arc<Self>> {
        // SAFETY: the kernel chooses the place, so nothing that exists is replaced.
        let start = unsafe {
            mmap_anonymous(
                null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::POPULATE,
            )?
        };
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mapped at address 0"))?;
        Ok(Arc::new(Self { start, len }))
    }

    /// The address of byte `offset`; the `len` bytes from there on lie in the mapping.
    pub fn at(&self, offset: usize, len: usize) -> *mut u8 {
        assert!(offset <= self.len && len <= self.len - offset, "beyond the mapping");
        // SAFETY: the offset was just checked to lie in the mapping.
        unsafe { self.start.as_ptr().add(offset) }
    }

    /// The word of 64 bits at byte `offset`.
    pub fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset % 8 == 0, "not a multiple of 8");
        // SAFETY: in bounds and aligned, checked above; mapped for as long as `self`. Nothing makes a reference to
        // these bytes that is not to an atomic.
        unsafe { AtomicU64::from_ptr(self.at(offset, 8).cast()) }
    }

    /// So many words of 64 bits from byte `offset` on.
    pub fn words(&self, offset: usize, count: usize) -> &[AtomicU64] {
        assert!(offset % 8 == 0, "not a multiple of 8");
        let bytes = count.checked_mul(8).expect("a length");
        let first = self.at(offset, bytes).cast::<AtomicU64>();
        // SAFETY: as for `word`; `at` has checked that all of them are in bounds.
        unsafe { std::slice::from_raw_parts(first, count) }
    }

    /// The word of 32 bits at byte `offset`.
    pub fn half_word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset % 4 == 0, "not a multiple of 4");
        // SAFETY: as for `word`.
        unsafe { AtomicU32::from_ptr(self.at(offset, 4).cast()) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length; every reference into it borrows from `self`, and who keeps an
        // address from `at` keeps the `Arc` too.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok());
    }
}

// SAFETY: the mapping is reached through atomics only, or through addresses whose users answer for themselves.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}
