//! System calls denied to the calling thread and its children, as a container's filter would.

use super::raw;
use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, c_long, sock_filter};

/// Every call of `number` fails with `errno` from now on. Only in a process of its own.
pub fn deny(number: c_long, errno: i32) {
    raw::filter(&[
        // The number is the first word of `struct seccomp_data`.
        instruction(BPF_LD | BPF_W | BPF_ABS, 0, 0, 0),
        instruction(BPF_JMP | BPF_JEQ | BPF_K, number as u32, 0, 1),
        instruction(BPF_RET | BPF_K, libc::SECCOMP_RET_ERRNO | errno as u32, 0, 0),
        instruction(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ]);
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}
