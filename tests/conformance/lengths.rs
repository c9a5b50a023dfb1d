//! Every message arrives with its length and its bytes.

use crate::setting::Setting;
use crate::support::cue::Cue;
use crate::support::payload;
use ringway::channel::error::{BatchError, SendError, SendTimeoutError, TrySendError};
use ringway::channel::{Channel, Options, Sender};
use std::time::Duration;

/// Sends back what it receives, until the end.
fn echo(channel: Channel, _: &Cue) {
    let (mut sender, mut receiver) = channel.split();
    while let Ok(message) = receiver.recv() {
        sender.send(&message).unwrap();
    }
}

/// Sends a message of each length and has it back, received in both ways by turns.
fn echoed(setting: &Setting, options: &Options, lengths: impl Fn(&Sender) -> Vec<usize>) {
    setting.run(
        options,
        |channel, _| {
            let (mut sender, mut receiver) = channel.split();
            let mut buffer = vec![0; sender.max_message() as usize];
            for (i, len) in (0..).zip(lengths(&sender)) {
                let message = payload::bytes(i, len);
                sender.send(&message).unwrap();
                if i % 2 == 0 {
                    assert!(*receiver.recv().unwrap() == message[..], "{len} bytes");
                } else {
                    let received = receiver.recv_into(&mut buffer).unwrap();
                    assert!(buffer[..received] == message, "{len} bytes");
                }
            }
        },
        echo,
    );
}

pub fn every_short_length_is_kept(setting: &Setting) {
    echoed(setting, &setting.options().max_message(4096), |_| (0..=600).collect());
}

pub fn lengths_around_every_limit_are_kept(setting: &Setting) {
    echoed(setting, &setting.options().max_message(300_001), |sender| {
        let max = sender.max_message();
        let limits = [sender.max_grant(), sender.max_atomic(), max];
        let powers = (0..63).map(|bits| 1 << bits);
        let around = |limit: u64| [limit - 1, limit, limit + 1];
        let lengths = powers.chain(limits).flat_map(around).filter(|len| *len <= max);
        lengths.map(|len| len as usize).collect()
    });
}

pub fn messages_longer_than_the_link_are_streamed(setting: &Setting) {
    let options = setting.options().capacity(4096).unwrap().max_message(3 << 20);
    echoed(setting, &options, |_| vec![3 << 20, 4097, 1_000_003, 0]);
}

pub fn an_empty_message_is_a_message(setting: &Setting) {
    setting.ends(
        |channel, _| {
            let (mut sender, _receiver) = channel.split();
            sender.send(&[]).unwrap();
            sender.try_send(&[]).unwrap();
            sender.grant(0).unwrap().commit().unwrap();
            let mut batch = sender.batch();
            batch.push(&[]).unwrap();
            batch.push(&[]).unwrap();
            batch.commit().unwrap();
        },
        |channel, _| {
            for _ in 0..5 {
                assert!(channel.recv().unwrap().is_empty());
            }
            assert!(channel.recv().is_err(), "a sixth message");
        },
    );
}

pub fn a_message_over_the_longest_is_refused_and_nothing_is_sent(setting: &Setting) {
    let over = vec![1; 1001];
    setting.run(
        &setting.options().max_message(1000),
        |channel, _| {
            let too_long = SendError::TooLong { len: 1001, max: 1000 };
            assert_eq!(channel.send(&over), Err(too_long));
            let (mut sender, _receiver) = channel.split();
            assert_eq!(sender.send(&over), Err(too_long));
            assert_eq!(sender.try_send(&over), Err(TrySendError::TooLong { len: 1001, max: 1000 }));
            let timed = sender.send_timeout(&over, Duration::MAX);
            assert_eq!(timed, Err(SendTimeoutError::TooLong { len: 1001, max: 1000 }));
            assert_eq!(sender.grant(1001).unwrap_err(), too_long);
            let too_long = TrySendError::TooLong { len: 1001, max: 1000 };
            assert_eq!(sender.try_grant(1001).unwrap_err(), too_long);
            assert_eq!(sender.batch().push(&over), Err(BatchError::TooLong { len: 1001, max: 1000 }));
            sender.send(&over[1..]).unwrap();
        },
        |channel, _| {
            assert_eq!(channel.recv().unwrap().len(), 1000);
            assert!(channel.recv().is_err(), "what was refused");
        },
    );
}
