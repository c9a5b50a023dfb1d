//! A peer that is linked in good order, and then writes whatever it likes wherever it can, at full speed.

use crate::channel::error::{
    BatchError, Cause, RecvTimeoutError, SendTimeoutError, TryRecvIntoError, TrySendError,
};
use crate::channel::{Channel, Options, Pending, Receiver, Sender, Wait};
use crate::control::drive;
use crate::control::identity::Identity;
use crate::link::connect::{End, Link, Sockets};
use crate::link::error::TxError;
use crate::link::shm::{ShmRx, ShmTx};
use crate::link::{Rx, Tx};
use crate::ring::Memory;
use crate::ring::lines::WaitLine;
use crate::segment::ShmMemory;
use crate::sync::{AtomicU64, Ordering};
use crate::sys::pidfd::{Pid, Signal};
use crate::sys::tests::{alone, fork_child, open_fds, raw, watchdog};
use crate::sys::{process, socket};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

pub(super) const CAPACITY: u64 = 16 << 10;
const MAX_MESSAGE: u64 = 100_000;
/// How many calls meet each scribbler, at most.
const CALLS: u32 = 600;
const DOORBELL: &[u8] = &[crate::control::message::DOORBELL];
const SHORT: Duration = Duration::from_micros(200);

pub(super) fn options() -> Options {
    Options::new().capacity(CAPACITY).unwrap().max_message(MAX_MESSAGE)
}

/// This process's end of a link to a child that runs `hostile` with the inside of its own.
pub(super) fn linked(hostile: impl FnOnce(ShmTx, ShmRx)) -> (Pid, Channel) {
    linked_as(options(), hostile)
}

/// The same with these options of this process's end.
fn linked_as(ours_are: Options, hostile: impl FnOnce(ShmTx, ShmRx)) -> (Pid, Channel) {
    let (control, data) = (socket::pair().unwrap(), socket::pair().unwrap());
    let (mut ours, mut theirs) = (Some((control.0, data.0)), Some((control.1, data.1)));
    let child = fork_child(|| {
        drop(ours.take());
        let (control, data) = theirs.take().unwrap();
        let mut end = End::offering(options().wish(Identity::new(0, 0)));
        let established = drive::offer(control.as_fd(), None, end.offer(), &mut end, watchdog()).unwrap();
        let sockets = Sockets { control: Arc::new(control), data, peer_data: None, watched: false };
        match end.finish(established, sockets, None).unwrap() {
            Link { tx: Tx::Shm(tx), rx: Rx::Shm(rx) } => hostile(*tx, *rx),
            _ => panic!("this link is not shared memory"),
        }
        raw::pause();
    });
    drop(theirs);
    let (control, data) = ours.unwrap();
    (child, Pending::accepting(control, data, ours_are).connect().unwrap())
}

/// What a hostile end writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// Its data: headers and payload.
    Data,
    /// The positions and flags of its segment.
    Lines,
    /// The wait words, which both ends write.
    Waits,
    /// All of that.
    Everything,
}

/// Writes what no correct end would.
struct Scribbler {
    outgoing: ShmMemory,
    incoming: ShmMemory,
    numbers: u64,
}

