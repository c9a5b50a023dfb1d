//! The mapped bytes of a segment or wait page as words: the only casts.

#![allow(unsafe_code)]

use super::layout::{self, Capacity};
use super::place::Place;
use crate::ring::lines::{CursorLine, HeadLine, ProducerLine, WaitLine};
use crate::sync::AtomicU64;

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
// SAFETY: as above.
#[cfg(feature = "portable")]
unsafe impl Line for Label {}

/// What the wait page of named memory says of the whole.
#[cfg(feature = "portable")]
#[repr(C)]
pub(super) struct Label {
    pub(super) words: [AtomicU64; layout::LABEL_WORDS],
    /// 1 once an end has opened it.
    pub(super) opened: AtomicU64,
}

fn line<T: Line>(place: &Place, offset: usize) -> &T {
    assert!(offset + size_of::<T>() <= place.len() && offset % align_of::<T>() == 0);
    // SAFETY: the line lies within the place, which starts at a page and stays for as long as the reference
    // borrows it; it is aligned, since a page is more than any line needs; and `T` is valid for any bytes.
    unsafe { &*place.as_ptr().add(offset).cast::<T>() }
}

/// One segment, of either end. Which words may be stored to is the owner's to know.
#[derive(Debug)]
pub(super) struct SegmentView {
    place: Place,
    capacity: Capacity,
}

impl SegmentView {
    /// A place of `capacity.segment_len()` bytes.
    pub(super) fn new(place: impl Into<Place>, capacity: Capacity) -> Self {
        let place = place.into();
        assert_eq!(place.len(), capacity.segment_len());
        Self { place, capacity }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn capacity(&self) -> Capacity {
        self.capacity
    }

    pub(super) fn producer(&self) -> &ProducerLine {
        line(&self.place, layout::PRODUCER)
    }

    pub(super) fn head(&self) -> &HeadLine {
        line(&self.place, layout::HEAD)
    }

    pub(super) fn cursor(&self) -> &CursorLine {
        line(&self.place, layout::CURSOR)
    }

    pub(super) fn words(&self) -> &[AtomicU64] {
        // SAFETY: `new` has checked that the data area lies within the place; its offset is a multiple of 8;
        // the place stays for as long as the slice borrows it; and an atomic word is valid for any bytes.
        unsafe {
            let first = self.place.as_ptr().add(layout::DATA).cast::<AtomicU64>();
            std::slice::from_raw_parts(first, self.capacity.words())
        }
    }
}

/// The wait word at `offset` of a wait page.
pub(super) fn wait_line(place: &Place, offset: usize) -> &WaitLine {
    line(place, offset)
}

/// See [`Label`].
#[cfg(feature = "portable")]
pub(super) fn label(place: &Place) -> &Label {
    line(place, layout::LABEL)
}
