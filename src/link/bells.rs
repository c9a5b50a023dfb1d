//! How the threads of an end sleep where nobody sleeps on a word: on the control socket, whose doorbell the peer rings.
//!
//! Two threads of an end may sleep at once, one for data and one for space, and a doorbell does not say for whom it was rung.
//! So whoever takes doorbells off the socket rings the other one's own bell, inside this process, afterwards. It is that
//! bell too by which the watch thread tells that the peer is gone.
//!
//! | the sleeper is woken by | for |
//! |---|---|
//! | the control socket | what the peer did: a commit, a release, a close |
//! | its own bell | a doorbell that the other sleeper took; the peer's end |

use super::peer::Peer;
use crate::sys::epoll::Interest;
use crate::sys::eventfd::Bell;
use crate::sys::futex::Waited;
use crate::sys::{Result, socket};
use std::os::fd::AsFd;
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

    fn of(&self, sleeper: Sleeper) -> &Bell {
        match sleeper {
            Sleeper::Receiver => &self.receiver,
            Sleeper::Sender => &self.sender,
        }
    }

    /// Sleeps until a bell is rung that may be for this sleeper, or the deadline passes.
    pub(super) fn sleep(&self, peer: &Peer, sleeper: Sleeper, until: Option<Instant>) -> Waited {
        let (own, other) = match sleeper {
            Sleeper::Receiver => (&self.receiver, &self.sender),
            Sleeper::Sender => (&self.sender, &self.receiver),
        };
        let fds = [(peer.control(), Interest::Readable), (own.as_fd(), Interest::Readable)];
        let (control, bell) = match socket::wait_each(fds, until) {
            Ok([None, None]) => return Waited::TimedOut,
            Ok([control, bell]) => (control, bell),
            Err(errno) => return Waited::Failed(errno),
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
            // It rings no more, and would be told of for ever: the watch thread says what it means.
            return self.hear(sleeper, until);
        }
        Waited::Woken
    }

    /// Sleeps until this sleeper's own bell is rung.
    fn hear(&self, sleeper: Sleeper, until: Option<Instant>) -> Waited {
        let own = self.of(sleeper);
        match socket::wait_each([(own.as_fd(), Interest::Readable)], until) {
            Ok([None]) => Waited::TimedOut,
            Ok([Some(_)]) => {
                own.silence();
                Waited::Woken
            }
            Err(errno) => Waited::Failed(errno),
        }
    }
}
