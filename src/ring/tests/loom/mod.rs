//! The ring under loom: every interleaving and every stale read that the memory model allows.
//!
//! loom cannot see a missing Release by itself, because a payload is made of atomic words and a stale one is no
//! data race. So every model asserts the *content* of what arrives, and every ring begins with words that are
//! not 0 where that matters. What loom does not do is delay a load behind a later store; [`records`] therefore
//! has one model in which the payload counts as plain bytes, which must not be written while they are read.
//!
//! A model that polls gives up after a few looks and looks again once the other thread has ended, so that it is
//! finite. A model that sleeps uses the emulated futex of [`link`]: a lost wake-up is a deadlock, and loom
//! reports it.

mod close;
mod doorbell;
mod fences;
mod first_use;
mod link;
mod records;
mod salvage;
mod sleep;
mod watch;

use crate::ring::{Consumer, Fences, Memory, PopError, Producer, PushError};
use crate::sync::exchange::exchange;
use ::loom::cell::UnsafeCell;
use link::Link;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Runs `model` once for each execution that loom finds, with at most `bound` preemptions in each if it is given.
fn explore(name: &str, bound: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    explore_each(name, bound, 0..1, move |_| model());
}

/// Runs `model` as [`explore`] does, with wait words that are stored to as they are in production: for models in
/// which no waker looks at a word again after it took it.
fn explore_plain(name: &str, bound: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    explore(name, bound, move || {
        exchange(false);
        model();
    });
}

/// Runs `model` as [`explore`] does, for each number of `cases`; all its executions count together. If the environment
/// asks for one model by its name in `RINGWAY_MODEL`, the others do nothing.
fn explore_each(
    name: &str,
    bound: Option<usize>,
    cases: Range<usize>,
    model: impl Fn(usize) + Send + Sync + 'static,
) {
    if std::env::var("RINGWAY_MODEL").is_ok_and(|wanted| wanted != name) {
        return;
    }
    let runs = Arc::new(Mutex::new(0_u64));
    let model = Arc::new(model);
    for case in cases {
        let (counter, model) = (Arc::clone(&runs), Arc::clone(&model));
        let mut builder = ::loom::model::Builder::new();
        builder.preemption_bound = bound;
        builder.max_branches = 4000;
        builder.check(move || {
            *counter.lock().unwrap() += 1;
            exchange(true);
            model(case);
        });
    }
    let runs = *runs.lock().unwrap();
    let how = bound.map_or("exhaustive".to_owned(), |bound| format!("bound {bound}"));
    println!("model {name}: {runs} executions ({how})");
    assert!(runs > 100, "a model that explores so little proves nothing");
}

/// Both ends of a ring of `capacity` bytes that begins at `position`. Nobody sleeps there, so nothing may lean on
/// the fence that stands between a commit or a release and the look at the wait word: there is none.
fn ring(capacity: usize, position: u64) -> (Producer<Link>, Consumer<Link>) {
    ends(Fences::Membarrier, capacity, position)
}

/// Both ends of a ring of `capacity` bytes that begins at `position`, and on which both may sleep.
fn sleepers_ring(capacity: usize, position: u64) -> (Producer<Link>, Consumer<Link>) {
    ends(Fences::SeqCst, capacity, position)
}

fn ends(fences: Fences, capacity: usize, position: u64) -> (Producer<Link>, Consumer<Link>) {
    ends_of(Link::new(capacity, position), fences, position)
}

/// Both ends of the ring of this link.
fn ends_of(link: Link, fences: Fences, position: u64) -> (Producer<Link>, Consumer<Link>) {
    let producer = Producer::new(link.clone(), fences, position).unwrap();
    let consumer = Consumer::new(link, fences, position, 1024).unwrap();
    (producer, consumer)
}

/// As [`ring`], both ends at `offset`, and no word of the data is 0 but the next header.
fn used_ring(capacity: usize, offset: u64) -> (Producer<Link>, Consumer<Link>) {
    let (mut producer, mut consumer) = ring(capacity, 0);
    while producer.position() < capacity as u64 + offset {
        let left = capacity as u64 + offset - producer.position();
        let junk: &[u8] = if left < 16 { &[] } else { &[0xEE; 8] };
        producer.push(junk).unwrap();
        assert_eq!(consumer.pop().as_deref(), Ok(junk));
    }
    (producer, consumer)
}

/// A ring of 256 bytes that is full, whose first record is so short that its release stays hidden.
fn full_ring(fences: Fences) -> (Producer<Link>, Consumer<Link>) {
    let (mut producer, consumer) = ends(fences, 256, 0);
    fill(&mut producer, &[8, 56, 56, 56, 24], 8);
    (producer, consumer)
}

/// Sends messages of these lengths, after which there is no room for one of `refused` bytes.
fn fill<M: Memory>(producer: &mut Producer<M>, lens: &[usize], refused: usize) {
    for len in lens {
        producer.push(&vec![*len as u8; *len]).unwrap();
    }
    assert_eq!(producer.push(&vec![9; refused]), Err(PushError::Full));
}

/// Takes what is there, in at most `looks` looks.
fn take<M: Memory>(consumer: &mut Consumer<M>, looks: usize, taken: &mut Vec<Vec<u8>>) {
    for _ in 0..looks {
        match consumer.pop() {
            Ok(message) => taken.push(message),
            Err(error) => assert_eq!(error, PopError::Empty),
        }
    }
}

/// Takes everything: nobody sends any more, and all of it is visible.
fn drain<M: Memory>(consumer: &mut Consumer<M>, taken: &mut Vec<Vec<u8>>) {
    while let Ok(message) = consumer.pop() {
        taken.push(message);
    }
}

/// Sends `message` unless the ring stays full for `tries` tries.
fn try_push<M: Memory>(producer: &mut Producer<M>, message: &[u8], tries: usize) -> bool {
    for _ in 0..tries {
        match producer.push(message) {
            Ok(()) => return true,
            Err(error) => assert_eq!(error, PushError::Full),
        }
    }
    false
}

/// The payloads as plain bytes, which may be read together or written alone: loom reports anything else.
struct Plain(Vec<UnsafeCell<()>>);

impl Plain {
    fn new(words: usize) -> Self {
        Self((0..words).map(|_| UnsafeCell::new(())).collect())
    }

    /// The payload of the record of 16 bytes at `position` is read.
    fn read(&self, position: u64) {
        self.payload(position).with(|_| ());
    }

    /// The payload of the record of 16 bytes at `position` is written.
    fn write(&self, position: u64) {
        self.payload(position).with_mut(|_| ());
    }

    fn payload(&self, position: u64) -> &UnsafeCell<()> {
        &self.0[(position / 8) as usize % self.0.len() + 1]
    }
}
