//! What the two directions of a link share: the peer, whether it is gone, and how to wake it.

use super::error::Cause;
use crate::segment::{Side, WaitPage};
use crate::sync::{AtomicU32, Fences, Ordering, fence};
use crate::sys::fork::Origin;
use crate::sys::{Result, futex, socket};
use crate::wait::watch::{Gone, Watch, Watched};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

const PRESENT: u32 = 0;
const HUNG_UP: u32 = 1;
const DEAD: u32 = 2;

/// The other end of a link, as both directions of this end see it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) origin: Origin,
    pub(crate) fences: Fences,
    control: Arc<OwnedFd>,
    pidfd: Option<OwnedFd>,
    page: Option<Arc<WaitPage>>,
    side: Side,
    gone: AtomicU32,
    token: OnceLock<u64>,
}

impl Peer {
    /// The peer behind a control socket. With a wait page it can be slept on by futex, and is watched.
    ///
    /// # Errors
    /// The errno of the watch thread's start or of its epoll.
    pub(crate) fn new(
        control: Arc<OwnedFd>,
        pidfd: Option<OwnedFd>,
        page: Option<(Arc<WaitPage>, Side)>,
        fences: Fences,
    ) -> Result<Arc<Self>> {
        let origin = Origin::here()?;
        let (page, side) = match page {
            Some((page, side)) => (Some(page), side),
            None => (None, Side::A),
        };
        let (gone, token) = (AtomicU32::new(PRESENT), OnceLock::new());
        let peer = Arc::new(Self { origin, fences, control, pidfd, page, side, gone, token });
        if peer.page.is_some() {
            let token = Watch::here()?.add(&peer)?;
            let _ = peer.token.set(token);
        }
        Ok(peer)
    }

    /// Whether this is a forked copy.
    #[inline(always)]
    pub(crate) fn forked(&self) -> bool {
        self.origin.forked()
    }

    /// Set once the peer is gone. For [`crate::wait::sleep::block`].
    pub(crate) fn gone_word(&self) -> &AtomicU32 {
        &self.gone
    }

    /// Why nothing more comes from the peer, if it is gone.
    pub(crate) fn cause(&self) -> Option<Cause> {
        // R7, acquire side: what the peer committed before it was gone is visible after this.
        match self.gone.load(Ordering::Acquire) {
            PRESENT => None,
            HUNG_UP => Some(Cause::HungUp),
            _ => Some(Cause::Died),
        }
    }

    /// Whether the peer's process is known to have ended: only then nothing can change any more.
    pub(crate) fn is_dead(&self) -> bool {
        // R7, acquire side.
        self.gone.load(Ordering::Acquire) == DEAD
    }

    /// The control socket: readable when the peer rang the doorbell.
    pub(crate) fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// The peer's process.
    pub(crate) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// Takes every doorbell that was rung.
    pub(crate) fn drain_doorbells(&self) {
        let mut packet = [0; 8];
        // At most what a socket holds: a peer that floods it is met again at the next visit.
        for _ in 0..64 {
            match socket::recv(&self.control, &mut packet) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    /// The peer is gone: every wait of this end must end.
    pub(crate) fn mark(&self, gone: Gone) {
        let value = if gone == Gone::Dead { DEAD } else { HUNG_UP };
        // R7, release side: a dead peer's commits happened before its pidfd fired.
        self.gone.fetch_max(value, Ordering::AcqRel);
        // R4 for the watch thread: the flag, then the wait words; the sleeper arms, fences, then looks at the flag.
        fence(Ordering::SeqCst);
        self.wake_self();
    }

    /// Wakes whoever sleeps at this end.
    pub(crate) fn wake_self(&self) {
        let Some(page) = &self.page else { return };
        for line in [page.data(self.side), page.space(self.side)] {
            // R5: the word must not be armed any more when a sleeper comes to the futex.
            line.armed.swap(crate::ring::lines::AWAKE, Ordering::AcqRel);
            futex::wake(&line.armed);
        }
    }
}

impl Watched for Peer {
    fn descriptors(&self) -> (BorrowedFd<'_>, Option<BorrowedFd<'_>>) {
        (self.control(), self.pidfd())
    }

    fn gone(&self, gone: Gone) {
        self.mark(gone);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.forked() {
            return;
        }
        if let (Some(token), Ok(watch)) = (self.token.get(), Watch::here()) {
            watch.forget(*token, self.control(), self.pidfd());
        }
    }
}
