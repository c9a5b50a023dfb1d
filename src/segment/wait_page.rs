//! The page of wait words: the one memory that both ends write.

use super::error::SegmentError;
use super::layout::{PAGE, Side, wait_data, wait_space};
use super::owned::{FIXED_SIZE, UNWRITABLE, create_mapped, populate_or_allocate};
use super::peer::check;
use super::place::Place;
use super::view::wait_line;
use crate::ring::lines::WaitLine;
use crate::sys::map::Mapping;
use crate::sys::memfd::{self, SealFlags};
use std::os::fd::OwnedFd;

/// A wait page must keep its size.
const REQUIRED: SealFlags = FIXED_SIZE.union(SealFlags::SEAL);

/// The wait words of a link. The peer may write anything to them at any time: it can wake this end too often,
/// or leave it asleep until the peer's death, and no more.
#[derive(Debug)]
pub(crate) struct WaitPage {
    place: Place,
}

impl WaitPage {
    /// Makes a page, all zero, and the descriptor for the peer. Drop the descriptor once it is passed.
    ///
    /// # Errors
    /// As [`super::OwnedSegment::create`].
    pub(crate) fn create() -> Result<(Self, OwnedFd), SegmentError> {
        let (mapping, fd) = create_mapped(PAGE)?;
        populate_or_allocate(&mapping, &fd)?;
        memfd::seal(&fd, REQUIRED).map_err(SegmentError::call("F_ADD_SEALS"))?;
        Ok((Self::at(mapping), fd))
    }

    /// Checks what a peer passed, maps it and closes the descriptor.
    ///
    /// # Errors
    /// What was wrong. Nothing was mapped then, and the descriptor is closed.
    pub(crate) fn open(fd: OwnedFd) -> Result<Self, SegmentError> {
        // It must not be closed to one of its two writers.
        check(&fd, REQUIRED, UNWRITABLE, PAGE)?;
        let mapping = Mapping::read_write(&fd, PAGE).map_err(SegmentError::denied)?;
        Ok(Self::at(mapping))
    }

    /// The wait words of a page that lies there.
    pub(super) fn at(place: impl Into<Place>) -> Self {
        Self { place: place.into() }
    }

    /// What `side` is woken by when it waits for data.
    pub(crate) fn data(&self, side: Side) -> &WaitLine {
        wait_line(&self.place, wait_data(side))
    }

    /// What `side` is woken by when it waits for space.
    pub(crate) fn space(&self, side: Side) -> &WaitLine {
        wait_line(&self.place, wait_space(side))
    }

    /// Whether this is a forked child's copy, behind which there is no memory.
    pub(crate) fn is_forked(&self) -> bool {
        self.place.origin().forked()
    }
}
