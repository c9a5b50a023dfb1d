//! The receiving half of a socket link.

use super::packet::{self, BEGINNING, MAX_PACKET, MAX_PAYLOAD, Packet};
use super::wire::{Half, Wire};
use crate::link::error::{Cause, RxError};
use crate::link::peer::Peer;
use crate::link::rx::Armed;
use crate::ring::assembly::{Assembly, Part};
use crate::ring::{Corrupt, Field, HEADER, Header, Kind};
use crate::sys::epoll::Interest;
use crate::sys::{Errno, socket};
use std::sync::Arc;
use std::time::Instant;

/// How many packets one call takes at most, so that a message that never ends cannot hold it.
const PACKETS_A_CALL: u32 = 64;

/// The receiving half.
#[derive(Debug)]
pub(crate) struct SocketRx {
    wire: Arc<Wire>,
    peer: Arc<Peer>,
    /// The packet that was received last; what was not handed out of it is the rest of a batch.
    packet: Packet,
    assembly: Assembly,
    max_message: u64,
    corrupt: Option<Corrupt>,
    /// Nothing more comes: the end was read.
    ended: bool,
    /// The peer is dead, and nobody else can send on its end any more.
    frozen: bool,
    closed: bool,
}

impl SocketRx {
    pub(super) fn new(wire: Arc<Wire>, peer: Arc<Peer>, max_message: u64) -> Self {
        let (packet, assembly, corrupt) = (Packet::new(MAX_PACKET), Assembly::Idle, None);
        let (ended, frozen, closed) = (false, false, false);
        Self { wire, peer, packet, assembly, max_message, corrupt, ended, frozen, closed }
    }

    /// Takes a message into `buffer` if there is one.
    pub(crate) fn try_recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, RxError> {
        self.take(buffer.len(), |message| {
            buffer[..message.len()].copy_from_slice(message);
            message.len()
        })
    }

    /// Takes a message if there is one.
    pub(crate) fn try_recv(&mut self) -> Result<Vec<u8>, RxError> {
        self.take(usize::MAX, <[u8]>::to_vec)
    }

    /// Takes a message of at most `room` bytes.
    fn take<T>(&mut self, room: usize, copy: impl FnOnce(&[u8]) -> T) -> Result<T, RxError> {
        if self.peer.forked() {
            return Err(RxError::Disconnected(Cause::Forked));
        }
        if let Some(corrupt) = self.corrupt {
            return Err(RxError::Disconnected(Cause::Corrupt(corrupt)));
        }
        let mut taken = 0;
        loop {
            if let Some(whole) = self.assembly.take_whole(room) {
                return whole.map(|bytes| copy(&bytes)).map_err(|needed| RxError::TooSmall { needed });
            }
            if let Some((header, payload)) = self.packet.front() {
                fits(u64::from(header.len), room)?;
                let copied = copy(payload);
                self.packet.pop(header.len as usize);
                return Ok(copied);
            }
            if let Assembly::Part(part) = &self.assembly {
                fits(part.total() as u64, room)?;
            }
            if room < MAX_PAYLOAD {
                self.look_ahead(room)?;
            }
            if taken == PACKETS_A_CALL {
                return Err(RxError::Empty);
            }
            let len = self.receive()?;
            self.sort(len)?;
            taken += 1;
        }
    }

    /// A message that does not fit stays where it is: in the kernel, from where it can be salvaged.
    fn look_ahead(&self, room: usize) -> Result<(), RxError> {
        let mut beginning = [0; BEGINNING];
        match socket::peek(self.wire.data(), &mut beginning) {
            Ok(len) => match packet::message_length(&beginning, len, self.max_message) {
                Some(needed) => fits(needed, room),
                None => Ok(()),
            },
            // The packet is received next, and the same error with it.
            Err(_) => Ok(()),
        }
    }

    /// Receives a packet.
    fn receive(&mut self) -> Result<usize, RxError> {
        self.freeze();
        match self.receive_once() {
            Err(Errno::AGAIN) => {}
            received => return self.received(received),
        }
        self.wire.look(&self.peer, Interest::HangUp);
        let Some(cause) = self.peer.cause() else { return Err(RxError::Empty) };
        self.freeze();
        // What was sent before the peer went is seen now at the latest.
        match self.receive_once() {
            Err(Errno::AGAIN) => Err(RxError::Disconnected(cause)),
            received => self.received(received),
        }
    }

    /// Whoever else holds a dead peer's end can add nothing from now on, so the rest is finite.
    fn freeze(&mut self) {
        if self.peer.is_dead() && !self.frozen {
            self.frozen = socket::shut_receiving(self.wire.data()).is_ok();
        }
    }

    fn receive_once(&mut self) -> Result<usize, Errno> {
        match socket::recv(self.wire.data(), self.packet.room()) {
            // Told once, when the peer went and left something unread: what it had sent is still there.
            Err(Errno::CONNRESET) => socket::recv(self.wire.data(), self.packet.room()),
            received => received,
        }
    }

