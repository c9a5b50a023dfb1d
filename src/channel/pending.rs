//! From a pair of sockets to a channel between two processes.

use super::duplex::Channel;
use super::options::Options;
use crate::control::accept::Limits;
use crate::control::drive;
use crate::control::identity::Identity;
use crate::control::message_error::MessageError;
use crate::control::refusal::Refusal;
use crate::link::About;
use crate::link::connect::{End, Sockets};
use crate::sys::fork::Origin;
use crate::sys::{Errno, deadline, socket};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

/// An end of a channel that is not connected yet.
///
/// The two ends of a [`pair`] connect by a handshake, each from where it is by then: another thread, a forked
/// child, or a program that was started with it ([`spawn`](super::spawn), [`Pending::from_env`]).
#[derive(Debug)]
pub struct Pending {
    pub(super) offers: bool,
    pub(super) control: OwnedFd,
    pub(super) data: OwnedFd,
    pub(super) peer_data: Option<PeerData>,
    pub(super) options: Options,
}

/// A duplicate of the other end's data socket, for salvage: kept in the process that made the pair, and in no other. Who holds one
/// can hold up whoever receives from that socket (`crate::link::socket`).
#[derive(Debug)]
pub(super) struct PeerData {
    socket: OwnedFd,
    origin: Origin,
}

/// Why two ends did not connect.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The handshake failed.
    Refused(Refusal),
    /// A system call failed.
    System(io::Error),
}

impl ConnectError {
    /// The system's error number, if it was the system that said no: `EMFILE` at the limit of open files, for example.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        match self {
            Self::Refused(refusal) => refusal.errno(),
            Self::System(error) => error.raw_os_error(),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "the handshake failed: {refusal}"),
            Self::System(error) => write!(f, "the link could not be set up: {error}"),
        }
    }
}

impl std::error::Error for ConnectError {}

impl From<Refusal> for ConnectError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Errno> for ConnectError {
    fn from(errno: Errno) -> Self {
        Self::System(errno.into())
    }
}

/// Two ends of a channel, not connected yet. What `options` say of the link holds for both.
///
/// Each holds three descriptors until it is connected: two sockets, and a duplicate of one of the other's, from which
/// [`Channel::salvage`] reads if they carry the messages. It is for the process that made the pair. An end that a program is
/// [started](super::spawn) with, or that connects in a forked child, gives it up, for its peer need not trust it.
///
/// # Errors
/// The error of `socketpair` or `dup`: no more descriptors can be opened, for example. `InvalidInput`: `max_message` is 0.
pub fn pair(options: &Options) -> io::Result<(Pending, Pending)> {
    if options.max_message == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, MessageError::MaxMessage));
    }
    let (control, peer_control) = socket::pair()?;
    let (data, peer_data) = socket::pair()?;
    let origin = Origin::here();
    let held = |socket: &OwnedFd| io::Result::Ok(Some(PeerData { socket: socket.try_clone()?, origin }));
    let (held, peer_held) = (held(&peer_data)?, held(&data)?);
    let (options, peer_options) = (options.clone(), options.clone());
    let ours = Pending { offers: true, control, data, peer_data: held, options };
    let theirs = Pending {
        offers: false,
        control: peer_control,
        data: peer_data,
        peer_data: peer_held,
        options: peer_options,
    };
    Ok((ours, theirs))
}

impl Pending {
    /// Connects with the other end, which must do the same.
    ///
    /// # Errors
    /// [`ConnectError`]; the other end is told, and nothing is left of the channel.
    pub fn connect(self) -> Result<Channel, ConnectError> {
        self.connect_to(None)
    }

    /// What this end takes part in, whichever of the two decides, instead of what it was made with: for a program that was started
    /// with it, say.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// The accepting end, from sockets that were passed on.
    pub(crate) fn accepting(control: OwnedFd, data: OwnedFd, options: Options) -> Self {
        Self { offers: false, control, data, peer_data: None, options }
    }

    /// Connects with the other end, whose process is `peer` if that is known.
    pub(crate) fn connect_to(mut self, peer: Option<OwnedFd>) -> Result<Channel, ConnectError> {
        let until = deadline::after(Instant::now(), self.options.handshake_timeout);
        self.peer_data = self.peer_data.take().filter(|held| !held.origin.forked());
        let wish = self.options.wish(Identity::new(0, 0));
        let control = self.control.as_fd();
        let (end, established) = if self.offers {
            wish.limits.check(&wish.terms).inspect_err(|refusal| drive::tell(control, refusal))?;
            let mut end = End::offering(wish);
            let established =
                drive::offer(control, peer.as_ref().map(AsFd::as_fd), end.offer(), &mut end, until)?;
            (end, established)
        } else {
            let mut end = End::accepting(wish);
            let established =
                drive::accept(control, peer.as_ref().map(AsFd::as_fd), end.acceptance(), &mut end, until)?;
            (end, established)
        };
        let about = About::of(&established);
        let (control, data, peer_data) =
            (Arc::new(self.control), self.data, self.peer_data.map(|held| held.socket));
        let sockets = Sockets { control, data, watched: peer_data.is_some(), peer_data };
        let link = end.finish(established, sockets, peer)?;
        Ok(Channel::new(link.tx, link.rx, self.options.inbox_max, about))
    }
}
