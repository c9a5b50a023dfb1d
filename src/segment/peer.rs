//! The segment that the peer writes.

use super::error::SegmentError;
use super::layout::Capacity;
use super::owned::SEGMENT_SEALS;
use super::view::SegmentView;
use crate::sys::Errno;
use crate::sys::map::Mapping;
use crate::sys::memfd::{self, SealFlags};
use std::os::fd::{AsFd, OwnedFd};

/// The segment that the peer alone writes, mapped for reading.
#[derive(Debug)]
pub(crate) struct PeerSegment {
    pub(super) view: SegmentView,
}

impl PeerSegment {
    /// Checks what a peer passed, maps it for reading and closes the descriptor.
    ///
    /// # Errors
    /// What was wrong. Nothing was mapped then, and the descriptor is closed.
    pub(crate) fn open(fd: OwnedFd, capacity: Capacity) -> Result<Self, SegmentError> {
        if cfg!(not(target_pointer_width = "64")) {
            return Err(SegmentError::Target);
        }
        let len = capacity.segment_len();
        check(&fd, SEGMENT_SEALS, SealFlags::empty(), len)?;
        let mapping = Mapping::read_only(&fd, len).map_err(SegmentError::denied)?;
        Ok(Self { view: SegmentView::new(mapping, capacity) })
    }

    /// The peer's part of named memory. It could be written here, and is not.
    #[cfg(feature = "portable")]
    pub(super) fn at(view: SegmentView) -> Self {
        Self { view }
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

/// Whether a peer's descriptor is memory of exactly `len` bytes that has the seals `required` and none of
/// `excluded`. With `SEAL` among the required ones every answer stays true.
pub(super) fn check(
    fd: impl AsFd,
    required: SealFlags,
    excluded: SealFlags,
    len: usize,
) -> Result<(), SegmentError> {
    let fd = fd.as_fd();
    let seals = match memfd::seals(fd) {
        Ok(seals) => seals,
        // An `O_PATH` descriptor, whatever it is of.
        Err(Errno::BADF) => return Err(SegmentError::NotReadWrite),
        Err(errno) => return Err(SegmentError::NotMemfd { errno: errno.raw_os_error() }),
    };
    if !memfd::is_read_write(fd).map_err(SegmentError::call("F_GETFL"))? {
        return Err(SegmentError::NotReadWrite);
    }
    if !seals.contains(required) {
        return Err(SegmentError::Unsealed { missing: (required - seals).into() });
    }
    if seals.intersects(excluded) {
        return Err(SegmentError::Sealed { excess: (seals & excluded).into() });
    }
    let (expected, found) = (len as u64, memfd::len(fd).map_err(SegmentError::call("fstat"))?);
    if expected != found {
        return Err(SegmentError::Size { expected, found });
    }
    Ok(())
}
