//! R4 and R5 of a master, which arms each of its links with DOORBELL and sleeps on all their bells at once.
//!
//! As in production a lane that may hold something is *listed*, and one that is not is armed. Who hears a bell
//! silences it, lists its lane and looks; whoever waits for space takes in what its link holds before it sleeps.

use super::link::{Link, recv};
use super::watch::Silent;
use super::{ends_of, explore, fill};
use crate::ring::lines::DOORBELL;
use crate::ring::{Consumer, Fences, PopError, Producer, PushError};
use crate::sync::{AtomicU32, heavy};
use ::loom::thread::{self, Thread};
use std::sync::{Arc, Mutex};

/// What a kernel does for who sleeps on many sockets: a bell that was rung stays rung until it is silenced, and
/// looking whether one was and going to sleep are one step. To who is awake it brings no order of memory.
#[derive(Debug)]
pub(super) struct Epoll {
    /// Holds nothing: by it loom sees that it matters who comes first.
    turn: AtomicU32,
    /// loom's threads take turns on one real thread, so this lock is always free.
    bells: Mutex<Bells>,
}

#[derive(Debug, Default)]
struct Bells {
    /// One bit for each.
    rung: u32,
    sleeper: Option<Thread>,
}

impl Epoll {
    fn new() -> Arc<Self> {
        Arc::new(Self { turn: AtomicU32::new(0), bells: Mutex::default() })
    }

    pub(super) fn ring(&self, bell: usize) {
        self.turn.newest();
        let mut bells = self.bells.lock().unwrap();
        bells.rung |= 1 << bell;
        if let Some(sleeper) = bells.sleeper.take() {
            sleeper.unpark();
        }
    }

    /// Sleeps until a bell is rung, and says which are.
    fn wait(&self) -> u32 {
        self.turn.newest();
        let mut bells = self.bells.lock().unwrap();
        if bells.rung == 0 {
            bells.sleeper = Some(thread::current());
            drop(bells);
            thread::park();
            bells = self.bells.lock().unwrap();
        }
        bells.rung
    }

    fn silence(&self, bell: usize) {
        self.turn.newest();
        self.bells.lock().unwrap().rung &= !(1 << bell);
    }
}

/// The master's end of what one worker sends.
#[derive(Debug)]
struct Lane {
    consumer: Consumer<Link>,
    listed: bool,
    over: bool,
}

impl Lane {
    fn take(&mut self) -> Option<Vec<u8>> {
        let dead = self.consumer.memory().is_dead();
        match self.consumer.pop() {
            Ok(message) => return Some(message),
            Err(PopError::Empty) if !dead => {}
            Err(error) => {
                assert!(matches!(error, PopError::Closed | PopError::Empty));
                (self.over, self.listed) = (true, false);
            }
        }
        None
    }

    fn arm(&mut self) {
        self.consumer.arm(DOORBELL);
        // R4, heavy side.
        heavy();
        self.listed = self.consumer.is_ready() || self.consumer.memory().is_dead();
        if self.listed {
            self.consumer.disarm();
        }
    }
}

/// Who receives from many.
#[derive(Debug)]
struct Master {
    epoll: Arc<Epoll>,
    lanes: Vec<Lane>,
}

impl Master {
    /// A master, and the workers' ends of its links.
    fn with<const N: usize>() -> (Self, [Producer<Link>; N]) {
        let mut master = Self { epoll: Epoll::new(), lanes: Vec::new() };
        let producers = std::array::from_fn(|_| {
            let (producer, consumer) = master.ring(master.lanes.len());
            master.lanes.push(Lane { consumer, listed: true, over: false });
            producer
        });
        (master, producers)
    }

    /// One direction of the link with this bell.
    fn ring(&self, bell: usize) -> (Producer<Link>, Consumer<Link>) {
        ends_of(Link::new(64, 0).with_bell(&self.epoll, bell), Fences::SeqCst, 0)
    }

    /// The next message and whose it is, asleep until there is one; `None` when every worker has gone.
    fn next(&mut self) -> Option<(usize, Vec<u8>)> {
        loop {
            for (bell, lane) in self.lanes.iter_mut().enumerate().filter(|(_, lane)| lane.listed) {
                if let Some(message) = lane.take() {
                    return Some((bell, message));
                }
            }
            if self.lanes.iter().all(|lane| lane.over) {
                return None;
            }
            self.lanes.iter_mut().filter(|lane| lane.listed).for_each(Lane::arm);
            if !self.lanes.iter().any(|lane| lane.listed) {
                self.sleep();
            }
        }
    }

    /// Hears the bells, and lists their lanes.
    fn sleep(&mut self) {
        let rung = self.epoll.wait();
        for (bell, lane) in self.lanes.iter_mut().enumerate().filter(|(bell, _)| rung & 1 << bell != 0) {
            self.epoll.silence(bell);
            lane.listed = !lane.over;
        }
    }

    /// Sends to the worker of the only lane, asleep until there is space; what it sent meanwhile is `kept`.
    fn send(
        &mut self,
        producer: &mut Producer<Link>,
        message: &[u8],
        kept: &mut Vec<Vec<u8>>,
    ) -> Result<(), PushError> {
        loop {
            match producer.push(message) {
                Err(PushError::Full) => {}
                done => return done,
            }
            producer.arm(DOORBELL);
            // R4, heavy side.
            heavy();
            if !producer.has_space().unwrap() {
                self.keep(kept);
                self.sleep();
            }
            producer.disarm();
        }
    }

