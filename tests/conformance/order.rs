//! Messages arrive once each, in the order in which they were sent.

use crate::setting::Setting;
use crate::support::payload;
use ringway::channel::RecvError;
use ringway::channel::error::Cause;

const MESSAGES: u32 = 20_000;
/// Messages of this length are streamed; the rarest of all.
const LONGEST: usize = 100_000;

fn message(number: u32) -> Vec<u8> {
    let most = if number % 1024 == 0 { LONGEST } else { 3000 };
    payload::numbered(0, number, payload::length(number, most))
}

pub fn messages_arrive_once_and_in_order(setting: &Setting) {
    setting.ends(
        |channel, _| {
            let (mut sender, _receiver) = channel.split();
            (0..MESSAGES).for_each(|number| sender.send(&message(number)).unwrap());
        },
        |channel, _| {
            let (_sender, mut receiver) = channel.split();
            for number in 0..MESSAGES {
                assert_eq!(payload::check(&receiver.recv().unwrap()), (0, number));
            }
            assert_eq!(receiver.recv(), Err(RecvError::Disconnected(Cause::Closed)));
        },
    );
}

pub fn several_are_received_at_once_in_order(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            let (mut sender, _receiver) = channel.split();
            (0..10).for_each(|number| sender.send(&message(number + 1)).unwrap());
            cue.give();
            cue.wait();
            (10..MESSAGES / 10).for_each(|number| sender.send(&message(number + 1)).unwrap());
        },
        |channel, cue| {
            let (_sender, mut receiver) = channel.split();
            let mut received = Vec::new();
            assert_eq!(receiver.recv_many(&mut received, 0), Ok(0));
            cue.wait();
            assert_eq!(receiver.recv_many(&mut received, 4), Ok(4));
            assert_eq!(receiver.recv_many(&mut received, usize::MAX), Ok(6));
            cue.give();
            while receiver.recv_many(&mut received, 64).is_ok_and(|count| (1..=64).contains(&count)) {}
            let numbers = received.iter().map(|message| payload::check(message).1);
            assert!(numbers.eq(1..=MESSAGES / 10));
        },
    );
}
