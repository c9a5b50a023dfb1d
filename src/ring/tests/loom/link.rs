//! A ring's memory whose ends can sleep: heap memory, two emulated futexes, and a doorbell if it has one.

use super::doorbell::Epoll;
use crate::ring::lines::{CursorLine, DOORBELL, FUTEX, HeadLine, ProducerLine, WaitLine, rouse};
use crate::ring::{Consumer, HeapMemory, Memory, PopError, Producer, PushError};
use crate::sync::latch::Latch;
use crate::sync::{AtomicU32, AtomicU64, heavy};
use ::loom::thread::{self, Thread};
use std::sync::{Arc, Mutex};

/// What a kernel does for a sleeper: it looks at the word and puts the thread on the queue in one step, as seen
/// by a waker, so a wake-up after the look is never lost. Nothing more: a woken sleeper may find nothing changed.
#[derive(Debug, Default)]
struct Futex {
    /// loom's threads take turns on one real thread, so this lock is always free.
    queue: Mutex<Vec<Thread>>,
}

impl Futex {
    fn wait(&self, word: &AtomicU32, expected: u32) {
        // No operation of loom's stands between the look and the sleep, so no other thread runs there.
        if word.newest() == expected {
            self.queue.lock().unwrap().push(thread::current());
            thread::park();
        }
    }

    fn wake(&self, word: &AtomicU32) {
        // The look only tells loom that it matters whether a sleeper comes before or after this.
        word.newest();
        for sleeper in self.queue.lock().unwrap().drain(..) {
            sleeper.unpark();
        }
    }
}

/// The memory of one direction, as both ends see it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    heap: HeapMemory,
    shared: Arc<Shared>,
    /// Where the master sleeps, and the doorbell that it knows this link by.
    bell: Option<(Arc<Epoll>, usize)>,
}

#[derive(Debug)]
struct Shared {
    data: Futex,
    space: Futex,
    dead: Latch,
}

impl Link {
    pub(super) fn new(capacity: usize, position: u64) -> Self {
        let shared = Shared { data: Futex::default(), space: Futex::default(), dead: Latch::new() };
        Self { heap: HeapMemory::new(capacity, position), shared: Arc::new(shared), bell: None }
    }

    /// The same, and whoever finds it armed with DOORBELL rings `bell` of `epoll`.
    pub(super) fn with_bell(mut self, epoll: &Arc<Epoll>, bell: usize) -> Self {
        self.bell = Some((Arc::clone(epoll), bell));
        self
    }

    pub(super) fn ring(&self) {
        if let Some((epoll, bell)) = &self.bell {
            epoll.ring(*bell);
        }
    }

    /// What the watch thread does at the peer's death.
    pub(super) fn declare_dead(&self) {
        self.shared.dead.set(1);
        rouse([self.armed_data(), self.armed_space()], |line| {
            let data = std::ptr::eq(line, self.armed_data());
            if data { &self.shared.data } else { &self.shared.space }.wake(&line.armed);
        });
    }

    pub(super) fn is_dead(&self) -> bool {
        self.shared.dead.get() != 0
    }
}

impl Memory for Link {
    fn words(&self) -> &[AtomicU64] {
        self.heap.words()
    }
    fn producer(&self) -> &ProducerLine {
        self.heap.producer()
    }
    fn head(&self) -> &HeadLine {
        self.heap.head()
    }
    fn cursor(&self) -> &CursorLine {
        self.heap.cursor()
    }
    fn armed_data(&self) -> &WaitLine {
        self.heap.armed_data()
    }
    fn armed_space(&self) -> &WaitLine {
        self.heap.armed_space()
    }
    fn wake_consumer(&self, armed: u32) {
        match armed {
            FUTEX => self.shared.data.wake(&self.armed_data().armed),
            DOORBELL => self.ring(),
            _ => {}
        }
    }
    fn wake_producer(&self, armed: u32) {
        match armed {
            FUTEX => self.shared.space.wake(&self.armed_space().armed),
            DOORBELL => self.ring(),
            _ => {}
        }
    }
}

/// What an end waits for, and how it is woken.
trait Sleeper {
    fn holds(&mut self) -> bool;
    fn arm(&mut self);
    fn disarm(&mut self);
    fn link(&self) -> &Link;
    fn wait(&self);
}

impl Sleeper for Consumer<Link> {
    fn holds(&mut self) -> bool {
        self.is_ready()
    }
    fn arm(&mut self) {
        self.arm(FUTEX);
    }
    fn disarm(&mut self) {
        self.disarm();
    }
    fn link(&self) -> &Link {
        self.memory()
    }
    fn wait(&self) {
        self.memory().shared.data.wait(&self.memory().armed_data().armed, FUTEX);
    }
}

impl Sleeper for Producer<Link> {
    fn holds(&mut self) -> bool {
        self.has_space().unwrap()
    }
    fn arm(&mut self) {
        self.arm(FUTEX);
    }
    fn disarm(&mut self) {
        self.disarm();
    }
    fn link(&self) -> &Link {
        self.memory()
    }
    fn wait(&self) {
        self.memory().shared.space.wait(&self.memory().armed_space().armed, FUTEX);
    }
}

/// Sleeps until what the end waits for holds, or its peer is dead.
fn sleep(end: &mut impl Sleeper) {
    loop {
        end.arm();
        // R4, heavy side.
        heavy();
        if end.holds() || end.link().is_dead() {
            end.disarm();
            return;
        }
        end.wait();
    }
}

/// Takes the next message, asleep until there is one; `None` at the end or after the peer's death.
pub(super) fn recv(consumer: &mut Consumer<Link>) -> Option<Vec<u8>> {
    loop {
        match consumer.pop() {
            Ok(message) => return Some(message),
            Err(PopError::Closed) => return None,
            Err(error) => assert_eq!(error, PopError::Empty),
        }
        if consumer.memory().is_dead() {
            // There may have been something after the look and before the death.
            return consumer.pop().ok();
        }
        sleep(consumer);
    }
}

/// Sends `message`, asleep until there is space; the error says that the consumer has closed or died.
pub(super) fn send(producer: &mut Producer<Link>, message: &[u8]) -> Result<(), PushError> {
    loop {
        match producer.push(message) {
            Err(PushError::Full) if producer.memory().is_dead() => return Err(PushError::Closed),
            Err(PushError::Full) => sleep(producer),
            done => return done,
        }
    }
}

/// Waits, asleep, until the consumer has released everything.
pub(super) fn wait_for_receipt(producer: &mut Producer<Link>) {
    while !producer.is_released().unwrap() {
        sleep(producer);
    }
}
