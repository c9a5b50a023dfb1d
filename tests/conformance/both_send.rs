//! Two ends that send at the same time, from one thread each or from many.

use crate::setting::Setting;
use crate::support::cue::Cue;
use crate::support::{PATIENCE, payload, thread, until};
use ringway::channel::error::{Cause, RecvError, SendError};
use ringway::channel::{Channel, Options};
use std::sync::Mutex;
use std::time::Instant;

/// Sends `count` messages and only then receives as many; so does the other end.
fn first_send_then_receive(channel: &Channel, count: u32, most: usize) {
    for number in 0..count {
        channel.send(&payload::numbered(0, number, payload::length(number, most))).unwrap();
    }
    for number in 0..count {
        let message = channel.recv().unwrap();
        assert_eq!((payload::check(&message), message.len()), ((0, number), payload::length(number, most)));
    }
}

fn small(setting: &Setting) -> Options {
    setting.options().capacity(4096).unwrap()
}

fn on_both_ends(setting: &Setting, options: &Options, end: impl Fn(Channel, &Cue) + Send + Sync) {
    setting.run(options, &end, &end);
}

pub fn two_ends_that_both_only_send_do_not_wait_for_each_other(setting: &Setting) {
    on_both_ends(setting, &small(setting), |channel, cue| {
        first_send_then_receive(&channel, 5_000, 900);
        cue.meet();
    });
}

pub fn large_messages_pass_each_other(setting: &Setting) {
    on_both_ends(setting, &small(setting), |channel, cue| {
        first_send_then_receive(&channel, 32, 1 << 20);
        cue.meet();
    });
}

pub fn a_full_inbox_is_an_error_and_loses_nothing(setting: &Setting) {
    on_both_ends(setting, &small(setting).inbox_max(100), |channel, cue| {
        let (mut sent, mut received) = (0, 0);
        for _ in 0..10 {
            let before = sent;
            let refused = loop {
                match channel.send(&payload::numbered(0, sent, 24)) {
                    Ok(()) => sent += 1,
                    Err(error) => break error,
                }
                assert!(sent - before < 100_000, "there is no end to the inbox");
            };
            assert_eq!(refused, SendError::Full);
            assert!(sent > before);
            // Each took in what it could while it waited: no more than two messages, and there are more under way.
            cue.tell(sent.into());
            let theirs = cue.hear() as u32;
            for number in received..theirs {
                assert_eq!(payload::check(&channel.recv().unwrap()), (0, number));
            }
            received = theirs;
            cue.meet();
        }
    });
}

const THREADS: u32 = 4;
const EACH: u32 = 2000;

/// Receives until the end. What this thread gets of one lane, it gets in that lane's order.
fn receive_all(channel: &Channel) -> Vec<(u32, u32)> {
    let (mut got, mut next) = (Vec::new(), [0; THREADS as usize]);
    let end = loop {
        match channel.recv() {
            Ok(message) => got.push(payload::check(&message)),
            Err(end) => break end,
        }
        let (lane, number) = got[got.len() - 1];
        assert!(number >= next[lane as usize], "lane {lane}: {number} came late");
        next[lane as usize] = number + 1;
    };
    assert_eq!(end, RecvError::Disconnected(Cause::Closed));
    got
}

pub fn many_threads_share_both_ends(setting: &Setting) {
    on_both_ends(setting, &small(setting), |channel, cue| {
        let received = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| received.lock().unwrap().extend(receive_all(&channel)));
            }
            let send = |lane| {
                for number in 0..EACH {
                    let len = payload::length(number, 900);
                    channel.send(&payload::numbered(lane, number, len)).unwrap();
                }
            };
            let senders: Vec<_> = (0..THREADS).map(|lane| scope.spawn(move || send(lane))).collect();
            senders.into_iter().for_each(|sender| sender.join().unwrap());
            channel.close_sending();
        });
        let mut received = received.into_inner().unwrap();
        received.sort_unstable();
        let all = (0..THREADS).flat_map(|lane| (0..EACH).map(move |number| (lane, number)));
        assert!(received.into_iter().eq(all), "lost or twice");
        cue.meet();
    });
}

/// Takes what is there until the end; the messages of each lane must be in order.
fn drain(channel: &Channel, mut next: [u32; 2]) -> [u32; 2] {
    while let Ok(message) = channel.recv() {
        let (lane, number) = payload::check(&message);
        assert_eq!(number, next[lane as usize]);
        next[lane as usize] += 1;
    }
    next
}

/// While a thread of this end receives, its sender cannot take in what comes. When that thread stops, it must.
pub fn a_sender_takes_in_what_comes_once_nobody_receives_any_more(setting: &Setting) {
    const MESSAGES: u32 = 1000;
    setting.run(
        &small(setting),
        |channel, cue| {
            let (ids, started) = std::sync::mpsc::channel();
            std::thread::scope(|scope| {
                let (channel, told) = (&channel, ids.clone());
                let receiver = scope.spawn(move || {
                    told.send(thread::id()).unwrap();
                    (0..5)
                        .for_each(|number| assert_eq!(payload::check(&channel.recv().unwrap()), (0, number)));
                });
                let receiving = started.recv().unwrap();
                until(|| thread::is_asleep(receiving));
                while channel.try_send(&payload::numbered(0, 0, 900)).is_ok() {}
                scope.spawn(move || {
                    ids.send(thread::id()).unwrap();
                    channel.send(&payload::numbered(1, 0, 900)).unwrap();
                });
                let waiting = [receiving, started.recv().unwrap()];
                for _ in 0..5 {
                    until(|| waiting.iter().all(|id| thread::is_asleep(*id)));
                    cue.give();
                }
                receiver.join().unwrap();
                cue.give();
            });
            channel.close_sending();
            assert_eq!(drain(&channel, [5, 0]), [MESSAGES, 0]);
        },
        |channel, cue| {
            let (mut sender, receiver) = channel.split();
            for number in 0..5 {
                cue.wait();
                sender.send(&payload::numbered(0, number, 100)).unwrap();
            }
            cue.wait();
            // Nothing is received here before all of this was taken in there.
            for number in 5..MESSAGES {
                sender.send(&payload::numbered(0, number, 100)).unwrap();
            }
            drop(sender);
            let mut receiver = receiver;
            while let Ok(message) = receiver.recv() {
                assert_eq!(payload::check(&message).1, 0);
            }
        },
    );
}

/// What a receiving half has taken and not yet given back is not given back by its sending half's wait. It is so little
/// that the longest message that is committed at once finds room beside it, wherever in the ring it begins.
pub fn split_halves_that_send_their_longest_at_once_at_the_same_time_do_not_hang(setting: &Setting) {
    on_both_ends(setting, &setting.options(), |channel, cue| {
        let (mut sender, mut receiver) = channel.split();
        let longest = sender.max_atomic() as usize;
        let mut buffer = vec![0; longest];
        let mut send_then_receive = |numbers: std::ops::Range<u32>, len: usize| {
            for number in numbers.clone() {
                sender.send_deadline(&payload::numbered(0, number, len), Instant::now() + PATIENCE).unwrap();
            }
            for number in numbers {
                // Exactly as many as come, so that no empty ring is found, at which all would be given back.
                let taken = receiver.recv_into(&mut buffer[..len]).unwrap();
                assert_eq!((payload::check(&buffer[..taken]), taken), ((0, number), len));
            }
        };
        for round in 0..400 {
            send_then_receive(0..1 + round % 5, payload::length(round * 16, 4000));
            send_then_receive(0..1, longest);
        }
        cue.meet();
    });
}
