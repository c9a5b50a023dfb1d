//! One end of a channel as a whole: both directions, shared by any number of threads.

use super::error::{
    RecvError, RecvTimeoutError, SalvageError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use super::message::Message;
use super::receiver::Receiver;
use super::sender::Sender;
use crate::link::error::{Cause, RxError, TxError};
use crate::link::peer::Peer;
use crate::link::{Relief, Rx, Tx, Undelivered};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One end of a channel: both directions, to be shared by any number of threads.
///
/// A thread that waits for space takes in what the peer sends meanwhile, into a private queue of at most
/// [`Options::inbox_max`](super::Options::inbox_max) bytes. So two ends that both only send do not wait for each
/// other for ever; when the queue is full too, `send` answers [`SendError::Full`].
///
/// The methods lock (uncontended: tens of nanoseconds a call). [`Channel::split`] gives the two halves without locks.
#[derive(Debug)]
pub struct Channel {
    outgoing: Mutex<Outgoing>,
    /// The sending half came back.
    sent: Condvar,
    incoming: Mutex<Incoming>,
    /// The receiving half came back, or the inbox has something.
    changed: Condvar,
    peer: Arc<Peer>,
    /// As of `tx`, which may be lent.
    salvages: bool,
    inbox_max: u64,
    about: super::About,
}

#[derive(Debug)]
struct Outgoing {
    /// Lent while a thread waits for space with it: nobody waits for a lock that a sleeper holds.
    tx: Tx,
    /// Nothing more is sent after what is being sent.
    closed: bool,
}

#[derive(Debug)]
struct Incoming {
    /// Lent while a thread waits on it.
    rx: Rx,
    inbox: VecDeque<Vec<u8>>,
    inbox_bytes: u64,
    /// This end's sender waits for space, and another thread has the receiving half.
    sender_waits: bool,
}

/// How many messages a sender that waits takes in before it looks again for space, and at its deadline.
const TAKEN_IN: u32 = 64;

/// What a message in the inbox costs beside its bytes.
const INBOX_OVERHEAD: u64 = 32;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a sign, until the deadline. `false`: it passed.
fn wait<'a, T>(
    sign: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> (MutexGuard<'a, T>, bool) {
    let Some(deadline) = deadline else {
        return (sign.wait(guard).unwrap_or_else(PoisonError::into_inner), true);
    };
    let left = deadline.saturating_duration_since(Instant::now());
    let (guard, waited) = sign.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner);
    (guard, !waited.timed_out())
}

impl Channel {
    pub(crate) fn new(tx: Tx, rx: Rx, inbox_max: u64, about: super::About) -> Self {
        let (peer, salvages) = (Arc::clone(tx.peer()), tx.salvages());
        let incoming = Incoming { rx, inbox: VecDeque::new(), inbox_bytes: 0, sender_waits: false };
        let outgoing = Outgoing { tx, closed: false };
        Self {
            outgoing: Mutex::new(outgoing),
            sent: Condvar::new(),
            incoming: Mutex::new(incoming),
            changed: Condvar::new(),
            peer,
            salvages,
            inbox_max,
            about,
        }
    }

    /// What the two ends agreed on.
    #[must_use]
    pub fn about(&self) -> &super::About {
        &self.about
    }

    /// The two halves, each for one thread, without locks. They do not take in messages for each other.
    ///
    /// Over shared memory a receiver gives back what it has taken an eighth of the capacity at a time, when it finds
    /// nothing, or when the peer's sender is seen to wait. A [`Receiver`] that is not called does none of this, and a
    /// [`Sender`] that waits does not do it for the [`Receiver`] on the same thread, which may be reading there. So what a
    /// peer can be sure to have under way is 7/8 of the capacity. That is enough for any message up to
    /// [`Sender::max_atomic`] in a ring of which all was received; longer ones need a receiver that is called meanwhile.
    #[must_use]
    pub fn split(self) -> (Sender, Receiver) {
        let outgoing = self.outgoing.into_inner().unwrap_or_else(PoisonError::into_inner);
        let incoming = self.incoming.into_inner().unwrap_or_else(PoisonError::into_inner);
        (Sender::new(outgoing.tx), Receiver::new(incoming.rx, incoming.inbox))
    }

    /// Sends a message, waiting for space if there is none. An empty message is a message.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent then.
    pub fn send(&self, message: &[u8]) -> Result<(), SendError> {
        Ok(self.send_by(message, None)?)
    }

    /// Sends a message, waiting for space until `deadline`.
    ///
    /// # Errors
    /// [`SendTimeoutError`]; nothing was sent then.
    pub fn send_deadline(&self, message: &[u8], deadline: Instant) -> Result<(), SendTimeoutError> {
        Ok(self.send_by(message, Some(deadline))?)
    }

