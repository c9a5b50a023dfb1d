//! The Unix seqpacket socket: one message a packet, so one system call a message at both ends.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};

use super::{End, Subject};

/// What is asked for; the system may allow less.
const CAPACITY: usize = 1 << 20;

/// A Unix seqpacket socket. Whoever waits is asleep in `recv` or `send`.
///
/// A packet must fit the send buffer, for which an ordinary user gets some 200 KiB: 1 MiB does not fit.
#[derive(Debug)]
pub struct Seqpacket;

impl Subject for Seqpacket {
    type Half = OwnedFd;
    type End = SeqpacketEnd;

    fn name(&self) -> &'static str {
        "Unix seqpacket"
    }

    fn spins(&self) -> bool {
        false
    }

    fn halves(&self, _size: usize) -> io::Result<(OwnedFd, OwnedFd)> {
        let (one, other) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        set_socket_send_buffer_size(&one, CAPACITY)?;
        set_socket_send_buffer_size(&other, CAPACITY)?;
        Ok((one, other))
    }

    fn connect(&self, half: OwnedFd) -> io::Result<SeqpacketEnd> {
        Ok(SeqpacketEnd(half))
    }
}

/// One end of the socket.
#[derive(Debug)]
pub struct SeqpacketEnd(OwnedFd);

impl End for SeqpacketEnd {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        let sent = send(&self.0, message, SendFlags::NOSIGNAL).expect("a packet is sent whole");
        assert_eq!(sent, message.len(), "a packet is sent whole");
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8]) -> usize {
        let (_, length) = recv(&self.0, buffer, RecvFlags::empty()).expect("a packet");
        assert_ne!(length, 0, "the other process has gone");
        length
    }
}