impl Scribbler {
    fn new(tx: &ShmTx, rx: &ShmRx, seed: u64) -> Self {
        let (outgoing, incoming) = (tx.producer.memory().clone(), rx.consumer.memory().clone());
        Self { outgoing, incoming, numbers: seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15) }
    }

    fn number(&mut self) -> u64 {
        self.numbers ^= self.numbers << 13;
        self.numbers ^= self.numbers >> 7;
        self.numbers ^= self.numbers << 17;
        self.numbers
    }

    /// A bound, something near what was there, a header that could be one, or anything.
    fn value(&mut self, before: u64) -> u64 {
        let number = self.number();
        match number % 8 {
            0 => [0, 1, 7, CAPACITY - 8, CAPACITY, 1 << 31, u32::MAX.into(), u64::MAX]
                [(number >> 8) as usize % 8],
            1 => before.wrapping_add((number >> 8) % 64 * 8),
            2 => before.wrapping_sub((number >> 8) % 64 * 8),
            3 => before ^ 1 << ((number >> 8) % 64),
            4..=6 => self.header(),
            _ => number,
        }
    }

    /// Any kind, and now and then a flag.
    fn header(&mut self) -> u64 {
        let (len, kind, flags) = (self.number() % 3000, self.number() % 8, self.number() % 64 / 61);
        len | (kind << 32) | (flags << 48)
    }

    fn spoil(&mut self, word: &AtomicU64) {
        let value = self.value(word.load(Ordering::Relaxed));
        word.store(value, Ordering::Release);
    }

    fn write(&mut self, target: Target) {
        let (outgoing, incoming) = (self.outgoing.clone(), self.incoming.clone());
        match target {
            Target::Data => {
                let words = outgoing.words();
                let place = self.number() as usize % words.len();
                self.spoil(&words[place]);
            }
            Target::Lines => match self.number() % 512 {
                0 => outgoing.producer().closed.store(self.number() as u32, Ordering::Relaxed),
                1 => incoming.head().closed.store(self.number() as u32, Ordering::Relaxed),
                2 => outgoing.producer().fenced.store(self.number() as u32, Ordering::Relaxed),
                3 => incoming.head().fenced.store(self.number() as u32, Ordering::Relaxed),
                4..=150 => self.spoil(&outgoing.producer().want),
                151..=300 => self.spoil(&incoming.cursor().cursor),
                _ => self.spoil(&incoming.head().head),
            },
            Target::Waits => {
                let lines: [&WaitLine; 4] = [
                    outgoing.armed_data(),
                    outgoing.armed_space(),
                    incoming.armed_data(),
                    incoming.armed_space(),
                ];
                let number = self.number();
                let value = if number % 4 == 0 { number >> 8 } else { (number >> 8) % 16 };
                lines[(number >> 4) as usize % 4].armed.store(value as u32, Ordering::Relaxed);
            }
            Target::Everything => {
                let targets = [Target::Data, Target::Data, Target::Data, Target::Lines, Target::Waits];
                let place = self.number() as usize % targets.len();
                self.write(targets[place]);
            }
        }
    }
}

/// What the calls of this end answered.
#[derive(Debug, Default)]
struct Answers {
    messages: u32,
    sent: u32,
    corrupt: u32,
    closed: u32,
    /// Messages that were waited for, and taken, in the way of an answer.
    answers: u32,
}

impl Answers {
    /// `true`: the direction has ended, as it may while the peer lives.
    fn end(&mut self, cause: Cause) -> bool {
        match cause {
            Cause::Corrupt(_) => self.corrupt += 1,
            Cause::Closed => self.closed += 1,
            other => panic!("the peer lives and has hung up on nobody: {other}"),
        }
        true
    }

    /// One call of each kind. `true`: nothing more can be sent.
    fn send(&mut self, sender: &mut Sender, call: u32) -> bool {
        let message = [call as u8; 3000];
        let len = call as usize * 7 % message.len();
        let sent = match call % 4 {
            0 => match sender.try_send(&message[..len]) {
                Err(TrySendError::Disconnected(cause)) => return self.end(cause),
                sent => sent.is_ok(),
            },
            1 => match sender.try_grant(len).map(|grant| grant.commit()) {
                Err(TrySendError::Disconnected(cause)) => return self.end(cause),
                sent => sent.is_ok(),
            },
            2 => {
                let mut batch = sender.batch();
                let pushed = [batch.push(&message[..len]), batch.push(&message)];
                let _ = batch.commit();
                match pushed[0] {
                    Err(BatchError::Disconnected(cause)) => return self.end(cause),
                    pushed => pushed.is_ok(),
                }
            }
            _ => match sender.send_timeout(&[7; MAX_MESSAGE as usize], SHORT) {
                Err(SendTimeoutError::Disconnected(cause)) => return self.end(cause),
                sent => sent.is_ok(),
            },
        };
        self.sent += u32::from(sent);
        false
    }

