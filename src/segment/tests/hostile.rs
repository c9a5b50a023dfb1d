//! What a peer may try on the memory that it was given. Each is refused by the kernel, or harms nobody.

use super::{Link, smallest};
use crate::ring::Memory;
use crate::segment::{OwnedSegment, PeerSegment, Side, WaitPage};
use crate::sync::Ordering;
use crate::sys::Errno;
use crate::sys::map::Mapping;
use crate::sys::memfd::{self, SealFlags};
use crate::sys::pidfd::Exit;
use crate::sys::tests::{alone, in_fork, limit, mappings, raw, reopen};
use rustix::fs::{FallocateFlags, OFlags};
use rustix::process::Resource;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

const LEN: usize = 4096 + 4096;

/// A segment with a word in it, and what its peer has.
struct Given {
    own: OwnedSegment,
    fd: OwnedFd,
    peer: PeerSegment,
}

impl Given {
    fn new() -> Self {
        let (own, fd) = OwnedSegment::create(smallest()).unwrap();
        own.view.words()[3].store(0xfeed, Ordering::Relaxed);
        let peer = PeerSegment::open(fd.try_clone().unwrap(), smallest()).unwrap();
        Self { own, fd, peer }
    }

    /// The address of the peer's mapping.
    fn address(&self) -> *mut u8 {
        self.peer.view.place().as_ptr()
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        assert_eq!(memfd::len(&self.fd), Ok(LEN as u64));
        assert_eq!(self.own.view.words()[3].load(Ordering::Relaxed), 0xfeed);
        assert_eq!(self.peer.view.words()[3].load(Ordering::Relaxed), 0xfeed);
    }
}

#[test]
fn truncating_a_segment() {
    let given = Given::new();
    for len in [0, 4096, LEN as u64 - 1, LEN as u64 + 1, 1 << 30] {
        assert_eq!(rustix::fs::ftruncate(&given.fd, len), Err(Errno::PERM));
    }
    assert_eq!(reopen(&given.fd, OFlags::RDWR | OFlags::TRUNC).unwrap_err(), Errno::PERM);
}

#[test]
fn punching_a_hole_into_a_segment() {
    let given = Given::new();
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    for (offset, len) in [(0, 4096), (4096, 4096), (0, LEN as u64)] {
        assert_eq!(rustix::fs::fallocate(&given.fd, punch, offset, len), Err(Errno::PERM));
        for flags in [FallocateFlags::ZERO_RANGE, FallocateFlags::COLLAPSE_RANGE] {
            rustix::fs::fallocate(&given.fd, flags, offset, len).unwrap_err();
        }
    }
    assert_eq!(raw::remove(given.address(), LEN), Err(Errno::ACCESS));
}

#[test]
fn mapping_a_segment_for_writing() {
    let given = Given::new();
    assert_eq!(Mapping::read_write(&given.fd, LEN).unwrap_err(), ("mmap", Errno::PERM));
    let reopened = reopen(&given.fd, OFlags::RDWR).unwrap();
    assert_eq!(Mapping::read_write(&reopened, LEN).unwrap_err(), ("mmap", Errno::PERM));
    assert_eq!(mappings(&given.fd), ["r--s", "rw-s"]);
}

#[test]
fn making_a_mapping_of_a_segment_writable() {
    let given = Given::new();
    assert_eq!(raw::protect_read_write(given.address(), LEN), Err(Errno::ACCESS));
    let again = raw::map_again(given.address(), LEN).unwrap();
    assert_eq!(raw::protect_read_write(again, LEN), Err(Errno::ACCESS));
    raw::unmap(again, LEN);
}

#[test]
fn writing_a_segment_without_mapping_it() {
    let given = Given::new();
    for fd in [given.fd.try_clone().unwrap(), reopen(&given.fd, OFlags::RDWR).unwrap()] {
        assert_eq!(rustix::io::pwrite(&fd, b"x", 4096), Err(Errno::PERM));
        assert_eq!(rustix::io::write(&fd, b"x"), Err(Errno::PERM));
    }
    // The debugger's way in, which writes where the owner of the mapping could make it writable.
    let memory = File::options().write(true).open("/proc/self/mem").unwrap();
    memory.write_at(b"x", given.address() as u64 + 4096 + 24).unwrap_err();
}

