use super::{DENIALS, alone, deny, deny_flag, in_fork, is_cloexec, limit, open_fds, reopen};
use crate::sys::Errno;
use crate::sys::memfd::{SealFlags, allocate, create, is_read_write, len, seal, seals};
use crate::sys::pidfd::Exit;
use rustix::fs::OFlags;
use rustix::process::Resource;

#[test]
fn a_new_memfd_has_its_size_and_no_page() {
    let fd = create(12_345).unwrap();
    assert_eq!(len(&fd), Ok(12_345));
    assert_eq!(rustix::fs::fstat(&fd).unwrap().st_blocks, 0);
    assert!(is_cloexec(&fd));
    assert!(is_read_write(&fd).unwrap());
    assert!(!seals(&fd).unwrap().contains(SealFlags::SEAL));
}

#[test]
fn seals_fix_size_and_content_and_themselves() {
    let fd = create(8192).unwrap();
    let all = SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE;
    seal(&fd, all).unwrap();
    seal(&fd, SealFlags::SEAL).unwrap();
    assert!(seals(&fd).unwrap().contains(all | SealFlags::SEAL));
    assert_eq!(rustix::fs::ftruncate(&fd, 4096), Err(Errno::PERM));
    assert_eq!(rustix::fs::ftruncate(&fd, 16_384), Err(Errno::PERM));
    assert_eq!(rustix::io::pwrite(&fd, b"x", 0), Err(Errno::PERM));
    assert_eq!(seal(&fd, SealFlags::WRITE), Err(Errno::PERM));
    assert_eq!(len(&fd), Ok(8192));
}

#[test]
fn what_is_no_memfd_says_so() {
    let (read, _write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    assert_eq!(seals(&read), Err(Errno::INVAL));
    let fd = create(4096).unwrap();
    let path = reopen(&fd, OFlags::PATH).unwrap();
    assert_eq!(seals(&path), Err(Errno::BADF));
    assert!(!is_read_write(&path).unwrap());
    assert!(!is_read_write(reopen(&fd, OFlags::RDONLY).unwrap()).unwrap());
}

#[test]
fn allocated_pages_are_there_and_only_those() {
    let fd = create(3 << 20).unwrap();
    allocate(&fd, (2 << 20) + 4096).unwrap();
    assert_eq!(rustix::fs::fstat(&fd).unwrap().st_blocks * 512, (2 << 20) + 4096);
    assert_eq!(len(&fd), Ok(3 << 20));
}

#[test]
fn a_size_beyond_the_file_size_limit_is_an_error_and_not_a_signal() {
    alone(|| {
        limit(Resource::Fsize, 1 << 20);
        let before = open_fds();
        assert_eq!(create((1 << 20) + 1).unwrap_err(), Errno::FBIG);
        assert_eq!(open_fds(), before);
        create(1 << 20).unwrap();
    });
}

#[test]
fn no_descriptor_left_is_an_error() {
    alone(|| {
        limit(Resource::Nofile, 3);
        assert_eq!(create(4096).unwrap_err(), Errno::MFILE);
    });
}

#[test]
fn a_filter_that_denies_memfds_is_reported() {
    alone(|| {
        for errno in DENIALS {
            let exit = in_fork(|| {
                deny(libc::SYS_memfd_create, errno);
                assert_eq!(create(4096).unwrap_err(), errno);
            });
            assert_eq!(exit, Exit::Code(0));
        }
    });
}

#[test]
fn a_kernel_or_filter_without_the_youngest_flag_will_do() {
    alone(|| {
        for errno in [Errno::INVAL, Errno::PERM, Errno::NOSYS] {
            let exit = in_fork(|| {
                deny_flag(libc::SYS_memfd_create, 1, libc::MFD_NOEXEC_SEAL, errno);
                let fd = create(4096).unwrap();
                seal(&fd, SealFlags::SHRINK).unwrap();
                assert!(is_cloexec(&fd));
            });
            assert_eq!(exit, Exit::Code(0));
        }
    });
}
