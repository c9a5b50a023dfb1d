//! Named memory: what it is made of, what is refused, and what is left of it.

use super::smallest;
use crate::ring::Memory;
use crate::segment::named::{Capacities, LIMIT, Named};
use crate::segment::{Capacity, Name, Parts, SegmentError, ShmMemory, Side};
use crate::sync::Ordering;
use crate::sys::Errno;
use crate::sys::named::{NamedMapping, unlink, unlink_by_drop};
use crate::sys::pidfd::Exit;
use crate::sys::tests::{DENIALS, alone, deny, in_fork, limit, open_fds, raw, skip};
use rustix::fs::{Mode, fstat, ftruncate};
use rustix::process::Resource;
use rustix::shm::{self, OFlags};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

const PAGE: u64 = 4096;

fn capacities() -> Capacities {
    [smallest(), Capacity::new(8192).unwrap()]
}

/// The bytes of memory with these capacities: the wait page, and a page more than its data for each end.
const LEN: u64 = PAGE + (PAGE + 4096) + (PAGE + 8192);

fn name() -> Name {
    Name::random().unwrap()
}

/// Memory with a name of its own.
fn create() -> (Parts, Named) {
    Parts::create(name(), capacities()).unwrap()
}

/// Why there is none.
fn create_error() -> SegmentError {
    Parts::create(name(), capacities()).unwrap_err()
}

/// What stands under the name, if anything does.
fn find(name: &str) -> Option<OwnedFd> {
    shm::open(name, OFlags::RDWR, Mode::empty()).ok()
}

/// The same where descriptors or mappings may not be had.
fn exists(name: Name) -> bool {
    std::fs::exists(format!("/dev/shm{name}")).unwrap()
}

fn call(call: &'static str, errno: Errno) -> SegmentError {
    SegmentError::Call { call, errno: errno.raw_os_error() }
}

/// A name with memory of this length behind it.
fn foreign(name: Name, len: u64) -> OwnedFd {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
    let fd = shm::open(name.to_string(), flags, Mode::RUSR | Mode::WUSR).unwrap();
    ftruncate(&fd, len).unwrap();
    fd
}

#[test]
fn it_is_this_users_alone_allocated_and_there_once() {
    let (parts, name) = create();
    let shown = name.name().to_string();
    let stat = fstat(find(&shown).unwrap()).unwrap();
    assert_eq!(stat.st_mode & 0o777, 0o600);
    assert_eq!(stat.st_size as u64, LEN);
    assert_eq!(stat.st_blocks as u64 * 512, LEN, "all of it is allocated");
    assert_eq!(NamedMapping::create(&shown, 4096).unwrap_err(), Errno::EXIST);
    assert!(find(&shown).is_some(), "what another one made stays");
    assert_ne!(create().1.name(), name.name());
    assert_eq!(parts.own.capacity(), capacities()[1], "the accepting end makes it");
}

#[test]
fn a_name_is_gone_as_soon_as_both_ends_are_attached() {
    let (a, name) = create();
    let b = Parts::open(name.name(), capacities(), LIMIT).unwrap();
    assert!(find(&name.name().to_string()).is_none(), "before the end that made it does anything");
    drop(name);
    assert_eq!((b.own.capacity(), b.peer.capacity()), (a.peer.capacity(), a.own.capacity()));
}

#[test]
fn of_several_who_open_it_at_once_one_has_it() {
    for _ in 0..50 {
        let (_parts, name) = create();
        let name = name.name();
        let opened = std::thread::scope(|scope| {
            let tries: Vec<_> =
                (0..4).map(|_| scope.spawn(|| Parts::open(name, capacities(), Duration::ZERO))).collect();
            let results = tries.into_iter().map(|tried| tried.join().unwrap());
            let refused = |error| [SegmentError::Opened, call("shm_open", Errno::NOENT)].contains(&error);
            results.filter(|result| !result.as_ref().is_err_and(|error| refused(*error))).count()
        });
        assert_eq!(opened, 1);
    }
}

#[test]
fn what_was_opened_before_is_refused_though_it_still_has_its_name() {
    // As one leaves it who opened it and was killed before it took the name back.
    let error = refused(|fd| write(fd, 5, 1));
    assert_eq!(error, SegmentError::Opened);
    assert!(error.to_string().contains("opened before"), "{error}");
}

