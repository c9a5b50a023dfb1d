//! System calls denied to the calling thread and its children, as a container's filter would.

use super::raw;
use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, c_long, sock_filter};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;

/// Every call of `number` fails with `errno` from now on. Only in a process of its own.
pub fn deny(number: c_long, errno: i32) {
    raw::filter(&program(number, libc::SECCOMP_RET_ERRNO | errno as u32));
}

/// The same for every thread of this process.
pub fn deny_process(number: c_long, errno: i32) {
    raw::filter_process(&program(number, libc::SECCOMP_RET_ERRNO | errno as u32));
}

/// A call of `number` by this thread does not return, for as long as the answer is kept.
pub fn hang_in(number: c_long) -> OwnedFd {
    raw::filter_and_ask(&program(number, libc::SECCOMP_RET_USER_NOTIF))
}

/// Of the calls of `number` as many fail with `errno` as `left` says, which counts them down; the others are made. Once
/// in a process.
pub fn deny_while(left: &'static AtomicU64, number: c_long, errno: i32) {
    let (hand, handed) = channel();
    // It was there before the filter, which therefore is not its own.
    std::thread::spawn(move || {
        let listener = handed.recv().unwrap();
        let fails = |left: u64| left.checked_sub(1);
        loop {
            raw::answer(&listener, || {
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fails).ok().map(|_| errno)
            });
        }
    });
    hand.send(raw::filter_and_ask(&program(number, libc::SECCOMP_RET_USER_NOTIF))).unwrap();
}

fn program(number: c_long, verdict: u32) -> [sock_filter; 4] {
    [
        // The number is the first word of `struct seccomp_data`.
        instruction(BPF_LD | BPF_W | BPF_ABS, 0, 0, 0),
        instruction(BPF_JMP | BPF_JEQ | BPF_K, number as u32, 0, 1),
        instruction(BPF_RET | BPF_K, verdict, 0, 0),
        instruction(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ]
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}
