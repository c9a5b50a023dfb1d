//! From a pair of sockets to a channel between two processes.

use super::duplex::Channel;
use super::options::Options;
use crate::control::drive;
use crate::control::identity::Identity;
use crate::control::message_error::MessageError;
use crate::control::refusal::Refusal;
use crate::link::About;
use crate::link::connect::{End, Sockets};
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
    pub(super) options: Options,
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
/// # Errors
/// The error of `socketpair`: no more descriptors can be opened, for example. `InvalidInput`: `max_message` is 0.
pub fn pair(options: &Options) -> io::Result<(Pending, Pending)> {
    if options.max_message == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, MessageError::MaxMessage));
    }
    let (control, peer_control) = socket::pair()?;
    let (data, peer_data) = socket::pair()?;
    let end = |offers, control, data| Pending { offers, control, data, options: options.clone() };
    Ok((end(true, control, data), end(false, peer_control, peer_data)))
}

impl Pending {
    /// Connects with the other end, which must do the same.
    ///
    /// # Errors
    /// [`ConnectError`]; the other end is told, and nothing is left of the channel.
    pub fn connect(self) -> Result<Channel, ConnectError> {
        self.connect_to(None)
    }

    /// The accepting end, from sockets that were passed on.
    pub(crate) fn accepting(control: OwnedFd, data: OwnedFd, options: Options) -> Self {
        Self { offers: false, control, data, options }
    }

    /// Connects with the other end, whose process is `peer` if that is known.
    pub(crate) fn connect_to(self, peer: Option<OwnedFd>) -> Result<Channel, ConnectError> {
        let until = deadline::after(Instant::now(), self.options.handshake_timeout);
        let wish = self.options.wish(Identity::new(0, 0));
        let control = self.control.as_fd();
        let (end, established) = if self.offers {
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
        let sockets = Sockets { control: Arc::new(self.control), data: self.data, peer_data: None };
        let link = end.finish(established, sockets, peer)?;
        Ok(Channel::new(link.tx, link.rx, self.options.inbox_max, about))
    }
}
