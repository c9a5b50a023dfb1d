//! System calls denied to the calling thread and its children, as a container's filter would.

use super::raw::filter;
use crate::sys::Errno;
use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, c_long, sock_filter};

/// The offsets in `struct seccomp_data` of the call's number and of its arguments' low words.
const NUMBER: u32 = 0;
const ARGUMENTS: u32 = 16;

/// Every call of `number` fails with `errno` from now on. Only in a process of its own.
pub(crate) fn deny(number: c_long, errno: Errno) {
    filter(&[
        statement(BPF_LD | BPF_W | BPF_ABS, NUMBER),
        jump(BPF_JMP | BPF_JEQ | BPF_K, number as u32, 0, 1),
        fail(errno),
        allow(),
    ]);
}

/// As [`deny`], but only calls whose argument has one of the bits of `flag`.
pub(crate) fn deny_flag(number: c_long, argument: u32, flag: u32, errno: Errno) {
    deny_argument(number, argument, (BPF_JSET, flag), errno);
}

/// As [`deny`], but only calls whose argument is `value`.
pub(crate) fn deny_value(number: c_long, argument: u32, value: u32, errno: Errno) {
    deny_argument(number, argument, (BPF_JEQ, value), errno);
}

fn deny_argument(number: c_long, argument: u32, (test, operand): (u32, u32), errno: Errno) {
    filter(&[
        statement(BPF_LD | BPF_W | BPF_ABS, NUMBER),
        jump(BPF_JMP | BPF_JEQ | BPF_K, number as u32, 0, 3),
        statement(BPF_LD | BPF_W | BPF_ABS, ARGUMENTS + 8 * argument),
        jump(BPF_JMP | test | BPF_K, operand, 0, 1),
        fail(errno),
        allow(),
    ]);
}

fn statement(code: u32, k: u32) -> sock_filter {
    jump(code, k, 0, 0)
}

fn jump(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

fn fail(errno: Errno) -> sock_filter {
    statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ERRNO | errno.raw_os_error() as u32)
}

fn allow() -> sock_filter {
    statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW)
}
