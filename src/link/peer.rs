//! What the two directions of a link share: the peer, whether it is gone, and how to wake it.

use super::bells::{Bells, Sleeper};
use super::error::{Cause, TxError};
use super::socket::Wire;
use super::turns::Turns;
use crate::ring::PushError;
use crate::ring::lines::{DOORBELL, FUTEX, rouse};
use crate::segment::{Mute, Side, WaitPage};
use crate::sync::{AtomicU32, Fences};
use crate::sys::epoll::Interest;
use crate::sys::fork::Origin;
use crate::sys::futex::Waited;
use crate::sys::{Errno, Result, futex, socket};
use crate::wait::sleep::{Bed, OnWord, Presence};
use crate::wait::watch::{Gone, Watch, Watched};
use crossbeam_utils::CachePadded;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const PRESENT: u32 = 0;
const HUNG_UP: u32 = 1;
const DEAD: u32 = 2;

/// How long a hang-up is doubted where a pidfd may still tell that it was a death. The kernel closes the sockets of a
/// dying process shortly before, but a busy machine may take its time in between.
const DOUBT: Duration = Duration::from_millis(500);

/// The other end of a link, as both directions of this end see it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) origin: Origin,
    pub(crate) fences: Fences,
    control: Arc<OwnedFd>,
    pidfd: Option<OwnedFd>,
    page: Option<Arc<WaitPage>>,
    side: Side,
    /// What is slept on, if it is not the wait words.
    bells: Option<Bells>,
    wire: Option<Arc<Wire>>,
    presence: Presence,
    /// Until when a hang-up is doubted, once one was seen.
    doubt: OnceLock<Instant>,
    /// What the watch thread knows it by, if it watches.
    token: OnceLock<u64>,
    /// Whose turn it is.
    pub(crate) turns: CachePadded<Turns>,
}

impl Peer {
    /// The peer behind a control socket, who shares memory. Who waits for it sleeps on the wait words, or, `by_doorbell`, on
    /// the control socket. It is watched; but where this process has no futexes, which would have no second thread then,
    /// whoever waits `by_doorbell` watches for itself.
    ///
    /// # Errors
    /// The errno of the watch thread's start or of its epoll; `EMFILE`, `ENFILE`.
    pub(crate) fn new(
        control: Arc<OwnedFd>,
        pidfd: Option<OwnedFd>,
        (page, side): (Arc<WaitPage>, Side),
        fences: Fences,
        by_doorbell: bool,
    ) -> Result<Arc<Self>> {
        let (origin, page) = (Origin::here(), Some(page));
        let bells = if by_doorbell { Some(Bells::new()?) } else { None };
        let (presence, doubt, token) = (Presence::default(), OnceLock::new(), OnceLock::new());
        let (wire, turns) = (None, CachePadded::new(Turns::new()));
        let peer =
            Self { origin, fences, control, pidfd, page, side, bells, wire, presence, doubt, token, turns };
        let peer = Arc::new(peer);
        if !by_doorbell || futex::probe().is_ok() {
            let token = Watch::here()?.add(&peer)?;
            let _ = peer.token.set(token);
        }
        Ok(peer)
    }

    /// The peer behind a control socket and a data socket. Whoever waits for it polls both sockets and the pidfd, and marks what it
    /// finds; it is `watched` beside that if there can be a watch thread.
    pub(crate) fn over_socket(
        control: Arc<OwnedFd>,
        pidfd: Option<OwnedFd>,
        wire: Arc<Wire>,
        watched: bool,
    ) -> Arc<Self> {
        let (origin, fences, page, side) = (Origin::here(), Fences::SeqCst, None, Side::A);
        let (presence, doubt, token) = (Presence::default(), OnceLock::new(), OnceLock::new());
        let (wire, turns, bells) = (Some(wire), CachePadded::new(Turns::new()), None);
        let peer =
            Self { origin, fences, control, pidfd, page, side, bells, wire, presence, doubt, token, turns };
        let peer = Arc::new(peer);
        if watched && futex::probe().is_ok() {
            let _ = Watch::here().and_then(|watch| watch.add(&peer)).map(|token| peer.token.set(token));
        }
        peer
    }

    /// Whether this is a forked copy.
    #[inline(always)]
    pub(crate) fn forked(&self) -> bool {
        self.origin.forked()
    }