#[test]
fn a_name_is_gone_if_nobody_attaches() {
    let (_parts, name) = create();
    let shown = name.name().to_string();
    drop(name);
    assert!(find(&shown).is_none());
}

#[test]
fn a_forked_childs_drop_takes_no_name_and_no_memory() {
    alone(|| {
        let mut made = Some(create());
        let name = made.as_ref().unwrap().1.name();
        assert_eq!(in_fork(|| drop(made.take())), Exit::Code(0));
        assert!(find(&name.to_string()).is_some(), "the parent's name");
        let b = Parts::open(name, capacities(), LIMIT).unwrap();
        let (a, _name) = made.unwrap();
        let word = |parts: &Parts, side| parts.page.data(side) as *const _;
        let (ours, theirs) = (word(&a, Side::A), word(&b, Side::A));
        assert_ne!(ours, theirs);
        a.page.data(Side::A).armed.store(7, Ordering::Relaxed);
        assert_eq!(b.page.data(Side::A).armed.load(Ordering::Relaxed), 7);
    });
}

/// What `open` says of memory that `spoil` has changed.
fn refused(spoil: impl FnOnce(&OwnedFd)) -> SegmentError {
    let (parts, name) = create();
    spoil(&find(&name.name().to_string()).unwrap());
    let before = open_fds();
    let error = Parts::open(name.name(), capacities(), LIMIT).unwrap_err();
    assert_eq!(open_fds(), before);
    drop(parts);
    error
}

/// Where the label lies.
const LABEL: u64 = 512;

fn write(fd: &OwnedFd, place: u64, word: u64) {
    assert_eq!(rustix::io::pwrite(fd, &word.to_ne_bytes(), LABEL + 8 * place).unwrap(), 8);
}

#[test]
fn named_memory_that_is_not_as_it_should_be_is_refused() {
    alone(|| {
        let wrong = ["magic number", "version", "layout", "capacity", "capacity"];
        for (place, wrong) in (0..).zip(wrong) {
            for word in [1 << 40, u64::MAX] {
                match refused(|fd| write(fd, place, word)) {
                    SegmentError::Label { field, found, .. } => assert_eq!((field, found), (wrong, word)),
                    other => panic!("{other}"),
                }
            }
        }
        for found in [1, PAGE, LEN - 1, LEN + 1, LEN * 2] {
            let error = refused(|fd| ftruncate(fd, found).unwrap());
            assert_eq!(error, SegmentError::Size { expected: LEN, found });
        }
        let (_, name) = create();
        let other = Parts::open(name.name(), [smallest(), smallest()], LIMIT).unwrap_err();
        assert!(matches!(other, SegmentError::Size { found: LEN, .. }), "{other}");
    });
}

#[test]
fn named_memory_that_never_comes_is_refused_after_a_while() {
    alone(|| {
        assert_eq!(
            Parts::open(Name::from_bytes([3; 16]), capacities(), LIMIT).unwrap_err(),
            call("shm_open", Errno::NOENT)
        );
        assert_eq!(refused(|fd| ftruncate(fd, 0).unwrap()), call("shm_open", Errno::INVAL));
        let unlabelled = refused(|fd| write(fd, 2, 0));
        assert!(matches!(unlabelled, SegmentError::Label { field: "layout", found: 0, .. }), "{unlabelled}");
    });
}

/// The end that opens comes first, again and again; the other one makes the memory step by step.
#[test]
fn named_memory_that_is_still_being_made_is_waited_for() {
    let (pattern, made) = create();
    let words: Vec<u64> = (0..5)
        .map(|place| {
            let mut word = [0; 8];
            let fd = find(&made.name().to_string()).unwrap();
            rustix::io::pread(fd, &mut word, LABEL + 8 * place).unwrap();
            u64::from_ne_bytes(word)
        })
        .collect();
    drop((pattern, made));
    let name = name();
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| Parts::open(name, capacities(), Duration::from_secs(20)));
        let step = || std::thread::yield_now();
        (0..1000).for_each(|_| step());
        let fd = foreign(name, 0);
        (0..1000).for_each(|_| step());
        ftruncate(&fd, LEN).unwrap();
        for (place, word) in (0..).zip(words) {
            (0..100).for_each(|_| step());
            write(&fd, place, word);
        }
        opening.join().unwrap().unwrap();
    });
    assert!(find(&name.to_string()).is_none());
}

