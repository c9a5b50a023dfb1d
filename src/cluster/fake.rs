//! A link without memory: what the cluster's rules are tested against.

use super::error::{HandshakeError, SendError, SpawnError};
use super::id::WorkerId;
use super::link_port::{Armed, Handshake, Link, Port, Progress, ReceiveHalf, Received, SendHalf};
use super::mark::Sockets;
use super::message::Undelivered;
use crate::channel::{About, Message};
use crate::sys::{Errno, socket};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard};

/// Both directions of a link, as the two ends share them.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    to_master: VecDeque<Vec<u8>>,
    armed_data: bool,
    closed_by_worker: bool,
    corrupt: bool,
    /// No doorbell will ring for a message.
    pub(crate) deaf: bool,
    /// The worker streams a message of which there is always more, and no end.
    pub(crate) endless: bool,
    /// Looks that take a part of such a message, before its end comes: `last_of_a_stream`.
    pub(crate) looks_in_vain: u32,
    pub(crate) last_of_a_stream: Option<Vec<u8>>,
    to_worker: VecDeque<Vec<u8>>,
    /// How many messages fit into `to_worker`.
    capacity: usize,
    pub(crate) armed_space: bool,
    pub(crate) closed_by_master: bool,
    pub(crate) marked_dead: bool,
}

/// The worker's end. Dropping it hangs up.
#[derive(Debug)]
pub(crate) struct FakeWorker {
    shared: Arc<Mutex<Shared>>,
    bell: OwnedFd,
}

#[derive(Debug)]
pub(crate) struct FakeSender {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
pub(crate) struct FakeReceiver {
    shared: Arc<Mutex<Shared>>,
    bell: OwnedFd,
}

/// A link that holds `capacity` messages to the worker, and any number from it.
pub(crate) fn link(capacity: usize) -> (Link<FakeSender, FakeReceiver>, FakeWorker) {
    let shared = Arc::new(Mutex::new(Shared { capacity, ..Shared::default() }));
    let (bell, theirs) = socket::pair().unwrap();
    let sender = FakeSender { shared: Arc::clone(&shared) };
    let receiver = FakeReceiver { shared: Arc::clone(&shared), bell };
    (Link { sender, receiver }, FakeWorker { shared, bell: theirs })
}

impl Shared {
    fn has_more(&self) -> bool {
        self.endless || !self.to_master.is_empty() || self.last_of_a_stream.is_some()
    }
}

impl FakeWorker {
    pub(crate) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }

    /// Commits a message, and rings if the master sleeps.
    pub(crate) fn send(&self, message: &[u8]) {
        let mut shared = self.shared();
        shared.to_master.push_back(message.to_vec());
        if std::mem::take(&mut shared.armed_data) {
            self.ring();
        }
    }

    pub(crate) fn recv(&self) -> Option<Vec<u8>> {
        let mut shared = self.shared();
        let message = shared.to_worker.pop_front();
        if std::mem::take(&mut shared.armed_space) {
            self.ring();
        }
        message
    }

    pub(crate) fn close(&self) {
        self.shared().closed_by_worker = true;
        self.ring();
    }

    pub(crate) fn corrupt(&self) {
        self.shared().corrupt = true;
        self.ring();
    }

    /// How many messages the master has not taken.
    pub(crate) fn unread(&self) -> usize {
        self.shared().to_master.len()
    }

    /// How many messages the worker has not taken.
    pub(crate) fn untaken(&self) -> usize {
        self.shared().to_worker.len()
    }

    pub(crate) fn ring(&self) {
        let _ = socket::send(&self.bell, &[1]);
    }
}

impl ReceiveHalf for FakeReceiver {
    fn try_recv(&mut self) -> Received {
        let mut shared = self.shared.lock().unwrap();
        match shared.to_master.pop_front() {
            Some(message) => Received::Message(Message::new(message)),
            None if shared.corrupt => Received::Corrupt { field: "test" },
            None if shared.closed_by_worker => Received::Closed,
            None if shared.looks_in_vain > 0 => {
                shared.looks_in_vain -= 1;
                Received::Empty
            }
            None => match shared.last_of_a_stream.take() {
                Some(message) => Received::Message(Message::new(message)),
                None => Received::Empty,
            },
        }
    }

