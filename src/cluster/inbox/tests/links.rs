//! The inbox with real links: a sender that waits, and the naps that it does without.

use super::{ONE, watchdog};
use crate::channel::{Channel, LinkChoice, Options, Pending, Wait};
use crate::cluster::error::SendError;
use crate::cluster::event::Event;
use crate::cluster::inbox::Inbox;
use crate::cluster::link_port::{Handshake, Link, Port, Progress, SendHalf};
use crate::cluster::links::{Incoming, Links};
use crate::link::Tx;
use crate::sys::epoll::Interest;
use crate::sys::pidfd::Exit;
use crate::sys::tests::{alone, deny, in_fork, skip};
use crate::sys::{Errno, membarrier};
use crate::wait::nap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The master's end of a link, and the worker's.
struct Linked {
    inbox: Arc<Inbox<Incoming>>,
    sender: Arc<Mutex<Tx>>,
    worker: Channel,
}

impl Linked {
    fn new(options: &Options) -> Self {
        let inbox = Arc::new(Inbox::new().unwrap());
        let (mut offering, sockets) = Links::new(options.clone()).offer(ONE).unwrap();
        let options = options.clone();
        let pending = Pending::accepting(sockets.control, sockets.data, options);
        let worker = thread::spawn(move || pending.connect().unwrap());
        let Link { sender, receiver } = loop {
            match offering.step().unwrap() {
                Progress::Up(link) => break link,
                Progress::Waiting => thread::yield_now(),
                Progress::HungUp => panic!("the worker hung up"),
            }
        };
        inbox.watch(ONE, &receiver).unwrap();
        inbox.online(ONE, receiver);
        assert!(matches!(inbox.next_event(watchdog()), Ok(Some(Event::Online { .. }))));
        Self { inbox, sender: Arc::new(Mutex::new(sender)), worker: worker.join().unwrap() }
    }

    /// Sends as much as fits, and says how many messages that were.
    fn fill(&self) -> usize {
        let mut sender = self.sender.lock().unwrap();
        (0..).take_while(|_| SendHalf::try_send(&mut *sender, &[0; 4000]).is_ok()).count()
    }

    /// Has a thread send, and returns once that waits for space.
    fn send_and_wait(&self, deadline: Option<Instant>) -> thread::JoinHandle<Result<(), SendError>> {
        let (inbox, sender) = (Arc::clone(&self.inbox), Arc::clone(&self.sender));
        let sending = thread::spawn(move || send(&inbox, &mut sender.lock().unwrap(), b"last", deadline));
        while !self.inbox.lock().led && !sending.is_finished() {
            thread::yield_now();
        }
        sending
    }

    fn watched_for(&self) -> Option<Interest> {
        self.inbox.lock().lanes[&ONE].watched_for()
    }

    fn message(&self) -> Vec<u8> {
        match self.inbox.next_event(watchdog()) {
            Ok(Some(Event::Message { message, .. })) => message.to_vec(),
            other => panic!("{other:?}"),
        }
    }
}

fn send(
    inbox: &Inbox<Incoming>,
    sender: &mut Tx,
    message: &[u8],
    deadline: Option<Instant>,
) -> Result<(), SendError> {
    let mut wait = inbox.space_wait(ONE);
    SendHalf::send(sender, message, &mut |armed| inbox.wait_for_space(ONE, &mut wait, armed, deadline))
}

fn over_socket() -> Linked {
    Linked::new(&Options::new().link(LinkChoice::Socket))
}

#[test]
fn over_a_socket_space_wakes_a_sender_without_a_nap() {
    alone(|| {
        let link = over_socket();
        for _ in 0..50 {
            let untaken = link.fill();
            let sending = link.send_and_wait(watchdog());
            assert!(!sending.is_finished());
            (0..untaken).for_each(|_| assert_eq!(link.worker.recv().unwrap().len(), 4000));
            sending.join().unwrap().unwrap();
            assert_eq!(&*link.worker.recv().unwrap(), b"last");
            assert_eq!(link.watched_for(), Some(Interest::Readable));
        }
        assert_eq!(nap::taken(), 0);
    });
}

#[test]
fn over_a_socket_a_waiting_sender_takes_what_the_worker_sends() {
    alone(|| {
        let link = over_socket();
        let untaken = link.fill();
        let sending = link.send_and_wait(watchdog());
        // Many times what the socket holds: the worker comes to take its own only if the master takes these.
        for number in 0..5_000u32 {
            let message = [&number.to_le_bytes()[..], &[0; 4000]].concat();
            while link.worker.try_send(&message).is_err() {
                thread::yield_now();
            }
        }
        (0..untaken).for_each(|_| _ = link.worker.recv().unwrap());
        sending.join().unwrap().unwrap();
        for number in 0..5_000u32 {
            assert_eq!(link.message()[..4], number.to_le_bytes());
        }
        assert_eq!(nap::taken(), 0);
    });
}

