//! No wake-up is lost: two processes that sleep whenever they wait, over all that one can wait for.
//!
//! A lost wake-up is a hang, and a hang ends by the watchdog. `RINGWAY_LONG=1` runs five hundred times as many rounds.

#[path = "support/mod.rs"]
mod support;

use ringway::channel::{Channel, LinkChoice, Options, Wait, pair};
use std::time::Duration;
use support::alone::{alone_within, name_of};
use support::child;
use support::progress::Progress;
use support::thread;
use support::{LINKS, payload};

fn rounds() -> u32 {
    if support::is_long() { 10_000_000 } else { 20_000 }
}

/// Both ends of a channel do their part, each in its own process. The sleeps of this one are counted: there must be at
/// least one in `rounds_a_sleep` rounds, else the test has shown nothing.
fn both_sleep<F>(options: Options, rounds_a_sleep: u32, name: F, end: impl Fn(Channel, bool, &Progress)) {
    let body = || {
        let one = |link| {
            let (ours, theirs) = pair(&options.clone().link(link).wait(Wait::Park)).unwrap();
            let mut ours = Some(ours);
            let run = |channel, begins| {
                let before = thread::sleeps();
                end(channel, begins, &Progress::watch());
                thread::sleeps() - before
            };
            let child = child::fork(|| {
                drop(ours.take());
                run(theirs.connect().unwrap(), false);
            });
            let sleeps = run(ours.unwrap().connect().unwrap(), true);
            child.succeeds();
            sleeps
        };
        for &link in LINKS {
            // Over a portable link a wake-up takes longer, and whoever is late with it finds more to do: the same sleeps
            // take more rounds.
            let times = if link == LinkChoice::Portable { 5 } else { 1 };
            let sleeps: u64 = (0..times).map(|_| one(link)).sum();
            assert!(
                sleeps >= u64::from(rounds() / rounds_a_sleep),
                "over {link:?} slept only {sleeps} times"
            );
        }
    };
    let days = Duration::from_secs(if support::is_long() { 86_400 } else { 60 });
    alone_within(name_of(&name), days, body);
}

#[test]
fn a_ping_pong_of_sleepers_never_stops() {
    both_sleep(
        Options::new(),
        2,
        || (),
        |channel, begins, progress| {
            let (mut sender, mut receiver) = channel.split();
            let mut buffer = [0; 4];
            for round in 0..rounds() {
                if begins {
                    sender.send(&round.to_le_bytes()).unwrap();
                }
                assert_eq!(receiver.recv_into(&mut buffer), Ok(4));
                assert_eq!(buffer, round.to_le_bytes());
                if !begins {
                    sender.send(&buffer).unwrap();
                }
                progress.step();
            }
        },
    );
}

/// The smallest ring, and messages of which it holds three: the sender sleeps for space most of the time.
#[test]
fn a_sleeper_for_space_never_stops() {
    let options = Options::new().capacity(4096).unwrap();
    both_sleep(
        options,
        50,
        || (),
        |channel, begins, progress| {
            let (mut sender, mut receiver) = channel.split();
            for number in 0..rounds() {
                if begins {
                    sender.send(&payload::numbered(0, number, 1000)).unwrap();
                } else {
                    assert_eq!(payload::check(&receiver.recv().unwrap()), (0, number));
                }
                progress.step();
            }
        },
    );
}

/// Each end sends and, when its link is full, sleeps for space or for something to take in, whichever comes first.
#[test]
fn two_sleepers_that_both_send_never_stop() {
    let options = Options::new().capacity(4096).unwrap();
    both_sleep(
        options,
        200,
        || (),
        |channel, _, progress| {
            let mut received = 0;
            for number in 0..rounds() {
                channel.send(&payload::numbered(0, number, 900)).unwrap();
                // Take some, so that the queue does not grow for ever, but not what is still under way.
                while number - received > 100 {
                    assert_eq!(payload::check(&channel.recv().unwrap()), (0, received));
                    received += 1;
                }
                progress.step();
            }
            for number in received..rounds() {
                assert_eq!(payload::check(&channel.recv().unwrap()), (0, number));
            }
        },
    );
}

/// A message of twenty rings at a time: both ends sleep in the middle of it.
#[test]
fn a_stream_between_sleepers_never_stops() {
    let options = Options::new().capacity(4096).unwrap();
    both_sleep(
        options,
        200,
        || (),
        |channel, begins, progress| {
            let (mut sender, mut receiver) = channel.split();
            for number in 0..rounds() / 20 {
                if begins {
                    sender.send(&payload::numbered(0, number, 80_000)).unwrap();
                } else {
                    assert_eq!(payload::check(&receiver.recv().unwrap()), (0, number));
                }
                progress.step();
            }
        },
    );
}
