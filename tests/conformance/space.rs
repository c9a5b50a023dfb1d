//! What happens when there is no space.

use crate::setting::Setting;
use crate::support::cue::Cue;
use crate::support::{payload, thread, until};
use ringway::channel::error::{Cause, RecvError, SendError, SendTimeoutError, TryRecvError, TrySendError};
use ringway::channel::{Channel, Sender};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(1);

/// Sends messages from `number` on until the link is full; returns the number of the next.
fn fill(sender: &mut Sender, mut number: u32) -> u32 {
    loop {
        match sender.try_send(&payload::numbered(0, number, 500)) {
            Ok(()) => number += 1,
            Err(error) => {
                assert_eq!(error, TrySendError::Full);
                return number;
            }
        }
    }
}

/// Receives as many numbered messages as it is told of, and nothing else.
fn takes_what_it_is_told(channel: Channel, cue: &Cue) {
    let mut received = 0;
    loop {
        let upto = cue.hear() as u32;
        if upto == 0 {
            break;
        }
        while received < upto {
            assert_eq!(payload::check(&channel.recv().unwrap()), (0, received));
            received += 1;
        }
        cue.give();
    }
    assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Closed)));
}

pub fn a_full_link_says_so_and_takes_more_when_there_is_space(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            let (mut sender, _receiver) = channel.split();
            let mut sent = 0;
            for _ in 0..20 {
                let before = sent;
                sent = fill(&mut sender, sent);
                assert!(sent - before > 20, "all that was sent before was taken");
                assert_eq!(sender.try_send(&[0; 500]), Err(TrySendError::Full));
                cue.tell(u64::from(sent));
                cue.wait();
            }
            cue.tell(0);
        },
        takes_what_it_is_told,
    );
}

pub fn a_send_waits_for_space(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            let (mut sender, _receiver) = channel.split();
            let mut sent = 0;
            for _ in 0..20 {
                sent = fill(&mut sender, sent);
                cue.tell(u64::from(sent) + 1);
                sender.send(&payload::numbered(0, sent, 500)).unwrap();
                sent += 1;
                cue.wait();
            }
            cue.tell(0);
        },
        takes_what_it_is_told,
    );
}

pub fn a_send_that_timed_out_leaves_nothing(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            let (mut sender, _receiver) = channel.split();
            let sent = fill(&mut sender, 0);
            for len in [500, 10_000, 20_000, 100_000] {
                let message = payload::numbered(0, 99, len);
                assert_eq!(sender.send_timeout(&message, SHORT), Err(SendTimeoutError::Timeout));
                let deadline = Instant::now() + SHORT;
                assert_eq!(sender.send_deadline(&message, deadline), Err(SendTimeoutError::Timeout));
                assert_eq!(sender.send_timeout(&message, Duration::ZERO), Err(SendTimeoutError::Timeout));
            }
            cue.tell(u64::from(sent));
            cue.wait();
            sender.send_timeout(&payload::numbered(0, sent, 500), Duration::MAX).unwrap();
            cue.tell(u64::from(sent) + 1);
            cue.wait();
            cue.tell(0);
        },
        takes_what_it_is_told,
    );
}

pub fn a_stream_that_timed_out_leaves_nothing(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            let (mut sender, _receiver) = channel.split();
            let long = payload::numbered(0, 99, 1_000_000);
            let mut sent = 0;
            for _ in 0..10 {
                assert_eq!(sender.send_timeout(&long, SHORT), Err(SendTimeoutError::Timeout));
                assert_eq!(sender.send_timeout(&long, Duration::ZERO), Err(SendTimeoutError::Timeout));
                // The peer may still have to take the beginning of what was given up.
                cue.tell(u64::from(sent) + 2);
                sender.send(&payload::numbered(0, sent, 16)).unwrap();
                sender.send(&payload::numbered(0, sent + 1, 200_000)).unwrap();
                sent += 2;
                cue.wait();
            }
            cue.tell(0);
        },
        takes_what_it_is_told,
    );
}

pub fn a_message_that_must_be_streamed_cannot_be_tried(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            let (mut sender, _receiver) = channel.split();
            let max = sender.max_atomic();
            let refused = sender.try_send(&vec![0; max as usize + 1]);
            assert_eq!(refused, Err(TrySendError::TooBigForTry { len: max + 1, max }));
            sender.try_send(&payload::numbered(0, 0, max as usize)).unwrap();
            cue.tell(2);
            sender.send(&payload::numbered(0, 1, max as usize + 1)).unwrap();
            cue.wait();
            cue.tell(0);
        },
        takes_what_it_is_told,
    );
}

/// One thread sleeps for space, in a message that is streamed or not. What the others may not do is wait for it.
pub fn a_thread_that_waits_for_space_delays_no_other_that_does_not(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            for len in [500, 300_000] {
                let mut number = 0;
                while channel.try_send(&payload::numbered(0, number, 500)).is_ok() {
                    number += 1;
                }
                let (ids, started) = std::sync::mpsc::channel();
                std::thread::scope(|scope| {
                    let channel = &channel;
                    scope.spawn(move || {
                        ids.send(thread::id()).unwrap();
                        channel.send(&payload::numbered(0, number, len)).unwrap();
                    });
                    let sleeper = started.recv().unwrap();
                    until(|| thread::is_asleep(sleeper));
                    assert_eq!(channel.try_send(b"x"), Err(TrySendError::Full));
                    assert_eq!(channel.send_timeout(b"x", SHORT), Err(SendTimeoutError::Timeout));
                    assert_eq!(channel.send_deadline(b"x", Instant::now()), Err(SendTimeoutError::Timeout));
                    assert_eq!(channel.try_recv(), Err(TryRecvError::Empty));
                    cue.tell(u64::from(number) + 1);
                    cue.wait();
                });
            }
            cue.tell(0);
        },
        |channel, cue| {
            loop {
                let count = cue.hear() as u32;
                if count == 0 {
                    break;
                }
                (0..count)
                    .for_each(|number| assert_eq!(payload::check(&channel.recv().unwrap()), (0, number)));
                cue.give();
            }
            assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Closed)));
        },
    );
}

pub fn a_close_beside_a_thread_that_waits_for_space_comes_after_its_message(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            let mut number = 0;
            while channel.try_send(&payload::numbered(0, number, 500)).is_ok() {
                number += 1;
            }
            let (ids, started) = std::sync::mpsc::channel();
            std::thread::scope(|scope| {
                let channel = &channel;
                scope.spawn(move || {
                    ids.send(thread::id()).unwrap();
                    channel.send(&payload::numbered(0, number, 100_000)).unwrap();
                });
                let sleeper = started.recv().unwrap();
                until(|| thread::is_asleep(sleeper));
                channel.close_sending();
                assert_eq!(channel.try_send(b"x"), Err(TrySendError::Disconnected(Cause::Closed)));
                assert_eq!(channel.send(b"x"), Err(SendError::Disconnected(Cause::Closed)));
                cue.tell(u64::from(number) + 1);
                cue.wait();
            });
            cue.tell(0);
            cue.wait();
        },
        |channel, cue| {
            takes_what_it_is_told(channel, cue);
            cue.give();
        },
    );
}
