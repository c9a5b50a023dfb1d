//! Sleeping until a condition holds, and never through its coming true.
//!
//! ```text
//! sleeper:  arm ──▶ heavy fence ──▶ look again ──▶ futex_wait(word, armed)
//! waker:    commit ──▶ light fence ──▶ look at the word ──▶ swap to 0 ──▶ futex_wake
//! ```
//!
//! **Theorem.** If the condition comes true, the sleeper sees it or the waker sees the armed word (R4). In the
//! second case the word is no longer armed when the waker wakes, so a sleeper that comes to `futex_wait` later
//! does not sleep. The same holds against the watch thread, with `gone` in the place of the commit.

use super::Condition;
use super::spin::{Polled, Spinner};
use crate::ring::lines::FUTEX;
use crate::sync::latch::Latch;
use crate::sync::{AtomicU32, Fences, Ordering, fence};
use crate::sys::{futex, membarrier, socket};
use std::time::{Duration, Instant};

/// How long a sleep lasts at most once the agreed heavy fence failed.
pub(crate) const NAP: Duration = Duration::from_millis(1);

/// Whether the peer is there, as this process knows it: no word of it is the peer's to write.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    gone: Latch,
    /// Ends the sleeps that a peer has made unreachable by their futex word: see [`futex`].
    stop: futex::Stop,
}

impl Presence {
    /// 0 while the peer is there; else the largest value that was given to [`Presence::leave`].
    #[inline(always)]
    pub(crate) fn gone(&self) -> u32 {
        self.gone.get()
    }

    /// Whether the peer is gone, without a claim on what is visible then.
    #[inline(always)]
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.is_set()
    }

    /// The peer is gone, for the reason `how` (not 0): every sleep ends, and none begins.
    pub(crate) fn leave(&self, how: u32) {
        self.gone.set(how);
        self.stop.set();
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The condition holds.
    Ready,
    /// The deadline passed first.
    TimedOut,
    /// The peer is gone.
    Gone,
}

/// Waits until the condition holds, the peer is gone, or the deadline passes.
pub(crate) fn block(
    condition: &mut impl Condition,
    spinner: &mut Spinner,
    fences: Fences,
    presence: &Presence,
    deadline: Option<Instant>,
) -> Ended {
    let begin = match spinner.spin(condition, presence, deadline) {
        Polled::Seen => return Ended::Ready,
        Polled::Ready => return if condition.holds() { Ended::Ready } else { Ended::Gone },
        Polled::Spent { since } => since,
    };
    let ended = sleep(condition, fences, presence, deadline);
    if let Some(begin) = begin {
        spinner.learn(begin.elapsed());
    }
    ended
}

fn sleep(
    condition: &mut impl Condition,
    fences: Fences,
    presence: &Presence,
    deadline: Option<Instant>,
) -> Ended {
    loop {
        let fenced = armed(fences, || condition.arm(FUTEX));
        let ended = if condition.holds() {
            Some(Ended::Ready)
        } else if presence.gone() != 0 {
            // What the peer committed before it died is visible now.
            Some(if condition.holds() { Ended::Ready } else { Ended::Gone })
        } else {
            None
        };
        if let Some(ended) = ended {
            condition.disarm();
            return ended;
        }
        let nap = (!fenced).then(|| Instant::now() + NAP);
        let until = match (deadline, nap) {
            (Some(deadline), Some(nap)) => Some(deadline.min(nap)),
            (deadline, nap) => deadline.or(nap),
        };
        match futex::wait_or_stop(condition.word(), FUTEX, &presence.stop, until) {
            futex::Waited::TimedOut if nap.is_none() || deadline.is_some_and(|end| Instant::now() >= end) => {
                condition.disarm();
                return if condition.holds() { Ended::Ready } else { Ended::TimedOut };
            }
            // Denied since the link was made: nothing but short sleeps is left.
            futex::Waited::Failed(_) => doze(),
            _ => {}
        }
    }
}

/// Sleeps for [`NAP`], where there is nothing that would tell when to go on.
pub(crate) fn doze() {
    let until = Some(Instant::now() + NAP);
    // Nothing to poll means to sleep. Where that is denied, a word that nobody wakes does.
    if socket::wait_any(&[], &mut Vec::new(), until).is_err() {
        futex::wait(&AtomicU32::new(0), 0, until);
    }
}

/// Arms a wait word as `arm` does; after this the caller looks again, and only then sleeps. `false`: see [`heavy`].
#[must_use]
pub(crate) fn armed(fences: Fences, arm: impl FnOnce()) -> bool {
    arm();
    // R4, heavy side: the wait word is seen by whoever commits after this, or the caller sees the commit.
    heavy(fences)
}

/// The heavy side of a fence pair. `false`: the agreed one failed, so a wake-up may be missed: sleep short.
#[must_use]
pub(crate) fn heavy(fences: Fences) -> bool {
    match fences {
        Fences::SeqCst => {
            // R4, heavy side.
            fence(Ordering::SeqCst);
            true
        }
        // R4, heavy side: every registered process has executed a full fence when this returns.
        Fences::Membarrier => membarrier::heavy().is_ok(),
    }
}
