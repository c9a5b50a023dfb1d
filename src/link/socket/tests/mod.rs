//! A socket link between two ends of one process, and between a process and its forked child.

mod close;
mod death;
mod fragments;
mod hostile;
mod messages;
mod waiting;

use super::{SocketEnd, SocketRx, SocketTx};
use crate::link::error::RxError;
use crate::sys::pidfd::{self, Pid};
use crate::sys::socket;
use crate::sys::tests::{fork_child, watchdog};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Both halves of an end.
pub(super) type End = (SocketTx, SocketRx);

pub(super) const CAPACITY: u64 = 1 << 20;
pub(super) const MAX_MESSAGE: u64 = 4 << 20;

fn end(control: OwnedFd, data: OwnedFd) -> SocketEnd {
    SocketEnd { control: Arc::new(control), data, peer_data: None, pidfd: None, watched: false }
}

/// Two ends in this process: none holds a pidfd, or the other's socket.
fn ends_with(capacity: u64, max_message: u64) -> (End, End) {
    let (control, data) = (socket::pair().unwrap(), socket::pair().unwrap());
    let open = |control, data| end(control, data).open(capacity, max_message).unwrap();
    (open(control.0, data.0), open(control.1, data.1))
}

fn ends() -> (End, End) {
    ends_with(CAPACITY, MAX_MESSAGE)
}

/// One end, and what a hostile peer holds: its control socket and its data socket.
fn end_and_sockets(max_message: u64) -> (End, OwnedFd, OwnedFd) {
    let (control, data) = (socket::pair().unwrap(), socket::pair().unwrap());
    (end(control.0, data.0).open(CAPACITY, max_message).unwrap(), control.1, data.1)
}

/// This process's end of a link to a child that runs `body`, as a master has it. Only in a process that is alone.
fn end_and_child(body: impl FnOnce(End)) -> (End, Pid) {
    end_of(false, body)
}

/// The same; `watched` as an end of a channel is, or not.
fn end_of(watched: bool, body: impl FnOnce(End)) -> (End, Pid) {
    let (control, data) = (socket::pair().unwrap(), socket::pair().unwrap());
    let theirs = (control.1, data.1);
    let child = fork_child(|| {
        let end = end(theirs.0.try_clone().unwrap(), theirs.1.try_clone().unwrap());
        body(end.open(CAPACITY, MAX_MESSAGE).unwrap());
    });
    let pidfd = Some(pidfd::open(child).unwrap());
    drop(theirs.0);
    let (control, data, peer_data) = (Arc::new(control.0), data.0, Some(theirs.1));
    let end = SocketEnd { control, data, peer_data, pidfd, watched };
    (end.open(CAPACITY, MAX_MESSAGE).unwrap(), child)
}

/// Takes the next message, waiting for it.
fn recv(rx: &mut SocketRx) -> Result<Vec<u8>, RxError> {
    loop {
        match rx.try_recv() {
            Err(RxError::Empty) => assert!(rx.wait(Some(watchdog())), "nothing comes"),
            other => return other,
        }
    }
}

/// A message that tells its number and has this length, or 4 if that is less.
fn numbered(number: u32, len: usize) -> Vec<u8> {
    let mut message: Vec<u8> = (0..len.max(4)).map(|place| (place as u32 ^ number) as u8).collect();
    message[..4].copy_from_slice(&number.to_le_bytes());
    message
}
