//! Store buffering between two processes on real cores.
//!
//! ```text
//! waker:    data = n ; light fence ; look at armed
//! sleeper:  armed = n ; heavy fence ; look at data
//! ```
//! Both lines are in both caches when a round begins: so the looks are answered at once, while each store has to
//! wait for the other core to give up its copy. A *miss* is a round in which neither sees what the other stored: the sleeper would sleep, and nobody would wake
//! it. A pair of fences must have none. That the harness would find one is shown first: without the heavy fence
//! the store buffers of this processor do bring them about.

use crate::sync::{AtomicU64, Fences, Ordering};
use crate::sys::map::Mapping;
use crate::sys::tests::raw::word64;
use crate::sys::tests::{alone_for, fork_child, skip, watchdog};
use crate::sys::{membarrier, memfd, process};
use crate::wait::sleep::heavy;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::hint::spin_loop;
use std::time::{Duration, Instant};

/// Words of the shared page, a line and its neighbour apart.
const WAKER_ROUND: usize = 0;
const SLEEPER_ROUND: usize = 32;
const DATA: usize = 64;
const ARMED: usize = 96;
/// What the waker's look at `armed` found, for the sleeper.
const FOUND: usize = 128;
const STOP: usize = 160;
const PAGE: u64 = 4096;

/// The misses that a control collects.
const MISSES: u64 = 10;
/// How many times as many rounds a proof has as its control needed for those.
const CONFIDENCE: u64 = 100;
/// Most rounds of a control, and the bounds of a proof's.
const CONTROL_ROUNDS: u64 = 20_000_000;
const PROOF_ROUNDS: (u64, u64) = (50_000, 1_000_000);
/// How long the process of a control and a proof may take: each of the two ends by a watchdog of its own, so this is longer
/// than both. The proof with membarriers has needed more than 20 s on a slow machine.
const BOTH: Duration = Duration::from_secs(60);

/// What the two sides execute between their store and their look.
#[derive(Clone, Copy)]
struct Trial {
    fences: Fences,
    /// The sleeper's side is left out.
    without_heavy: bool,
}

/// Waits, without giving the processor away while the other side is on time, until a word has reached `round`.
/// `false`: it is over.
fn meet(round: u64, word: &AtomicU64, stop: &AtomicU64) -> bool {
    let mut looks = 0_u32;
    while word.load(Ordering::Acquire) < round {
        looks += 1;
        if looks % 1024 == 0 {
            if stop.load(Ordering::Relaxed) != 0 {
                return false;
            }
            std::thread::yield_now();
        }
        spin_loop();
    }
    true
}