    fn has_more(&self) -> bool {
        self.shared.lock().unwrap().has_more()
    }

    fn arm(&mut self) -> Armed {
        let mut shared = self.shared.lock().unwrap();
        let nothing = !shared.has_more();
        shared.armed_data = false;
        match nothing && !shared.corrupt && !shared.closed_by_worker {
            true if shared.deaf => Armed::Nap,
            true => {
                shared.armed_data = true;
                Armed::Sleep
            }
            false => Armed::Ready,
        }
    }

    fn about(&self) -> Option<&About> {
        None
    }

    fn doorbell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    fn notes(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn silence(&mut self) {
        // Bounded, as the real one is: a worker may ring faster than this.
        let _ = (0..64).all(|_| socket::recv(&self.bell, &mut [0; 8]).is_ok_and(|len| len > 0));
    }

    fn mark_dead(&mut self) {
        self.shared.lock().unwrap().marked_dead = true;
    }
}

impl SendHalf for FakeSender {
    fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        let mut shared = self.shared.lock().unwrap();
        if shared.to_worker.len() == shared.capacity {
            return Err(SendError::Full);
        }
        shared.to_worker.push_back(message.to_vec());
        Ok(())
    }

    fn send(
        &mut self,
        message: &[u8],
        wait: &mut dyn FnMut(Armed) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        loop {
            self.shared.lock().unwrap().armed_space = true;
            match self.try_send(message) {
                Err(SendError::Full) => wait(Armed::Sleep)?,
                sent => return sent,
            }
        }
    }

    fn close(&mut self) {
        self.shared.lock().unwrap().closed_by_master = true;
    }

    fn undelivered(self) -> Undelivered {
        let left: Vec<_> = self.shared.lock().unwrap().to_worker.drain(..).collect();
        Undelivered::new(left.into_iter().map(Message::new))
    }
}

/// Makes fake links for real processes: a worker attaches with the packet `hello`, anything else is refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakePort {
    /// The workers' ends of the links that are up.
    pub(crate) up: Arc<Mutex<BTreeMap<WorkerId, FakeWorker>>>,
    /// The worker for which there is no link.
    pub(crate) denied: Option<WorkerId>,
}

#[derive(Debug)]
pub(crate) struct FakeHandshake {
    id: WorkerId,
    control: Arc<OwnedFd>,
    up: Arc<Mutex<BTreeMap<WorkerId, FakeWorker>>>,
}

impl Port for FakePort {
    type Handshake = FakeHandshake;

    fn offer(&self, id: WorkerId) -> Result<(FakeHandshake, Sockets), SpawnError> {
        if self.denied == Some(id) {
            return Err(io::Error::from(io::ErrorKind::OutOfMemory).into());
        }
        let ((control, theirs), (_, data)) = (socket::pair()?, socket::pair()?);
        let handshake = FakeHandshake { id, control: Arc::new(control), up: Arc::clone(&self.up) };
        Ok((handshake, Sockets { control: theirs, data }))
    }
}

impl Handshake for FakeHandshake {
    type Sender = FakeSender;
    type Receiver = FakeReceiver;

    fn control(&self) -> &Arc<OwnedFd> {
        &self.control
    }

    fn step(&mut self) -> Result<Progress<FakeSender, FakeReceiver>, HandshakeError> {
        let mut packet = [0; 64];
        match socket::recv(&self.control, &mut packet) {
            Ok(0) | Err(Errno::CONNRESET) => Ok(Progress::HungUp),
            Ok(len) if packet[..len] == *b"hello" => {
                let (link, worker) = link(2);
                self.up.lock().unwrap().insert(self.id, worker);
                Ok(Progress::Up(link))
            }
            Ok(_) => Err(HandshakeError::new("garbage", None)),
            Err(_) => Ok(Progress::Waiting),
        }
    }
}
