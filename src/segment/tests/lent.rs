//! Memory that was lent: what a borrower makes of it, and what of a lender's tricks it refuses.

use super::smallest;
use super::space::POPULATE;
use crate::segment::{OwnedSegment, PeerSegment, SegmentError};
use crate::sync::Ordering;
use crate::sys::memfd::{self, SealFlags};
use crate::sys::tests::{
    DENIALS, alone, deny, deny_flag, deny_value, in_fork, mappings, open_fds, raw, reopen,
};
use crate::sys::{Errno, map::Mapping, pidfd::Exit, socket};
use rustix::fs::{FallocateFlags, Mode, OFlags};
use std::os::fd::OwnedFd;

const LEN: u64 = 4096 + 4096;

/// What a borrower says to `fd`. Only in a process of its own.
fn refused(fd: &OwnedFd) -> SegmentError {
    let before = (open_fds(), mappings(fd));
    let error = OwnedSegment::borrow(fd, smallest()).unwrap_err();
    assert_eq!((open_fds(), mappings(fd)), before, "nothing is open or mapped");
    error
}

fn lent() -> OwnedFd {
    OwnedSegment::lend(smallest()).unwrap()
}

#[test]
fn what_was_borrowed_is_a_segment_like_any_other() {
    alone(|| {
        let fd = lent();
        let own = OwnedSegment::borrow(&fd, smallest()).unwrap();
        let peer = PeerSegment::open(fd.try_clone().unwrap(), smallest()).unwrap();
        own.view.words()[3].store(0xfeed, Ordering::Relaxed);
        assert_eq!(peer.view.words()[3].load(Ordering::Relaxed), 0xfeed);
        assert_eq!(mappings(&fd), ["r--s", "rw-s"]);
        assert_eq!(Mapping::read_write(&fd, LEN as usize).unwrap_err(), ("mmap", Errno::PERM));
        assert_eq!(rustix::fs::ftruncate(&fd, 4096), Err(Errno::PERM));
    });
}

#[test]
fn a_borrower_needs_no_call_that_makes_memory() {
    alone(|| {
        let (fd, seen) = (lent(), lent());
        for errno in DENIALS {
            let exit = in_fork(|| {
                deny(libc::SYS_memfd_create, errno);
                OwnedSegment::create(smallest()).unwrap_err();
                let fd = if errno == DENIALS[0] { &fd } else { &seen };
                OwnedSegment::borrow(fd, smallest()).unwrap();
            });
            assert_eq!(exit, Exit::Code(0));
        }
    });
}

#[test]
fn what_was_lent_and_is_not_as_it_should_be_is_refused() {
    alone(|| {
        for found in [0, 4096, LEN - 1, LEN + 1, LEN + 4096, 1 << 40] {
            let fd = memfd::create(found).unwrap();
            assert_eq!(refused(&fd), SegmentError::Size { expected: LEN, found });
        }
        let denied = SegmentError::Call { call: "F_ADD_SEALS", errno: libc::EPERM };
        for seals in [SealFlags::SEAL, SealFlags::SEAL | SealFlags::GROW | SealFlags::SHRINK] {
            let fd = lent();
            memfd::seal(&fd, seals).unwrap();
            assert_eq!(refused(&fd), denied);
        }
        for seal in [SealFlags::WRITE, SealFlags::FUTURE_WRITE] {
            let fd = lent();
            memfd::seal(&fd, seal).unwrap();
            let error = refused(&fd);
            assert!(matches!(error, SegmentError::Sealed { .. }), "{error}");
        }
        assert_eq!(refused(&reopen(lent(), OFlags::RDONLY).unwrap()), denied);
        refused(&reopen(lent(), OFlags::PATH).unwrap());
        let temporary = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::open(std::env::temp_dir(), temporary, Mode::RUSR).unwrap();
        rustix::fs::ftruncate(&file, LEN).unwrap();
        refused(&file);
        let not_memfd = SegmentError::NotMemfd { errno: libc::EINVAL };
        assert_eq!(refused(&socket::pair().unwrap().0), not_memfd);
        let zero = rustix::fs::open("/dev/zero", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).unwrap();
        assert_eq!(refused(&zero), not_memfd);
    });
}

#[test]
fn a_borrower_that_may_not_seal_says_so() {
    alone(|| {
        for errno in DENIALS {
            let exit = in_fork(|| {
                let fd = lent();
                deny_value(libc::SYS_fcntl, 1, libc::F_ADD_SEALS as u32, errno);
                let error = SegmentError::Call { call: "F_ADD_SEALS", errno: errno.raw_os_error() };
                assert_eq!(refused(&fd), error);
            });
            assert_eq!(exit, Exit::Code(0));
        }
    });
}

#[test]
fn a_lender_can_write_what_it_mapped_in_time_and_take_no_page_away() {
    alone(|| {
        let fd = lent();
        let kept = OwnedSegment::kept(&fd, smallest());
        let own = OwnedSegment::borrow(&fd, smallest()).unwrap();
        kept.view.words()[3].store(0xbad, Ordering::Relaxed);
        assert_eq!(own.view.words()[3].load(Ordering::Relaxed), 0xbad);
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        assert_eq!(rustix::fs::fallocate(&fd, punch, 0, LEN), Err(Errno::PERM));
        raw::remove(kept.view.place().as_ptr(), LEN as usize).unwrap_err();
        assert_eq!(rustix::fs::ftruncate(&fd, 0), Err(Errno::PERM));
        assert_eq!(own.view.words()[3].load(Ordering::Relaxed), 0xbad);
    });
}

#[test]
fn where_a_mapping_cannot_be_populated_borrowed_memory_is_allocated_at_once() {
    alone(|| {
        let fd = lent();
        let exit = in_fork(|| {
            deny_flag(libc::SYS_madvise, 2, POPULATE, Errno::INVAL);
            OwnedSegment::borrow(&fd, smallest()).unwrap();
        });
        assert_eq!(exit, Exit::Code(0));
        assert_eq!(rustix::fs::fstat(&fd).unwrap().st_blocks as u64 * 512, LEN);
    });
}
