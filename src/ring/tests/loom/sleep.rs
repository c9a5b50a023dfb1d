//! R4 and R5: arm, heavy fence, look again, sleep, against commit or release, light fence, look, wake.

use super::link::{Link, recv, send, wait_for_receipt};
use super::{explore, explore_plain, fill, full_ring, sleepers_ring};
use crate::ring::lines::FUTEX;
use crate::ring::{Consumer, Fences, Memory, PushError};
use crate::sync::Ordering;
use ::loom::thread;

#[test]
fn a_consumer_that_goes_to_sleep_is_woken_by_a_commit() {
    explore("sleep_for_data", None, || {
        let (mut producer, mut consumer) = sleepers_ring(64, 0);
        let sender = thread::spawn(move || producer.push(b"awake!").unwrap());
        assert_eq!(recv(&mut consumer), Some(b"awake!".to_vec()));
        sender.join().unwrap();
    });
}

#[test]
fn a_consumer_that_goes_to_sleep_twice_is_woken_twice() {
    explore("sleep_for_data_twice", Some(5), || {
        let (mut producer, mut consumer) = sleepers_ring(64, 0);
        let sender = thread::spawn(move || {
            producer.push(b"once").unwrap();
            producer.push(b"again").unwrap();
        });
        assert_eq!(recv(&mut consumer), Some(b"once".to_vec()));
        assert_eq!(recv(&mut consumer), Some(b"again".to_vec()));
        sender.join().unwrap();
    });
}

#[test]
fn a_consumer_that_goes_to_sleep_is_woken_by_a_turn() {
    explore("sleep_for_turn", None, || {
        let (mut producer, mut consumer) = sleepers_ring(2048, 0);
        // Each finds out what the next ones may do without a look; then the next turn is like the one before.
        producer.push(&[9; 8]).unwrap();
        assert!(producer.push_turn(&[1; 32]));
        assert_eq!(recv(&mut consumer), Some(vec![9; 8]));
        assert_eq!(recv(&mut consumer), Some(vec![1; 32]));
        let sender = thread::spawn(move || assert!(producer.push_again(&[2; 32])));
        assert_eq!(recv(&mut consumer), Some(vec![2; 32]));
        sender.join().unwrap();
    });
}

#[test]
fn a_consumer_that_goes_to_sleep_is_woken_by_a_batch() {
    explore("sleep_for_batch", None, || {
        let (mut producer, mut consumer) = sleepers_ring(64, 56);
        let sender = thread::spawn(move || {
            let mut batch = producer.batch();
            batch.push(b"first").unwrap();
            batch.push(b"second").unwrap();
            batch.commit();
        });
        assert_eq!(recv(&mut consumer), Some(b"first".to_vec()));
        assert_eq!(recv(&mut consumer), Some(b"second".to_vec()));
        sender.join().unwrap();
    });
}

#[test]
fn a_consumer_that_goes_to_sleep_is_woken_by_the_end() {
    explore("sleep_until_closed", None, || {
        let (mut producer, mut consumer) = sleepers_ring(64, 0);
        let sender = thread::spawn(move || producer.close());
        assert_eq!(recv(&mut consumer), None);
        sender.join().unwrap();
    });
}

#[test]
fn a_producer_that_goes_to_sleep_is_woken_by_a_release() {
    explore("sleep_for_space", None, || {
        let (mut producer, mut consumer) = sleepers_ring(64, 0);
        for n in 0..3 {
            producer.push(&[n; 8]).unwrap();
        }
        let receiver = thread::spawn(move || {
            for n in 0..2 {
                assert_eq!(consumer.pop(), Ok(vec![n; 8]));
            }
            consumer
        });
        send(&mut producer, &[9; 8]).unwrap();
        let mut consumer = receiver.join().unwrap();
        assert_eq!(consumer.pop(), Ok(vec![2; 8]));
        assert_eq!(consumer.pop(), Ok(vec![9; 8]));
    });
}

#[test]
fn a_producer_that_goes_to_sleep_is_woken_by_the_close_of_the_consumer() {
    explore_plain("sleep_until_consumer_closed", None, || {
        let (mut producer, mut consumer) = sleepers_ring(64, 0);
        for n in 0..3 {
            producer.push(&[n; 8]).unwrap();
        }
        let receiver = thread::spawn(move || consumer.close());
        assert_eq!(send(&mut producer, &[9; 8]), Err(PushError::Closed));
        receiver.join().unwrap();
    });
}

