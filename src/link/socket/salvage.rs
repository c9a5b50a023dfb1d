//! Salvage: what a dead peer had not received, read from its own end of the socket.

use super::packet::{MAX_PACKET, Packet};
use crate::ring::assembly::Reassembly;
use crate::ring::{Header, Kind};
use crate::sys::{Errno, socket};
use std::os::fd::OwnedFd;

/// The messages that a dead peer had not received, oldest first. They stay in the kernel until they are asked for.
///
/// Only this end could send what is there, or who holds its socket besides: so no more than the form of a packet is looked at, and
/// what has none is passed over.
#[derive(Debug)]
pub(crate) struct SocketUndelivered {
    peer_end: OwnedFd,
    packet: Packet,
    reassembly: Reassembly,
    ended: bool,
}

impl SocketUndelivered {
    /// This end sends nothing more: what is there is finite.
    pub(super) fn new(peer_end: OwnedFd) -> Self {
        let (packet, reassembly) = (Packet::new(MAX_PACKET), Reassembly::default());
        Self { peer_end, packet, reassembly, ended: false }
    }

    /// How many bytes were met that belong to messages of which the rest is missing: the peer had received the
    /// beginning, or the end was never sent.
    pub(crate) fn streamed(&self) -> u64 {
        self.reassembly.lost()
    }

    /// The next record; `None` at the end.
    fn record(&mut self) -> Option<(Kind, Vec<u8>)> {
        while !self.ended {
            if let Some((Header { kind, len, .. }, payload)) = self.packet.front() {
                let payload = payload.to_vec();
                self.packet.pop(len as usize);
                return Some((kind, payload));
            }
            match socket::recv(&self.peer_end, self.packet.room()) {
                // The end, unless it was an empty packet.
                Ok(0) => self.ended = !socket::has_packets(&self.peer_end),
                Ok(len) => drop(self.packet.received(len)),
                // Neither an empty packet nor this one was written by this end: more of its own may lie behind.
                Err(Errno::MSGSIZE) => self.packet.clear(),
                // Told once, if the other end was closed with something unread: what is here is still here.
                Err(Errno::CONNRESET) => {}
                Err(_) => self.ended = true,
            }
        }
        None
    }
}

impl Iterator for SocketUndelivered {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        while let Some((kind, payload)) = self.record() {
            let message = self.reassembly.add(kind, payload);
            if message.is_some() {
                return message;
            }
        }
        self.reassembly.end();
        None
    }
}