#[test]
fn over_a_socket_a_waiting_sender_is_told_that_the_worker_takes_nothing_more() {
    alone(|| {
        let link = over_socket();
        link.fill();
        let sending = link.send_and_wait(watchdog());
        let Linked { worker, .. } = link;
        let (_sends, receives) = worker.split();
        receives.close();
        assert!(matches!(sending.join().unwrap(), Err(SendError::Gone)));
        assert_eq!(nap::taken(), 0);
    });
}

#[test]
fn over_a_socket_a_worker_that_sends_no_more_makes_space_all_the_same() {
    alone(|| {
        let link = over_socket();
        link.worker.close_sending();
        for _ in 0..5 {
            let untaken = link.fill();
            let sending = link.send_and_wait(watchdog());
            (0..untaken).for_each(|_| _ = link.worker.recv().unwrap());
            sending.join().unwrap().unwrap();
            assert_eq!(&*link.worker.recv().unwrap(), b"last");
            assert_eq!(link.watched_for(), None, "the end would be told for ever");
        }
        assert_eq!(nap::taken(), 0);
    });
}

#[test]
fn over_a_socket_a_sender_does_not_wait_beyond_its_deadline() {
    let link = over_socket();
    link.fill();
    let sending = link.send_and_wait(Some(Instant::now() + Duration::from_millis(20)));
    assert!(matches!(sending.join().unwrap(), Err(SendError::TimedOut)));
    assert_eq!(link.watched_for(), Some(Interest::Readable));
}

/// More than the ring holds.
const BURST: u32 = 12;
/// How many rounds without a nap mean that there will be no more.
const QUIET: u32 = 300;

/// Membarrier is denied to the master, to the worker or to both once they are linked.
fn lose(master: bool, worker: bool) {
    let link = Linked::new(&Options::new().capacity(4096).unwrap().wait(Wait::Park));
    let Linked { inbox, sender, worker: theirs } = link;
    thread::spawn(move || {
        if worker {
            deny(libc::SYS_membarrier, Errno::PERM);
        }
        while let Ok(message) = theirs.recv() {
            theirs.send(&message).unwrap();
        }
    });
    if master {
        deny(libc::SYS_membarrier, Errno::PERM);
    }
    let sender = &mut *sender.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut naps, mut quiet, end) = (0, 0, watchdog());
    while quiet < QUIET {
        assert!(Some(Instant::now()) < end, "naps without an end: {naps}");
        (0..BURST).for_each(|_| send(&inbox, sender, &[1; 1000], end).unwrap());
        for _ in 0..BURST {
            assert!(matches!(inbox.next_event(end), Ok(Some(Event::Message { .. }))));
        }
        quiet = if nap::taken() == naps && naps > 0 { quiet + 1 } else { 0 };
        naps = nap::taken();
    }
}

#[test]
fn a_master_and_a_worker_that_lose_membarrier_nap_until_the_other_executes_full_fences() {
    alone(|| {
        if !membarrier::register() {
            return skip("there is no membarrier here");
        }
        for (master, worker) in [(true, false), (false, true), (true, true)] {
            assert_eq!(in_fork(|| lose(master, worker)), Exit::Code(0), "{master} {worker}");
        }
    });
}

/// The data socket is readable for as long as nobody takes what is in it, which may be long while a thread waits for
/// something else. It must not be told of again and again.
#[test]
fn over_a_socket_what_is_there_is_told_once() {
    alone(|| {
        let link = over_socket();
        let lead = |deadline| {
            let state = link.inbox.lock();
            link.inbox.lead(state, deadline).unwrap().lanes[&ONE].news
        };
        link.worker.send(b"one").unwrap();
        let news = lead(watchdog());
        assert_eq!(link.watched_for(), None);
        link.worker.send(b"two").unwrap();
        assert_eq!(lead(Some(Instant::now())), news, "told again");
        assert_eq!((link.message(), link.message()), (b"one".to_vec(), b"two".to_vec()));
        assert!(link.inbox.next_event(Some(Instant::now())).is_err());
        assert_eq!(link.watched_for(), Some(Interest::Readable), "armed again");
        link.worker.send(b"three").unwrap();
        assert_eq!(link.message(), b"three");
    });
}