    /// The same for receiving.
    fn receive(&mut self, receiver: &mut Receiver, call: u32, buffer: &mut [u8]) -> bool {
        let room = if call % 8 < 4 { 100 } else { buffer.len() };
        let received = if call % 2 == 0 {
            match receiver.try_recv_into(&mut buffer[..room]) {
                Err(TryRecvIntoError::Disconnected(cause)) => return self.end(cause),
                received => received.ok(),
            }
        } else {
            match receiver.recv_timeout(SHORT) {
                Err(RecvTimeoutError::Disconnected(cause)) => return self.end(cause),
                received => received.ok().map(|message| message.len()),
            }
        };
        assert!(received.is_none_or(|len| len as u64 <= MAX_MESSAGE));
        self.messages += u32::from(received.is_some());
        false
    }

    /// Uses the channel until both directions have ended or there were enough calls, then kills the peer, upon which
    /// every wait must end.
    fn meet(&mut self, child: Pid, channel: Channel) {
        let (mut sender, mut receiver) = channel.split();
        let mut buffer = vec![0; MAX_MESSAGE as usize];
        let mut ended = [false; 2];
        for call in 0..CALLS {
            ended[0] = ended[0] || self.send(&mut sender, call);
            ended[1] = ended[1] || self.receive(&mut receiver, call, &mut buffer);
            if ended == [true; 2] {
                break;
            }
        }
        kill(child, sender, receiver);
    }

    /// Calls, and takes answers, in the shortest ways, until the link has ended or there were enough.
    fn take_turns(&mut self, child: Pid, channel: Channel) {
        let (mut sender, mut receiver) = channel.split();
        let mut buffer = [0; 100];
        for call in 0..CALLS {
            // Who has waited for a message takes turns from then on.
            if call % 16 == 1 {
                self.messages += u32::from(receiver.recv_timeout(SHORT).is_ok());
            }
            match sender.try_send(&[call as u8; 48]) {
                Err(TrySendError::Disconnected(cause)) if self.end(cause) => break,
                sent => self.sent += u32::from(sent.is_ok()),
            }
            let (awaited, len) = receiver.recv_soon(&mut buffer);
            assert!(len.is_none_or(|len| len <= buffer.len()));
            self.answers += u32::from(awaited && len.is_some());
            let received = len.is_some()
                || match receiver.try_recv_into(&mut buffer) {
                    Err(TryRecvIntoError::Disconnected(cause)) if self.end(cause) => break,
                    received => received.is_ok(),
                };
            self.messages += u32::from(received);
        }
        kill(child, sender, receiver);
    }
}

/// Upon the death of the peer every wait ends.
fn kill(child: Pid, mut sender: Sender, mut receiver: Receiver) {
    process::signal(child, Signal::KILL).unwrap();
    let most = CAPACITY / 8 + 1;
    assert!((0..most).any(|_| receiver.recv().is_err()), "a dead peer's ring has no end");
    assert!((0..most).any(|_| sender.send(&[1]).is_err()), "a dead peer takes messages for ever");
    while process::reap(child).unwrap().is_none() {
        std::thread::yield_now();
    }
}

/// Links whose peer is correct for a while and then scribbles; now and then it sends a real message in between.
fn scribbled_over(target: Target) -> Answers {
    let mut answers = Answers::default();
    for seed in 0..12 {
        let (child, channel) = linked(|mut tx, mut rx| {
            let mut scribbler = Scribbler::new(&tx, &rx, seed);
            let (mut buffer, pace) = (vec![0; MAX_MESSAGE as usize], 1 << seed);
            for turn in 1_u64.. {
                if turn % pace == 0 {
                    scribbler.write(target);
                } else {
                    let _ = tx.try_send(&[turn as u8; 700][..turn as usize % 700]);
                    let _ = rx.try_recv_into(&mut buffer);
                }
            }
        });
        answers.meet(child, channel);
    }
    answers
}

#[test]
fn a_peer_that_scribbles_over_its_data_corrupts_its_own_link_at_most() {
    alone(|| {
        let answers = scribbled_over(Target::Data);
        assert!(answers.messages > 0 && answers.sent > 0 && answers.corrupt > 0, "{answers:?}");
        assert_eq!(answers.closed, 0);
    });
}

