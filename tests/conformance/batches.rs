//! Messages that are sent together are seen together, or not at all.

use crate::setting::Setting;
use crate::support::payload;
use ringway::channel::error::{BatchError, Cause, RecvError, TryRecvError};

pub fn a_batch_appears_all_at_once(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            let (mut sender, _receiver) = channel.split();
            let mut batch = sender.batch();
            (0..50).for_each(|number| batch.push(&payload::numbered(0, number, 100)).unwrap());
            cue.meet();
            batch.commit().unwrap();
            cue.meet();
        },
        |channel, cue| {
            cue.wait();
            assert_eq!(channel.try_recv(), Err(TryRecvError::Empty));
            cue.give();
            cue.wait();
            for number in 0..50 {
                assert_eq!(payload::check(&channel.try_recv().unwrap()), (0, number));
            }
            assert_eq!(channel.try_recv(), Err(TryRecvError::Empty));
            cue.give();
        },
    );
}

pub fn a_batch_that_is_dropped_leaves_no_trace(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            let (mut sender, _receiver) = channel.split();
            for number in 0..200 {
                let mut batch = sender.batch();
                batch.push(b"never").unwrap();
                batch.push(&vec![1; 3000]).unwrap();
                sender.send(&payload::numbered(0, number, 40)).unwrap();
                // There must be space for the next batch, since a push does not wait.
                cue.wait();
            }
        },
        |channel, cue| {
            for number in 0..200 {
                assert_eq!(payload::check(&channel.recv().unwrap()), (0, number));
                cue.give();
            }
            assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Closed)));
        },
    );
}

pub fn a_full_batch_says_so_and_can_still_be_committed(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            let (mut sender, _receiver) = channel.split();
            let mut batch = sender.batch();
            let mut pushed = 0;
            while batch.push(&payload::numbered(0, pushed, 1000)) != Err(BatchError::BatchFull) {
                pushed += 1;
                assert!(pushed < 1000, "there is no end to the batch");
            }
            assert!(pushed > 10);
            batch.commit().unwrap();
            cue.tell(u64::from(pushed));
        },
        |channel, cue| {
            for number in 0..cue.hear() as u32 {
                assert_eq!(payload::check(&channel.recv().unwrap()), (0, number));
            }
            assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Closed)));
        },
    );
}

pub fn a_batch_refuses_a_message_that_it_can_never_hold(setting: &Setting) {
    setting.ends(
        |channel, _| {
            let (mut sender, _receiver) = channel.split();
            let max = sender.max_atomic();
            let mut batch = sender.batch();
            batch.push(b"before").unwrap();
            let refused = batch.push(&vec![0; max as usize + 1]);
            assert_eq!(refused, Err(BatchError::TooLong { len: max + 1, max }));
            batch.push(b"after").unwrap();
            batch.commit().unwrap();
        },
        |channel, _| {
            assert_eq!(&*channel.recv().unwrap(), b"before");
            assert_eq!(&*channel.recv().unwrap(), b"after");
            assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Closed)));
        },
    );
}

pub fn an_empty_batch_commits_nothing(setting: &Setting) {
    setting.ends(
        |channel, _| {
            let (mut sender, _receiver) = channel.split();
            let batch = sender.batch();
            assert!(batch.is_empty());
            batch.commit().unwrap();
            sender.send(b"one").unwrap();
            sender.batch().commit().unwrap();
        },
        |channel, _| {
            assert_eq!(&*channel.recv().unwrap(), b"one");
            assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Closed)));
        },
    );
}

/// Short ones, empty ones and one of many records, again and again, so that batches lie across the ring's end.
pub fn a_batch_holds_messages_of_every_kind(setting: &Setting) {
    const LENGTHS: [usize; 4] = [16, 17, 200, 18_000];
    setting.ends(
        |channel, _| {
            let (mut sender, mut receiver) = channel.split();
            for round in 0..40 {
                let mut batch = sender.batch();
                for (place, len) in (0..).zip(LENGTHS) {
                    batch.push(&payload::numbered(round, place, len)).unwrap();
                }
                batch.push(&[]).unwrap();
                assert!(!batch.is_empty());
                batch.commit().unwrap();
                assert_eq!(&*receiver.recv().unwrap(), b"seen");
            }
        },
        |channel, _| {
            for round in 0..40 {
                for (place, len) in (0..).zip(LENGTHS) {
                    let message = channel.recv().unwrap();
                    assert_eq!((payload::check(&message), message.len()), ((round, place), len));
                }
                assert!(channel.recv().unwrap().is_empty());
                channel.send(b"seen").unwrap();
            }
        },
    );
}
