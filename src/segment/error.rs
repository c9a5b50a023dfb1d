//! Why a segment was not made, or a peer's not taken.

use crate::sys::Errno;
#[cfg(target_os = "linux")]
use crate::sys::memfd::SealFlags;
use std::fmt;

/// Why there is no shared memory, or why a peer's was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentError {
    /// A system call failed.
    Call {
        /// Its name.
        call: &'static str,
        /// The kernel's answer.
        errno: i32,
    },
    /// Shared memory is only used where 64-bit words of read-only memory can be loaded atomically.
    Target,
    /// The peer's descriptor is no memory that can be sealed.
    NotMemfd {
        /// The kernel's answer to the question for seals.
        errno: i32,
    },
    /// The peer's descriptor is not open for reading and writing, as a segment's maker opens it.
    NotReadWrite,
    /// The peer's memory can still change its size or its writers.
    #[cfg(target_os = "linux")]
    Unsealed {
        /// The seals that it lacks.
        missing: Seals,
    },
    /// The peer's wait page, or the memory that it lent, cannot be written.
    #[cfg(target_os = "linux")]
    Sealed {
        /// The seals that it must not have.
        excess: Seals,
    },
    /// The peer's named memory is not what this version makes for a link of this kind.
    Label {
        /// Which word of its label is wrong.
        field: &'static str,
        /// What it should be.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// The peer's named memory was opened before, and is for one end alone.
    Opened,
    /// The peer's memory has another size than the handshake said, or than this end was told.
    Size {
        /// The size that belongs to the agreed capacity, in bytes.
        expected: u64,
        /// The size that it has, in bytes.
        found: u64,
    },
}

impl SegmentError {
    pub(super) fn call(call: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Self::Call { call, errno: errno.raw_os_error() }
    }

    pub(super) fn denied((call, errno): (&'static str, Errno)) -> Self {
        Self::call(call)(errno)
    }

    /// What failed or was wrong, in a word or two.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match self {
            Self::Call { call, .. } => call,
            Self::Target => "32-bit target",
            Self::NotMemfd { .. } => "not a memfd",
            Self::NotReadWrite => "not open for reading and writing",
            #[cfg(target_os = "linux")]
            Self::Unsealed { .. } => "seals missing",
            #[cfg(target_os = "linux")]
            Self::Sealed { .. } => "sealed against writing",
            Self::Label { .. } | Self::Opened => "not the memory of this link",
            Self::Size { .. } => "wrong size",
        }
    }

    /// The kernel's answer, where it gave one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match *self {
            Self::Call { errno, .. } | Self::NotMemfd { errno } => Some(errno),
            _ => None,
        }
    }
}

impl fmt::Display for SegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let os = |errno: i32| std::io::Error::from_raw_os_error(errno);
        match *self {
            Self::Call { call, errno } => write!(f, "{call}: {}", os(errno)),
            Self::Target => f.write_str("shared memory needs a 64-bit target"),
            Self::NotMemfd { errno } => {
                write!(f, "the peer's descriptor is not a memfd (asked for its seals: {})", os(errno))
            }
            Self::NotReadWrite => f.write_str(
                "the peer's descriptor is not open for reading and writing: pass the one it was made with",
            ),
            #[cfg(target_os = "linux")]
            Self::Unsealed { missing } => write!(f, "the peer's memory lacks the seals {missing}"),
            #[cfg(target_os = "linux")]
            Self::Sealed { excess } => {
                write!(f, "the peer's memory cannot be written: it has the seals {excess}")
            }
            Self::Label { field, expected, found } => {
                write!(
                    f,
                    "the peer's memory is not what it should be: its {field} is {found:#x}, not {expected:#x}"
                )
            }
            Self::Opened => f.write_str("the peer's memory was opened before, and is for one end alone"),
            Self::Size { expected, found } => {
                write!(f, "the peer's memory has {found} bytes, not the {expected} that were agreed")
            }
        }
    }
}

impl std::error::Error for SegmentError {}

/// A set of seals, by their names.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seals(u32);

#[cfg(target_os = "linux")]
impl From<SealFlags> for Seals {
    fn from(flags: SealFlags) -> Self {
        Self(flags.bits())
    }
}

#[cfg(target_os = "linux")]
impl fmt::Display for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = SealFlags::from_bits_retain(self.0).iter_names().map(|(name, _)| name);
        f.write_str(&names.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(target_os = "linux")]
impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seals({self})")
    }
}
