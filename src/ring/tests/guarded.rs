//! Memory whose both neighbours are pages that nobody may touch.

#![allow(unsafe_code)]

use crate::ring::Memory;
use crate::ring::lines::{CursorLine, HeadLine, ProducerLine, WaitLine};
use crate::sync::AtomicU64;
use std::ptr::NonNull;
use std::sync::Arc;

const PAGE: usize = 4096;

/// Zeroed pages between two guard pages. Reading or writing a guard page is a SIGSEGV.
#[derive(Debug)]
struct Pages {
    base: NonNull<u8>,
    mapped: usize,
}

// SAFETY: the mapping belongs to this value alone and is freed only when it is dropped.
unsafe impl Send for Pages {}
// SAFETY: as above; through a shared reference it gives away nothing but a pointer.
unsafe impl Sync for Pages {}

impl Pages {
    fn new(len: usize) -> Self {
        let mapped = len.next_multiple_of(PAGE) + 2 * PAGE;
        // SAFETY: an anonymous mapping at an address of the kernel's choice changes no memory that is in use.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                mapped,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(base, libc::MAP_FAILED);
        let base = NonNull::new(base.cast::<u8>()).expect("a mapping is not at 0");
        // SAFETY: the range lies in the mapping made above: all of it but its first and last page.
        let opened = unsafe {
            let inner = base.as_ptr().add(PAGE).cast();
            libc::mprotect(inner, mapped - 2 * PAGE, libc::PROT_READ | libc::PROT_WRITE)
        };
        assert_eq!(opened, 0);
        Self { base, mapped }
    }

    /// The last `len` bytes before the second guard page.
    fn last(&self, len: usize) -> NonNull<u8> {
        assert!(len <= self.mapped - 2 * PAGE);
        // SAFETY: the offset is inside of the mapping.
        unsafe { self.base.add(self.mapped - PAGE - len) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new`, and nothing borrows it any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.mapped) };
    }
}

/// A ring's memory whose data area ends where a guard page begins, and begins where one ends if it is as long as a
/// page or more.
#[derive(Clone, Debug)]
pub struct GuardedMemory(Arc<Guarded>);

#[derive(Debug)]
struct Guarded {
    pages: Pages,
    capacity: usize,
    producer: ProducerLine,
    head: HeadLine,
    cursor: CursorLine,
    armed_data: WaitLine,
    armed_space: WaitLine,
}

impl GuardedMemory {
    pub fn new(capacity: usize) -> Self {
        Self(Arc::new(Guarded {
            pages: Pages::new(capacity),
            capacity,
            producer: ProducerLine::new(),
            head: HeadLine::new(),
            cursor: CursorLine::new(),
            armed_data: WaitLine::new(),
            armed_space: WaitLine::new(),
        }))
    }
}

impl Memory for GuardedMemory {
    fn words(&self) -> &[AtomicU64] {
        let first = self.0.pages.last(self.0.capacity).cast::<AtomicU64>();
        // SAFETY: the pages hold `capacity` zeroed bytes from here, aligned because the capacity is a power of two
        // of at least 64 before a page's border; they live as long as `self`, and all access is atomic.
        unsafe { std::slice::from_raw_parts(first.as_ptr(), self.0.capacity / 8) }
    }
    fn producer(&self) -> &ProducerLine {
        &self.0.producer
    }
    fn head(&self) -> &HeadLine {
        &self.0.head
    }
    fn cursor(&self) -> &CursorLine {
        &self.0.cursor
    }
    fn armed_data(&self) -> &WaitLine {
        &self.0.armed_data
    }
    fn armed_space(&self) -> &WaitLine {
        &self.0.armed_space
    }
}

/// A buffer that ends where a guard page begins.
#[derive(Debug)]
pub struct GuardedBuffer {
    pages: Pages,
    len: usize,
}

impl GuardedBuffer {
    pub fn new(len: usize) -> Self {
        Self { pages: Pages::new(len), len }
    }

    pub fn last(&mut self, len: usize) -> &mut [u8] {
        assert!(len <= self.len);
        // SAFETY: `len` readable and writable bytes that only this value's exclusive borrower can reach.
        unsafe { std::slice::from_raw_parts_mut(self.pages.last(len).as_ptr(), len) }
    }
}
