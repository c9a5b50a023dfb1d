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
use crate::sync::{AtomicU32, Fences, Ordering, fence};
use crate::sys::{futex, membarrier, socket};
use std::time::{Duration, Instant};

/// How long a sleep lasts at most once the agreed heavy fence failed.
pub(crate) const NAP: Duration = Duration::from_millis(1);

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
    gone: &AtomicU32,
    deadline: Option<Instant>,
) -> Ended {
    if spinner.spin(condition, gone, deadline) == Polled::Ready {
        return if condition.holds() { Ended::Ready } else { Ended::Gone };
    }
    let begin = spinner.learns().then(Instant::now);
    let ended = sleep(condition, fences, gone, deadline);
    if let Some(begin) = begin {
        spinner.learn(begin.elapsed());
    }
    ended
}

fn sleep(
    condition: &mut impl Condition,
    fences: Fences,
    gone: &AtomicU32,
    deadline: Option<Instant>,
) -> Ended {
    loop {
        condition.arm(FUTEX);
        // R4, heavy side: the wait word is seen by whoever commits after this, or we see the commit below.
        let fenced = heavy(fences);
        let ended = if condition.holds() {
            Some(Ended::Ready)
        } else if gone.load(Ordering::Acquire) != 0 {
            // R7: pairs with the watch thread's store; what the peer committed before it died is visible now.
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
        match futex::wait(condition.word(), FUTEX, until) {
            futex::Waited::TimedOut if nap.is_none() || deadline.is_some_and(|end| Instant::now() >= end) => {
                condition.disarm();
                return if condition.holds() { Ended::Ready } else { Ended::TimedOut };
            }
            // Denied since the link was made: nothing but short sleeps is left. Nothing to poll means to sleep.
            futex::Waited::Failed(_) => {
                let _ = socket::wait_any(&[], &mut Vec::new(), Some(Instant::now() + NAP));
            }
            _ => {}
        }
    }
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
