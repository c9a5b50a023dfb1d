//! How the threads of an end sleep where nobody sleeps on a word: on the control socket, whose doorbell the peer rings.
//!
//! Two threads of an end may sleep at once, one for data and one for space, and a doorbell does not say for whom it was rung.
//! So whoever takes doorbells off the socket rings the other one's own bell, inside this process, afterwards. It is that
//! bell too by which the watch thread tells that the peer is gone. Where there is no such thread, whoever sleeps looks for
//! that as well, and rings for the other one.
//!
//! | the sleeper is woken by | for |
//! |---|---|
//! | the control socket | what the peer did: a commit, a release, a close |
//! | its own bell | a doorbell that the other sleeper took; the peer's end |

use super::peer::Peer;
use crate::sys::epoll::{Interest, Ready};
use crate::sys::eventfd::Bell;
use crate::sys::futex::Waited;
use crate::sys::{Result, socket};
use crate::wait::watch::Gone;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

/// Which of an end's two sleepers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sleeper {
    /// Who waits for something to take.
    Receiver,
    /// Who waits for space.
    Sender,
}

/// A bell for each sleeper of an end.
#[derive(Debug)]
pub(super) struct Bells {
    receiver: Bell,
    sender: Bell,
}

impl Bells {
    /// # Errors
    /// `EMFILE`, `ENFILE`: there are no descriptors for them.
    pub(super) fn new() -> Result<Self> {
        Ok(Self { receiver: Bell::new()?, sender: Bell::new()? })
    }

    /// Wakes both sleepers, now or when they come to sleep.
    pub(super) fn ring(&self) {
        self.receiver.ring();
        self.sender.ring();
    }

    /// Sleeps until a bell is rung that may be for this sleeper, or the deadline passes.
    pub(super) fn sleep(&self, peer: &Peer, sleeper: Sleeper, until: Option<Instant>) -> Waited {
        let (own, other) = match sleeper {
            Sleeper::Receiver => (&self.receiver, &self.sender),
            Sleeper::Sender => (&self.sender, &self.receiver),
        };
        let fds = [(peer.control(), Interest::Readable), (own.as_fd(), Interest::Readable)];
        let (control, bell) = match wait_each(peer, fds, until) {
            Ok([None, None]) if peer.cause().is_none() => return Waited::TimedOut,
            Ok([control, bell]) => (control, bell),
            Err(errno) => {
                peer.look();
                return Waited::Failed(errno);
            }
        };
        if bell.is_some() {
            own.silence();
        }
        let Some(control) = control else { return Waited::Woken };
        let rung = match peer.drain_doorbells() {
            // It would be readable for ever.
            Err(errno) if !control.hangup => return Waited::Failed(errno),
            rung => rung.unwrap_or(false),
        };
        if rung {
            other.ring();
        }
        if control.hangup && !rung && bell.is_none() {
            // It rings no more, and would be told of for ever.
            return hear(peer, own, until);
        }
        Waited::Woken
    }
}

/// What of `fds` is ready. Where no thread does it, the peer's death is waited for as well, and marked.
fn wait_each(
    peer: &Peer,
    fds: [(BorrowedFd<'_>, Interest); 2],
    until: Option<Instant>,
) -> Result<[Option<Ready>; 2]> {
    let ([a, b], Some(pidfd)) = (fds, peer.pidfd().filter(|_| !peer.is_watched())) else {
        return socket::wait_each(fds, until);
    };
    let [a, b, died] = socket::wait_each([a, b, (pidfd, Interest::Readable)], until)?;
    if died.is_some() {
        peer.mark(Gone::Dead);
    }
    Ok([a, b])
}

/// Sleeps until a sleeper's own bell is rung, once the control socket has hung up. What that means the watch thread says; where
/// there is none, nothing more may come than word of a death, and that for a while.
fn hear(peer: &Peer, own: &Bell, until: Option<Instant>) -> Waited {
    let own_bell = (own.as_fd(), Interest::Readable);
    let settled = if peer.is_watched() { None } else { peer.hang_up() };
    let heard = match (settled, peer.pidfd()) {
        _ if peer.cause().is_some() => return Waited::Woken,
        (Some(settled), Some(pidfd)) => {
            let sooner = until.map_or(settled, |until| until.min(settled));
            match socket::wait_each([own_bell, (pidfd, Interest::Readable)], Some(sooner)) {
                Ok([_, Some(_)]) => {
                    peer.mark(Gone::Dead);
                    return Waited::Woken;
                }
                // Asked again, it is settled.
                Ok([None, None]) if sooner == settled => return Waited::Woken,
                heard => heard.map(|[heard, _]| heard),
            }
        }
        _ => socket::wait_each([own_bell], until).map(|[heard]| heard),
    };
    match heard {
        Ok(None) => Waited::TimedOut,
        Ok(Some(_)) => {
            own.silence();
            Waited::Woken
        }
        Err(errno) => Waited::Failed(errno),
    }
}