    /// Sends a message, waiting for space for at most `timeout`.
    ///
    /// # Errors
    /// [`SendTimeoutError`]; nothing was sent then.
    pub fn send_timeout(&self, message: &[u8], timeout: Duration) -> Result<(), SendTimeoutError> {
        Ok(self.send_by(message, Instant::now().checked_add(timeout))?)
    }

    /// Sends a message if there is space now.
    ///
    /// # Errors
    /// [`TrySendError`]; nothing was sent then.
    pub fn try_send(&self, message: &[u8]) -> Result<(), TrySendError> {
        let sent = self.outgoing().and_then(|mut outgoing| outgoing.tx.try_send(message));
        sent.map_err(|error| TrySendError::of(error, self.about.terms.max_message))
    }

    fn send_by(&self, message: &[u8], deadline: Option<Instant>) -> Result<(), TxError> {
        let mut outgoing = self.outgoing()?;
        let mut in_time = true;
        let tx = loop {
            match outgoing.tx.try_send(message) {
                Err(TxError::Full | TxError::TooLong { .. }) => {}
                sent => return sent,
            }
            match std::mem::replace(&mut outgoing.tx, Tx::Lent(Arc::clone(&self.peer))) {
                Tx::Lent(_) if in_time => (outgoing, in_time) = wait(&self.sent, outgoing, deadline),
                Tx::Lent(_) => return Err(TxError::TimedOut),
                tx => break tx,
            }
            outgoing.open()?;
        };
        drop(outgoing);
        let mut lent = LentTx { channel: self, tx };
        lent.tx.send(message, deadline, Some(&mut Lender { channel: self }))
    }

    /// What is sent with, unless it is closed. A forked child must not even lock: the lock may have been held when
    /// it was copied.
    fn outgoing(&self) -> Result<MutexGuard<'_, Outgoing>, TxError> {
        if self.peer.forked() {
            return Err(TxError::Disconnected(Cause::Forked));
        }
        let outgoing = lock(&self.outgoing);
        outgoing.open()?;
        Ok(outgoing)
    }

    /// Takes the next message, waiting for it.
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] after the last message, with the cause.
    pub fn recv(&self) -> Result<Message, RecvError> {
        loop {
            match self.recv_by(None) {
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Disconnected(cause)) => return Err(RecvError::Disconnected(cause)),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Takes the next message, waiting for it until `deadline`.
    ///
    /// # Errors
    /// [`RecvTimeoutError`]; no message was taken then.
    pub fn recv_deadline(&self, deadline: Instant) -> Result<Message, RecvTimeoutError> {
        self.recv_by(Some(deadline))
    }

    /// Takes the next message, waiting for it for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvTimeoutError`]; no message was taken then.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Message, RecvTimeoutError> {
        self.recv_by(Instant::now().checked_add(timeout))
    }

    /// Takes the next message if there is one now.
    ///
    /// # Errors
    /// [`TryRecvError`]; no message was taken then.
    pub fn try_recv(&self) -> Result<Message, TryRecvError> {
        if self.peer.forked() {
            return Err(TryRecvError::Disconnected(Cause::Forked));
        }
        match lock(&self.incoming).next() {
            Ok(bytes) => Ok(Message::new(bytes)),
            Err(RxError::Disconnected(cause)) => Err(TryRecvError::Disconnected(cause)),
            Err(RxError::Empty | RxError::TooSmall { .. }) => Err(TryRecvError::Empty),
        }
    }

    fn recv_by(&self, deadline: Option<Instant>) -> Result<Message, RecvTimeoutError> {
        if self.peer.forked() {
            return Err(RecvTimeoutError::Disconnected(Cause::Forked));
        }
        let mut incoming = lock(&self.incoming);
        let mut in_time = true;
        let taken = loop {
            match incoming.next() {
                Err(RxError::Empty | RxError::TooSmall { .. }) if in_time => {}
                taken => break taken,
            }
            match incoming.lend() {
                // Without the lock: it may take many looks until a long message is there.
                Some(rx) => {
                    drop(incoming);
                    break Lent { channel: self, rx }.rx.recv_by(deadline);
                }
                None => (incoming, in_time) = wait(&self.changed, incoming, deadline),
            }
        };
        match taken {
            Ok(bytes) => Ok(Message::new(bytes)),
            Err(RxError::Disconnected(cause)) => Err(RecvTimeoutError::Disconnected(cause)),
            Err(RxError::Empty | RxError::TooSmall { .. }) => Err(RecvTimeoutError::Timeout),
        }
    }

    /// The other end.
    #[cfg(test)]
    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// Whether there is something to take now.
    #[cfg(test)]
    pub(super) fn poll(&self) -> bool {
        lock(&self.incoming).rx.poll()
    }

    fn put_back(&self, rx: Rx) {
        let mut incoming = lock(&self.incoming);
        incoming.rx = rx;
        self.changed.notify_all();
        if std::mem::take(&mut incoming.sender_waits) {
            self.peer.wake_self();
        }
    }

    /// Says that nothing more will be sent: the peer takes what was sent, then is told of the end. If another thread
    /// waits for space, the end comes after its message.
    pub fn close_sending(&self) {
        if let Ok(mut outgoing) = self.outgoing() {
            outgoing.closed = true;
            outgoing.tx.close();
        }
    }

    /// What the peer, which is dead, had not taken, oldest first; nothing, once that was asked. The sending half is closed by this.
    /// Over the socket link the process that made the [`pair`](super::pair) can have it, and no other: [`SalvageError::NotHeld`].
    ///
    /// # Errors
    /// [`SalvageError`]; nothing is changed then.
    pub fn salvage(&self) -> Result<Undelivered, SalvageError> {
        if self.peer.forked() {
            return Err(SalvageError::Forked);
        }
        salvageable(self.salvages, &self.peer)?;
        let mut outgoing = lock(&self.outgoing);
        // Whoever waits with the sending half is about to learn that as well.
        while matches!(outgoing.tx, Tx::Lent(_)) {
            (outgoing, _) = wait(&self.sent, outgoing, None);
        }
        salvage(&mut outgoing.tx)
    }
}

