use super::raw::{is_empty, occupy, pause, word64};
use super::{alone, fork_child, in_fork, limit, mappings};
use crate::sync::Ordering;
use crate::sys::map::Mapping;
use crate::sys::pidfd::Exit;
use crate::sys::{Errno, memfd};
use rustix::process::Resource;

const LEN: usize = 1 << 20;

#[test]
fn what_one_mapping_writes_another_reads() {
    let fd = memfd::create(LEN as u64).unwrap();
    let write = Mapping::read_write(&fd, LEN).unwrap();
    let read = Mapping::read_only(&fd, LEN).unwrap();
    word64(&write, 7).store(0x0123_4567_89ab_cdef, Ordering::Relaxed);
    assert_eq!(word64(&read, 7).load(Ordering::Relaxed), 0x0123_4567_89ab_cdef);
    assert_eq!((write.len(), read.len()), (LEN, LEN));
}

#[test]
fn a_read_only_mapping_is_mapped_read_only() {
    let fd = memfd::create(LEN as u64).unwrap();
    let mapping = Mapping::read_only(&fd, LEN).unwrap();
    assert_eq!(mappings(&fd), ["r--s"]);
    assert_eq!(mapping.populate(0, LEN), Err(Errno::INVAL));
}

#[test]
fn dropping_unmaps() {
    let fd = memfd::create(LEN as u64).unwrap();
    let mapping = Mapping::read_write(&fd, LEN).unwrap();
    assert_eq!(mappings(&fd), ["rw-s"]);
    drop(mapping);
    assert!(mappings(&fd).is_empty());
}

#[test]
fn populate_makes_its_pages_present() {
    let fd = memfd::create(LEN as u64).unwrap();
    let mapping = Mapping::read_write(&fd, LEN).unwrap();
    let present = || rustix::fs::fstat(&fd).unwrap().st_blocks * 512;
    assert_eq!(present(), 0);
    mapping.populate(4096, 65_536).unwrap();
    assert!(present() >= 65_536);
    mapping.populate(4096, LEN - 4096).unwrap();
    assert!(present() >= LEN as i64 - 4096);
}

#[test]
fn populate_refuses_what_is_not_its_own() {
    let fd = memfd::create(LEN as u64).unwrap();
    let mapping = Mapping::read_write(&fd, LEN).unwrap();
    for (offset, len) in [(0, LEN + 1), (LEN, 1), (1, LEN), (usize::MAX, 2)] {
        assert_eq!(mapping.populate(offset, len), Err(Errno::INVAL));
    }
    assert_eq!(rustix::fs::fstat(&fd).unwrap().st_blocks, 0);
}

#[test]
fn a_forked_child_has_no_mapping_and_its_copy_unmaps_nothing() {
    alone(|| {
        let fd = memfd::create(LEN as u64).unwrap();
        let mut owner = Some(Mapping::read_write(&fd, LEN).unwrap());
        let exit = in_fork(|| {
            let mapping = owner.take().unwrap();
            let address = mapping.as_ptr();
            assert!(is_empty(address, LEN));
            assert!(mapping.origin().forked());
            assert_eq!(mapping.populate(0, 4096), Err(Errno::FAULT));
            assert!(occupy(address, LEN));
            drop(mapping);
            assert!(!is_empty(address, LEN));
        });
        assert_eq!(exit, Exit::Code(0));
        let mapping = owner.unwrap();
        word64(&mapping, 0).store(1, Ordering::Relaxed);
        assert_eq!(word64(&mapping, 0).load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_forked_child_can_have_mappings_of_its_own() {
    alone(|| {
        let fd = memfd::create(LEN as u64).unwrap();
        let mapping = Mapping::read_write(&fd, LEN).unwrap();
        let exit = in_fork(|| {
            let own = Mapping::read_write(&fd, LEN).unwrap();
            assert!(!own.origin().forked());
            word64(&own, 1).store(5, Ordering::Relaxed);
            let address = own.as_ptr();
            drop(own);
            assert!(is_empty(address, LEN));
            assert!(mapping.origin().forked());
        });
        assert_eq!(exit, Exit::Code(0));
        assert_eq!(word64(&mapping, 1).load(Ordering::Relaxed), 5);
    });
}

#[test]
fn no_address_space_is_an_error() {
    alone(|| {
        let fd = memfd::create(1 << 40).unwrap();
        limit(Resource::As, 1 << 34);
        assert_eq!(Mapping::read_write(&fd, 1 << 40).unwrap_err(), ("mmap", Errno::NOMEM));
        assert_eq!(Mapping::read_only(&fd, 1 << 40).unwrap_err(), ("mmap", Errno::NOMEM));
        Mapping::read_only(&fd, LEN).unwrap();
    });
}

#[test]
fn a_child_that_is_killed_leaves_the_mapping_as_it_was() {
    alone(|| {
        let fd = memfd::create(LEN as u64).unwrap();
        let mapping = Mapping::read_write(&fd, LEN).unwrap();
        let child = fork_child(|| pause());
        crate::sys::process::signal(child, crate::sys::pidfd::Signal::KILL).unwrap();
        super::wait_for(child);
        assert_eq!(crate::sys::process::reap(child), Ok(Some(Exit::Signal(libc::SIGKILL))));
        word64(&mapping, 0).store(3, Ordering::Relaxed);
        assert_eq!(mappings(&fd), ["rw-s"]);
    });
}
