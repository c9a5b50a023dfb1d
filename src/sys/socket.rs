//! Packets and descriptors between two processes: `AF_UNIX`, `SOCK_SEQPACKET`.
//!
//! A packet arrives whole or not at all, and one receive call takes one. No call here waits for the peer except
//! [`wait_any`], and none raises `SIGPIPE`. But a receive waits for every other one on the same socket (Linux, `iolock`), and one that
//! copies into a page which is not there may take as long as it likes: so nobody may hold a socket that is received from whom its owner
//! need not trust.
//!
//! Descriptors from a peer are the one thing that a *hostile* packet could leave behind, so each has an owner
//! from the moment it exists here, and they are handed out all or not at all.

use super::epoll::{Interest, Ready};
use super::{Errno, Result, deadline};
use rustix::event::{PollFd, PollFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType, sockopt,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

/// The most descriptors in one packet.
pub(crate) const MAX_FDS: usize = 64;

/// The room for their control message.
const FDS_SPACE: usize = rustix::cmsg_space!(ScmRights(MAX_FDS));

const SEND: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// Two connected sockets, close-on-exec.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd)> {
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// Sends one packet; by `sendto`, which filters that deny descriptor passing (`sendmsg`) leave alone.
///
/// # Errors
/// `EAGAIN`: the socket is full. `EPIPE`, `ECONNRESET`: the peer is gone. `EMSGSIZE`: longer than a packet can
/// be. `EINVAL`: empty, which the receiver could not tell from the end.
pub(crate) fn send(fd: impl AsFd, packet: &[u8]) -> Result<()> {
    if packet.is_empty() {
        return Err(Errno::INVAL);
    }
    rustix::net::send(fd, packet, SEND).map(drop)
}

/// Sends the concatenation of `parts` as one packet. Errors as [`send`].
pub(crate) fn send_vectored(fd: impl AsFd, parts: &[IoSlice<'_>]) -> Result<()> {
    send_message(fd, parts, &mut SendAncillaryBuffer::default())
}

/// Sends one packet with descriptors, which stay the caller's: the peer gets duplicates.
///
/// # Errors
/// As [`send`]; `EINVAL` for more than [`MAX_FDS`]; `ETOOMANYREFS`: too many descriptors are under way.
pub(crate) fn send_with_fds(fd: impl AsFd, packet: &[u8], fds: &[BorrowedFd<'_>]) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); FDS_SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fits = fds.is_empty() || control.push(SendAncillaryMessage::ScmRights(fds));
    if fds.len() > MAX_FDS || !fits {
        return Err(Errno::INVAL);
    }
    send_message(fd, &[IoSlice::new(packet)], &mut control)
}

fn send_message(
    fd: impl AsFd,
    parts: &[IoSlice<'_>],
    control: &mut SendAncillaryBuffer<'_, '_, '_>,
) -> Result<()> {
    if parts.iter().all(|part| part.is_empty()) {
        return Err(Errno::INVAL);
    }
    rustix::net::sendmsg(fd, parts, control, SEND).map(drop)
}

/// Receives one packet and returns its length; 0 is the end. Descriptors that came with it are closed unseen.
///
/// # Errors
/// `EAGAIN`: nothing there. `ECONNRESET`: the peer went and left something unread on its side; packets may
/// still follow. `EMSGSIZE`: the packet is longer than `buffer`; it is lost.
pub(crate) fn recv(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    let room = buffer.len();
    // With `MSG_TRUNC` the kernel returns the length that the packet had.
    let (_, len) = rustix::net::recv(fd, buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC)?;
    if len > room { Err(Errno::MSGSIZE) } else { Ok(len) }
}

/// The length of the next packet, which stays where it is, and its beginning in `buffer`. Length and errors as
/// [`recv`], but no packet is too long.
pub(crate) fn peek(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC | RecvFlags::PEEK;
    Ok(rustix::net::recv(fd, buffer, flags)?.1)
}

/// What [`recv_with_fds`] took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// How many bytes of the buffer are the packet's; 0 is the end.
    pub(crate) len: usize,
    /// The packet was longer than the buffer.
    pub(crate) truncated: bool,
    /// More descriptors came than [`MAX_FDS`], or than this process may still open.
    pub(crate) fds_truncated: bool,
    /// Why this process may open no more of them, if that is why they were truncated.
    pub(crate) no_room: Option<Errno>,
}

/// Receives one packet and appends its descriptors, close-on-exec, to `fds`; none of them if the packet or
/// their number was truncated.
///
/// # Errors
/// As [`recv`]; but a packet that is too long is told as `truncated`.
pub(crate) fn recv_with_fds(fd: impl AsFd, buffer: &mut [u8], fds: &mut Vec<OwnedFd>) -> Result<Received> {
    let mut space = [MaybeUninit::uninit(); FDS_SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let message = rustix::net::recvmsg(&fd, &mut [IoSliceMut::new(buffer)], &mut control, flags)?;
    let mut arrived = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            arrived.extend(rights);
        }
    }
    let cut = message.flags.contains(ReturnFlags::CTRUNC);
    let received = Received {
        len: message.bytes,
        truncated: message.flags.contains(ReturnFlags::TRUNC),
        // The buffer is aligned by padding, in which one more may have found room.
        fds_truncated: cut || arrived.len() > MAX_FDS,
        // The kernel does not say why it cut them off. Those that did arrive are still open, so it says so now.
        no_room: if cut { rustix::io::fcntl_dupfd_cloexec(&fd, 0).err() } else { None },
    };
    if !received.truncated && !received.fds_truncated {
        fds.append(&mut arrived);
    }
    Ok(received)
}

/// Whether there is a packet with something in it; `false` also where that cannot be asked.
pub(crate) fn has_packets(fd: impl AsFd) -> bool {
    rustix::io::ioctl_fionread(fd).is_ok_and(|bytes| bytes > 0)
}

/// Whether the peer's end is closed, or shut for sending. A receive that took 0 bytes took an empty packet if not.
///
/// # Errors
/// `EPERM`, `ENOSYS`: denied by a filter.
pub(crate) fn is_hung_up(fd: impl AsFd) -> Result<bool> {
    let [told] = wait_each([(fd.as_fd(), Interest::HangUp)], Some(Instant::now()))?;
    Ok(told.is_some_and(|told| told.hangup))
}

/// Nothing more is sent: the peer receives what is under way, then the end. It holds for the socket, and so for
/// every descriptor of it.
pub(crate) fn shut_sending(fd: impl AsFd) -> Result<()> {
    rustix::net::shutdown(fd, Shutdown::Write)
}

/// Nothing more is taken: what is under way can still be received, then comes the end, and whoever sends is told
/// `EPIPE`. Nobody who waits for space is woken by this.
pub(crate) fn shut_receiving(fd: impl AsFd) -> Result<()> {
    rustix::net::shutdown(fd, Shutdown::Read)
}

/// Asks that packets of `bytes` in all may be under way from this socket, and returns what the kernel grants. It
/// doubles the number to cover its own books, and allows at most twice `net.core.wmem_max`.
pub(crate) fn set_send_buffer(fd: impl AsFd, bytes: u64) -> Result<usize> {
    // More is not to be had anyway, and twice as much would not fit into the kernel's `int`.
    let asked = bytes.min(1 << 30) as usize;
    // A filter may deny it: the socket then has what it was born with.
    let _ = sockopt::set_socket_send_buffer_size(&fd, asked);
    sockopt::socket_send_buffer_size(&fd)
}

/// Replaces the content of `ready` by what is ready, waiting for something until the deadline; a token is the
/// place in `fds`. Empty means that the deadline passed.
pub(crate) fn wait_any(
    fds: &[(BorrowedFd<'_>, Interest)],
    ready: &mut Vec<Ready>,
    until: Option<Instant>,
) -> Result<()> {
    ready.clear();
    let mut polled: Vec<_> =
        fds.iter().map(|(fd, interest)| PollFd::from_borrowed_fd(*fd, flags(*interest))).collect();
    poll(&mut polled, until)?;
    let answers = polled.iter().zip(0..).map(|(fd, place)| (place, fd.revents()));
    ready.extend(
        answers.filter(|(_, events)| !events.is_empty()).map(|(place, events)| answer(place, events)),
    );
    Ok(())
}

/// [`wait_any`] for a number of descriptors that is known: it allocates nothing. `None` is what is not ready.
pub(crate) fn wait_each<const N: usize>(
    fds: [(BorrowedFd<'_>, Interest); N],
    until: Option<Instant>,
) -> Result<[Option<Ready>; N]> {
    let mut polled = fds.map(|(fd, interest)| PollFd::from_borrowed_fd(fd, flags(interest)));
    poll(&mut polled, until)?;
    Ok(std::array::from_fn(|place| {
        let events = polled[place].revents();
        (!events.is_empty()).then(|| answer(place as u64, events))
    }))
}

/// Returns when something is ready, or the deadline has passed.
fn poll(fds: &mut [PollFd<'_>], until: Option<Instant>) -> Result<()> {
    loop {
        let last = deadline::passed(until);
        let left = until.map(deadline::left);
        match rustix::event::poll(fds, left.as_ref()) {
            Ok(0) if last => return Ok(()),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno),
        }
    }
}

/// [`wait_any`] for something to read.
pub(crate) fn wait_readable(
    fds: &[BorrowedFd<'_>],
    ready: &mut Vec<Ready>,
    until: Option<Instant>,
) -> Result<()> {
    let fds: Vec<_> = fds.iter().map(|fd| (*fd, Interest::Readable)).collect();
    wait_any(&fds, ready, until)
}

fn flags(interest: Interest) -> PollFlags {
    match interest {
        Interest::Readable => PollFlags::IN | PollFlags::RDHUP,
        // Not `RDHUP`: a peer that only sends no more may well make space.
        Interest::Writable => PollFlags::OUT,
        Interest::Both => PollFlags::IN | PollFlags::OUT | PollFlags::RDHUP,
        Interest::HangUp => PollFlags::RDHUP,
    }
}

fn answer(token: u64, events: PollFlags) -> Ready {
    let gone = PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR | PollFlags::NVAL;
    Ready {
        token,
        readable: events.contains(PollFlags::IN),
        writable: events.contains(PollFlags::OUT),
        hangup: events.intersects(gone),
    }
}

/// The number that tells this file description's file from every other open one.
pub(crate) fn inode(fd: impl AsFd) -> Result<u64> {
    Ok(rustix::fs::fstat(fd)?.st_ino)
}