    /// Whether the peer is there, and this is no forked copy, nor a process of which that is not known by a look. One branch for
    /// both.
    #[inline(always)]
    pub(super) fn is_well(&self) -> bool {
        self.origin.differs() | u64::from(self.presence.peek()) == 0
    }

    /// Whether this is no forked copy, and [whatever there is](super::turns::Expected::Any) may be received. One branch, as there.
    #[inline(always)]
    pub(super) fn gives_any(&self) -> bool {
        self.turns.is_not_any() | self.origin.differs() == 0
    }

    /// What a sleeper of this end lies on.
    pub(super) fn bed(&self, sleeper: Sleeper) -> impl Bed {
        LinkBed { peer: self, sleeper }
    }

    /// Whether the peer is there. For [`crate::wait::sleep::block`].
    pub(crate) fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Why nothing more comes from the peer, if it is gone.
    pub(crate) fn cause(&self) -> Option<Cause> {
        match self.presence.gone() {
            PRESENT => None,
            HUNG_UP => Some(Cause::HungUp),
            _ => Some(Cause::Died),
        }
    }

    /// Whether the peer's process is known to have ended: only then nothing can change any more.
    pub(crate) fn is_dead(&self) -> bool {
        self.presence.gone() == DEAD
    }

    /// Until when this end of a socket may be a death of which the pidfd has not told yet: for a while after the first
    /// time that this is asked, if there is a pidfd.
    pub(crate) fn may_be_dying(&self) -> Option<Instant> {
        if self.pidfd.is_none() || self.cause().is_some() {
            return None;
        }
        let now = Instant::now();
        let until = *self.doubt.get_or_init(|| now + DOUBT);
        (now < until).then_some(until)
    }

    /// Until when it may be, if that is still open.
    pub(crate) fn doubt(&self) -> Option<Instant> {
        let until = *self.doubt.get()?;
        (self.cause().is_none() && Instant::now() < until).then_some(until)
    }

    /// Whether a thread watches it; else it is looked for by whoever waits.
    pub(super) fn is_watched(&self) -> bool {
        self.token.get().is_some()
    }

    /// What it means to the sender that its ring refuses. A full one may be that of a peer that is gone, which the next call
    /// will say.
    #[cold]
    pub(super) fn refused(&self, error: PushError) -> TxError {
        if error == PushError::Full {
            self.look();
        }
        error.into()
    }

    /// Looks whether the peer is gone, where no thread tells.
    #[inline]
    pub(crate) fn look(&self) {
        if !self.is_watched() {
            self.look_now();
        }
    }

    /// Looks whether the peer is gone, whoever else does.
    #[cold]
    pub(crate) fn look_now(&self) {
        // A hang-up may turn out to have been a death.
        if self.is_dead() || self.forked() {
            return;
        }
        let (control, now) = ((self.control(), Interest::HangUp), Some(Instant::now()));
        let seen = match self.pidfd() {
            Some(pidfd) => socket::wait_each([control, (pidfd, Interest::Readable)], now),
            None => socket::wait_each([control], now).map(|[control]| [control, None]),
        };
        match seen {
            Ok([_, Some(_)]) => self.mark(Gone::Dead),
            Ok([Some(_), None]) => _ = self.hang_up(),
            Ok([None, None]) => {}
            Err(_) => self.look_by_reading(),
        }
    }

    /// Nothing but a poll tells of a pidfd. Of a hang-up the socket tells whoever has read all that was sent before.
    #[cold]
    pub(super) fn look_by_reading(&self) {
        // Another thread may be able to poll, and sleeps until one is rung.
        if let (Ok(true), Some(bells)) = (self.drain_doorbells(), &self.bells) {
            bells.ring();
        }
        if let Ok(0) | Err(Errno::CONNRESET) = socket::peek(self.control(), &mut [0; 1]) {
            self.hang_up();
        }
    }

    /// The control socket has hung up. Until when that may be a death; `None`: the peer is marked as gone.
    pub(crate) fn hang_up(&self) -> Option<Instant> {
        let until = self.may_be_dying();
        if until.is_none() && self.cause().is_none() {
            self.mark(Gone::HungUp);
        }
        until
    }

