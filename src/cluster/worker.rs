//! The worker's side: from an inherited pair of sockets to messages from the master.

use super::error::{FromEnvError, HandshakeError};
use super::id::WorkerId;
use super::{mark, orphan};
use crate::channel::{
    About, Cause, Channel, ConnectError, Message, Options, Pending, RecvError, RecvTimeoutError, SendError,
    SendTimeoutError, TryRecvError, TrySendError,
};
use crate::sys::pidfd;
use crate::sys::process;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// This process as a worker of a cluster.
///
/// It is `Send` and `Sync`: any number of threads may send and receive.
///
/// # When the master dies
/// The kernel kills the worker (`PR_SET_PDEATHSIG`, SIGKILL), whether it computes, sleeps or is stopped; what the
/// worker wants to happen then must be done by another process. A worker that changes its user or its capabilities
/// loses that protection; then a thread of the library kills it as soon as it sees the master's end: not before it goes
/// on, if it was stopped. Where pidfds or futexes are denied to it too, [`Worker::recv`] still ends, with [`Cause::Died`] or
/// [`Cause::HungUp`].
#[derive(Debug)]
pub struct Worker {
    channel: Channel,
    id: WorkerId,
}

impl Worker {
    /// This process as a worker, if a cluster started it as one; `None` in every other process, a child of a worker
    /// included. Returns once the link is up. Call it early, and once.
    ///
    /// # Errors
    /// [`FromEnvError`]. The master is told, or sees it by the end of this process.
    pub fn from_env() -> Result<Option<Self>, FromEnvError> {
        Self::from_env_with(&Options::new())
    }

    /// The same, with options of this end: how it waits, how much it takes in while it sends, which link it accepts,
    /// and its own time limit. Capacity and longest message are the master's to say, within this end's
    /// [`limits`](Options::limits).
    ///
    /// # Errors
    /// As [`Worker::from_env`].
    pub fn from_env_with(options: &Options) -> Result<Option<Self>, FromEnvError> {
        let Some((mark, sockets)) = mark::take()? else { return Ok(None) };
        let master = master_pidfd(mark.master());
        if let Some(master) = &master {
            let os = |errno| FromEnvError::Os {
                what: "the watch over the master",
                source: io::Error::from(errno),
            };
            orphan::die_with(master).map_err(os)?;
        }
        let pending = Pending::accepting(sockets.control, sockets.data, options.clone());
        let channel = pending.connect_to(master).map_err(|error| match error {
            ConnectError::Refused(refusal) => FromEnvError::Handshake(HandshakeError::from(&refusal)),
            ConnectError::System(source) => FromEnvError::Os { what: "the link", source },
        })?;
        let identity = &channel.about().identity;
        let id = WorkerId::new(identity.slot(), identity.generation());
        Ok(Some(Self { channel, id }))
    }

    /// Who this worker is.
    #[must_use]
    pub fn id(&self) -> WorkerId {
        self.id
    }

    /// What the two ends agreed on.
    #[must_use]
    pub fn about(&self) -> &About {
        self.channel.about()
    }

    /// The master's next message, waiting for it. `None`: the master has asked the worker to finish, and everything
    /// that it sent before was received.
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] if the master is gone without that.
    pub fn recv(&self) -> Result<Option<Message>, RecvError> {
        match self.channel.recv() {
            Err(RecvError::Disconnected(Cause::Closed)) => Ok(None),
            received => received.map(Some),
        }
    }

    /// The master's next message, waiting for at most `timeout`. `None` as for [`Worker::recv`].
    ///
    /// # Errors
    /// [`RecvTimeoutError`]; no message was taken then.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<Message>, RecvTimeoutError> {
        match self.channel.recv_timeout(timeout) {
            Err(RecvTimeoutError::Disconnected(Cause::Closed)) => Ok(None),
            received => received.map(Some),
        }
    }

    /// The master's next message if there is one now. `None` as for [`Worker::recv`].
    ///
    /// # Errors
    /// [`TryRecvError`]; no message was taken then.
    pub fn try_recv(&self) -> Result<Option<Message>, TryRecvError> {
        match self.channel.try_recv() {
            Err(TryRecvError::Disconnected(Cause::Closed)) => Ok(None),
            received => received.map(Some),
        }
    }

    /// Sends a message to the master, waiting for space. Meanwhile it takes in what the master sends.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent then.
    pub fn send(&self, message: &[u8]) -> Result<(), SendError> {
        self.channel.send(message)
    }

    /// Sends a message to the master, waiting for space for at most `timeout`.
    ///
    /// # Errors
    /// [`SendTimeoutError`]; nothing was sent then.
    pub fn send_timeout(&self, message: &[u8], timeout: Duration) -> Result<(), SendTimeoutError> {
        self.channel.send_timeout(message, timeout)
    }

    /// Sends a message to the master, waiting for space until `deadline`.
    ///
    /// # Errors
    /// [`SendTimeoutError`]; nothing was sent then.
    pub fn send_deadline(&self, message: &[u8], deadline: Instant) -> Result<(), SendTimeoutError> {
        self.channel.send_deadline(message, deadline)
    }

    /// Sends a message to the master if there is space now.
    ///
    /// # Errors
    /// [`TrySendError`]; nothing was sent then.
    pub fn try_send(&self, message: &[u8]) -> Result<(), TrySendError> {
        self.channel.try_send(message)
    }

    /// The channel to the master, for [`Channel::split`].
    #[must_use]
    pub fn into_channel(self) -> Channel {
        self.channel
    }
}

/// A pidfd of the master, if it is still the parent: its death then ends every wait.
fn master_pidfd(master: i32) -> Option<OwnedFd> {
    let pid = pidfd::Pid::from_raw(master)?;
    let fd = pidfd::open(pid).map_err(io::Error::from).ok()?;
    // It was the parent after the pidfd was opened, so the number was not used again.
    (process::parent() == Some(pid)).then_some(fd)
}
