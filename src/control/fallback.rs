//! Why a link runs over a socket and not over shared memory.

use std::fmt;
use std::io;

use super::codes::coded;
use crate::segment::SegmentError;

coded! {
    /// One of the two ends of a handshake.
    End: u8 {
        /// The end that speaks first: the master, or the side that made the link's wait page.
        Offerer = 1 "offering end",
        /// The end that answers: the worker.
        Acceptor = 2 "accepting end",
    }
}

coded! {
    /// What stood in the way of shared memory.
    Obstacle: u16 {
        /// The end was told to use the socket.
        AskedFor = 1 "asked for",
        /// The two ends lay out their shared words differently.
        LayoutDiffers = 2 "layout differs",
        /// There is no memory for a segment.
        NoSpace = 3 "no space",
        /// The segment's memory could not be made.
        MemfdCreate = 4 "memfd_create",
        /// It could not be given its size.
        Ftruncate = 5 "ftruncate",
        /// It could not be sealed.
        Seal = 6 "F_ADD_SEALS",
        /// It could not be mapped.
        Map = 7 "mmap",
        /// Its pages could not be populated.
        Populate = 8 "madvise",
        /// Its pages could not be allocated.
        Allocate = 9 "fallocate",
        /// The mode of the peer's descriptor could not be asked for.
        Mode = 10 "F_GETFL",
        /// The size of the peer's memory could not be asked for.
        Stat = 11 "fstat",
        /// The machine cannot load 64-bit words of read-only memory atomically.
        Target = 12 "32-bit target",
        /// The peer's descriptor is no memory that can be sealed.
        NotMemfd = 13 "not a memfd",
        /// The peer's descriptor is not open as a segment's maker opens it.
        NotReadWrite = 14 "not open for reading and writing",
        /// The peer's memory can still change its size or its writers.
        Unsealed = 15 "seals missing",
        /// The wait page, or a segment that was lent, cannot be written.
        Sealed = 16 "sealed against writing",
        /// The peer's memory has another size than was proposed.
        Size = 17 "wrong size",
        /// `futex` is not allowed, so nobody could sleep on shared memory.
        Futex = 18 "futex",
        /// Descriptors could not be sent.
        SendFds = 19 "sendmsg",
        /// Descriptors could not be received.
        ReceiveFds = 20 "recvmsg",
        /// Something else, which this version has no name for.
        Other = 21 "another obstacle",
        /// The end was built without the portable link.
        NotBuilt = 22 "built without the feature `portable`",
        /// Named memory could not be made or opened.
        ShmOpen = 23 "shm_open",
        /// What has the name is not what the peer made.
        Label = 24 "not the memory of this link",
        /// There is no randomness for a name.
        Random = 25 "getrandom",
    }
}

/// The largest number that Linux uses for an error.
pub(crate) const ERRNO_MAX: u16 = 4095;

/// Why one end cannot, or will not, use shared memory.
///
/// Shown as `memfd_create: EPERM`, `no space`, `layout differs`, `asked for`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cause {
    obstacle: Obstacle,
    errno: u16,
}

impl Cause {
    /// A cause without an error number.
    #[must_use]
    pub const fn new(obstacle: Obstacle) -> Self {
        Self { obstacle, errno: 0 }
    }

    /// A cause with the system's error number. A number that Linux does not use is left out.
    #[must_use]
    pub fn with_errno(obstacle: Obstacle, errno: i32) -> Self {
        let errno = u16::try_from(errno).ok().filter(|errno| *errno <= ERRNO_MAX);
        Self { obstacle, errno: errno.unwrap_or(0) }
    }

    /// A cause with the number that the system gave for `error`, if it gave one.
    #[must_use]
    pub fn from_io(obstacle: Obstacle, error: &io::Error) -> Self {
        Self::with_errno(obstacle, error.raw_os_error().unwrap_or(0))
    }

    /// What stood in the way.
    #[must_use]
    pub const fn obstacle(self) -> Obstacle {
        self.obstacle
    }

    /// Whether a filter forbids this process to make memory, of which it could use what another one made.
    pub(crate) fn is_memfd_denied(self) -> bool {
        self.obstacle == Obstacle::MemfdCreate && matches!(self.errno, EPERM | EACCES | ENOSYS)
    }

    /// The error number as it stands on the wire: 0 for none.
    pub(crate) const fn errno_code(self) -> u16 {
        self.errno
    }

    /// The system's error number, if there was one.
    #[must_use]
    pub fn errno(self) -> Option<i32> {
        (self.errno != 0).then(|| i32::from(self.errno))
    }
}

/// Lack of space has one name, whichever call found it.
impl From<&SegmentError> for Cause {
    fn from(error: &SegmentError) -> Self {
        let named = Obstacle::ALL.iter().copied().find(|obstacle| obstacle.name() == error.what());
        match (error.errno(), named.unwrap_or(Obstacle::Other)) {
            (Some(ENOSPC), _) => Self::with_errno(Obstacle::NoSpace, ENOSPC),
            (errno, obstacle) => Self::with_errno(obstacle, errno.unwrap_or(0)),
        }
    }
}

const ENOSPC: i32 = 28;
const EPERM: u16 = 1;
const EACCES: u16 = 13;
const ENOSYS: u16 = 38;

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.obstacle.name())?;
        match (self.errno, errno_name(self.errno)) {
            (0, _) => Ok(()),
            (_, Some(name)) => write!(f, ": {name}"),
            (errno, None) => write!(f, ": errno {errno}"),
        }
    }
}

