//! Descriptors of every wrong kind, from a peer: refused before anything is mapped, and closed.

use super::smallest;
use crate::segment::{Capacity, OwnedSegment, PeerSegment, SegmentError, WaitPage};
use crate::sys::memfd::{self, SealFlags};
use crate::sys::pidfd::Exit;
use crate::sys::tests::{alone, deny, in_fork, mappings, open_fds, reopen};
use crate::sys::{Errno, socket};
use rustix::fs::{Mode, OFlags};
use std::os::fd::OwnedFd;

const SEALS: [(SealFlags, &str); 4] = [
    (SealFlags::SEAL, "SEAL"),
    (SealFlags::SHRINK, "SHRINK"),
    (SealFlags::GROW, "GROW"),
    (SealFlags::FUTURE_WRITE, "FUTURE_WRITE"),
];

const LEN: u64 = 4096 + 4096;

fn sealed(len: u64, seals: SealFlags) -> OwnedFd {
    let fd = memfd::create(len).unwrap();
    memfd::seal(&fd, seals).unwrap();
    fd
}

/// What a segment says to `fd`, of which nothing may be mapped at any time. Only in a process of its own.
fn segment_error(fd: OwnedFd) -> SegmentError {
    refused(fd, |fd| PeerSegment::open(fd, smallest()).unwrap_err())
}

/// The same for a wait page.
fn page_error(fd: OwnedFd) -> SegmentError {
    refused(fd, |fd| WaitPage::open(fd).unwrap_err())
}

fn refused(fd: OwnedFd, open: impl Fn(OwnedFd) -> SegmentError) -> SegmentError {
    let (witness, again) = (fd.try_clone().unwrap(), fd.try_clone().unwrap());
    let before = (open_fds(), mappings(&witness));
    let error = open(fd);
    assert_eq!(
        (open_fds() + 1, mappings(&witness)),
        before,
        "the descriptor is closed and nothing is mapped"
    );
    // Nor was anything meanwhile: who tries to is told by another error there.
    let unmapped = in_fork(|| {
        deny(libc::SYS_mmap, Errno::PERM);
        assert_eq!(open(again), error);
    });
    assert_eq!(unmapped, Exit::Code(0), "refused before anything is mapped");
    error
}

fn missing(error: SegmentError) -> String {
    assert!(matches!(error, SegmentError::Unsealed { .. }), "{error}");
    error.to_string().split_once("lacks the seals ").unwrap().1.to_owned()
}

#[test]
fn memory_that_lacks_any_seal() {
    alone(|| {
        assert_eq!(missing(segment_error(memfd::create(LEN).unwrap())), "SEAL, SHRINK, GROW, FUTURE_WRITE");
        assert_eq!(missing(page_error(memfd::create(4096).unwrap())), "SEAL, SHRINK, GROW");
        let all = SEALS.map(|(seal, _)| seal).into_iter().collect::<SealFlags>();
        for (seal, name) in SEALS {
            assert_eq!(missing(segment_error(sealed(LEN, all - seal))), name);
            if seal != SealFlags::FUTURE_WRITE {
                let seals = all - seal - SealFlags::FUTURE_WRITE;
                assert_eq!(missing(page_error(sealed(4096, seals))), name);
            }
        }
        // Sealed against all writing is not what a maker does, who writes.
        assert_eq!(
            missing(segment_error(sealed(LEN, (all - SealFlags::FUTURE_WRITE) | SealFlags::WRITE))),
            "FUTURE_WRITE"
        );
    });
}

#[test]
fn a_wait_page_that_cannot_be_written() {
    alone(|| {
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        for (seal, name) in [(SealFlags::WRITE, "WRITE"), (SealFlags::FUTURE_WRITE, "FUTURE_WRITE")] {
            let error = page_error(sealed(4096, seals | seal));
            assert!(matches!(error, SegmentError::Sealed { .. }), "{error}");
            assert!(error.to_string().ends_with(&format!("the seals {name}")), "{error}");
        }
    });
}