/// What a dead peer had not taken.
pub(super) fn salvage(tx: &mut Tx) -> Result<Undelivered, SalvageError> {
    if tx.peer().forked() {
        return Err(SalvageError::Forked);
    }
    salvageable(tx.salvages(), tx.peer())?;
    tx.salvage().map_err(SalvageError::Corrupt)
}

/// Whether there is salvage of this peer, and why not; what no wait will change is said first.
fn salvageable(held: bool, peer: &Peer) -> Result<(), SalvageError> {
    if !held {
        return Err(SalvageError::NotHeld);
    }
    peer.look_now();
    if peer.is_dead() { Ok(()) } else { Err(SalvageError::NotDead) }
}

impl Outgoing {
    fn open(&self) -> Result<(), TxError> {
        if self.closed { Err(TxError::Disconnected(Cause::Closed)) } else { Ok(()) }
    }
}

impl Incoming {
    fn next(&mut self) -> Result<Vec<u8>, RxError> {
        if let Some(message) = self.inbox.pop_front() {
            self.inbox_bytes -= message.len() as u64 + INBOX_OVERHEAD;
            return Ok(message);
        }
        self.rx.try_recv()
    }

    /// The receiving half, unless it is lent already.
    fn lend(&mut self) -> Option<Rx> {
        match std::mem::replace(&mut self.rx, Rx::Lent) {
            Rx::Lent => None,
            rx => Some(rx),
        }
    }

    fn keep(&mut self, message: Vec<u8>) {
        self.inbox_bytes += message.len() as u64 + INBOX_OVERHEAD;
        self.inbox.push_back(message);
    }
}

/// The sending half, out on loan; it comes back even if its borrower panics.
struct LentTx<'a> {
    channel: &'a Channel,
    tx: Tx,
}

impl Drop for LentTx<'_> {
    fn drop(&mut self) {
        let mut outgoing = lock(&self.channel.outgoing);
        std::mem::swap(&mut outgoing.tx, &mut self.tx);
        if outgoing.closed {
            outgoing.tx.close();
        }
        self.channel.sent.notify_all();
    }
}

/// The receiving half, out on loan; it comes back even if its borrower panics.
struct Lent<'a> {
    channel: &'a Channel,
    rx: Rx,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.channel.put_back(std::mem::replace(&mut self.rx, Rx::Lent));
    }
}

/// Lends the receiving half to this end's sender.
struct Lender<'a> {
    channel: &'a Channel,
}

impl Relief for Lender<'_> {
    fn is_full(&self) -> bool {
        lock(&self.channel.incoming).inbox_bytes >= self.channel.inbox_max
    }

    fn borrow(&mut self) -> Option<Rx> {
        let mut incoming = lock(&self.channel.incoming);
        let rx = incoming.lend();
        incoming.sender_waits = rx.is_none();
        rx
    }

    fn is_back(&self) -> bool {
        let mut incoming = lock(&self.channel.incoming);
        // It may have been back and be lent again: whoever has it now must say so when it is back once more.
        incoming.sender_waits = matches!(incoming.rx, Rx::Lent);
        !incoming.sender_waits
    }

    fn give_back(&mut self, rx: Rx) {
        let mut lent = Lent { channel: self.channel, rx };
        for _ in 0..TAKEN_IN {
            if self.is_full() {
                break;
            }
            match lent.rx.try_recv() {
                Ok(message) => lock(&self.channel.incoming).keep(message),
                // The receiver will come across the same, and report it.
                Err(_) => break,
            }
        }
    }
}