#[test]
fn a_hidden_release_is_published_before_the_consumer_blocks_elsewhere() {
    explore("lazy_head_before_blocking", None, || {
        let (mut producer, mut consumer) = full_ring(Fences::SeqCst);
        let receiver = thread::spawn(move || {
            assert_eq!(consumer.pop(), Ok(vec![8; 8]));
            consumer.publish();
            consumer
        });
        send(&mut producer, &[9; 8]).unwrap();
        let mut consumer = receiver.join().unwrap();
        drain_of_full_ring(&mut consumer, &[9; 8]);
    });
}

/// Takes what is left of a full ring but for its first record, and after that the `last` one.
fn drain_of_full_ring(consumer: &mut Consumer<Link>, last: &[u8]) {
    for len in [56, 56, 56, 24] {
        assert_eq!(consumer.pop(), Ok(vec![len as u8; len]));
    }
    assert_eq!(consumer.pop().as_deref(), Ok(last));
}

#[test]
fn a_producer_that_is_seen_waiting_is_served_with_a_hidden_release() {
    explore("lazy_head_serves_the_waiting", None, || {
        let (mut producer, mut consumer) = full_ring(Fences::SeqCst);
        // It waited for a receipt before, and gave up: that `want` lies beyond the one of the space.
        assert_eq!(producer.is_released(), Ok(false));
        producer.arm(FUTEX);
        producer.disarm();
        let receiver = thread::spawn(move || {
            while consumer.memory().armed_space().armed.load(Ordering::Relaxed) != FUTEX {
                thread::yield_now();
            }
            assert_eq!(consumer.pop(), Ok(vec![8; 8]));
            consumer
        });
        send(&mut producer, &[9; 8]).unwrap();
        drain_of_full_ring(&mut receiver.join().unwrap(), &[9; 8]);
    });
}

#[test]
fn a_producer_that_is_seen_waiting_is_served_by_the_short_way_too() {
    explore("lazy_head_serves_fast", None, || {
        let (mut producer, mut consumer) = sleepers_ring(512, 0);
        fill(&mut producer, &[8, 8, 120, 120, 120, 72], 16);
        let receiver = thread::spawn(move || {
            // The first is not enough, and shows what may be taken without a look.
            let mut buffer = [0; 8];
            assert_eq!((consumer.pop_into(&mut buffer), buffer), (Ok(8), [8; 8]));
            while consumer.memory().armed_space().armed.load(Ordering::Relaxed) != FUTEX {
                thread::yield_now();
            }
            assert_eq!((consumer.pop_into(&mut buffer), buffer), (Ok(8), [8; 8]));
        });
        send(&mut producer, &[9; 16]).unwrap();
        receiver.join().unwrap();
    });
}

#[test]
fn a_producer_that_gave_up_and_came_back_is_served_with_a_hidden_release() {
    explore_plain("lazy_head_after_giving_up", None, || {
        let (mut producer, mut consumer) = full_ring(Fences::SeqCst);
        let receiver = thread::spawn(move || {
            assert_eq!(consumer.pop(), Ok(vec![8; 8]));
            consumer.publish();
            consumer
        });
        producer.arm(FUTEX);
        producer.disarm();
        send(&mut producer, &[9; 8]).unwrap();
        drain_of_full_ring(&mut receiver.join().unwrap(), &[9; 8]);
    });
}

#[test]
fn both_ends_of_a_full_ring_with_a_lazy_head_sleep_and_are_woken() {
    explore("lazy_head_both_sleep", Some(3), || {
        let (mut producer, mut consumer) = full_ring(Fences::SeqCst);
        let receiver = thread::spawn(move || {
            for len in [8, 56, 56, 56, 24] {
                assert_eq!(recv(&mut consumer), Some(vec![len as u8; len]));
            }
            assert_eq!(recv(&mut consumer), Some(vec![1; 56]));
            assert_eq!(recv(&mut consumer), Some(vec![2; 8]));
        });
        send(&mut producer, &[1; 56]).unwrap();
        send(&mut producer, &[2; 8]).unwrap();
        receiver.join().unwrap();
    });
}

#[test]
fn a_producer_that_waits_for_a_receipt_is_woken_by_the_last_release() {
    explore("receipt", None, || {
        let (mut producer, mut consumer) = sleepers_ring(256, 0);
        producer.push(&[1; 8]).unwrap();
        let receiver = thread::spawn(move || {
            assert_eq!(recv(&mut consumer), Some(vec![1; 8]));
            assert_eq!(recv(&mut consumer), None);
        });
        wait_for_receipt(&mut producer);
        producer.close();
        receiver.join().unwrap();
    });
}
