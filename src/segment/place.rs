//! Where a segment or a wait page lies: in a mapping of its own, or in a part of named memory.

#[cfg(feature = "portable")]
use crate::sys::named::NamedMapping;
#[cfg(target_os = "linux")]
use crate::sys::{Result, fork::Origin, map::Mapping};
#[cfg(feature = "portable")]
use std::sync::Arc;

/// Mapped bytes, from the beginning of a page on.
#[derive(Debug)]
pub(super) enum Place {
    #[cfg(target_os = "linux")]
    Own(Mapping),
    /// `len` bytes from `offset` on; on Linux all of them are allocated.
    #[cfg(feature = "portable")]
    Part { whole: Arc<NamedMapping>, offset: usize, len: usize },
}

impl Place {
    /// A part of named memory; `None` unless that has so many bytes.
    #[cfg(feature = "portable")]
    pub(super) fn part(whole: &Arc<NamedMapping>, offset: usize, len: usize) -> Option<Self> {
        let end = offset.checked_add(len)?;
        (end <= whole.len()).then(|| Self::Part { whole: Arc::clone(whole), offset, len })
    }

    /// The first byte. It is valid for [`Self::len`] bytes until drop, in the process of [`Self::origin`]
    /// alone unless it is inherited by children.
    pub(super) fn as_ptr(&self) -> *mut u8 {
        match self {
            #[cfg(target_os = "linux")]
            Self::Own(mapping) => mapping.as_ptr(),
            #[cfg(feature = "portable")]
            Self::Part { whole, offset, .. } => whole.as_ptr().wrapping_add(*offset),
        }
    }

    /// The length in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            #[cfg(target_os = "linux")]
            Self::Own(mapping) => mapping.len(),
            #[cfg(feature = "portable")]
            Self::Part { len, .. } => *len,
        }
    }

    /// The process in which the bytes are.
    #[cfg(target_os = "linux")]
    pub(super) fn origin(&self) -> Origin {
        match self {
            Self::Own(mapping) => mapping.origin(),
            #[cfg(feature = "portable")]
            Self::Part { whole, .. } => whole.origin(),
        }
    }

    /// Makes `len` bytes from `offset` on ready to be written: see [`Mapping::populate`].
    #[cfg(target_os = "linux")]
    pub(super) fn populate(&self, offset: usize, len: usize) -> Result<()> {
        match self {
            Self::Own(mapping) => mapping.populate(offset, len),
            #[cfg(feature = "portable")]
            Self::Part { .. } => Ok(()),
        }
    }
}

#[cfg(target_os = "linux")]
impl From<Mapping> for Place {
    fn from(mapping: Mapping) -> Self {
        Self::Own(mapping)
    }
}
