//! The only system calls of Ringway, one file a question.
//!
//! | file | asks the kernel for | refused with | then |
//! |---|---|---|---|
//! | [`memfd`] | anonymous memory with a size that can be fixed for ever | `EPERM`, `ENOSYS` (a seccomp filter), `EMFILE`, `EFBIG` | what a filter denies is borrowed from the offering end, or named (feature `portable`); else the link is a socket |
//! | `named` | memory with a name (feature `portable`), by the crate `shared_memory`; randomness | `ENOENT`, `EACCES` (no such file system), `ENOSPC`, `EMFILE`, `EFBIG` | the link is a socket |
//! | [`map`] | that memory in this process, and pages before they are written | `ENOMEM`; `EINVAL` (before Linux 5.14: no `MADV_POPULATE_WRITE`) | a socket; pages allocated at birth |
//! | [`futex`] | sleep on a word, wake its sleepers | `EPERM`, `ENOSYS` | the link is a socket, or over named memory; no master |
//! | | sleep on two words (`futex_waitv`) | `ENOSYS` (before Linux 5.16), `EPERM` | short naps on one |
//! | [`membarrier`] | a full fence in every process that registered | `EPERM`, `ENOSYS`, `EINVAL` | both ends run a full fence |
//! | [`pidfd`] | a process, its death, its exit status | `EPERM`, `ENOSYS` | own children by pid and a thread each: [`process::told_of_end`], [`process::reap`]; of others a hang-up is all that is told |
//! | [`epoll`] | which of many descriptors is ready | – | an error |
//! | [`eventfd`] | a bell inside this process | `EMFILE` | an error |
//! | [`socket`] | packets and descriptors to and from a peer | `EAGAIN` = full or empty; `EPIPE`, `ECONNRESET` = gone | the caller's to decide |
//! | [`inherit`] | sockets that cross an `exec` | – | none were passed |
//! | [`fork`] | a word that a forked child finds wiped | `EINVAL` (before Linux 4.14), `EPERM`, `ENOSYS` | the pid is compared; the link is a socket |
//! | [`process`] | processors, limits, parent | – | an answer that is always safe |
//!
//! # Rules
//! - `EPERM` and `ENOSYS` are one answer, "not here": filters use either, so no probe tells them apart.
//! - Every descriptor is born close-on-exec, those that arrive from a peer too, and has an owner at once.
//! - Nothing here raises a signal: packets are sent with `MSG_NOSIGNAL`, and a size above `RLIMIT_FSIZE` is
//!   refused before the kernel could answer it with `SIGXFSZ`.
//! - Nothing here handles a signal, and children are only reaped one by one, never "any child".
//! - A call that a signal interrupts is repeated until its deadline, except a sleep on a futex, whose caller
//!   looks at its own condition after every return anyway.
//! - Sockets are used with `MSG_DONTWAIT` call by call: `O_NONBLOCK` belongs to the file description, which a
//!   peer may share.

#![cfg_attr(not(test), allow(dead_code, reason = "some of it is for tests"))]

pub(crate) mod deadline;
pub(crate) mod epoll;
pub(crate) mod eventfd;
pub(crate) mod fork;
pub(crate) mod futex;
pub(crate) mod inherit;
pub(crate) mod map;
pub(crate) mod membarrier;
pub(crate) mod memfd;
#[cfg(feature = "portable")]
pub(crate) mod named;
pub(crate) mod pidfd;
pub(crate) mod process;
pub(crate) mod socket;

pub(crate) use rustix::io::{Errno, Result};

#[cfg(test)]
pub(crate) mod tests;