    fn received(&mut self, received: Result<usize, Errno>) -> Result<usize, RxError> {
        match received {
            Ok(0) => Err(self.end()),
            Ok(len) => Ok(len),
            Err(Errno::MSGSIZE) => {
                Err(self.corrupt(Corrupt { field: Field::Length, value: MAX_PACKET as u64 }))
            }
            Err(_) => {
                self.wire.look(&self.peer, Interest::HangUp);
                Err(self.hung_up())
            }
        }
    }

    /// The end was read, or an empty packet.
    fn end(&mut self) -> RxError {
        if !self.wire.look(&self.peer, Interest::HangUp).shut {
            return self.corrupt(Corrupt { field: Field::Length, value: 0 });
        }
        let closed = self.closed || self.wire.was_closed(&self.peer, Half::Sending);
        let end = if closed { RxError::Disconnected(Cause::Closed) } else { self.hung_up() };
        self.ended |= end != RxError::Empty;
        end
    }

    /// The peer has not closed and sends nothing more. Nothing is said of it yet if that may be its death.
    fn hung_up(&self) -> RxError {
        if self.peer.may_be_dying().is_some() {
            return RxError::Empty;
        }
        RxError::Disconnected(self.peer.cause().unwrap_or(Cause::HungUp))
    }

    /// What a packet of `len` bytes means in the present state.
    fn sort(&mut self, len: usize) -> Result<(), RxError> {
        self.packet.received(len).map_err(|corrupt| self.corrupt(corrupt))?;
        let Some((header, payload)) = self.packet.front() else { return Ok(()) };
        let word = header.to_word();
        if !self.assembly.admits(header) {
            return Err(self.corrupt(Corrupt { field: Field::Flags, value: word }));
        }
        let sorted = match header.kind {
            // It stays in the packet until it is handed out.
            Kind::Data => {
                self.assembly = Assembly::Idle;
                return Ok(());
            }
            Kind::First => {
                first(header, payload, self.max_message).map(|part| self.assembly = Assembly::Part(part))
            }
            _ => {
                let extended = self.assembly.extend(header, |bytes| bytes.copy_from_slice(payload));
                extended.map_err(|field| Corrupt { field, value: word })
            }
        };
        self.packet.clear();
        sorted.map_err(|corrupt| self.corrupt(corrupt))
    }

    #[cold]
    fn corrupt(&mut self, corrupt: Corrupt) -> RxError {
        self.packet.clear();
        self.assembly = Assembly::Broken;
        RxError::Disconnected(Cause::Corrupt(*self.corrupt.get_or_insert(corrupt)))
    }

    /// Whether a message was received that was not handed out: nothing on the socket tells of it.
    pub(super) fn has_kept(&self) -> bool {
        !self.packet.is_empty() || matches!(self.assembly, Assembly::Whole(_))
    }

    /// Whether nothing more can come.
    pub(super) fn is_ended(&self) -> bool {
        self.ended || self.corrupt.is_some()
    }

    /// Waits until there is something to take, or to report. `false`: the deadline passed first.
    pub(crate) fn wait(&mut self, deadline: Option<Instant>) -> bool {
        self.must_be_called() || self.wire.wait_to_receive(&self.peer, deadline)
    }

    /// Whether the next call has something to say that the socket does not tell of.
    fn must_be_called(&self) -> bool {
        self.has_kept() || self.is_ended() || self.peer.forked() || self.peer.cause().is_some()
    }

    /// Whether one may sleep until the data socket is readable. Nothing needs to be armed for that.
    pub(crate) fn arm_doorbell(&mut self) -> Armed {
        if self.must_be_called() { Armed::Ready } else { Armed::Sleep }
    }

    /// One look: is there something to take?
    pub(crate) fn poll(&self) -> bool {
        self.has_kept() || (!self.is_ended() && self.wire.has_data())
    }

    #[cfg(test)]
    pub(crate) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// How many bytes of a message came that will never be finished.
    pub(crate) fn partial(&self) -> Option<u64> {
        self.assembly.partial()
    }

    /// Says that nothing more is taken.
    pub(crate) fn close(&mut self) {
        if !self.closed && !self.peer.forked() {
            self.closed = true;
            self.wire.close(&self.peer, Half::Receiving);
        }
    }
}

impl Drop for SocketRx {
    fn drop(&mut self) {
        self.close();
    }
}

fn fits(needed: u64, room: usize) -> Result<(), RxError> {
    if needed > room as u64 { Err(RxError::TooSmall { needed }) } else { Ok(()) }
}

/// The beginning of a message in fragments.
fn first(header: Header, payload: &[u8], max_message: u64) -> Result<Part, Corrupt> {
    let Some((total, bytes)) = payload.split_first_chunk::<{ HEADER as usize }>() else {
        return Err(Corrupt { field: Field::Fragment, value: header.to_word() });
    };
    let total = u64::from_le_bytes(*total);
    // All of it in one packet would be no fragment.
    if total > max_message || total <= payload.len() as u64 {
        return Err(Corrupt { field: Field::Total, value: total });
    }
    Ok(Part::begin(total as usize, payload.len(), |begin| begin.copy_from_slice(bytes)))
}
