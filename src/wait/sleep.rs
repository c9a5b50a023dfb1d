//! Sleeping until a condition holds, and never through its coming true.
//!
//! ```text
//! sleeper:  arm ──▶ heavy fence ──▶ look again ──▶ futex_wait(word, armed)
//! waker:    commit ──▶ light fence ──▶ look at the word ──▶ swap to 0 ──▶ futex_wake
//! ```
//!
//! Where nobody can sleep on a word the last step is another one ([`Bed`]): a doorbell that stays rung until it is heard.
//!
//! **Theorem.** If the condition comes true, the sleeper sees it or the waker sees the armed word (R4). In the
//! second case the word is no longer armed when the waker wakes, so a sleeper that comes to `futex_wait` later
//! does not sleep. The same holds against the watch thread, with `gone` in the place of the commit.

use super::Condition;
use super::nap::{Naps, doze};
use super::spin::{Polled, Spinner};
use crate::ring::lines::{FENCE_LOST, FUTEX};
use crate::sync::latch::Latch;
use crate::sync::{AtomicU32, Fences, Ordering, fence};
use crate::sys::{futex, membarrier};
use std::time::Instant;

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

    /// [`Presence::gone`], without a claim on what is visible then.
    #[inline(always)]
    pub(crate) fn peek(&self) -> u32 {
        self.gone.peek()
    }

    /// The peer is gone, for the reason `how` (not 0): every sleep ends, and none begins.
    pub(crate) fn leave(&self, how: u32) {
        self.gone.set(how);
        self.stop.set();
    }
}

/// What a sleeper lies on, and is woken from.
pub(crate) trait Bed {
    /// What the wait word holds meanwhile: it tells the waker how to wake.
    fn armed(&self) -> u32;
    /// What was agreed with the waker.
    fn fences(&self) -> Fences;
    /// Whether there is a waker.
    fn presence(&self) -> &Presence;
    /// Looks for it, where nobody tells.
    fn look(&self) {}
    /// Sleeps while the wait word `word` holds `armed`, until a wake-up, the deadline, or the peer's end. It may end
    /// early, and it does not begin where the wake-up came before it.
    fn sleep(&self, word: &AtomicU32, armed: u32, until: Option<Instant>) -> futex::Waited;
}

/// The wait word itself, as a futex.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnWord<'a> {
    pub(crate) fences: Fences,
    pub(crate) presence: &'a Presence,
}

impl Bed for OnWord<'_> {
    fn armed(&self) -> u32 {
        FUTEX
    }
    fn fences(&self) -> Fences {
        self.fences
    }
    fn presence(&self) -> &Presence {
        self.presence
    }
    fn sleep(&self, word: &AtomicU32, armed: u32, until: Option<Instant>) -> futex::Waited {
        futex::wait_or_stop(word, armed, &self.presence.stop, until)
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
    bed: &impl Bed,
    deadline: Option<Instant>,
) -> Ended {
    let begin = match spinner.spin(condition, bed, deadline) {
        Polled::Seen => return Ended::Ready,
        Polled::Ready => return if condition.holds() { Ended::Ready } else { Ended::Gone },
        Polled::Spent { since } => since,
    };
    let ended = sleep(condition, bed, deadline);
    if let Some(begin) = begin {
        spinner.learn(begin.elapsed());
    }
    ended
}

fn sleep(condition: &mut impl Condition, bed: &impl Bed, deadline: Option<Instant>) -> Ended {
    let mut naps = Naps::new();
    loop {
        let fences = if condition.fenced() { Fences::SeqCst } else { bed.fences() };
        // The wait word is seen by whoever commits after this, or we see the commit below.
        let armed = arm(bed.armed(), fences, |word| condition.arm(word));
        let ended = if condition.holds() {
            Some(Ended::Ready)
        } else if bed.presence().gone() != 0 {
            // What the peer committed before it died is visible now.
            Some(if condition.holds() { Ended::Ready } else { Ended::Gone })
        } else {
            None
        };
        if let Some(ended) = ended {
            condition.disarm();
            return ended;
        }
        let nap = (!armed.certain).then(|| naps.next());
        let until = match (deadline, nap) {
            (Some(deadline), Some(nap)) => Some(deadline.min(nap)),
            (deadline, nap) => deadline.or(nap),
        };
        match bed.sleep(condition.word(), armed.word, until) {
            futex::Waited::TimedOut if nap.is_none() || deadline.is_some_and(|end| Instant::now() >= end) => {
                condition.disarm();
                return if condition.holds() { Ended::Ready } else { Ended::TimedOut };
            }
            futex::Waited::TimedOut => {}
            // Denied since the link was made: nothing but short sleeps is left.
            futex::Waited::Failed(_) => doze(),
            _ => naps = Naps::new(),
        }
        // Whoever was woken for something need not arm, and fence, to find it.
        let ended = match condition.holds() {
            true => Some(Ended::Ready),
            // A bed may end a sleep again and again: a peer that rings for nothing, a system that refuses.
            false => deadline.is_some_and(|end| Instant::now() >= end).then_some(Ended::TimedOut),
        };
        if let Some(ended) = ended {
            condition.disarm();
            return ended;
        }
    }
}

/// A wait word that was set, and fenced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArmedWord {
    /// What it was set to.
    pub(crate) word: u32,
    /// Whether a wake-up is certain. If not, sleep short.
    pub(crate) certain: bool,
}

/// Sets a wait word to `word` by `set`, and executes the heavy side of the fence pair after it. If the agreed one
/// fails, it executes a full fence and asks the waker for the same, who has not agreed to that yet: [`FENCE_LOST`].
pub(crate) fn arm(word: u32, fences: Fences, mut set: impl FnMut(u32)) -> ArmedWord {
    set(word);
    // R4, heavy side: the wait word, before the caller's second look.
    if heavy(fences) {
        return ArmedWord { word, certain: true };
    }
    let word = word | FENCE_LOST;
    set(word);
    // R4, heavy side: for a waker that executes full fences already, and has not said so.
    let _ = heavy(Fences::SeqCst);
    ArmedWord { word, certain: false }
}

/// The heavy side of a fence pair. `false`: the agreed one failed, so a wake-up may be missed.
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
