//! R6: closing against the last record, in both directions.

use super::{drain, explore, ring};
use crate::ring::{Memory, PopError, PushError};
use crate::sync::Ordering;
use ::loom::thread;

#[test]
fn nothing_that_was_sent_before_the_close_is_lost() {
    explore("close_last_record", None, || {
        let (mut producer, mut consumer) = ring(64, 0);
        let sender = thread::spawn(move || {
            producer.push(&[1; 8]).unwrap();
            producer.push(&[2; 8]).unwrap();
            producer.close();
        });
        let mut taken = Vec::new();
        for _ in 0..3 {
            // What is ready is a message or the end, and what a sleeper is spared by.
            let ready = consumer.is_ready();
            match consumer.pop() {
                Ok(message) => taken.push(message),
                Err(PopError::Closed) => assert_eq!(taken.len(), 2, "closed before the last record"),
                Err(error) => assert!(error == PopError::Empty && !ready),
            }
        }
        sender.join().unwrap();
        drain(&mut consumer, &mut taken);
        assert_eq!(taken, [vec![1; 8], vec![2; 8]]);
        assert_eq!(consumer.pop(), Err(PopError::Closed));
    });
}

#[test]
fn a_consumer_that_closed_said_before_what_it_had_taken() {
    explore("close_consumer", None, || {
        let (mut producer, mut consumer) = ring(64, 0);
        producer.push(&[1; 8]).unwrap();
        let receiver = thread::spawn(move || {
            assert_eq!(consumer.pop(), Ok(vec![1; 8]));
            consumer.close();
        });
        for _ in 0..4 {
            if producer.claim(8).err() == Some(PushError::Closed) {
                assert_eq!(producer.is_released(), Ok(true));
                let cursor = producer.memory().cursor().cursor.load(Ordering::Relaxed);
                assert_eq!(cursor, producer.position());
            }
        }
        receiver.join().unwrap();
        assert_eq!(producer.push(&[2; 8]), Err(PushError::Closed));
    });
}
