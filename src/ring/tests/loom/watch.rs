//! The watch thread's wake against arming: a sleeper learns of its peer's death, and loses nothing by it.

use super::link::{Link, recv, send};
use super::{explore, explore_plain, sleepers_ring};
use crate::ring::lines::{CursorLine, HeadLine, ProducerLine, WaitLine};
use crate::ring::{Fences, Memory, Producer, PushError};
use crate::sync::AtomicU64;
use ::loom::thread;

/// The memory of a producer that is killed between taking the armed value back and waking.
#[derive(Debug)]
pub(super) struct Silent(pub(super) Link);

impl Memory for Silent {
    fn words(&self) -> &[AtomicU64] {
        self.0.words()
    }
    fn producer(&self) -> &ProducerLine {
        self.0.producer()
    }
    fn head(&self) -> &HeadLine {
        self.0.head()
    }
    fn cursor(&self) -> &CursorLine {
        self.0.cursor()
    }
    fn armed_data(&self) -> &WaitLine {
        self.0.armed_data()
    }
    fn armed_space(&self) -> &WaitLine {
        self.0.armed_space()
    }
}

#[test]
fn a_consumer_that_goes_to_sleep_learns_of_the_death() {
    explore_plain("watch_consumer", None, || {
        let (_, mut consumer) = sleepers_ring(64, 0);
        let link = consumer.memory().clone();
        let watch = thread::spawn(move || link.declare_dead());
        assert_eq!(recv(&mut consumer), None);
        watch.join().unwrap();
    });
}

#[test]
fn a_producer_that_goes_to_sleep_learns_of_the_death() {
    explore_plain("watch_producer", None, || {
        let (mut producer, _) = sleepers_ring(64, 0);
        for n in 0..3 {
            producer.push(&[n; 8]).unwrap();
        }
        let link = producer.memory().clone();
        let watch = thread::spawn(move || link.declare_dead());
        assert_eq!(send(&mut producer, &[9; 8]), Err(PushError::Closed));
        watch.join().unwrap();
    });
}

#[test]
fn what_was_committed_by_a_producer_killed_before_its_wake_up_is_delivered() {
    explore("watch_after_silent_commit", None, || {
        let (_, mut consumer) = sleepers_ring(64, 0);
        let link = consumer.memory().clone();
        let peer_and_watch = thread::spawn(move || {
            // Nor does anything lean on the fence between its commit and its look at the wait word.
            let mut producer = Producer::new(Silent(link.clone()), Fences::Membarrier, 0).unwrap();
            producer.push(b"my last").unwrap();
            link.declare_dead();
        });
        assert_eq!(recv(&mut consumer), Some(b"my last".to_vec()));
        assert_eq!(recv(&mut consumer), None);
        peer_and_watch.join().unwrap();
    });
}

#[test]
fn a_commit_and_the_death_of_another_process_wake_the_same_sleeper() {
    explore("watch_beside_commit", Some(3), || {
        let (mut producer, mut consumer) = sleepers_ring(64, 0);
        let link = consumer.memory().clone();
        let sender = thread::spawn(move || producer.push(b"alive").unwrap());
        let watch = thread::spawn(move || link.declare_dead());
        let first = recv(&mut consumer);
        assert!(first.is_none() || first == Some(b"alive".to_vec()));
        sender.join().unwrap();
        watch.join().unwrap();
    });
}
