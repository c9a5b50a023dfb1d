//! What the two halves of a socket link share: the data socket, and how to wait on it.

use crate::control::message::{CLOSED_RECEIVING, CLOSED_SENDING};
use crate::link::peer::Peer;
use crate::sync::{AtomicU32, Ordering};
use crate::sys::epoll::{Interest, Ready};
use crate::sys::eventfd::Bell;
use crate::sys::{Result, socket};
use crate::wait::nap::doze;
use crate::wait::watch::Gone;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// One direction of a link, as its end names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Half {
    /// The end that says it sends nothing more.
    Sending = CLOSED_SENDING,
    /// The end that says it takes nothing more.
    Receiving = CLOSED_RECEIVING,
}

/// The data socket, and what the peer has said of it on the control socket.
#[derive(Debug)]
pub(crate) struct Wire {
    data: OwnedFd,
    /// Wakes this end's sender when another thread has news for it.
    bell: Bell,
    /// The [`Half`]s that the peer has closed, as bits. Nothing else is published by them.
    closed: AtomicU32,
    /// Held from the receipt of a note until it counts.
    listening: Mutex<()>,
}

/// What one look at the descriptors saw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Anything at all; else the deadline passed.
    news: bool,
    /// There is space on the data socket.
    pub(super) space: bool,
    /// The data socket was shut: for receiving, or, if only space was asked for, both ways.
    pub(super) shut: bool,
}

const DATA: u64 = 0;
const CONTROL: u64 = 1;
const BELL: u64 = 2;

impl Wire {
    /// # Errors
    /// `EMFILE`, `ENFILE`: there is no descriptor for the bell.
    pub(super) fn new(data: OwnedFd) -> Result<Self> {
        Ok(Self { data, bell: Bell::new()?, closed: AtomicU32::new(0), listening: Mutex::new(()) })
    }

    /// The data socket.
    pub(crate) fn data(&self) -> BorrowedFd<'_> {
        self.data.as_fd()
    }

    /// Wakes this end's sender, now or when it comes to wait.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }

    /// What lets one thread at a time take packets from the control socket, until it has passed them to
    /// [`Wire::hear`]: else another would find neither the note nor its effect.
    pub(crate) fn listen(&self) -> MutexGuard<'_, ()> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a packet that came on the control socket.
    pub(crate) fn hear(&self, packet: &[u8]) {
        let said = [Half::Sending, Half::Receiving].into_iter().find(|half| packet == [*half as u8]);
        if let Some(half) = said {
            let before = self.closed.fetch_or(half as u32, Ordering::Relaxed);
            if before & half as u32 == 0 {
                self.ring();
            }
        }
    }

    /// Whether this half of the peer, of which it is known that it was shut, was closed in good order.
    pub(super) fn was_closed(&self, peer: &Peer, half: Half) -> bool {
        self.has_closed(half) || {
            let _ = peer.drain_doorbells();
            self.has_closed(half)
        }
    }

    /// Whether the peer is known to have closed this half of its own.
    pub(super) fn has_closed(&self, half: Half) -> bool {
        self.closed.load(Ordering::Relaxed) & half as u32 != 0
    }

    /// Closes one half of this end. It is said first, since the kernel does not tell a half that was closed from
    /// one whose owner is gone, and wakes nobody who waits for space.
    pub(super) fn close(&self, peer: &Peer, half: Half) {
        // A peer that is gone, or never listens, needs not know.
        let _ = socket::send(peer.control(), &[half as u8]);
        let _ = match half {
            Half::Sending => socket::shut_sending(&self.data),
            Half::Receiving => socket::shut_receiving(&self.data),
        };
    }

    /// Waits until there is something to receive, or to report. `false`: the deadline passed first.
    pub(super) fn wait_to_receive(&self, peer: &Peer, until: Option<Instant>) -> bool {
        self.wait_in_doubt(peer, until).unwrap_or_else(|| {
            self.poll(peer, Interest::Readable, Interest::HangUp, Interest::HangUp, until).news
        })
    }

    /// Waits until there is space (with [`Interest::Both`]: or something to receive), or something to report.
    /// `false`: the deadline passed first.
    pub(super) fn wait_to_send(&self, peer: &Peer, data: Interest, until: Option<Instant>) -> bool {
        self.wait_in_doubt(peer, until)
            .unwrap_or_else(|| self.poll(peer, data, Interest::Readable, Interest::Readable, until).news)
    }

    /// While a hang-up is in doubt, the sockets tell nothing but that, again and again: waits for the pidfd alone.
    pub(super) fn wait_in_doubt(&self, peer: &Peer, until: Option<Instant>) -> Option<bool> {
        let (settled, pidfd) = (peer.doubt()?, peer.pidfd()?);
        let sooner = until.map_or(settled, |until| until.min(settled));
        match socket::wait_each([(pidfd, Interest::Readable)], Some(sooner)) {
            Ok([Some(_)]) => peer.mark(Gone::Dead),
            Ok([None]) => return Some(sooner == settled),
            Err(_) => return Some(doze_before(until)),
        }
        Some(true)
    }

    /// Whether there is something to receive now, be it the end.
    pub(super) fn has_data(&self) -> bool {
        let looked = socket::wait_each([(self.data(), Interest::Readable)], Some(Instant::now()));
        looked.is_ok_and(|[data]| data.is_some())
    }

    /// Looks whether the peer is gone, and listens to what it says. With [`Interest::HangUp`]: whether the data
    /// socket was shut; with [`Interest::Writable`]: whether a packet of any length can be sent now.
    pub(super) fn look(&self, peer: &Peer, data: Interest) -> Seen {
        self.poll(peer, data, Interest::Readable, Interest::HangUp, Some(Instant::now()))
    }

    fn poll(
        &self,
        peer: &Peer,
        data: Interest,
        control: Interest,
        bell: Interest,
        until: Option<Instant>,
    ) -> Seen {
        let own = [(self.data(), data), (peer.control(), control), (self.bell.as_fd(), bell)];
        let ready = match (own, peer.pidfd()) {
            ([a, b, c], Some(pidfd)) => socket::wait_each([a, b, c, (pidfd, Interest::Readable)], until),
            (own, None) => socket::wait_each(own, until).map(|[a, b, c]| [a, b, c, None]),
        };
        let Ok(ready) = ready else {
            peer.look_by_reading();
            return Seen { news: doze_before(until), space: true, shut: true };
        };
        for event in ready.iter().flatten() {
            self.handle(peer, *event);
        }
        let [data, ..] = ready;
        Seen {
            news: ready.iter().any(Option::is_some),
            space: data.is_some_and(|data| data.writable),
            shut: data.is_some_and(|data| data.hangup),
        }
    }

    fn handle(&self, peer: &Peer, event: Ready) {
        match event.token {
            DATA => {}
            CONTROL if event.hangup => _ = peer.hang_up(),
            CONTROL => _ = peer.drain_doorbells(),
            BELL => self.bell.silence(),
            _ => peer.mark(Gone::Dead),
        }
    }
}

/// Polling was denied since the link was made, or the kernel had no memory for it: whoever waits looks again and again, but
/// not at full speed; a mere look does not wait. `false`: the deadline has passed.
fn doze_before(until: Option<Instant>) -> bool {
    let due = || until.is_none_or(|until| Instant::now() < until);
    due() && {
        doze();
        due()
    }
}
