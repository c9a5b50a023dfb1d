//! A second thread that writes at full speed what no correct peer writes.

use crate::ring::lines::{AWAKE, CLOSED, DOORBELL, FENCE_LOST, FUTEX};
use crate::ring::{HeapMemory, Memory};
use crate::sync::{AtomicU32, Ordering};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// A stream of numbers that look random: xorshift*, never 0 inside.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// The numbers that belong to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next one.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// The next one, below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 16) % end
    }
}

/// Another thread that scribbles, from before this is made until it is dropped.
#[derive(Debug)]
pub struct Scribbler {
    stop: Arc<AtomicU32>,
    hand: Option<Hand>,
}

/// What a hand does: it says when it has begun, and goes on until it is told to stop.
type Work = Box<dyn FnOnce(&Sender<()>) + Send>;

thread_local! {
    /// The hands with nothing to do. To start a thread takes longer than most runs of a fuzzer.
    static IDLE: RefCell<Vec<Hand>> = const { RefCell::new(Vec::new()) };
}

/// A thread that does one work after the other, and answers when it has begun one and when it has ended it.
#[derive(Debug)]
struct Hand {
    /// `None` tells the thread to end.
    works: Option<Sender<Work>>,
    answers: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Hand {
    fn new() -> Self {
        let ((works, inbox), (answer, answers)) = (channel::<Work>(), channel());
        let thread = std::thread::spawn(move || {
            for work in inbox {
                work(&answer);
                let _ = answer.send(());
            }
        });
        Self { works: Some(works), answers, thread: Some(thread) }
    }

    fn begin(&self, work: Work) {
        let works = self.works.as_ref().expect("a hand works until it is dropped");
        works.send(work).expect("the thread takes works until it is told to end");
        self.wait();
    }

    fn wait(&self) {
        self.answers.recv().expect("the scribbling thread only stores");
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.works = None;
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the scribbling thread only stores");
        }
    }
}

impl Scribbler {
    /// Writes into the data area what a producer could.
    pub fn on_data<M: Memory + Send + 'static>(memory: M, seed: u64) -> Self {
        Self::start(seed, move |numbers| {
            let words = memory.words();
            let word = &words[numbers.below(words.len() as u64) as usize];
            let old = word.load(Ordering::Relaxed);
            let new = match numbers.below(8) {
                0 => 0,
                1 => numbers.next(),
                2 => old ^ 1 << numbers.below(64),
                // A header: any kind, and most lengths in bounds.
                _ => numbers.below(words.len() as u64 * 4) | numbers.below(8) << 32 | numbers.below(5) << 48,
            };
            word.store(new, Ordering::Relaxed);
        })
    }

    /// Writes into the lines what a consumer could, near `position`.
    pub fn on_lines(memory: HeapMemory, seed: u64, position: u64) -> Self {
        Self::start(seed, move |numbers| {
            let near =
                position.wrapping_add(numbers.below(1 << 14)).wrapping_sub(1 << 10) & !numbers.below(9);
            match numbers.below(8) {
                0..=3 => memory.head().head.store(near, Ordering::Relaxed),
                4 => memory.cursor().cursor.store(near, Ordering::Relaxed),
                5 => memory.head().closed.store(u32::from(numbers.below(64) == 0), Ordering::Relaxed),
                _ => {
                    let armed = [AWAKE, FUTEX, DOORBELL, CLOSED, FUTEX | FENCE_LOST, u32::MAX]
                        [numbers.below(6) as usize];
                    memory.armed_data().armed.store(armed, Ordering::Relaxed);
                    memory.armed_space().armed.store(armed, Ordering::Relaxed);
                }
            }
        })
    }

    fn start(seed: u64, mut scribble: impl FnMut(&mut Numbers) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicU32::new(0));
        let told = Arc::clone(&stop);
        let hand = IDLE.with_borrow_mut(Vec::pop).unwrap_or_else(Hand::new);
        hand.begin(Box::new(move |begun| {
            let mut numbers = Numbers::new(seed);
            scribble(&mut numbers);
            let _ = begun.send(());
            while told.load(Ordering::Relaxed) == 0 {
                scribble(&mut numbers);
            }
        }));
        Self { stop, hand: Some(hand) }
    }
}

impl Drop for Scribbler {
    fn drop(&mut self) {
        self.stop.store(1, Ordering::Relaxed);
        if let Some(hand) = self.hand.take() {
            hand.wait();
            IDLE.with_borrow_mut(|idle| idle.push(hand));
        }
    }
}