/// Neither side is always first: each comes later by another number of pauses in each round.
pub(super) fn dither(round: u64, salt: u64) {
    let mixed = (round ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
    (0..mixed).for_each(|_| spin_loop());
}

/// Brings the line that `other` lies in into this core's cache, and comes back when the other side has done the same.
pub(super) fn begin(
    round: u64,
    own: &AtomicU64,
    peer: &AtomicU64,
    other: &AtomicU64,
    stop: &AtomicU64,
) -> bool {
    own.store(2 * round, Ordering::Release);
    let met = meet(2 * round, peer, stop);
    std::hint::black_box(other.load(Ordering::Relaxed));
    own.store(2 * round + 1, Ordering::Release);
    met && meet(2 * round + 1, peer, stop)
}

fn wake(page: &Mapping, trial: Trial, stop: &AtomicU64) {
    let [own, peer, data, armed] = [WAKER_ROUND, SLEEPER_ROUND, DATA, ARMED].map(|at| word64(page, at));
    let found = word64(page, FOUND);
    for round in 1.. {
        if !begin(round, own, peer, armed, stop) {
            return;
        }
        dither(round, 0x5555);
        data.store(round, Ordering::Relaxed);
        trial.fences.light();
        let saw = armed.load(Ordering::Relaxed) == round;
        found.store(round << 1 | u64::from(saw), Ordering::Release);
    }
}

/// Runs at most `rounds`, until there were `misses`. Returns how many there were, and in how many rounds.
fn sleep(page: &Mapping, trial: Trial, rounds: u64, misses: u64) -> (u64, u64) {
    let [own, peer, data, armed] = [SLEEPER_ROUND, WAKER_ROUND, DATA, ARMED].map(|at| word64(page, at));
    let (found, never, end) = (word64(page, FOUND), AtomicU64::new(0), watchdog());
    let mut missed = 0;
    for round in 1..=rounds {
        assert!(begin(round, own, peer, data, &never));
        dither(round, 0);
        armed.store(round, Ordering::Relaxed);
        let fenced = trial.without_heavy || heavy(trial.fences);
        // A compiler fence: the processor alone decides in which order the two happen.
        Fences::Membarrier.light();
        let saw = data.load(Ordering::Relaxed) == round;
        assert!(fenced && meet(round << 1, found, &never));
        let was_seen = found.load(Ordering::Relaxed) & 1 == 1;
        missed += u64::from(!saw && !was_seen);
        if missed == misses || Instant::now() > end {
            return (missed, round);
        }
    }
    (missed, rounds)
}

/// On one processor there is nothing to see, so each side keeps to its own.
fn keep_to(place: usize, cpus: &CpuSet) {
    let mut allowed = (0..CpuSet::MAX_CPU).filter(|cpu| cpus.is_set(*cpu));
    if let Some(cpu) = allowed.nth(place) {
        let mut one = CpuSet::new();
        one.set(cpu);
        sched_setaffinity(None, &one).unwrap();
    }
}

/// Runs the two sides in two processes that share a page, each on a processor of its own. The other side ends when its
/// second argument is not 0 any more, once this one has come to its end.
pub(super) fn in_two_processes<T>(
    other: impl FnOnce(&Mapping, &AtomicU64),
    this: impl FnOnce(&Mapping) -> T,
) -> T {
    let fd = memfd::create(PAGE).unwrap();
    let cpus = sched_getaffinity(None).unwrap();
    let child = fork_child(|| {
        keep_to(1, &cpus);
        let page = Mapping::read_write(&fd, PAGE as usize).unwrap();
        other(&page, word64(&page, STOP));
    });
    keep_to(0, &cpus);
    let page = Mapping::read_write(&fd, PAGE as usize).unwrap();
    let outcome = this(&page);
    word64(&page, STOP).store(1, Ordering::Relaxed);
    while process::reap(child).unwrap().is_none() {
        std::thread::yield_now();
    }
    sched_setaffinity(None, &cpus).unwrap();
    outcome
}

fn run(trial: Trial, rounds: u64, misses: u64) -> (u64, u64) {
    in_two_processes(|page, stop| wake(page, trial, stop), |page| sleep(page, trial, rounds, misses))
}

/// No misses with the pair, in many more rounds than those that show some without its heavy side.
fn holds(fences: Fences) {
    let mut rounds = PROOF_ROUNDS.0;
    if process::cpus() < 2 {
        skip("one processor buffers no store from itself");
    } else {
        let (missed, needed) = run(Trial { fences, without_heavy: true }, CONTROL_ROUNDS, MISSES);
        eprintln!("{fences:?} without its heavy side: {missed} misses in {needed} rounds");
        assert_eq!(missed, MISSES, "the harness is blind");
        rounds = (needed * CONFIDENCE).clamp(PROOF_ROUNDS.0, PROOF_ROUNDS.1);
    }
    let (missed, rounds) = run(Trial { fences, without_heavy: false }, rounds, 1);
    eprintln!("{fences:?}: {missed} misses in {rounds} rounds");
    assert_eq!(missed, 0, "{fences:?} misses a wake-up after {rounds} rounds");
}

#[test]
fn full_fences_on_both_sides_miss_nothing() {
    alone_for(BOTH, || holds(Fences::SeqCst));
}

#[test]
fn a_membarrier_on_the_sleepers_side_misses_nothing() {
    alone_for(BOTH, || {
        if membarrier::register() {
            holds(Fences::Membarrier);
        } else {
            skip("there is no membarrier here");
        }
    });
}
