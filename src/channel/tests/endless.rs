//! A peer that streams without end: whole rings of beginnings, each of which is given up, and never a message.

use super::hostile::{CAPACITY, linked};
use crate::channel::{Channel, RecvTimeoutError, SendTimeoutError};
use crate::link::shm::ShmTx;
use crate::ring::{Flags, HEADER, Header, Kind, Memory};
use crate::sync::Ordering;
use crate::sys::pidfd::{Pid, Signal};
use crate::sys::process;
use crate::sys::tests::{alone, raw, until};
use std::time::Duration;

const SOON: Duration = Duration::from_millis(30);
/// Longer than what is committed at once, and than one fragment.
const TOTAL: u64 = 50_000;

/// Fills the ring with beginnings and cancels, the first place last. A reader that has been through finds them again.
fn stream_without_end(tx: &ShmTx) {
    let (words, full) = (tx.producer.memory().words(), tx.producer.geometry().fragment());
    let header = |len: u64, kind| Header { len: len as u32, kind, flags: Flags::NONE }.to_word();
    let mut headers = Vec::new();
    let mut at = 0;
    while at + full + 2 * HEADER <= CAPACITY {
        words[(at + HEADER) as usize / 8].store(TOTAL, Ordering::Relaxed);
        headers.push((at, header(full, Kind::First)));
        headers.push((at + HEADER + full, header(0, Kind::Cancel)));
        at += full + 2 * HEADER;
    }
    if at < CAPACITY {
        headers.push((at, header(CAPACITY - at - HEADER, Kind::Padding)));
    }
    headers.iter().rev().for_each(|(at, header)| words[*at as usize / 8].store(*header, Ordering::Release));
}

/// A channel whose peer streams without end, and its process.
fn endless() -> (Pid, Channel) {
    let (child, channel) = linked(|tx, _rx| {
        stream_without_end(&tx);
        raw::pause()
    });
    until(|| channel.poll());
    (child, channel)
}

fn end(child: Pid) {
    process::signal(child, Signal::KILL).unwrap();
    until(|| process::reap(child).unwrap().is_some());
}

#[test]
fn a_deadline_ends_each_wait_before_a_peer_that_streams_without_end() {
    alone(|| {
        let (child, channel) = endless();
        assert!(matches!(channel.recv_timeout(SOON), Err(RecvTimeoutError::Timeout)));
        // It takes nothing, and whoever waits for space takes in what it sends.
        until(|| channel.try_send(&[7; 1000]).is_err());
        assert!(matches!(channel.send_timeout(&[7; 1000], SOON), Err(SendTimeoutError::Timeout)));
        let (mut sender, mut receiver) = channel.split();
        assert!(matches!(sender.send_timeout(&[7; 1000], SOON), Err(SendTimeoutError::Timeout)));
        assert!(matches!(receiver.recv_timeout(SOON), Err(RecvTimeoutError::Timeout)));
        assert!(receiver.try_recv().is_err());
        end(child);
        // Of a dead one the rest is finite.
        assert!(receiver.recv().is_err());
    });
}

#[test]
fn a_thread_that_receives_an_endless_stream_keeps_no_other_from_its_deadline() {
    alone(|| {
        let (child, channel) = endless();
        std::thread::scope(|scope| {
            let receives = scope.spawn(|| channel.recv());
            until(|| channel.try_send(&[7; 1000]).is_err());
            for _ in 0..3 {
                assert!(matches!(channel.recv_timeout(SOON), Err(RecvTimeoutError::Timeout)));
                assert!(matches!(channel.send_timeout(&[7; 1000], SOON), Err(SendTimeoutError::Timeout)));
                assert!(channel.try_recv().is_err());
            }
            end(child);
            assert!(receives.join().unwrap().is_err());
        });
    });
}
