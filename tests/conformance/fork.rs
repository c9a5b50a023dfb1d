//! A fork in the user's code.

use crate::setting::Setting;
use crate::support::{child, payload, raw, thread, until};
use ringway::channel::error::{
    BatchError, Cause, RecvError, RecvIntoError, RecvTimeoutError, SalvageError, SendError, SendTimeoutError,
    TryRecvError, TryRecvIntoError, TrySendError,
};
use ringway::channel::{Batch, Channel, Grant, Receiver, Sender, Undelivered, pair};
use std::io::Write;
use std::time::Duration;

const FORKED: Cause = Cause::Forked;

fn the_whole_is_inert(channel: &Channel) {
    assert_eq!(channel.send(b"x"), Err(SendError::Disconnected(FORKED)));
    assert_eq!(channel.try_send(b"x"), Err(TrySendError::Disconnected(FORKED)));
    let timed = channel.send_timeout(b"x", Duration::MAX);
    assert_eq!(timed, Err(SendTimeoutError::Disconnected(FORKED)));
    assert_eq!(channel.recv(), Err(RecvError::Disconnected(FORKED)));
    assert_eq!(channel.try_recv(), Err(TryRecvError::Disconnected(FORKED)));
    let timed = channel.recv_timeout(Duration::MAX);
    assert_eq!(timed, Err(RecvTimeoutError::Disconnected(FORKED)));
    channel.close_sending();
}

fn the_sender_is_inert(mut sender: Sender) {
    assert_eq!(sender.send(b"x"), Err(SendError::Disconnected(FORKED)));
    assert_eq!(sender.send(&[0; 200_000]), Err(SendError::Disconnected(FORKED)));
    assert_eq!(sender.try_send(b"x"), Err(TrySendError::Disconnected(FORKED)));
    let timed = sender.send_timeout(b"x", Duration::MAX);
    assert_eq!(timed, Err(SendTimeoutError::Disconnected(FORKED)));
    assert_eq!(sender.grant(8).unwrap_err(), SendError::Disconnected(FORKED));
    assert_eq!(sender.try_grant(8).unwrap_err(), TrySendError::Disconnected(FORKED));
    let mut batch = sender.batch();
    assert_eq!(batch.push(b"x"), Err(BatchError::Disconnected(FORKED)));
    let _ = batch.commit();
    sender.close();
}

fn the_receiver_is_inert(mut receiver: Receiver) {
    let mut buffer = [0; 64];
    assert_eq!(receiver.recv(), Err(RecvError::Disconnected(FORKED)));
    assert_eq!(receiver.recv_into(&mut buffer), Err(RecvIntoError::Disconnected(FORKED)));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected(FORKED)));
    assert_eq!(receiver.try_recv_into(&mut buffer), Err(TryRecvIntoError::Disconnected(FORKED)));
    let timed = receiver.recv_timeout(Duration::MAX);
    assert_eq!(timed, Err(RecvTimeoutError::Disconnected(FORKED)));
    let many = receiver.recv_many(&mut Vec::new(), 8);
    assert_eq!(many, Err(RecvError::Disconnected(FORKED)));
    assert_eq!(receiver.partial(), None);
    receiver.close();
}

/// A child of the fork can have links of its own.
fn a_new_channel_works(setting: &Setting) {
    let (ours, theirs) = pair(&setting.options()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || theirs.connect().unwrap().send(b"new").unwrap());
        assert_eq!(&*ours.connect().unwrap().recv().unwrap(), b"new");
    });
}

pub fn a_forked_copy_answers_forked_and_does_no_harm(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            // Something is there to be taken, and must still be there afterwards.
            assert_eq!(cue.hear(), 0);
            let mut slot = Some(channel);
            let copy = child::fork(|| {
                let channel = slot.take().unwrap();
                the_whole_is_inert(&channel);
                let (sender, receiver) = channel.split();
                the_sender_is_inert(sender);
                the_receiver_is_inert(receiver);
                a_new_channel_works(setting);
            });
            copy.succeeds();
            child::fork(|| drop(slot.take())).succeeds();
            let channel = slot.unwrap();
            assert_eq!(&*channel.recv().unwrap(), b"before the fork");
            channel.send(b"after the fork").unwrap();
            assert_eq!(&*channel.recv().unwrap(), b"after the fork");
            cue.give();
        },
        |channel, cue| {
            channel.send(b"before the fork").unwrap();
            cue.give();
            let message = channel.recv().unwrap();
            channel.send(&message).unwrap();
            cue.wait();
        },
    );
}

/// The shortest way to send is taken from the second turn on, and so is the shortest to receive.
const TURNS: u64 = 3;