#[test]
fn memory_of_any_other_size() {
    alone(|| {
        let all = SEALS.map(|(seal, _)| seal).into_iter().collect::<SealFlags>();
        for found in [0, 1, 4096, LEN - 4096, LEN - 1, LEN + 1, LEN + 4096, 2 * LEN, 1 << 40] {
            let error = segment_error(sealed(found, all));
            assert_eq!(error, SegmentError::Size { expected: LEN, found });
            let text = error.to_string();
            assert!(text.contains(&format!("{found} bytes")) && text.contains("8192"), "{text}");
        }
        for found in [0, 4095, 4097, 8192] {
            let error = page_error(sealed(found, all - SealFlags::FUTURE_WRITE));
            assert_eq!(error, SegmentError::Size { expected: 4096, found });
        }
        let (own, fd) = OwnedSegment::create(Capacity::new(8192).unwrap()).unwrap();
        drop(own);
        assert_eq!(segment_error(fd), SegmentError::Size { expected: LEN, found: LEN + 4096 });
    });
}

#[test]
fn what_is_no_memory() {
    alone(|| {
        let things: [fn() -> OwnedFd; 5] = [
            || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap().0,
            || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap().1,
            || socket::pair().unwrap().0,
            || open("/dev/zero", OFlags::RDWR),
            || open("/", OFlags::RDONLY | OFlags::DIRECTORY),
        ];
        for thing in things {
            let not_memfd = SegmentError::NotMemfd { errno: libc::EINVAL };
            // A directory may be on a file system that could seal files.
            let error = segment_error(thing());
            assert!(error == not_memfd || error == SegmentError::NotReadWrite, "{error}");
            let error = page_error(thing());
            assert!(error == not_memfd || error == SegmentError::NotReadWrite, "{error}");
        }
    });
}

#[test]
fn a_regular_file() {
    alone(|| {
        let file = || {
            let dir = std::env::temp_dir();
            let fd =
                rustix::fs::open(dir, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR).unwrap();
            rustix::fs::ftruncate(&fd, LEN).unwrap();
            fd
        };
        for error in [segment_error(file()), page_error(file())] {
            // In a tmpfs a file has seals, and they are closed at its birth.
            let expected = matches!(error, SegmentError::NotMemfd { .. } | SegmentError::Unsealed { .. });
            assert!(expected, "{error}");
        }
    });
}

#[test]
fn good_memory_by_a_descriptor_that_is_not_the_makers() {
    alone(|| {
        let (_own, segment) = OwnedSegment::create(smallest()).unwrap();
        let (_wait, page) = WaitPage::create().unwrap();
        for flags in [OFlags::RDONLY, OFlags::PATH, OFlags::PATH | OFlags::RDWR] {
            let reopened = |fd: &OwnedFd| reopen(fd, flags).unwrap();
            assert_eq!(segment_error(reopened(&segment)), SegmentError::NotReadWrite);
            assert_eq!(page_error(reopened(&page)), SegmentError::NotReadWrite);
        }
        assert_eq!(mappings(&segment), ["rw-s"]);
        PeerSegment::open(segment, smallest()).unwrap();
        WaitPage::open(page).unwrap();
    });
}

#[test]
fn the_two_kinds_of_memory_for_one_another() {
    alone(|| {
        let (_own, fd) = OwnedSegment::create(smallest()).unwrap();
        assert!(matches!(page_error(fd), SegmentError::Sealed { .. }));
        let (_wait, fd) = WaitPage::create().unwrap();
        assert_eq!(missing(segment_error(fd)), "FUTURE_WRITE");
    });
}

#[test]
fn good_memory_where_nothing_may_be_mapped() {
    alone(|| {
        let (_own, segment) = OwnedSegment::create(smallest()).unwrap();
        let (_wait, page) = WaitPage::create().unwrap();
        deny(libc::SYS_mmap, Errno::PERM);
        let denied = SegmentError::Call { call: "mmap", errno: libc::EPERM };
        assert_eq!(PeerSegment::open(segment, smallest()).unwrap_err(), denied);
        assert_eq!(WaitPage::open(page).unwrap_err(), denied);
    });
}

fn open(path: &str, flags: OFlags) -> OwnedFd {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()).unwrap()
}
