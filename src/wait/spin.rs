//! How long to poll before sleeping.

use super::Condition;
use super::sleep::Bed;
use std::hint::{black_box, spin_loop};
use std::time::{Duration, Instant};

/// How an endpoint waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wait {
    /// Poll and never sleep: the shortest latency, one core burnt for each waiting thread.
    Spin,
    /// Poll for up to about what a wake-up costs while that lately paid off, then sleep. The default.
    #[default]
    Adaptive,
    /// Sleep at once: the least CPU time.
    Park,
}

/// The longest that [`Wait::Adaptive`] polls before it sleeps: about what one sleep and wake-up costs.
pub const SPIN_LIMIT: Duration = Duration::from_micros(50);

/// How many pauses the receiver of a stream leaves before its first look, at most: as much as 1.5 µs where a pause takes
/// longest.
const GAP_LIMIT: u32 = 32;
/// The same on AMD's processors while much comes: 2.8 to 3.5 µs, at 22 to 27 ns a pause. On two cores that have no cache in
/// common, 64 bytes went a quarter more often a second with it than with 32 pauses, 8 bytes a seventh; on two that have one, it
/// made no difference.
const GAP_LIMIT_ON_AMD: u32 = 128;

/// Much: so many bytes between two waits. At 3.5 µs that is 300 MB/s.
const MUCH: u64 = 1024;

fn gap_limit() -> u32 {
    if is_amd() { GAP_LIMIT_ON_AMD } else { GAP_LIMIT }
}

/// Pauses between two looks: without any the poller keeps stealing the line that the sender still fills, and with
/// too many it comes late. What a `pause` lasts differs by a factor of ten between processors: on AMD's Zen 3 and Zen 5
/// (24 and 22 ns) one is best, on Intel's Sapphire Rapids eight are.
const PAUSES: u32 = 8;
/// The same on AMD's processors.
const PAUSES_ON_AMD: u32 = 1;

fn pauses() -> u32 {
    if is_amd() { PAUSES_ON_AMD } else { PAUSES }
}

/// What passes between the end of a turn and the first look for the answer, on AMD's processors. No answer is there before two
/// cache lines have travelled and the peer has read the one and written the other, and a look before that takes the line
/// from the peer, which has to fetch it back; a later one is late, at both ends. On Zen 3, with one cache for both cores, a round
/// trip of 48 bytes takes least with 5 steps and one pause; with 4 steps or 6, or with two pauses and none, it took a twentieth
/// longer, with 1 step and one pause an eighth. Elsewhere it was not measured, and there is no head start.
///
/// In pauses, which come after the steps: a look does not wait for steps before it, but for a pause.
const HEAD_START: u32 = 1;
/// The rest of it, which is less than a pause: [steps](HeadStart::steps).
const HEAD_START_STEPS: u32 = 5;

/// A time before the first look for an answer, finer than by pauses.
#[derive(Clone, Copy, Debug, Default)]
struct HeadStart {
    pauses: u32,
    /// Of four multiplications, each of which needs the one before: 16 cycles on Zen 3.
    steps: u32,
}

impl HeadStart {
    fn here() -> Self {
        if is_amd() { Self { pauses: HEAD_START, steps: HEAD_START_STEPS } } else { Self::default() }
    }

    #[inline(always)]
    fn pass(self) {
        let (mut left, mut chain) = (self.steps, self.steps);
        while left > 0 {
            for _ in 0..4 {
                chain = chain.wrapping_mul(0x9e37_79b1) ^ left;
            }
            left = black_box(left - 1);
        }
        black_box(chain);
    }
}

/// Whether it is worth it to tell the processor that lines which were just written will be read by another core: `cldemote`,
/// which Intel's processors since Sapphire Rapids know, and all others execute as nothing. On Emerald Rapids it takes a
/// twentieth to an eighth off a round trip. AMD's are spared the instructions.
fn demotes() -> bool {
    cfg!(target_arch = "x86_64") && !is_amd()
}

