//! An end in good order, from either side.

use crate::setting::Setting;
use crate::support::{payload, thread, until};
use ringway::channel::error::{
    BatchError, Cause, RecvError, RecvIntoError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError,
    TrySendError,
};
use ringway::channel::{Channel, Receiver, Sender};
use std::time::Duration;

/// The end, as every receive call tells it, and tells it again.
fn has_ended(receiver: &mut Receiver) {
    for _ in 0..2 {
        assert_eq!(receiver.recv(), Err(RecvError::Disconnected(Cause::Closed)));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected(Cause::Closed)));
        let timed = receiver.recv_timeout(Duration::MAX);
        assert_eq!(timed, Err(RecvTimeoutError::Disconnected(Cause::Closed)));
        assert_eq!(receiver.recv_into(&mut [0; 8]), Err(RecvIntoError::Disconnected(Cause::Closed)));
        assert_eq!(receiver.recv_many(&mut Vec::new(), 8), Err(RecvError::Disconnected(Cause::Closed)));
        assert_eq!(receiver.partial(), None);
    }
}

/// The end, as every send call tells it, and tells it again.
fn refuses(sender: &mut Sender) {
    for _ in 0..2 {
        assert_eq!(sender.send(b"x"), Err(SendError::Disconnected(Cause::Closed)));
        assert_eq!(sender.send(&[0; 200_000]), Err(SendError::Disconnected(Cause::Closed)));
        assert_eq!(sender.try_send(b"x"), Err(TrySendError::Disconnected(Cause::Closed)));
        let timed = sender.send_timeout(b"x", Duration::MAX);
        assert_eq!(timed, Err(SendTimeoutError::Disconnected(Cause::Closed)));
        assert_eq!(sender.grant(8).unwrap_err(), SendError::Disconnected(Cause::Closed));
        assert_eq!(sender.batch().push(b"x"), Err(BatchError::Disconnected(Cause::Closed)));
    }
}

pub fn what_was_sent_before_the_close_arrives_and_then_the_end(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            let (mut sender, receiver) = channel.split();
            (0..100).for_each(|number| sender.send(&payload::numbered(0, number, 300)).unwrap());
            sender.close();
            cue.meet();
            drop(receiver);
        },
        |channel, cue| {
            let (_sender, mut receiver) = channel.split();
            cue.wait();
            for number in 0..100 {
                assert_eq!(payload::check(&receiver.recv().unwrap()), (0, number));
            }
            has_ended(&mut receiver);
            cue.give();
        },
    );
}

pub fn a_sleeping_receiver_is_told_of_the_close(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            let sleeper = cue.hear() as u32;
            until(|| thread::is_asleep(sleeper));
            channel.close_sending();
            cue.wait();
        },
        |channel, cue| {
            let (_sender, mut receiver) = channel.split();
            cue.tell(thread::id().into());
            assert_eq!(receiver.recv(), Err(RecvError::Disconnected(Cause::Closed)));
            cue.give();
        },
    );
}

pub fn a_send_after_the_receiver_closed_says_so(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            let (mut sender, _receiver) = channel.split();
            sender.send(b"taken or not").unwrap();
            cue.give();
            cue.wait();
            refuses(&mut sender);
            cue.give();
        },
        |channel, cue| {
            let (_sender, receiver) = channel.split();
            cue.wait();
            receiver.close();
            cue.meet();
        },
    );
}

pub fn a_sleeping_sender_is_told_of_the_close(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            let (mut sender, _receiver) = channel.split();
            while sender.try_send(&[0; 1000]).is_ok() {}
            cue.tell(thread::id().into());
            assert_eq!(sender.send(&[0; 1000]), Err(SendError::Disconnected(Cause::Closed)));
            cue.give();
        },
        |channel, cue| {
            let (_sender, receiver) = channel.split();
            let sleeper = cue.hear() as u32;
            until(|| thread::is_asleep(sleeper));
            receiver.close();
            cue.wait();
        },
    );
}

pub fn one_direction_can_be_closed_alone(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            channel.send(b"the last one").unwrap();
            channel.close_sending();
            assert_eq!(channel.send(b"x"), Err(SendError::Disconnected(Cause::Closed)));
            assert_eq!(channel.try_send(b"x"), Err(TrySendError::Disconnected(Cause::Closed)));
            channel.close_sending();
            cue.meet();
            for number in 0..1000 {
                assert_eq!(payload::check(&channel.recv().unwrap()), (0, number));
            }
            cue.give();
        },
        |channel, cue| {
            cue.wait();
            assert_eq!(&*channel.recv().unwrap(), b"the last one");
            assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Closed)));
            cue.give();
            (0..1000).for_each(|number| channel.send(&payload::numbered(0, number, 300)).unwrap());
            cue.wait();
        },
    );
}

pub fn dropping_a_whole_channel_closes_both_directions(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            channel.send(b"farewell").unwrap();
            drop(channel);
            cue.meet();
        },
        |channel: Channel, cue| {
            cue.wait();
            let (mut sender, mut receiver) = channel.split();
            assert_eq!(&*receiver.recv().unwrap(), b"farewell");
            has_ended(&mut receiver);
            refuses(&mut sender);
            cue.give();
        },
    );
}

pub fn a_half_that_is_left_goes_on_without_the_other(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            let (mut sender, receiver) = channel.split();
            drop(receiver);
            cue.meet();
            (0..1000).for_each(|number| sender.send(&payload::numbered(0, number, 300)).unwrap());
            cue.wait();
            refuses(&mut sender);
            cue.give();
        },
        |channel, cue| {
            let (mut sender, mut receiver) = channel.split();
            cue.wait();
            refuses(&mut sender);
            drop(sender);
            cue.give();
            for number in 0..1000 {
                assert_eq!(payload::check(&receiver.recv().unwrap()), (0, number));
            }
            receiver.close();
            cue.meet();
        },
    );
}
