//! The segment that this end writes.

use super::error::SegmentError;
use super::layout::{Capacity, PAGE};
use super::peer::check;
use super::view::SegmentView;
use crate::ring::NoSpace;
use crate::sys::Errno;
use crate::sys::map::Mapping;
use crate::sys::memfd::{self, SealFlags};
use std::os::fd::{AsFd, OwnedFd};

/// What a segment must be sealed against before another process may rely on it: `SHRINK`, or its reader could
/// be killed by `SIGBUS`; `GROW`, so that the size is a fact; `FUTURE_WRITE`, so that nobody but its maker, who
/// mapped it before, ever writes; `SEAL`, so that this was the last word.
pub(super) const SEGMENT_SEALS: SealFlags = FIXED_SIZE.union(SealFlags::FUTURE_WRITE).union(SealFlags::SEAL);

/// What fixes the size of memory.
pub(super) const FIXED_SIZE: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);
/// What closes memory to whoever maps it next.
pub(super) const UNWRITABLE: SealFlags = SealFlags::WRITE.union(SealFlags::FUTURE_WRITE);

/// The segment that this end alone writes, mapped for reading and writing.
#[derive(Debug)]
pub(crate) struct OwnedSegment {
    pub(super) view: SegmentView,
    /// All pages were allocated at birth, because this kernel cannot populate a mapping step by step.
    whole: bool,
}

impl OwnedSegment {
    /// Makes a segment, all zero, and the descriptor for the peer. Drop the descriptor once it is passed.
    ///
    /// # Errors
    /// [`SegmentError::Call`] where memfds are denied, limited or used up; [`SegmentError::Target`].
    pub(crate) fn create(capacity: Capacity) -> Result<(Self, OwnedFd), SegmentError> {
        if cfg!(not(target_pointer_width = "64")) {
            return Err(SegmentError::Target);
        }
        let (mapping, fd) = create_mapped(capacity.segment_len())?;
        Ok((Self::seal(mapping, &fd, capacity)?, fd))
    }

    /// Makes the memory of a segment for a peer that may not: of the right size, neither sealed nor mapped.
    ///
    /// # Errors
    /// [`SegmentError::Call`], as [`OwnedSegment::create`].
    pub(crate) fn lend(capacity: Capacity) -> Result<OwnedFd, SegmentError> {
        memfd::create(capacity.segment_len() as u64).map_err(not_made)
    }

    /// Makes memory that a peer lent this end's own, and as good a segment as one that this end made, but for this: the
    /// lender may have mapped it before, and then it can write here for ever.
    ///
    /// # Errors
    /// What is wrong with the memory; [`SegmentError::Call`] where this process may not map or seal it. Nothing is mapped
    /// then.
    pub(crate) fn borrow(fd: &OwnedFd, capacity: Capacity) -> Result<Self, SegmentError> {
        if cfg!(not(target_pointer_width = "64")) {
            return Err(SegmentError::Target);
        }
        let len = capacity.segment_len();
        // Before the size is asked for: only then is the answer still true when the memory is used.
        memfd::seal(fd, FIXED_SIZE).map_err(|errno| match errno {
            Errno::INVAL => SegmentError::NotMemfd { errno: errno.raw_os_error() },
            errno => SegmentError::call("F_ADD_SEALS")(errno),
        })?;
        check(fd, FIXED_SIZE, UNWRITABLE, len)?;
        let mapping = Mapping::read_write(fd, len).map_err(SegmentError::denied)?;
        Self::seal(mapping, fd, capacity)
    }

    /// Seals what is mapped by now: a mapping made before `FUTURE_WRITE` stays writable, none made later is.
    fn seal(mapping: Mapping, fd: &OwnedFd, capacity: Capacity) -> Result<Self, SegmentError> {
        memfd::seal(fd, SEGMENT_SEALS).map_err(SegmentError::call("F_ADD_SEALS"))?;
        // Only now: from memory that was lent the lender could have taken the page away again, by a hole.
        let whole = populate_or_allocate(&mapping, fd)?;
        Ok(Self { view: SegmentView::new(mapping, capacity), whole })
    }

    /// Memory as a lender keeps it that goes on writing.
    #[cfg(test)]
    pub(crate) fn kept(fd: impl AsFd, capacity: Capacity) -> Self {
        let mapping = Mapping::read_write(fd, capacity.segment_len()).expect("memory that is not sealed");
        Self { view: SegmentView::new(mapping, capacity), whole: true }
    }

    /// A segment of memory that has all of its pages.
    #[cfg(feature = "portable")]
    pub(super) fn at(view: SegmentView) -> Self {
        Self { view, whole: true }
    }

    /// Makes all of it ready to be written, so that the first lap need not.
    ///
    /// # Errors
    /// [`SegmentError::Call`]: the system has no memory for it.
    pub(crate) fn prefault(&mut self) -> Result<(), SegmentError> {
        if !self.whole {
            let place = self.view.place();
            place.populate(0, place.len()).map_err(SegmentError::call("madvise"))?;
            self.whole = true;
        }
        Ok(())
    }

    /// Makes the bytes `from .. to` of the data area ready to be written.
    ///
    /// # Errors
    /// [`NoSpace`]: the system has no memory for them.
    pub(crate) fn populate(&self, from: u64, to: u64) -> Result<(), NoSpace> {
        if self.whole || from >= to {
            return Ok(());
        }
        let (from, to) =
            (from.min(self.capacity().bytes()) as usize, to.min(self.capacity().bytes()) as usize);
        self.view.place().populate(super::layout::DATA + from, to - from).map_err(|_| NoSpace)
    }

    /// The length of the data area.
    pub(crate) fn capacity(&self) -> Capacity {
        self.view.capacity()
    }

    /// Whether this is a forked child's copy, behind which there is no memory.
    pub(crate) fn is_forked(&self) -> bool {
        self.view.place().origin().forked()
    }
}

/// An unsealed memfd and its mapping.
pub(super) fn create_mapped(len: usize) -> Result<(Mapping, OwnedFd), SegmentError> {
    let fd = memfd::create(len as u64).map_err(not_made)?;
    let mapping = Mapping::read_write(&fd, len).map_err(SegmentError::denied)?;
    Ok((mapping, fd))
}

fn not_made(errno: Errno) -> SegmentError {
    let call = if errno == Errno::FBIG { "ftruncate" } else { "memfd_create" };
    SegmentError::call(call)(errno)
}

/// Makes the first page writable without a fault; where the kernel cannot do that to a mapping (before Linux
/// 5.14), allocates all of the memory behind it and says `true`.
pub(super) fn populate_or_allocate(mapping: &Mapping, fd: impl AsFd) -> Result<bool, SegmentError> {
    match mapping.populate(0, PAGE) {
        Ok(()) => Ok(false),
        Err(Errno::INVAL) => {
            memfd::allocate(fd, mapping.len() as u64).map_err(SegmentError::call("fallocate"))?;
            Ok(true)
        }
        Err(errno) => Err(SegmentError::call("madvise")(errno)),
    }
}