/// Only AMD's processors have SSE4a.
fn is_amd() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("sse4a");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// What a sleep adds to a wait: the waiting thread has to be woken.
const WAKE_UP: Duration = Duration::from_micros(35);

/// Looks between two readings of the clock.
const LOOKS: u32 = 64;

/// The private memory of one waiting endpoint: whether polling paid off lately.
#[derive(Debug)]
pub(crate) struct Spinner {
    wait: Wait,
    budget: Duration,
    pauses: u32,
    /// Whether the message of a turn is [demoted](demotes).
    pub(crate) demotes: bool,
    head_start: HeadStart,
    /// Pauses before the first look of a wait for the next message of a stream.
    gap: u32,
    /// The most of them, while much comes.
    gap_limit: u32,
    /// How many bytes of the stream were taken before the last wait.
    taken: u64,
}

/// How a poll ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    /// The cheap look saw that the condition holds.
    Seen,
    /// The condition may hold, or the peer is gone.
    Ready,
    /// The budget is used up. `since`: when the polling began, if there was any.
    Spent { since: Option<Instant> },
}

impl Spinner {
    /// A spinner for a machine on which this process may use `cpus` CPUs: on one, polling only delays the peer.
    pub(crate) fn new(wait: Wait, cpus: usize) -> Self {
        let wait = if cpus < 2 && wait == Wait::Adaptive { Wait::Park } else { wait };
        Self {
            wait,
            budget: SPIN_LIMIT,
            pauses: pauses(),
            head_start: HeadStart::here(),
            demotes: demotes(),
            gap: 0,
            gap_limit: gap_limit(),
            taken: 0,
        }
    }

    /// Polls the condition: one cheap look many times, the whole of it now and then.
    #[inline]
    pub(crate) fn spin(
        &mut self,
        condition: &mut impl Condition,
        bed: &impl Bed,
        deadline: Option<Instant>,
    ) -> Polled {
        if self.wait == Wait::Park {
            return Polled::Spent { since: None };
        }
        if self.first_looks(condition) {
            return Polled::Seen;
        }
        let begin = Instant::now();
        loop {
            if self.looks(condition) < LOOKS || condition.holds() || bed.presence().is_gone() {
                return Polled::Ready;
            }
            bed.look();
            let now = Instant::now();
            let spent = self.wait == Wait::Adaptive && now.duration_since(begin) >= self.budget;
            if spent || deadline.is_some_and(|deadline| now >= deadline) {
                return Polled::Spent { since: (self.wait == Wait::Adaptive).then_some(begin) };
            }
        }
    }

    /// The first looks of a wait, some microseconds long: whether the last one saw it.
    #[inline]
    pub(crate) fn linger(&mut self, condition: &mut impl Condition) -> bool {
        self.wait != Wait::Park && self.first_looks(condition)
    }

    /// The first looks for the answer to a message that has just been sent: what the last of them saw.
    #[inline(always)]
    pub(crate) fn answer<T>(&self, look: impl Fn() -> Option<T>) -> Option<T> {
        if self.wait == Wait::Park {
            return None;
        }
        self.head_start.pass();
        let (mut pauses, mut left) = (self.head_start.pauses, LOOKS);
        loop {
            while pauses > 0 {
                spin_loop();
                // Not known to the compiler, which would write the loop out and save registers for that.
                pauses = black_box(pauses - 1);
            }
            if let Some(seen) = look() {
                return Some(seen);
            }
            pauses = self.pauses;
            left -= 1;
            if left == 0 {
                return None;
            }
        }
    }