#[test]
fn a_peer_that_scribbles_over_its_positions_corrupts_its_own_link_at_most() {
    alone(|| {
        let answers = scribbled_over(Target::Lines);
        assert!(answers.messages > 0 && answers.sent > 0, "{answers:?}");
        assert!(answers.corrupt > 0 && answers.closed > 0, "{answers:?}");
    });
}

#[test]
fn a_peer_that_scribbles_over_the_wait_words_corrupts_nothing() {
    alone(|| {
        let answers = scribbled_over(Target::Waits);
        assert!(answers.messages > 0 && answers.sent > 0, "{answers:?}");
        assert_eq!((answers.corrupt, answers.closed), (0, 0));
    });
}

#[test]
fn a_peer_that_scribbles_over_everything_corrupts_its_own_link_at_most() {
    alone(|| {
        let answers = scribbled_over(Target::Everything);
        assert!(answers.sent > 0 && answers.corrupt > 0, "{answers:?}");
    });
}

#[test]
fn a_peer_that_scribbles_while_the_ends_take_turns_corrupts_its_own_link_at_most() {
    alone(|| {
        let mut answers = Answers::default();
        // More than once only where nothing is answered in time, because there is much else to do here.
        while [answers.answers, answers.corrupt].contains(&0) {
            for seed in 0..12 {
                // On one CPU as well this end polls.
                let (child, channel) = linked_as(options().wait(Wait::Spin), |mut tx, mut rx| {
                    let mut scribbler = Scribbler::new(&tx, &rx, seed);
                    let mut buffer = [0; 100];
                    for turn in 0_u64.. {
                        let call = rx.try_recv_into(&mut buffer);
                        if turn % (64 << seed) == 0 {
                            scribbler.write(Target::Everything);
                        }
                        if let Ok(len) = call {
                            let _ = tx.try_send(&buffer[..len]);
                        }
                    }
                });
                answers.take_turns(child, channel);
            }
        }
    });
}

/// The wait words are the only ones that both ends write; no message depends on them.
#[test]
fn no_message_is_lost_or_spoilt_by_scribbles_over_the_wait_words() {
    alone(|| {
        const MESSAGES: u32 = 20_000;
        let (child, channel) = linked(|mut tx, rx| {
            let mut scribbler = Scribbler::new(&tx, &rx, 1);
            for number in 0..MESSAGES {
                while tx.try_send(&number.to_le_bytes().repeat(10)).is_err() {
                    scribbler.write(Target::Waits);
                }
                (0..number % 5).for_each(|_| scribbler.write(Target::Waits));
            }
            loop {
                scribbler.write(Target::Waits);
            }
        });
        for number in 0..MESSAGES {
            let message = loop {
                match channel.recv_timeout(SHORT) {
                    Ok(message) => break message,
                    Err(error) => assert_eq!(error, RecvTimeoutError::Timeout),
                }
            };
            assert!(*message == number.to_le_bytes().repeat(10), "{number}");
        }
        process::signal(child, Signal::KILL).unwrap();
        assert!(channel.recv().is_err());
    });
}

/// Doorbells, other packets and descriptors on the control socket, as many as there is room for.
fn flood(control: BorrowedFd<'_>, turn: usize) {
    let packet = [turn as u8; 300];
    let _ = socket::send(control, DOORBELL);
    let _ = socket::send(control, &packet[..turn % 300]);
    let _ = socket::send_with_fds(control, &packet[..1 + turn % 8], &vec![control; turn % 8]);
}

#[test]
fn a_peer_that_floods_the_control_socket_delays_and_leaks_nothing() {
    alone(|| {
        const MESSAGES: u32 = 5_000;
        let (child, channel) = linked(|mut tx, mut rx| {
            let mut turn = 0;
            loop {
                flood(tx.peer().clone().control(), turn);
                turn += 1;
                let message = rx.try_recv();
                if let Ok(message) = message {
                    while tx.try_send(&message) == Err(TxError::Full) {}
                }
            }
        });
        let before = open_fds();
        for number in 0..MESSAGES {
            channel.send(&number.to_le_bytes()).unwrap();
            assert_eq!(*channel.recv().unwrap(), number.to_le_bytes());
        }
        assert_eq!(open_fds(), before);
        process::signal(child, Signal::KILL).unwrap();
        assert!(channel.recv().is_err());
    });
}