#[test]
fn taking_off_or_adding_seals() {
    let given = Given::new();
    let before = memfd::seals(&given.fd).unwrap();
    for seals in [SealFlags::WRITE, SealFlags::SHRINK, SealFlags::empty()] {
        assert_eq!(memfd::seal(&given.fd, seals), Err(Errno::PERM));
    }
    assert_eq!(memfd::seals(&given.fd), Ok(before));
}

#[test]
fn writing_a_private_copy_of_a_segment() {
    let given = Given::new();
    let copy = raw::map_private(&given.fd, LEN);
    raw::fill(copy, LEN, 0xee);
    raw::unmap(copy, LEN);
    assert_eq!(given.own.view.producer().closed.load(Ordering::Relaxed), 0);
}

#[test]
fn storing_through_the_mapping_for_reading_ends_the_peer() {
    alone(|| {
        limit(Resource::Core, 0);
        let given = Given::new();
        let exit = in_fork(|| {
            let fd = given.fd.try_clone().unwrap();
            let peer = PeerSegment::open(fd, smallest()).unwrap();
            assert_eq!(peer.view.words()[3].load(Ordering::Relaxed), 0xfeed);
            peer.view.words()[3].store(1, Ordering::Relaxed);
        });
        assert_eq!(exit, Exit::Signal(libc::SIGSEGV));
    });
}

#[test]
fn truncating_a_wait_page() {
    let (_own, fd) = WaitPage::create().unwrap();
    for len in [0, 1, 4095, 4097, 8192] {
        assert_eq!(rustix::fs::ftruncate(&fd, len), Err(Errno::PERM));
    }
    assert_eq!(reopen(&fd, OFlags::RDWR | OFlags::TRUNC).unwrap_err(), Errno::PERM);
    assert_eq!(memfd::seal(&fd, SealFlags::WRITE), Err(Errno::PERM));
}

#[test]
fn punching_a_hole_into_a_wait_page_reads_as_zero_and_goes_on() {
    let (own, fd) = WaitPage::create().unwrap();
    let peer = WaitPage::open(fd.try_clone().unwrap()).unwrap();
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    for value in 1..4 {
        own.data(Side::A).armed.store(value, Ordering::Relaxed);
        assert_eq!(peer.data(Side::A).armed.load(Ordering::Relaxed), value);
        rustix::fs::fallocate(&fd, punch, 0, 4096).unwrap();
        assert_eq!(own.data(Side::A).armed.load(Ordering::Relaxed), 0);
        peer.space(Side::B).armed.store(value, Ordering::Relaxed);
        assert_eq!(own.space(Side::B).armed.load(Ordering::Relaxed), value);
    }
}

#[test]
fn arming_every_word_with_every_value_wakes_nobody_who_minds() {
    let link = Link::new(smallest());
    let (out, back) = (link.outgoing(Side::A), link.incoming(Side::A));
    for value in [1, 2, 3, 4, 5, 1 << 31, u32::MAX] {
        for side in [Side::A, Side::B] {
            link.wait[1].data(side).armed.store(value, Ordering::Relaxed);
            link.wait[1].space(side).armed.store(value, Ordering::Relaxed);
        }
        out.wake_consumer(value);
        back.wake_producer(value);
    }
}

#[test]
fn giving_our_own_segment_back_is_only_an_echo() {
    let (own, fd) = OwnedSegment::create(smallest()).unwrap();
    let echo = PeerSegment::open(fd, smallest()).unwrap();
    own.view.words()[0].store(9, Ordering::Relaxed);
    assert_eq!(echo.view.words()[0].load(Ordering::Relaxed), 9);
}