    /// A receiver that is quicker than its sender finds the ring empty after each message. If it then looks at once, it
    /// takes the line away that the sender is filling, and slows it down. So while the messages of a stream come within
    /// two looks, the gap before the first look grows, and several of them are taken at once. An answer is never kept
    /// waiting, nor a message that is not one of a quick stream.
    #[inline(always)]
    fn first_looks(&mut self, condition: &mut impl Condition) -> bool {
        let Some(taken) = condition.stream().filter(|_| self.wait != Wait::Spin) else {
            return self.looks(condition) < LOOKS;
        };
        let much = taken.wrapping_sub(self.taken) >= MUCH;
        let limit = if much { self.gap_limit } else { GAP_LIMIT };
        self.taken = taken;
        for _ in 0..self.gap {
            spin_loop();
        }
        let looks = self.looks(condition);
        self.gap = if looks < 2 { (self.gap * 2).clamp(self.pauses, limit) } else { 0 };
        looks < LOOKS
    }

    /// How many looks in vain came before the one that saw it: at most [`LOOKS`], and then none did.
    #[inline(always)]
    fn looks(&self, condition: &mut impl Condition) -> u32 {
        burst(|| condition.look().then_some(()), self.pauses).map_or(LOOKS, |((), before)| before)
    }

    /// A wait that polling did not end took `waited` in all, polling and wake-up included: poll longer next time if that would have helped.
    pub(crate) fn learn(&mut self, waited: Duration) {
        self.budget = if waited <= SPIN_LIMIT + WAKE_UP {
            (self.budget * 2 + Duration::from_micros(1)).min(SPIN_LIMIT)
        } else {
            self.budget / 2
        };
    }
}