/// The names of the errors that the calls of an [`Obstacle`] are known to give.
fn errno_name(errno: u16) -> Option<&'static str> {
    Some(match errno {
        1 => "EPERM",
        2 => "ENOENT",
        4 => "EINTR",
        9 => "EBADF",
        11 => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        14 => "EFAULT",
        22 => "EINVAL",
        23 => "ENFILE",
        24 => "EMFILE",
        27 => "EFBIG",
        28 => "ENOSPC",
        38 => "ENOSYS",
        95 => "EOPNOTSUPP",
        105 => "ENOBUFS",
        109 => "ETOOMANYREFS",
        _ => return None,
    })
}

/// Why a link does not run over sealed shared memory: which end could not use it, and what stood in its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fallback {
    /// The end that the cause belongs to.
    pub at: End,
    /// What stood in its way.
    pub cause: Cause,
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.cause, self.at)
    }
}

/// What a link runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chosen {
    /// Shared memory, anonymous and sealed.
    Shm,
    /// The socket, and why.
    Socket(Fallback),
    /// Named shared memory, and why. Only between ends that were built with the feature `portable`.
    Portable(Fallback),
}

impl Chosen {
    /// Why it is the socket or named memory, if it is.
    #[must_use]
    pub const fn fallback(self) -> Option<Fallback> {
        match self {
            Chosen::Shm => None,
            Chosen::Socket(fallback) | Chosen::Portable(fallback) => Some(fallback),
        }
    }

    /// Whether that is what an end that was told `choice` may get.
    pub(crate) fn suits(self, choice: LinkChoice) -> bool {
        match choice {
            LinkChoice::Auto => true,
            LinkChoice::Shm => self == Chosen::Shm,
            LinkChoice::Socket => matches!(self, Chosen::Socket(_)),
            LinkChoice::Portable => matches!(self, Chosen::Portable(_)),
        }
    }
}

coded! {
    /// Which kind of link an end wants.
    LinkChoice: u8 {
        /// Shared memory if both ends can have it; else, if both were built with the feature `portable` and it is
        /// `memfd_create` that is denied to the offering one, named shared memory; else the socket. Cargo turns a feature on for
        /// a whole program: who does not trust a peer with named memory, and cannot know what it is built with, asks for
        /// one of the others.
        Auto = 0 "auto",
        /// Shared memory, or no link at all.
        Shm = 1 "shared memory",
        /// The socket.
        Socket = 2 "socket",
        /// Named shared memory, for ends that trust each other, or no link at all. Both ends need the feature `portable`,
        /// and the offering one has to ask for it.
        Portable = 3 "portable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memfd::SealFlags;

    #[test]
    fn a_cause_reads_as_the_call_and_the_name_of_its_error() {
        let shown = |obstacle, errno| Cause::with_errno(obstacle, errno).to_string();
        assert_eq!(shown(Obstacle::MemfdCreate, 1), "memfd_create: EPERM");
        assert_eq!(shown(Obstacle::Map, 4000), "mmap: errno 4000");
        assert_eq!(shown(Obstacle::NoSpace, 0), "no space");
        assert_eq!(Cause::new(Obstacle::LayoutDiffers).to_string(), "layout differs");
        assert_eq!(Cause::new(Obstacle::AskedFor).to_string(), "asked for");
        let full = io::Error::from_raw_os_error(28);
        let fallback = Fallback { at: End::Acceptor, cause: Cause::from_io(Obstacle::Ftruncate, &full) };
        assert_eq!(fallback.to_string(), "ftruncate: ENOSPC (accepting end)");
    }

    #[test]
    fn a_segment_that_failed_says_why() {
        let call = |call, errno| SegmentError::Call { call, errno };
        let cases = [
            (call("memfd_create", 1), "memfd_create: EPERM"),
            (call("ftruncate", 27), "ftruncate: EFBIG"),
            (call("F_ADD_SEALS", 1), "F_ADD_SEALS: EPERM"),
            (call("mmap", 12), "mmap: ENOMEM"),
            (call("madvise", 12), "madvise: ENOMEM"),
            (call("madvise", 28), "no space: ENOSPC"),
            (call("fallocate", 28), "no space: ENOSPC"),
            (call("F_GETFL", 9), "F_GETFL: EBADF"),
            (call("fstat", 9), "fstat: EBADF"),
            (call("ioctl", 22), "another obstacle: EINVAL"),
            (SegmentError::Target, "32-bit target"),
            (SegmentError::NotMemfd { errno: 22 }, "not a memfd: EINVAL"),
            (SegmentError::Opened, "not the memory of this link"),
            (SegmentError::NotReadWrite, "not open for reading and writing"),
            (SegmentError::Unsealed { missing: SealFlags::SHRINK.into() }, "seals missing"),
            (SegmentError::Sealed { excess: SealFlags::WRITE.into() }, "sealed against writing"),
            (SegmentError::Size { expected: 8192, found: 4096 }, "wrong size"),
        ];
        for (error, shown) in cases {
            assert_eq!(Cause::from(&error).to_string(), shown);
        }
    }

    #[test]
    fn an_error_number_that_linux_does_not_use_is_left_out() {
        for errno in [0, -1, 4096, 70_000, i32::MIN, i32::MAX] {
            assert_eq!(Cause::with_errno(Obstacle::Map, errno).errno(), None);
        }
        assert_eq!(Cause::with_errno(Obstacle::Map, 4095).errno(), Some(4095));
    }
}
