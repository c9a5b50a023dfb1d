//! Memory, descriptors and system calls that are not to be had.

use super::{Link, smallest};
use crate::ring::{Memory, NoSpace};
use crate::segment::{Capacity, OwnedSegment, PeerSegment, SegmentError, Side, WaitPage};
use crate::sys::Errno;
use crate::sys::pidfd::Exit;
use crate::sys::tests::{DENIALS, alone, deny, deny_flag, in_fork, limit, mappings, open_fds};
use rustix::process::Resource;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// A bit of `MADV_POPULATE_WRITE` that no other advice given here has.
pub(super) const POPULATE: u32 = 0b100;

fn call(call: &'static str, errno: Errno) -> SegmentError {
    SegmentError::Call { call, errno: errno.raw_os_error() }
}

/// What making memory says, of which nothing may be left then. Only in a process of its own.
fn create_error(capacity: Capacity) -> SegmentError {
    let before = open_fds();
    let error = OwnedSegment::create(capacity).unwrap_err();
    assert_eq!(open_fds(), before);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(!maps.contains("memfd:ringway"), "{maps}");
    error
}

fn allocated(fd: &OwnedFd) -> u64 {
    rustix::fs::fstat(fd).unwrap().st_blocks as u64 * 512
}

#[test]
fn no_descriptor_left() {
    alone(|| {
        // The lowest number that was free: all below it are taken.
        let spare = std::io::stderr().as_fd().try_clone_to_owned().unwrap();
        limit(Resource::Nofile, spare.as_raw_fd() as u64 + 1);
        let error = OwnedSegment::create(smallest()).unwrap_err();
        assert_eq!(error, call("memfd_create", Errno::MFILE));
        assert_eq!(WaitPage::create().unwrap_err(), error);
        assert!(error.to_string().starts_with("memfd_create: Too many open files"), "{error}");
        drop(spare);
        OwnedSegment::create(smallest()).unwrap();
    });
}

#[test]
fn a_file_size_limit() {
    alone(|| {
        limit(Resource::Fsize, 8192);
        assert_eq!(create_error(Capacity::new(8192).unwrap()), call("ftruncate", Errno::FBIG));
        OwnedSegment::create(smallest()).unwrap();
        limit(Resource::Fsize, 0);
        assert_eq!(WaitPage::create().unwrap_err(), call("ftruncate", Errno::FBIG));
    });
}

#[test]
fn no_address_space_left() {
    alone(|| {
        let (_own, fd) = OwnedSegment::create(Capacity::MAX).unwrap();
        limit(Resource::As, address_space() + (64 << 20));
        let before = open_fds();
        assert_eq!(OwnedSegment::create(Capacity::MAX).unwrap_err(), call("mmap", Errno::NOMEM));
        assert_eq!(open_fds(), before);
        let copy = fd.try_clone().unwrap();
        assert_eq!(PeerSegment::open(copy, Capacity::MAX).unwrap_err(), call("mmap", Errno::NOMEM));
        assert_eq!(open_fds(), before);
        assert_eq!(mappings(&fd), ["rw-s"]);
        OwnedSegment::create(smallest()).unwrap();
    });
}

fn address_space() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().next().unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

#[test]
fn a_filter_that_denies_each_call() {
    alone(|| {
        let calls = [
            (libc::SYS_memfd_create, "memfd_create"),
            (libc::SYS_ftruncate, "memfd_create"),
            (libc::SYS_mmap, "mmap"),
            (libc::SYS_fcntl, "F_ADD_SEALS"),
        ];
        for errno in DENIALS {
            for (number, name) in calls {
                let exit = in_fork(|| {
                    // An allocation may need to map memory; what is freed first will do.
                    drop(vec![0u8; 1 << 20]);
                    deny(number, errno);
                    assert_eq!(OwnedSegment::create(smallest()).unwrap_err(), call(name, errno));
                    assert_eq!(WaitPage::create().unwrap_err(), call(name, errno));
                });
                assert_eq!(exit, Exit::Code(0), "{name} {errno:?}");
            }
        }
    });
}