/// Looks until a look sees something, [`LOOKS`] times at most: what it saw, and how many came before it.
#[inline(always)]
fn burst<T>(mut look: impl FnMut() -> Option<T>, pauses: u32) -> Option<(T, u32)> {
    for before in 0..LOOKS {
        if let Some(seen) = look() {
            return Some((seen, before));
        }
        for _ in 0..pauses {
            spin_loop();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{AtomicU32, Fences};
    use crate::wait::sleep::{OnWord, Presence};

    /// Holds or not, and counts the looks.
    struct Fixed(bool, u32);

    /// Holds from the look on that has this number; so many bytes were taken before.
    struct Stream(u32, u64);

    impl Condition for Stream {
        fn look(&mut self) -> bool {
            self.0 = self.0.saturating_sub(1);
            self.0 == 0
        }
        fn holds(&mut self) -> bool {
            true
        }
        fn stream(&self) -> Option<u64> {
            Some(self.1)
        }
        fn fenced(&self) -> bool {
            true
        }
        fn arm(&mut self, _: u32) {}
        fn disarm(&mut self) {}
        fn word(&self) -> &AtomicU32 {
            Fixed::WORD.get_or_init(|| AtomicU32::new(0))
        }
    }

    impl Fixed {
        const WORD: &std::sync::OnceLock<AtomicU32> = {
            static WORD: std::sync::OnceLock<AtomicU32> = std::sync::OnceLock::new();
            &WORD
        };
    }

    impl Condition for Fixed {
        fn look(&mut self) -> bool {
            self.1 += 1;
            self.0
        }
        fn holds(&mut self) -> bool {
            self.0
        }
        fn fenced(&self) -> bool {
            true
        }
        fn arm(&mut self, _: u32) {}
        fn disarm(&mut self) {}
        fn word(&self) -> &AtomicU32 {
            Self::WORD.get_or_init(|| AtomicU32::new(0))
        }
    }

    /// Nobody sleeps on it here.
    fn bed(presence: &Presence) -> OnWord<'_> {
        OnWord { fences: Fences::SeqCst, presence }
    }

    fn spin(wait: Wait, cpus: usize, holds: bool, deadline: Option<Instant>) -> (Polled, u32) {
        let mut condition = Fixed(holds, 0);
        let polled = Spinner::new(wait, cpus).spin(&mut condition, &bed(&Presence::default()), deadline);
        (polled, condition.1)
    }

    #[test]
    fn a_parking_spinner_never_looks() {
        assert_eq!(spin(Wait::Park, 8, true, None), (Polled::Spent { since: None }, 0));
    }

    #[test]
    fn one_cpu_means_no_polling_unless_asked_for() {
        assert_eq!(spin(Wait::Adaptive, 1, true, None), (Polled::Spent { since: None }, 0));
        assert_eq!(spin(Wait::Spin, 1, true, None), (Polled::Seen, 1));
    }

    #[test]
    fn a_spinning_wait_ends_by_its_deadline() {
        assert_eq!(spin(Wait::Spin, 2, false, Some(Instant::now())).0, Polled::Spent { since: None });
    }

    #[cfg(not(miri))]
    #[test]
    fn a_spinning_wait_ends_when_the_peer_is_gone() {
        let mut never = Fixed(false, 0);
        let gone = Presence::default();
        gone.leave(1);
        assert_eq!(Spinner::new(Wait::Spin, 2).spin(&mut never, &bed(&gone), None), Polled::Ready);
    }

    #[test]
    fn long_waits_shrink_the_budget_to_nothing_and_short_ones_bring_it_back() {
        let mut spinner = Spinner::new(Wait::Adaptive, 2);
        (0..64).for_each(|_| spinner.learn(Duration::from_millis(5)));
        assert_eq!(spinner.budget, Duration::ZERO);
        (0..8).for_each(|_| spinner.learn(Duration::from_micros(60)));
        assert_eq!(spinner.budget, SPIN_LIMIT);
    }

    #[test]
    fn an_answer_is_looked_for_a_while_and_by_who_parks_not_at_all() {
        let looks_until = |wait, seen_at| {
            let looks = std::cell::Cell::new(0);
            let seen = Spinner::new(wait, 2).answer(|| {
                looks.set(looks.get() + 1);
                (looks.get() == seen_at).then_some(7)
            });
            (seen, looks.get())
        };
        for wait in [Wait::Spin, Wait::Adaptive] {
            assert_eq!(looks_until(wait, 1), (Some(7), 1));
            assert_eq!(looks_until(wait, 5), (Some(7), 5));
            assert_eq!(looks_until(wait, u32::MAX), (None, LOOKS));
        }
        assert_eq!(looks_until(Wait::Park, 1), (None, 0));
    }

    #[test]
    fn only_the_receiver_of_a_quick_stream_looks_later() {
        let presence = Presence::default();
        let gaps = |wait, mut looks: Vec<u32>| -> Vec<u32> {
            let mut spinner = Spinner::new(wait, 2);
            spinner.pauses = 4;
            let mut gap_after = |look| {
                assert_eq!(spinner.spin(&mut Stream(look, 0), &bed(&presence), None), Polled::Seen);
                spinner.gap
            };
            looks.iter_mut().for_each(|look| *look = gap_after(*look));
            looks
        };
        assert_eq!(gaps(Wait::Adaptive, vec![1, 2, 1, 1, 1, 3, 1]), [4, 8, 16, 32, 32, 0, 4]);
        assert_eq!(gaps(Wait::Spin, vec![1, 1]), [0, 0]);
        let mut spinner = Spinner::new(Wait::Adaptive, 2);
        spinner.spin(&mut Fixed(true, 0), &bed(&presence), None);
        assert_eq!(spinner.gap, 0, "an answer");
    }

    #[test]
    fn the_gap_is_a_long_one_only_while_much_comes() {
        let presence = Presence::default();
        let mut spinner = Spinner::new(Wait::Adaptive, 2);
        (spinner.pauses, spinner.gap_limit) = (4, 4 * GAP_LIMIT);
        let mut taken = 0;
        let mut gap_after = |came: u64, look| {
            taken += came;
            assert_eq!(spinner.spin(&mut Stream(look, taken), &bed(&presence), None), Polled::Seen);
            spinner.gap
        };
        let much = [1, 1, 1, 1, 1, 1, 1].map(|look| gap_after(MUCH, look));
        assert_eq!(much, [4, 8, 16, 32, 64, 128, 128]);
        assert_eq!(gap_after(MUCH - 1, 1), GAP_LIMIT, "less");
        assert_eq!(gap_after(MUCH, 1), 2 * GAP_LIMIT);
        assert_eq!(gap_after(MUCH, 3), 0, "late");
    }
}
