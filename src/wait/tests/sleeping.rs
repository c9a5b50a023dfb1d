//! A sleeper that is met at any instant, between two processes on real cores.
//!
//! The theorem of [`sleep`](crate::wait::sleep), tried out: in each round both sides begin at once, the sleeper arms,
//! looks again and sleeps, the waker commits and looks. Where one of the fences is missing some rounds pass before both
//! miss the other, and then nobody ends the sleep but the watchdog.

use super::store_buffering::{begin, dither, in_two_processes};
use crate::ring::lines::AWAKE;
use crate::sync::{AtomicU32, AtomicU64, Fences, Ordering};
use crate::sys::map::Mapping;
use crate::sys::tests::raw::{word32, word64};
use crate::sys::tests::{alone, skip, watchdog};
use crate::sys::{futex, membarrier};
use crate::wait::Condition;
use crate::wait::sleep::{Ended, OnWord, Presence, block};
use crate::wait::spin::{Spinner, Wait};
use std::time::{Duration, Instant};

const ROUNDS: u64 = 100_000;
/// More than that is not spent on them.
const ENOUGH: Duration = Duration::from_secs(8);

/// Words of the shared page.
const ARMED: usize = 0;
const DATA: usize = 32;
const WAKER_ROUND: usize = 64;
const SLEEPER_ROUND: usize = 96;

/// The data of this round is there.
struct Round<'a> {
    number: u64,
    data: &'a AtomicU64,
    armed: &'a AtomicU32,
}

impl Condition for Round<'_> {
    fn look(&mut self) -> bool {
        self.holds()
    }
    fn holds(&mut self) -> bool {
        self.data.load(Ordering::Acquire) == self.number
    }
    fn fenced(&self) -> bool {
        false
    }
    fn arm(&mut self, armed: u32) {
        self.armed.store(armed, Ordering::Relaxed);
    }
    fn disarm(&mut self) {
        self.armed.store(AWAKE, Ordering::Relaxed);
    }
    fn word(&self) -> &AtomicU32 {
        self.armed
    }
}

fn wake(page: &Mapping, fences: Fences, stop: &AtomicU64) {
    let [own, peer, data, line] = [WAKER_ROUND, SLEEPER_ROUND, DATA, ARMED].map(|at| word64(page, at));
    let armed = word32(page);
    for round in 1.. {
        if !begin(round, own, peer, line, stop) {
            return;
        }
        dither(round, 0x5555);
        data.store(round, Ordering::Release);
        fences.light();
        if armed.load(Ordering::Relaxed) != AWAKE {
            armed.swap(AWAKE, Ordering::AcqRel);
            futex::wake(armed).unwrap();
        }
    }
}

fn sleep(page: &Mapping, fences: Fences) {
    let [own, peer, data] = [SLEEPER_ROUND, WAKER_ROUND, DATA].map(|at| word64(page, at));
    let (mut spinner, presence, never) =
        (Spinner::new(Wait::Park, 2), Presence::default(), AtomicU64::new(0));
    let (end, enough) = (watchdog(), Instant::now() + ENOUGH);
    for number in 1..=ROUNDS {
        assert!(begin(number, own, peer, data, &never));
        dither(number, 0);
        let mut round = Round { number, data, armed: word32(page) };
        let bed = OnWord { fences, presence: &presence };
        let ended = block(&mut round, &mut spinner, &bed, Some(end));
        assert_eq!(ended, Ended::Ready, "slept through round {number}");
        if Instant::now() > enough {
            return;
        }
    }
}

fn never_sleeps_through(fences: Fences) {
    in_two_processes(|page, stop| wake(page, fences, stop), |page| sleep(page, fences));
}

#[test]
fn a_sleeper_with_full_fences_is_woken_whenever_it_is_met() {
    alone(|| never_sleeps_through(Fences::SeqCst));
}

#[test]
fn a_sleeper_with_a_membarrier_is_woken_whenever_it_is_met() {
    alone(|| {
        if membarrier::register() {
            never_sleeps_through(Fences::Membarrier);
        } else {
            skip("there is no membarrier here");
        }
    });
}

/// A [`Round`] that counts how often it was armed.
struct Counted<'a>(Round<'a>, u64);

impl Condition for Counted<'_> {
    fn look(&mut self) -> bool {
        self.0.look()
    }
    fn holds(&mut self) -> bool {
        self.0.holds()
    }
    fn fenced(&self) -> bool {
        self.0.fenced()
    }
    fn arm(&mut self, armed: u32) {
        self.1 += 1;
        self.0.arm(armed);
    }
    fn disarm(&mut self) {
        self.0.disarm();
    }
    fn word(&self) -> &AtomicU32 {
        self.0.word()
    }
}

/// Another arming would be a membarrier between the wake-up and the message.
#[test]
fn a_sleeper_that_was_woken_finds_what_for_without_arming_again() {
    const WAKE_UPS: u64 = 200;
    alone(|| {
        let (data, armed, over) = (AtomicU64::new(0), AtomicU32::new(AWAKE), AtomicU64::new(0));
        let mut spinner = Spinner::new(Wait::Park, 2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 1..=WAKE_UPS {
                    // The last round's disarming may come after its message: this round begins when that is over.
                    while data.load(Ordering::Relaxed) != number - 1 || armed.load(Ordering::Relaxed) == AWAKE
                    {
                        std::thread::yield_now();
                    }
                    data.store(number, Ordering::Release);
                    Fences::SeqCst.light();
                    armed.swap(AWAKE, Ordering::AcqRel);
                    futex::wake(&armed).unwrap();
                    over.store(number, Ordering::Relaxed);
                }
            });
            for number in 1..=WAKE_UPS {
                let mut round = Counted(Round { number, data: &data, armed: &armed }, 0);
                let bed = OnWord { fences: Fences::SeqCst, presence: &Presence::default() };
                let ended = block(&mut round, &mut spinner, &bed, Some(watchdog()));
                assert_eq!((ended, round.1), (Ended::Ready, 1), "wake-up {number}");
                assert_eq!(armed.load(Ordering::Relaxed), AWAKE);
                // What the waker still takes back must not be the next round's.
                while over.load(Ordering::Relaxed) != number {
                    std::thread::yield_now();
                }
            }
        });
    });
}