pub fn a_fork_between_a_call_and_its_answer_answers_forked(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            let (mut sender, mut receiver) = channel.split();
            let mut buffer = [0; 48];
            for turn in 0..TURNS {
                sender.send(&payload::bytes(turn, 48)).unwrap();
                assert_eq!(receiver.recv_into(&mut buffer), Ok(48));
            }
            let in_child = child::fork(|| {
                assert_eq!(sender.send(&buffer), Err(SendError::Disconnected(FORKED)));
            });
            in_child.succeeds();
            sender.send(&payload::bytes(TURNS, 48)).unwrap();
            let in_child = child::fork(|| {
                let received = receiver.recv_into(&mut buffer);
                assert_eq!(received, Err(RecvIntoError::Disconnected(FORKED)));
            });
            in_child.succeeds();
            cue.give();
            assert_eq!(receiver.recv_into(&mut buffer), Ok(48));
            assert!(buffer == *payload::bytes(TURNS, 48));
        },
        |channel, cue| {
            let (mut sender, mut receiver) = channel.split();
            let mut buffer = [0; 48];
            for turn in 0..=TURNS {
                assert_eq!(receiver.recv_into(&mut buffer), Ok(48));
                if turn == TURNS {
                    // The answer comes when the child has gone.
                    cue.wait();
                }
                sender.send(&buffer).unwrap();
            }
        },
    );
}

/// What a child of the fork does with a guard that its parent holds, and then the parent.
fn in_the_child_and_after_it<T>(guard: T, child: impl FnOnce(T), parent: impl FnOnce(T)) {
    let mut slot = Some(guard);
    child::fork(|| child(slot.take().unwrap())).succeeds();
    parent(slot.unwrap());
}

pub fn guards_that_are_held_across_a_fork_are_inert_in_the_child(setting: &Setting) {
    setting.ends(
        |channel, _| {
            let (mut sender, _receiver) = channel.split();
            let mut grant = sender.grant(100).unwrap();
            grant.put(b"the parent's").unwrap();
            let in_child = |mut grant: Grant<'_>| {
                let _ =
                    (grant.put(b"the child's"), grant.write_at(0, b"xx"), grant.write(b"x"), grant.room());
                assert_eq!(grant.commit(), Err(FORKED));
            };
            in_the_child_and_after_it(grant, in_child, |grant| grant.commit().unwrap());
            let mut batch = sender.batch();
            batch.push(b"the parent's").unwrap();
            let in_child = |mut batch: Batch<'_>| {
                let _ = (batch.push(b"the child's"), batch.push(&[0; 20_000]));
                assert_eq!(batch.commit(), Err(FORKED));
            };
            in_the_child_and_after_it(batch, in_child, |batch| batch.commit().unwrap());
        },
        |channel, _| {
            assert_eq!(&*channel.recv().unwrap(), b"the parent's");
            assert_eq!(&*channel.recv().unwrap(), b"the parent's");
            assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Closed)));
        },
    );
}

pub fn what_was_salvaged_is_not_handed_out_in_a_forked_child(setting: &Setting) {
    let (child, channel, cue) = setting.victim(|channel, cue| {
        std::mem::forget(channel);
        cue.give();
        raw::pause();
    });
    cue.wait();
    channel.send(b"not taken").unwrap();
    child.kill();
    while channel.recv() != Err(RecvError::Disconnected(Cause::Died)) {}
    child::fork(|| assert_eq!(channel.salvage().unwrap_err(), SalvageError::Forked)).succeeds();
    let undelivered = channel.salvage().unwrap();
    let in_child = |undelivered: Undelivered| drop(undelivered.collect::<Vec<_>>());
    in_the_child_and_after_it(undelivered, in_child, |undelivered| {
        assert!(undelivered.eq([b"not taken"]));
    });
}

/// One thread sleeps in a send, another in a receive, and each holds what it needs for that.
pub fn a_fork_while_other_threads_wait_answers_forked(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            cue.wait();
            while channel.try_send(&[0; 1000]).is_ok() {}
            let (ids, started) = std::sync::mpsc::channel();
            std::thread::scope(|scope| {
                let (channel, more) = (&channel, ids.clone());
                scope.spawn(move || {
                    more.send(thread::id()).unwrap();
                    channel.send(b"after all").unwrap();
                });
                scope.spawn(move || {
                    ids.send(thread::id()).unwrap();
                    assert_eq!(&*channel.recv().unwrap(), b"at last");
                });
                let waiting: Vec<u32> = started.iter().take(2).collect();
                until(|| waiting.iter().all(|id| thread::is_asleep(*id)));
                child::fork(|| {
                    the_whole_is_inert(channel);
                    assert_eq!(channel.salvage().unwrap_err(), SalvageError::Forked);
                })
                .succeeds();
                cue.give();
            });
        },
        |channel, cue| {
            cue.give();
            cue.wait();
            while *channel.recv().unwrap() != *b"after all" {}
            channel.send(b"at last").unwrap();
        },
    );
}
