//! What the tests ask of the kernel behind the library's back, and what a hostile peer would.

#![allow(unsafe_code)]

use crate::sync::{AtomicU32, AtomicU64};
use crate::sys::Result;
use crate::sys::map::Mapping;
use libc::{c_long, sock_filter, sock_fprog};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// A word of a mapping, which must be a read-write one where the test writes it.
pub(crate) fn word64(mapping: &Mapping, place: usize) -> &AtomicU64 {
    assert!(place < mapping.len() / 8);
    // SAFETY: the place lies in the mapping, which the reference borrows, and every use is atomic.
    unsafe { &*mapping.as_ptr().cast::<AtomicU64>().add(place) }
}

/// The first word of a mapping.
pub(crate) fn word32(mapping: &Mapping) -> &AtomicU32 {
    // SAFETY: as above.
    unsafe { &*mapping.as_ptr().cast() }
}

/// The child's side of a fork returns 0, the parent's the pid.
pub(super) fn fork() -> i32 {
    // SAFETY: the only caller runs a test's body in the child and ends it without returning into the harness.
    unsafe { libc::fork() }
}

/// Ends the process at once, without exit handlers.
pub(crate) fn quit(code: i32) -> ! {
    // SAFETY: nothing of the process is used afterwards.
    unsafe { libc::_exit(code) }
}

/// Gives this process its own view of the file system, in which `/dev/shm` has `bytes` bytes. Only for root.
#[cfg(feature = "portable")]
pub(crate) fn small_names(bytes: u64) -> std::io::Result<()> {
    let size = std::ffi::CString::new(format!("size={bytes}"))?;
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: only this process's view changes; the strings end with 0, and the kernel copies them.
    let done = unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(std::ptr::null(), c"/".as_ptr(), std::ptr::null(), flags, std::ptr::null()) == 0
            && libc::mount(
                c"tmpfs".as_ptr(),
                c"/dev/shm".as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                size.as_ptr().cast(),
            ) == 0
    };
    if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Waits for the signal that ends the process.
pub(crate) fn pause() -> ! {
    loop {
        // SAFETY: waits for a signal.
        unsafe { libc::pause() };
    }
}

/// A write to a closed socket ends this process, as it does where no runtime says otherwise.
pub(crate) fn restore_sigpipe() {
    // SAFETY: the default action runs no code of ours.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Whether there is nothing at these addresses.
pub(crate) fn is_empty(address: *mut u8, len: usize) -> bool {
    // SAFETY: an asynchronous sync changes nothing; the kernel checks the range.
    let synced = unsafe { libc::msync(address.cast(), len, libc::MS_ASYNC) };
    synced == -1 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOMEM)
}

/// Maps something else at addresses where nothing is.
pub(crate) fn occupy(address: *mut u8, len: usize) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: `MAP_FIXED_NOREPLACE` replaces nothing.
    unsafe { libc::mmap(address.cast(), len, libc::PROT_READ, flags, -1, 0) == address.cast() }
}

/// `MEMBARRIER_CMD_GET_REGISTRATIONS`; negative before Linux 6.3.
pub(crate) fn membarrier_registrations() -> c_long {
    // SAFETY: a query.
    unsafe { libc::syscall(libc::SYS_membarrier, 1 << 9, 0, 0) }
}

/// Filters the system calls of this thread and its children.
pub(super) fn filter(program: &[sock_filter]) {
    let program = sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: the program is `len` instructions that the kernel copies; both calls change only what this thread
    // may do.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}

/// Sends `count` duplicates of `fd` in one packet of a byte, as a peer that keeps no limit would.
pub(crate) fn send_many(socket: &OwnedFd, fd: BorrowedFd<'_>, count: usize) {
    let fds: Vec<RawFd> = vec![fd.as_raw_fd(); count];
    let bytes = size_of_val(&fds[..]) as u32;
    let mut control = [0u64; 256];
    let mut byte = 1u8;
    // SAFETY: every pointer in the header is to a live local of the length beside it, and the control message is
    // written within the buffer, which has room for 500 descriptors.
    unsafe {
        let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = libc::CMSG_SPACE(bytes) as _;
        let message = libc::CMSG_FIRSTHDR(&raw const header);
        (*message).cmsg_level = libc::SOL_SOCKET;
        (*message).cmsg_type = libc::SCM_RIGHTS;
        (*message).cmsg_len = libc::CMSG_LEN(bytes) as _;
        std::ptr::copy_nonoverlapping(fds.as_ptr().cast::<u8>(), libc::CMSG_DATA(message), bytes as usize);
        assert_eq!(libc::sendmsg(socket.as_raw_fd(), &raw const header, 0), 1);
    }
}

/// Frees the pages of a range, as a peer that wishes for a hole in a mapping.
pub(crate) fn remove(address: *mut u8, len: usize) -> Result<()> {
    // SAFETY: the memory that may lose its pages consists of atomics of which the test expects nothing else.
    unsafe { rustix::mm::madvise(address.cast(), len, rustix::mm::Advice::LinuxRemove) }
}

/// Makes a range writable.
pub(crate) fn protect_read_write(address: *mut u8, len: usize) -> Result<()> {
    use rustix::mm::MprotectFlags;
    // SAFETY: more rights to a range break no access to it.
    unsafe { rustix::mm::mprotect(address.cast(), len, MprotectFlags::READ | MprotectFlags::WRITE) }
}

/// Maps what is shared at `address` once more, without a descriptor.
pub(crate) fn map_again(address: *mut u8, len: usize) -> Result<*mut u8> {
    // SAFETY: an old length of 0 leaves the old mapping as it is; the new one replaces nothing.
    let again = unsafe { rustix::mm::mremap(address.cast(), 0, len, rustix::mm::MremapFlags::MAYMOVE) };
    again.map(<*mut _>::cast)
}

/// A writable copy of a file's content.
pub(crate) fn map_private(fd: &OwnedFd, len: usize) -> *mut u8 {
    use rustix::mm::{MapFlags, ProtFlags};
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping replaces nothing.
    unsafe { rustix::mm::mmap(std::ptr::null_mut(), len, access, MapFlags::PRIVATE, fd, 0) }.unwrap().cast()
}

/// Writes every byte of a mapping that [`map_private`] made.
pub(crate) fn fill(address: *mut u8, len: usize, byte: u8) {
    // SAFETY: the mapping has this length, is writable, and nobody else knows it.
    unsafe { address.write_bytes(byte, len) };
}

/// Unmaps what [`map_private`] or [`map_again`] mapped.
pub(crate) fn unmap(address: *mut u8, len: usize) {
    // SAFETY: the test has no reference into it.
    unsafe { rustix::mm::munmap(address.cast(), len) }.unwrap();
}