    /// The control socket: readable when the peer rang the doorbell.
    pub(crate) fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// What becomes readable when there is something to receive: the data socket of a socket link, else, once the
    /// receiving half has armed the doorbell, the control socket.
    pub(crate) fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wire.as_ref().map_or_else(|| self.control(), |wire| wire.data())
    }

    /// What becomes readable when the peer has closed one half of a socket link; there the `wake_fd` is writable when
    /// there is space. `None`: the peer tells of either through the `wake_fd`.
    pub(crate) fn note_fd(&self) -> Option<BorrowedFd<'_>> {
        self.wire.as_ref().map(|_| self.control())
    }

    /// The peer's process.
    pub(crate) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// Takes every doorbell that was rung, and says whether there was any.
    ///
    /// # Errors
    /// The socket cannot be read, and none was taken.
    pub(crate) fn drain_doorbells(&self) -> Result<bool> {
        let _one_at_a_time = self.wire.as_ref().map(|wire| wire.listen());
        let mut packet = [0; 8];
        // At most what a socket holds: a peer that floods it is met again at the next visit.
        for visits in 0..64 {
            match socket::recv(&self.control, &mut packet) {
                // Said once, when the peer went and left a doorbell unread: what it had sent is still there.
                Err(Errno::CONNRESET | Errno::MSGSIZE) => {}
                Ok(0) | Err(Errno::AGAIN) => return Ok(visits > 0),
                Err(_) if visits > 0 => return Ok(true),
                Err(errno) => return Err(errno),
                Ok(len) => self.hear(&packet[..len]),
            }
        }
        Ok(true)
    }

    fn hear(&self, packet: &[u8]) {
        if let Some(wire) = &self.wire {
            wire.hear(packet);
        }
    }

    /// The peer is gone: every wait of this end must end.
    pub(crate) fn mark(&self, gone: Gone) {
        let value = if gone == Gone::Dead { DEAD } else { HUNG_UP };
        self.presence.leave(value);
        self.wake_self();
    }

    /// Wakes whoever sleeps at this end.
    pub(crate) fn wake_self(&self) {
        if let Some(wire) = &self.wire {
            wire.ring();
        }
        let Some(page) = &self.page else { return };
        rouse([page.data(self.side), page.space(self.side)], |line| {
            if self.bells.is_none() {
                // Denied to this process: who was asleep before learns of it by its deadline.
                let _ = futex::wake(&line.armed);
            }
        });
        // After the flag that says why, as the words: a bell that was heard too early is not rung again.
        if let Some(bells) = &self.bells {
            bells.ring();
        }
    }
}

/// The wait words or the control socket, for one of an end's sleepers.
struct LinkBed<'a> {
    peer: &'a Peer,
    sleeper: Sleeper,
}

impl Bed for LinkBed<'_> {
    fn armed(&self) -> u32 {
        if self.peer.bells.is_some() { DOORBELL } else { FUTEX }
    }
    fn fences(&self) -> Fences {
        self.peer.fences
    }
    fn presence(&self) -> &Presence {
        &self.peer.presence
    }
    fn look(&self) {
        self.peer.look();
    }
    fn sleep(&self, word: &AtomicU32, armed: u32, until: Option<Instant>) -> Waited {
        match &self.peer.bells {
            Some(bells) => bells.sleep(self.peer, self.sleeper, until),
            None => OnWord { fences: self.fences(), presence: self.presence() }.sleep(word, armed, until),
        }
    }
}

impl Watched for Peer {
    fn descriptors(&self) -> (Option<BorrowedFd<'_>>, Option<BorrowedFd<'_>>) {
        (Some(self.control()), self.pidfd())
    }

    fn hung_up(&self) -> Option<Instant> {
        self.hang_up()
    }

    fn died(&self) {
        self.mark(Gone::Dead);
    }
}

/// `futex` was denied to this process since the link was made. The link ends: the peer is told by its own process, which can
/// wake it, and finds all that was committed before; this end says so from now on.
impl Mute for Peer {
    fn cannot_wake(&self) {
        let _ = socket::shut_sending(&*self.control);
        self.mark(Gone::HungUp);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.forked() {
            return;
        }
        // Asking for the watch thread would start it.
        let Some(token) = self.token.get() else { return };
        if let Ok(watch) = Watch::here() {
            watch.forget(*token, Some(self.control()), self.pidfd());
        }
    }
}