    fn keep(&mut self, kept: &mut Vec<Vec<u8>>) {
        let lane = &mut self.lanes[0];
        while lane.listed {
            kept.extend(std::iter::from_fn(|| lane.take()));
            if lane.listed {
                lane.arm();
            }
        }
    }
}

#[test]
fn a_master_that_goes_to_sleep_is_rung_by_each_of_two_workers() {
    explore("bell_two_links", Some(3), || {
        let (mut master, [mut one, mut other]) = Master::with();
        let workers = [
            thread::spawn(move || one.push(b"one").unwrap()),
            thread::spawn(move || other.push(b"other").unwrap()),
        ];
        let mut taken = [master.next(), master.next()];
        taken.sort();
        assert_eq!(taken, [Some((0, b"one".to_vec())), Some((1, b"other".to_vec()))]);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}

#[test]
fn a_master_that_is_rung_while_it_arms_looks_again_and_is_rung_again() {
    explore("bell_twice", Some(3), || {
        let (mut master, [mut producer]) = Master::with();
        let worker = thread::spawn(move || {
            producer.push(b"once").unwrap();
            producer.push(b"again").unwrap();
        });
        assert_eq!(master.next(), Some((0, b"once".to_vec())));
        assert_eq!(master.next(), Some((0, b"again".to_vec())));
        worker.join().unwrap();
    });
}

#[test]
fn a_bell_that_is_rung_while_another_link_is_armed_is_heard() {
    explore("bell_while_arming", None, || {
        let (mut master, [mut armed, mut listed]) = Master::with();
        // Nothing but the bell tells of the first from now on.
        master.lanes[0].arm();
        let workers = thread::spawn(move || {
            armed.push(b"armed").unwrap();
            listed.push(b"listed").unwrap();
        });
        let mut taken = [master.next(), master.next()];
        taken.sort();
        assert_eq!(taken, [Some((0, b"armed".to_vec())), Some((1, b"listed".to_vec()))]);
        workers.join().unwrap();
    });
}

/// The master's end and the worker's of a ring to the worker, in which there is no space for [9; 8].
fn full_ring_to_worker(master: &Master) -> (Producer<Link>, Consumer<Link>) {
    let (mut producer, consumer) = master.ring(0);
    fill(&mut producer, &[8, 8, 8], 8);
    (producer, consumer)
}

#[test]
fn one_bell_tells_of_data_and_of_space_and_its_worker_sleeps_too() {
    explore("bell_for_both", Some(3), || {
        let (mut master, [mut answers]) = Master::with();
        let (mut producer, mut consumer) = full_ring_to_worker(&master);
        let worker = thread::spawn(move || {
            answers.push(b"first").unwrap();
            for payload in [8, 8, 8, 9] {
                assert_eq!(recv(&mut consumer), Some(vec![payload; 8]));
            }
            answers.push(b"last").unwrap();
        });
        let mut taken = Vec::new();
        master.send(&mut producer, &[9; 8], &mut taken).unwrap();
        while taken.len() < 2 {
            taken.extend(master.next().map(|(_, message)| message));
        }
        assert_eq!(taken, [b"first".to_vec(), b"last".to_vec()]);
        worker.join().unwrap();
    });
}

#[test]
fn a_worker_that_closes_rings_beside_one_that_sends() {
    explore("bell_closed", Some(3), || {
        let (mut master, [mut closes, mut sends]) = Master::with();
        let workers = thread::spawn(move || {
            closes.close();
            sends.push(b"my last").unwrap();
            sends.close();
        });
        assert_eq!(master.next(), Some((1, b"my last".to_vec())));
        assert_eq!(master.next(), None);
        workers.join().unwrap();
    });
}

#[test]
fn a_master_that_waits_for_space_is_rung_by_the_close_of_the_worker() {
    explore("bell_consumer_closed", None, || {
        let (mut master, [_answers]) = Master::with();
        let (mut producer, mut consumer) = full_ring_to_worker(&master);
        let worker = thread::spawn(move || consumer.close());
        assert_eq!(master.send(&mut producer, &[9; 8], &mut Vec::new()), Err(PushError::Closed));
        worker.join().unwrap();
    });
}

#[test]
fn what_was_committed_by_a_worker_killed_before_it_rings_is_delivered_and_then_its_death() {
    explore("bell_gone", Some(3), || {
        let (mut master, [_]) = Master::with();
        let link = master.lanes[0].consumer.memory().clone();
        let worker_and_watch = thread::spawn(move || {
            // Nor does anything lean on the fence between its commit and its look at the wait word.
            let mut producer = Producer::new(Silent(link.clone()), Fences::Membarrier, 0).unwrap();
            producer.push(b"my last").unwrap();
            link.declare_dead();
            // Whoever tells the master has no other way to it.
            link.ring();
        });
        assert_eq!(master.next(), Some((0, b"my last".to_vec())));
        assert_eq!(master.next(), None);
        worker_and_watch.join().unwrap();
    });
}
