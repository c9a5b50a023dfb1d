//! The mapped bytes of a segment or wait page as words: the only casts.

#![allow(unsafe_code)]

use super::layout::{self, Capacity};
use crate::ring::lines::{CursorLine, HeadLine, ProducerLine, WaitLine};
use crate::sync::AtomicU64;
use crate::sys::map::Mapping;

/// A type that may stand for mapped bytes.
///
/// # Safety
/// `Self` is `repr(C)`, consists of atomics, and so is valid whatever the bytes are, and while they change.
unsafe trait Line: Sized {}
// SAFETY: atomic integers in a `repr(C)` struct; the rest of it is padding, which is never read.
unsafe impl Line for ProducerLine {}
// SAFETY: as above.
unsafe impl Line for HeadLine {}
// SAFETY: as above.
unsafe impl Line for CursorLine {}
// SAFETY: as above.
unsafe impl Line for WaitLine {}

fn line<T: Line>(mapping: &Mapping, offset: usize) -> &T {
    assert!(offset + size_of::<T>() <= mapping.len() && offset % align_of::<T>() == 0);
    // SAFETY: the place lies within the mapping, which starts at a page and stays for as long as the reference
    // borrows it; it is aligned, since a page is more than any line needs; and `T` is valid for any bytes.
    unsafe { &*mapping.as_ptr().add(offset).cast::<T>() }
}

/// One segment, of either end. Which words may be stored to is the owner's to know.
#[derive(Debug)]
pub(super) struct SegmentView {
    mapping: Mapping,
    capacity: Capacity,
}

impl SegmentView {
    /// A mapping of `capacity.segment_len()` bytes.
    pub(super) fn new(mapping: Mapping, capacity: Capacity) -> Self {
        assert_eq!(mapping.len(), capacity.segment_len());
        Self { mapping, capacity }
    }

    pub(super) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    pub(super) fn capacity(&self) -> Capacity {
        self.capacity
    }

    pub(super) fn producer(&self) -> &ProducerLine {
        line(&self.mapping, layout::PRODUCER)
    }

    pub(super) fn head(&self) -> &HeadLine {
        line(&self.mapping, layout::HEAD)
    }

    pub(super) fn cursor(&self) -> &CursorLine {
        line(&self.mapping, layout::CURSOR)
    }

    pub(super) fn words(&self) -> &[AtomicU64] {
        // SAFETY: `new` has checked that the data area lies within the mapping; its offset is a multiple of 8;
        // the mapping stays for as long as the slice borrows it; and an atomic word is valid for any bytes.
        unsafe {
            let first = self.mapping.as_ptr().add(layout::DATA).cast::<AtomicU64>();
            std::slice::from_raw_parts(first, self.capacity.words())
        }
    }
}

/// The wait word at `offset` of a wait page.
pub(super) fn wait_line(mapping: &Mapping, offset: usize) -> &WaitLine {
    line(mapping, offset)
}
