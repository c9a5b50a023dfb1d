//! What a channel is made with.

use crate::control::accept::Limits;
use crate::control::fallback::LinkChoice;
use crate::control::identity::Identity;
use crate::control::message::Terms;
use crate::link::connect::Wish;
use crate::segment::{Capacity, CapacityError};
use crate::wait::spin::Wait;
use std::time::Duration;

/// The longest message of a channel that was asked for nothing else, in bytes.
pub const MAX_MESSAGE: u64 = 64 << 20;
/// How long a handshake may take if nothing else was asked for.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How many bytes a whole channel takes in while its sender waits, if nothing else was asked for.
pub const INBOX_MAX: u64 = 64 << 20;

/// What a channel is made with. The end that offers decides for both.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) capacity: Capacity,
    pub(crate) max_message: u64,
    pub(crate) inbox_max: u64,
    pub(crate) link: LinkChoice,
    pub(crate) wait: Wait,
    pub(crate) prefault: bool,
    pub(crate) handshake_timeout: Duration,
    pub(crate) limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            capacity: Capacity::default(),
            max_message: MAX_MESSAGE,
            inbox_max: INBOX_MAX,
            link: LinkChoice::Auto,
            wait: Wait::Adaptive,
            prefault: false,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            limits: Limits::NONE,
        }
    }
}

impl Options {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The size of each direction's ring in bytes: a power of two from 4 KiB to 1 GiB; 1 MiB by default.
    ///
    /// # Errors
    /// [`CapacityError`] for any other number.
    pub fn capacity(mut self, bytes: u64) -> Result<Self, CapacityError> {
        self.capacity = Capacity::new(bytes)?;
        Ok(self)
    }

    /// The longest message in bytes, either way; 64 MiB by default. With 0 there is no channel:
    /// [`pair`](super::pair) says so.
    #[must_use]
    pub fn max_message(mut self, bytes: u64) -> Self {
        self.max_message = bytes;
        self
    }

    /// How many bytes [`Channel::send`](super::Channel::send) takes in while it waits; 64 MiB by default. A message
    /// counts 32 bytes more than it has.
    #[must_use]
    pub fn inbox_max(mut self, bytes: u64) -> Self {
        self.inbox_max = bytes;
        self
    }

    /// Which link to use; the best that can be had by default.
    #[must_use]
    pub fn link(mut self, link: LinkChoice) -> Self {
        self.link = link;
        self
    }

    /// How this end waits; [`Wait::Adaptive`] by default.
    #[must_use]
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// Whether the memory of the ring that this end sends in is asked for when the ends connect; `false` by default: then
    /// it comes 64 KiB at a time, as the first messages go round. If there is not so much memory the link is a socket,
    /// and [`About::fallback`](super::About::fallback) says `madvise` and the errno. What the other end sends in is its
    /// own affair.
    #[must_use]
    pub fn prefault(mut self, prefault: bool) -> Self {
        self.prefault = prefault;
        self
    }

    /// How long the handshake may take; 10 s by default.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// What this end takes part in, whichever of the two decides; anything by default.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn capacity_bytes(&self) -> u64 {
        self.capacity.bytes()
    }

    pub(crate) fn handshake_limit(&self) -> Duration {
        self.handshake_timeout
    }

    pub(crate) fn wish(&self, identity: Identity) -> Wish {
        let (capacity, max_message) = (self.capacity, self.max_message);
        let terms = Terms { to_acceptor: capacity, to_offerer: capacity, max_message };
        let (choice, wait, prefault, limits) = (self.link, self.wait, self.prefault, self.limits);
        Wish { choice, wait, prefault, terms, limits, identity }
    }
}
