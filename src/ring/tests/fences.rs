//! What an end does that is asked for full fences.

use super::ring;
use crate::ring::lines::{AWAKE, FENCE_LOST, FUTEX};
use crate::ring::{Memory, PushError};
use crate::sync::Ordering;

#[test]
fn a_producer_says_that_it_executes_full_fences_once_it_was_asked() {
    let (mut producer, mut consumer) = ring(256, 0);
    consumer.arm(FUTEX);
    producer.push(b"not asked").unwrap();
    assert!(!consumer.is_producer_fenced());
    consumer.arm(FUTEX | FENCE_LOST);
    assert!(!consumer.is_producer_fenced());
    producer.push(b"asked").unwrap();
    assert!(consumer.is_producer_fenced());
    assert_eq!(consumer.memory().armed_data().armed.load(Ordering::Relaxed), AWAKE);
}

#[test]
fn a_consumer_says_that_it_executes_full_fences_before_there_is_the_space_that_is_waited_for() {
    let (mut producer, mut consumer) = ring(256, 0);
    for len in [8, 56, 56, 56, 24] {
        producer.push(&vec![0; len]).unwrap();
    }
    assert_eq!(producer.push(&[0; 56]), Err(PushError::Full));
    producer.arm(FUTEX | FENCE_LOST);
    assert!(!producer.is_consumer_fenced());
    consumer.pop().unwrap();
    assert!(producer.is_consumer_fenced());
    assert_eq!(consumer.memory().armed_space().armed.load(Ordering::Relaxed), FUTEX | FENCE_LOST);
    consumer.pop().unwrap();
    assert_eq!(producer.has_space(), Ok(true));
    assert_eq!(consumer.memory().armed_space().armed.load(Ordering::Relaxed), AWAKE);
}
