//! The socket link, for where shared memory cannot be had: the same records, one packet each.
//!
//! A link has two sockets. The *data* socket carries records as `SOCK_SEQPACKET` packets, both ways; the *control*
//! socket, which the handshake went over, carries what must not wait behind data, and its hang-up.
//!
//! | event | over shared memory | here |
//! |---|---|---|
//! | committed | the header is stored | `send` returned: the kernel has the packet, none of it stays here |
//! | hand-out | the cursor moved | `recv` returned: the packet is this process's |
//! | full | the ring has no room | `EAGAIN` |
//! | awaited | a futex | `poll` of data socket, control socket and the peer's pidfd |
//! | closed | a word | a note on the control socket, then `shutdown` of that half |
//! | hung up | the watch thread, once the pidfd kept silent | the control socket, which only the peer holds; likewise |
//! | died | the watch thread | the pidfd |
//! | salvage | from the cursor on | what is left at the peer's end of the data socket, of which the master, or who made the pair, has a duplicate |
//!
//! `shutdown` acts on the socket and not on a descriptor, so the duplicate does not hide it. It does hide the
//! peer's death from the data socket, which is what the pidfd and the control socket are for. Who waits or receives looks at
//! those; for who only sends the watch thread does, the supervisor where there is one, and each send itself where there can be no
//! watch thread. Without the note
//! one could not tell a closed half from a killed process where no duplicate is held; and a sender that waits for
//! space would sleep on, since the kernel does not wake it when the other end shuts its receiving.
//! `ECONNRESET` is said once by a socket whose peer went and left something unread. It is not the end.
//!
//! # What fits
//! The send buffer is asked to be the link's capacity. The kernel doubles the number and charges each packet with
//! the memory that it takes: 768 bytes for the smallest, twice the length around 1 and 4 KiB, 1.07 times the length
//! at 64 KiB. It grants at most twice `net.core.wmem_max`, and says [`Full`](super::error::TxError::Full) only once
//! all is charged, so the last packet may go beyond it. How many packets fit, measured on Linux 6.18, x86-64:
//!
//! | capacity | granted | up to 72 B | 264 B | 1032 B | 4104 B | 16 KiB | 64 KiB |
//! |---|---|---|---|---|---|---|---|
//! | 4 KiB | 8 KiB | 11 | 7 | 4 | 1 | – | – |
//! | 64 KiB | 128 KiB | 171 | 103 | 57 | 16 | 7 | 2 |
//! | 256 KiB and more where `wmem_max` is 208 KiB, as it often is | 416 KiB | 555 | 333 | 185 | 51 | 21 | 7 |
//! | 1 MiB | 2 MiB | 2731 | 1639 | 911 | 249 | 102 | 31 |
//! | 4 MiB and more where `wmem_max` is 4 MiB | 8 MiB | 10923 | 6554 | 3641 | 993 | 405 | 121 |
//!
//! A packet has at most [`MAX_PACKET`] bytes, headers included, and at most 32 less than the granted buffer. This
//! is the limit of `try_send`, of a grant, and of a batch (*batch full*). Longer messages are sent by `send` in
//! fragments: they are *streamed*, and nothing of one is delivered unless all of it came.
//!
//! A sender that waits is woken when three quarters of its buffer are free; grants and batches begin only then,
//! because their commit must not be refused. `send` and `try_send` use all of it.
//!
//! # What is weaker than over shared memory
//! - A batch is handed out as one: when the receiver is killed after it has taken the first message of a batch, the
//!   others are gone with it.
//! - Each message costs two system calls, and a third where the buffer for it is shorter than a packet. Where the peer's end is held
//!   here and no watch thread can be had, a send costs a `poll` more.
//! - Polling would cost as much as sleeping: [`Wait`](crate::wait::spin::Wait) is not looked at.
//! - Who holds a dead peer's socket besides can keep salvage waiting: see below.
//!
//! # What a peer can do
//! Every packet is checked before anything of it is handed out: see [`packet`]. Descriptors that come with one are
//! closed by the kernel, since nobody asks for them. A packet that is empty, too long or wrong makes the link
//! corrupt; a message that never ends costs one visit at most 64 packets and as much memory as arrived, up to
//! `max_message`. Whoever holds a dead peer's end of the socket besides can add nothing once the death is known.
//! It can keep salvage waiting, though: the kernel lets one receive at a time copy from a socket (`iolock`), whatever the call says
//! of waiting, and one that copies into a page which does not come does not end while its process lives. For the same reason a
//! duplicate of a living end's socket is held only by the process that started the peer, or made the pair, and not by the peer; and
//! what can be done to a socket through a duplicate (its buffer made small, say) is done to both. A child that is forked later has all
//! that its parent has, these too, until it drops them or executes a program: who must not trust it starts it by
//! [`spawn`](crate::channel::spawn), or forks it first. tests: `whoever_else_holds_a_dead_peers_socket_adds_nothing`,
//! `whoever_holds_this_ends_socket_adds_nothing_once_it_salvages`

mod grant;
mod packet;
mod rx;
mod salvage;
mod tx;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use grant::{SocketBatch, SocketGrant};
pub(crate) use packet::MAX_PACKET;
pub(crate) use rx::SocketRx;
pub(crate) use salvage::SocketUndelivered;
pub(crate) use tx::SocketTx;
pub(crate) use wire::Wire;

use self::packet::Packet;
use super::peer::Peer;
use crate::sys::{Result, socket};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// The descriptors of one end of a socket link.
#[derive(Debug)]
pub(crate) struct SocketEnd {
    /// The control socket. Only the peer may hold its other end.
    pub(crate) control: Arc<OwnedFd>,
    /// This end of the data socket.
    pub(crate) data: OwnedFd,
    /// The peer's end of it, for salvage.
    pub(crate) peer_data: Option<OwnedFd>,
    /// The peer's process.
    pub(crate) pidfd: Option<OwnedFd>,
    /// Whether the watch thread, or else every send, looks whether the peer is gone: where the peer's end is held here, so that
    /// the data socket does not tell, and nobody else looks.
    pub(crate) watched: bool,
}

impl SocketEnd {
    /// The two halves of the link.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`: no descriptor is left.
    pub(crate) fn open(self, capacity: u64, max_message: u64) -> Result<(SocketTx, SocketRx)> {
        let granted = socket::set_send_buffer(&self.data, capacity)?;
        let max_packet = granted.saturating_sub(KERNEL_RESERVE).clamp(MIN_PACKET, MAX_PACKET);
        let wire = Arc::new(Wire::new(self.data)?);
        let peer = Peer::over_socket(self.control, self.pidfd, Arc::clone(&wire), self.watched);
        let looks = self.watched && !peer.is_watched();
        let packet = Packet::new(max_packet);
        let tx =
            SocketTx::new(Arc::clone(&wire), Arc::clone(&peer), self.peer_data, packet, max_message, looks);
        Ok((tx, SocketRx::new(wire, peer, max_message)))
    }
}

/// What the kernel withholds of a send buffer from the length of a packet.
const KERNEL_RESERVE: usize = 32;

/// Less than the packet that the smallest send buffer of any kernel allows.
const MIN_PACKET: usize = 2048;
