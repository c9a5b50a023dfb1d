//! The calls that only `unsafe` can make.

#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The child's side of a fork returns 0, the parent's the pid.
pub fn fork() -> i32 {
    // SAFETY: the callers end the child without returning into the test harness. The tests that fork run alone in
    // their processes, and no other thread of theirs holds a lock that the child takes.
    unsafe { libc::fork() }
}

/// Ends the process at once, without exit handlers.
pub fn quit(code: i32) -> ! {
    // SAFETY: nothing of the process is used afterwards.
    unsafe { libc::_exit(code) }
}

/// Waits for the signal that ends the process.
pub fn pause() -> ! {
    loop {
        // SAFETY: waits for a signal.
        unsafe { libc::pause() };
    }
}

/// Closes every descriptor but the standard streams, whoever thinks that they own it.
pub fn close_all() {
    // SAFETY: what uses a descriptor of this process from now on finds that it is closed; the caller only waits to
    // be killed.
    unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
}

/// A word that this process and the children it forks share. It is never unmapped.
pub fn shared_word() -> &'static AtomicU64 {
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping replaces nothing.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), 8, access, flags, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    // SAFETY: the mapping is a page of zeros, which is a valid word, aligned, readable, writable and never unmapped;
    // every process that has it uses it as this atomic.
    unsafe { &*page.cast::<AtomicU64>() }
}

/// Takes a descriptor that this process inherited.
pub fn adopt(fd: RawFd) -> OwnedFd {
    // SAFETY: the caller was told the number by whoever started this process, for this very purpose, and takes it
    // once.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// This process does not mind SIGTERM from now on.
pub fn ignore_sigterm() {
    // SAFETY: ignoring a signal runs no code.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
}

/// The kernel does not signal this process any more when its parent ends, as after a change of its user. The first thread is
/// asked to see to that: the setting is that thread's own, and a test runs in another.
pub fn lose_the_death_signal() {
    static LOST: AtomicBool = AtomicBool::new(false);

    extern "C" fn lose(_: libc::c_int) {
        // SAFETY: the call takes no pointer, and may be made in a handler.
        let lost = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0, 0, 0, 0) };
        LOST.store(lost == 0, Ordering::Release);
    }

    let handler: extern "C" fn(libc::c_int) = lose;
    // SAFETY: the handler makes one system call and stores one word. The first thread of a process has the process's number.
    unsafe {
        let pid = libc::getpid();
        assert_ne!(libc::signal(libc::SIGUSR1, handler as libc::sighandler_t), libc::SIG_ERR);
        assert_eq!(libc::syscall(libc::SYS_tgkill, pid, pid, libc::SIGUSR1), 0);
    }
    while !LOST.load(Ordering::Acquire) {
        std::hint::spin_loop();
    }
}

/// The calling thread blocks this signal from now on.
pub fn block(signal: i32) {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initialises the set before the other two use it; only the calling thread's mask changes.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()), 0);
    }
}

/// Every system call of this number fails so from now on, in this thread and its children.
pub fn deny(call: libc::c_long, errno: i32) {
    let word = |code: u32, k: u32, no: u8| libc::sock_filter { code: code as u16, jt: 0, jf: no, k };
    let program = [
        // The first word of what the kernel shows of a call is its number.
        word(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        word(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call as u32, 1),
        word(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno as u32, 0),
        word(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0),
    ];
    filter(&program);
}

/// Filters the system calls of this thread and its children.
pub fn filter(program: &[libc::sock_filter]) {
    install(program, 0);
}

/// Filters the system calls of every thread of this process, and of their children.
pub fn filter_process(program: &[libc::sock_filter]) {
    assert_eq!(
        install(program, libc::SECCOMP_FILTER_FLAG_TSYNC),
        0,
        "the first thread that has another filter"
    );
}

/// As [`filter`]. Whoever has the descriptor is asked ([`answer`]) about the calls for which the program says so.
pub fn filter_and_ask(program: &[libc::sock_filter]) -> OwnedFd {
    adopt(install(program, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER) as RawFd)
}

fn install(program: &[libc::sock_filter], flags: libc::c_ulong) -> libc::c_long {
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the program is `len` instructions that the kernel copies; both calls change only what the filtered
    // threads may do.
    let installed = unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program)
    };
    assert!(installed >= 0, "{}", std::io::Error::last_os_error());
    installed
}

/// Waits for the next call that a filter asks about. It fails with the errno that `decide` gives, or is made.
pub fn answer(listener: &OwnedFd, decide: impl FnOnce() -> Option<i32>) {
    // SAFETY: both structs are numbers, and the kernel asks for the first to be zero.
    let (mut asked, mut answer) =
        unsafe { std::mem::zeroed::<(libc::seccomp_notif, libc::seccomp_notif_resp)>() };
    let fd = listener.as_raw_fd();
    // SAFETY: the kernel writes one struct and reads the other, each of the size that the request names.
    unsafe {
        assert_eq!(libc::ioctl(fd, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked), 0);
        answer.id = asked.id;
        match decide() {
            Some(errno) => answer.error = -errno,
            None => answer.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        }
        assert_eq!(libc::ioctl(fd, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const answer), 0);
    }
}