#[test]
fn a_name_of_another_user_is_refused() {
    alone(|| {
        if !rustix::process::geteuid().is_root() {
            return skip("only root can become another user");
        }
        let (_parts, name) = create();
        let other = in_fork(|| {
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65_534)).unwrap();
            let error = Parts::open(name.name(), capacities(), LIMIT).unwrap_err();
            assert_eq!(error, call("shm_open", Errno::ACCESS));
        });
        assert_eq!(other, Exit::Code(0));
        assert!(find(&name.name().to_string()).is_some(), "the other user took nothing away");
    });
}

#[test]
fn what_the_system_denies_is_an_error_and_leaves_nothing() {
    alone(|| {
        let before = open_fds();
        for errno in DENIALS {
            for number in [libc::SYS_ftruncate, libc::SYS_mmap, libc::SYS_madvise, libc::SYS_fallocate] {
                let exit = in_fork(|| {
                    drop(vec![0u8; 1 << 20]);
                    let name = name();
                    deny(number, errno);
                    let error = Parts::create(name, capacities()).unwrap_err();
                    assert_eq!(error, call("shm_open", errno));
                    assert!(!exists(name));
                });
                assert_eq!(exit, Exit::Code(0), "{number} {errno:?}");
            }
            let exit = in_fork(|| {
                deny(libc::SYS_getrandom, errno);
                assert_eq!(Named::new().unwrap_err(), call("getrandom", errno));
            });
            assert_eq!(exit, Exit::Code(0), "{errno:?}");
        }
        assert_eq!(
            in_fork(|| {
                let name = name();
                limit(Resource::Fsize, LEN - 1);
                let error = Parts::create(name, capacities()).unwrap_err();
                assert_eq!((error, exists(name)), (call("shm_open", Errno::FBIG), false));
                let spare = std::io::stderr().as_fd().try_clone_to_owned().unwrap();
                limit(Resource::Fsize, LEN);
                limit(Resource::Nofile, spare.as_raw_fd() as u64 + 1);
                assert_eq!(create_error(), call("shm_open", Errno::MFILE));
            }),
            Exit::Code(0)
        );
        assert_eq!(open_fds(), before);
    });
}

#[test]
fn a_full_file_system_is_an_error_and_leaves_no_name() {
    alone(|| {
        // One page less than is needed, and twice as much.
        if let Err(error) = raw::small_names(LEN - PAGE) {
            return skip(&format!("no file system of its own: {error}"));
        }
        let before = open_fds();
        for _ in 0..20 {
            let error = create_error();
            assert_eq!(error, call("shm_open", Errno::NOSPC));
            assert!(error.to_string().contains("No space left on device"), "{error}");
        }
        assert_eq!(open_fds(), before);
        assert_eq!(std::fs::read_dir("/dev/shm").unwrap().count(), 0);
        raw::small_names(LEN).unwrap();
        let (parts, _name) = create();
        let words = parts.own.capacity().bytes() / 8;
        assert_eq!(create_error(), call("shm_open", Errno::NOSPC));
        // What was made was allocated: it can be written to the last word, though nothing is left.
        let memory = ShmMemory::outgoing(parts.own, parts.peer, parts.page, Side::B);
        assert_eq!(memory.words().len() as u64, words);
        memory.words().iter().for_each(|word| word.store(1, Ordering::Relaxed));
    });
}

#[test]
fn a_name_that_is_taken_back_twice_is_no_error() {
    let (_parts, name) = create();
    unlink(&name.name().to_string());
    drop(name);
}

/// As the name is taken back where there is no other way than shared_memory's own.
#[test]
fn a_name_that_is_taken_back_by_shared_memorys_drop_is_gone_and_the_memory_stays() {
    let (parts, name) = create();
    let shown = name.name().to_string();
    assert!(unlink_by_drop(&shown));
    assert!(find(&shown).is_none());
    parts.page.data(Side::A).armed.store(7, Ordering::Relaxed);
    assert!(!unlink_by_drop(&shown));
    assert_eq!(parts.page.data(Side::A).armed.load(Ordering::Relaxed), 7);
}