#[test]
fn a_kernel_that_cannot_populate_a_mapping_allocates_all_of_it_at_birth() {
    alone(|| {
        deny_flag(libc::SYS_madvise, 2, POPULATE, Errno::INVAL);
        let capacity = Capacity::default();
        let (own, fd) = OwnedSegment::create(capacity).unwrap();
        assert!(allocated(&fd) >= 4096 + capacity.bytes());
        assert_eq!(own.populate(0, capacity.bytes()), Ok(()));
        let (_page, fd) = WaitPage::create().unwrap();
        assert!(allocated(&fd) >= 4096);
        deny(libc::SYS_fallocate, Errno::NOSPC);
        assert_eq!(create_error_beside(capacity), call("fallocate", Errno::NOSPC));
    });
}

/// [`create_error`] where other segments are mapped.
fn create_error_beside(capacity: Capacity) -> SegmentError {
    let before = open_fds();
    let error = OwnedSegment::create(capacity).unwrap_err();
    assert_eq!(open_fds(), before);
    error
}

#[test]
fn no_memory_for_the_first_page() {
    alone(|| {
        for errno in [Errno::NOMEM, Errno::FAULT] {
            deny_flag(libc::SYS_madvise, 2, POPULATE, errno);
            assert_eq!(create_error(smallest()), call("madvise", errno));
            assert_eq!(WaitPage::create().unwrap_err(), call("madvise", errno));
        }
    });
}

#[test]
fn the_data_is_populated_step_by_step() {
    let capacity = Capacity::default();
    let (own, fd) = OwnedSegment::create(capacity).unwrap();
    let after_lines = allocated(&fd);
    own.populate(0, 65_536).unwrap();
    assert!(allocated(&fd) >= 4096 + 65_536);
    assert!(after_lines <= allocated(&fd));
    own.populate(65_536, 65_536).unwrap();
    own.populate(65_536, capacity.bytes()).unwrap();
    assert!(allocated(&fd) >= 4096 + capacity.bytes());
    own.populate(0, u64::MAX).unwrap();
}

#[test]
fn no_memory_for_the_next_step_is_told_and_can_be_tried_again() {
    alone(|| {
        let link = Link::new(Capacity::default());
        let memory = link.outgoing(Side::A);
        memory.populate(65_536).unwrap();
        let exit = in_fork(|| {
            let link = Link::new(Capacity::default());
            let memory = link.outgoing(Side::A);
            memory.populate(65_536).unwrap();
            deny_flag(libc::SYS_madvise, 2, POPULATE, Errno::FAULT);
            assert_eq!(memory.populate(131_072), Err(NoSpace));
            assert_eq!(memory.populate(131_072), Err(NoSpace));
            assert_eq!(memory.populate(65_536), Ok(()), "what is populated is not asked for again");
            assert_eq!(link.incoming(Side::A).populate(131_072), Ok(()), "the other end's to populate");
        });
        assert_eq!(exit, Exit::Code(0));
        memory.populate(131_072).unwrap();
    });
}

#[test]
fn memory_that_is_asked_for_at_once_is_there_or_refused() {
    alone(|| {
        let capacity = Capacity::new(1 << 20).unwrap();
        let (mut own, fd) = OwnedSegment::create(capacity).unwrap();
        assert!(allocated(&fd) < 1 << 16, "{}", allocated(&fd));
        own.prefault().unwrap();
        assert!(allocated(&fd) >= 1 << 20, "{}", allocated(&fd));
        let (mut refused, _fd) = OwnedSegment::create(capacity).unwrap();
        deny_flag(libc::SYS_madvise, 2, POPULATE, Errno::NOMEM);
        assert_eq!(refused.prefault(), Err(call("madvise", Errno::NOMEM)));
    });
}
