//! R9: a sleeper whose heavy fence failed, and a waker that executes light ones until it is asked not to.
//!
//! The sleeper arms with FENCE_LOST and naps; a nap needs no model. What has to hold is what follows: once the waker
//! has said that it executes full fences, the sleeper sleeps for good.

use super::link::{recv, send};
use super::{ends, exchange, explore, explore_each};
use crate::ring::lines::{FENCE_LOST, FUTEX};
use crate::ring::{Fences, PushError};
use ::loom::thread;

const CAPACITY: usize = 64;

/// Runs `model` for each of so many looks at `fenced`, with wait words that are stored to as they are in production.
fn explore_looks(name: &str, model: fn(u8, usize)) {
    explore_each(name, None, 1..17, move |looks| {
        exchange(false);
        model(1, looks);
    });
}

/// A consumer that has armed without a heavy fence, looks a few times whether it was heard, and then sleeps for good if
/// it was.
fn naps_for_data(commits: u8, looks: usize) {
    let (mut producer, mut consumer) = ends(Fences::Membarrier, CAPACITY, 0);
    consumer.arm(FUTEX | FENCE_LOST);
    let sender = thread::spawn(move || (0..commits).for_each(|n| producer.push(&[n]).unwrap()));
    if !(0..looks).any(|_| consumer.is_producer_fenced()) {
        return sender.join().unwrap();
    }
    for n in 0..commits {
        assert_eq!(recv(&mut consumer), Some(vec![n]));
    }
    sender.join().unwrap();
}

#[test]
fn what_was_committed_with_a_light_fence_is_seen_before_the_sleep() {
    explore_looks("fence_lost_before", naps_for_data);
}

#[test]
fn what_is_committed_after_the_promise_wakes_a_consumer() {
    explore("fence_lost_data", None, || naps_for_data(2, 1));
}

/// The same of a producer that waits for space.
fn naps_for_space(releases: u8, looks: usize) {
    let (mut producer, mut consumer) = ends(Fences::Membarrier, CAPACITY, 0);
    for n in 0..3 {
        producer.push(&[n; 8]).unwrap();
    }
    assert_eq!(producer.push(&[9; 8]), Err(PushError::Full));
    producer.arm(FUTEX | FENCE_LOST);
    let receiver =
        thread::spawn(move || (0..releases).for_each(|n| assert_eq!(consumer.pop(), Ok(vec![n; 8]))));
    if (0..looks).any(|_| producer.is_consumer_fenced()) {
        (0..releases).for_each(|_| send(&mut producer, &[9; 8]).unwrap());
    }
    receiver.join().unwrap();
}

#[test]
fn what_was_released_with_a_light_fence_is_seen_before_the_sleep() {
    explore_looks("fence_lost_before_space", naps_for_space);
}

#[test]
fn what_is_released_after_the_promise_wakes_a_producer() {
    explore("fence_lost_space", None, || naps_for_space(2, 1));
}
