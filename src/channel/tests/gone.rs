//! A peer that has gone: for what it is taken, and what of its ring is still received, even if every word there is a
//! header, so that there is always one more message.

use super::hostile::{CAPACITY, linked};
use crate::channel::{Receiver, RecvError};
use crate::link::Rx;
use crate::link::error::{Cause, RxError};
use crate::link::shm::ShmTx;
use crate::ring::{Corrupt, Field, Flags, HEADER, Header, Kind, Memory, Reading};
use crate::sync::Ordering;
use crate::sys::pidfd::{Pid, Signal};
use crate::sys::tests::{alone, raw, until};
use crate::sys::{process, socket};
use std::sync::Arc;
use std::time::Instant;

/// How a message is taken; how many bytes it had.
type Take = fn(&mut Receiver) -> Result<usize, RxError>;

const TAKES: [Take; 3] = [
    |receiver| match receiver.rx().recv_fast(&mut []) {
        Some(len) => Ok(len),
        None => receiver.rx().try_recv_into(&mut []),
    },
    |receiver| receiver.rx().try_recv().map(|message| message.len()),
    |receiver| {
        let Reading::InPlace { len, .. } = receiver.next_read()? else { panic!("a copy of one record") };
        if let Rx::Shm(shm) = receiver.rx() {
            shm.release();
        }
        Ok(len)
    },
];

/// Fills the ring with headers of empty messages, the first place last, and asks to be told of space at once.
fn fill(tx: &ShmTx) {
    let memory = tx.producer.memory();
    let header = Header { len: 0, kind: Kind::Data, flags: Flags::NONE };
    memory.words().iter().rev().for_each(|word| word.store(header.to_word(), Ordering::Release));
    memory.producer().want.store(0, Ordering::Relaxed);
    memory.armed_space().armed.store(1, Ordering::Release);
}

/// Messages of no bytes until the end, of which there are at most `most`; then the reason.
fn drain(receiver: &mut Receiver, take: Take, most: u64) -> (u64, Cause) {
    for taken in 0..=most {
        match take(receiver) {
            Ok(len) => assert_eq!(len, 0),
            Err(RxError::Disconnected(cause)) => return (taken, cause),
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("more than {most} messages from a peer that is gone");
}

fn is_overrun(cause: Cause) -> bool {
    matches!(cause, Cause::Corrupt(Corrupt { field: Field::Overrun, .. }))
}

fn end(child: Pid) {
    process::signal(child, Signal::KILL).unwrap();
    until(|| process::reap(child).unwrap().is_some());
}

#[test]
fn a_dead_peers_ring_full_of_headers_ends_within_one_capacity() {
    alone(|| {
        for take in TAKES {
            let (child, channel) = linked(|tx, _rx| {
                fill(&tx);
                raw::quit(0)
            });
            let (sender, mut receiver) = channel.split();
            until(|| receiver.rx().peer().is_some_and(|peer| peer.is_dead()));
            // The place of the next header is never part of what was committed.
            let most = CAPACITY / HEADER - 1;
            let (taken, cause) = drain(&mut receiver, take, most);
            assert!(taken == most && is_overrun(cause), "{taken}: {cause}");
            drop(sender);
            until(|| process::reap(child).unwrap().is_some());
        }
    });
}

/// While it lives it may send for ever. What the receiver had taken and not yet given back when it heard of the death
/// is at most an eighth.
#[test]
fn a_peer_that_dies_while_its_endless_ring_is_received_from_ends_it() {
    alone(|| {
        for take in TAKES {
            let (child, channel) = linked(|tx, _rx| {
                fill(&tx);
                raw::pause()
            });
            let (_sender, mut receiver) = channel.split();
            until(|| receiver.rx().poll());
            for _ in 0..3 * CAPACITY / HEADER {
                assert!(matches!(take(&mut receiver), Ok(0)), "a living peer's ring has no end");
            }
            end(child);
            until(|| receiver.rx().peer().is_some_and(|peer| peer.is_dead()));
            let (_, cause) = drain(&mut receiver, take, (CAPACITY + CAPACITY / 8) / HEADER);
            assert!(is_overrun(cause), "{cause}");
        }
    });
}

/// Where there is no pidfd, a hang-up is all that is ever known.
#[test]
fn a_peer_that_hung_up_and_goes_on_writing_has_an_end_too() {
    alone(|| {
        for take in TAKES {
            let (child, channel) = linked(|tx, _rx| {
                socket::shut_sending(tx.peer().control()).unwrap();
                loop {
                    fill(&tx);
                }
            });
            let (_sender, mut receiver) = channel.split();
            until(|| receiver.rx().peer().is_some_and(|peer| peer.cause().is_some()) && receiver.rx().poll());
            let (taken, cause) = drain(&mut receiver, take, CAPACITY / HEADER - 1);
            assert!(taken > 0 && is_overrun(cause), "{taken}: {cause}");
            end(child);
        }
    });
}

/// A dying process closes its sockets first. Who waits is told what it was, and nothing before that is known.
#[test]
fn a_hang_up_that_was_the_beginning_of_a_death_is_told_as_a_death() {
    // A machine that is too slow to kill the child while its hang-up is in doubt tries again.
    let dies_in_doubt = || {
        let (child, channel) = linked(|tx, _rx| {
            socket::shut_sending(tx.peer().control()).unwrap();
            raw::pause()
        });
        let (_sender, mut receiver) = channel.split();
        let peer = Arc::clone(receiver.rx().peer().unwrap());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| receiver.recv());
            until(|| peer.doubt().is_some() || peer.cause().is_some());
            let doubt = peer.doubt();
            end(child);
            let in_time = doubt.is_some_and(|until| Instant::now() < until);
            let told = waiting.join().unwrap();
            assert!(!in_time || told == Err(RecvError::Disconnected(Cause::Died)), "{told:?}");
            in_time
        })
    };
    alone(|| until(dies_in_doubt));
}
