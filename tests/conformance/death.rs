//! The other process ends without a word.

use crate::setting::Setting;
use crate::support::child::{self, Exit};
use crate::support::cue::Cue;
use crate::support::{payload, raw, thread, until};
use ringway::channel::error::{Cause, RecvError, SalvageError, SendError, TryRecvError, TrySendError};
use ringway::channel::{Channel, RecvTimeoutError};
use rustix::process::Signal;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Nothing more comes, and nothing more can be sent. A dying process hangs up before it is dead; that is not told, unless
/// nobody can tell of deaths.
fn is_gone(setting: &Setting, channel: &Channel) {
    let cause = setting.death();
    assert_eq!(channel.recv(), Err(RecvError::Disconnected(cause)));
    assert_eq!(channel.try_recv(), Err(TryRecvError::Disconnected(cause)));
    let timed = channel.recv_timeout(Duration::MAX);
    assert_eq!(timed, Err(RecvTimeoutError::Disconnected(cause)));
    assert_eq!(channel.send(b"x"), Err(SendError::Disconnected(cause)));
    assert_eq!(channel.send(&[0; 200_000]), Err(SendError::Disconnected(cause)));
}

/// Kills in full flow, many times: what the victim knew to be committed arrives, in order, whole.
pub fn what_was_committed_before_a_kill_arrives(setting: &Setting) {
    for round in 0..20 {
        let committed = raw::shared_word();
        let (child, channel, _cue) = setting.victim(|channel, _| {
            for number in 0.. {
                channel.send(&payload::numbered(0, number, payload::length(number, 20_000))).unwrap();
                committed.store(u64::from(number) + 1, Ordering::Release);
            }
        });
        let mut received = 0;
        for _ in 0..round * 40 {
            assert_eq!(payload::check(&channel.recv().unwrap()), (0, received));
            received += 1;
        }
        child.kill();
        assert_eq!(child.wait(), Exit::Signal(libc::SIGKILL));
        while let Ok(message) = channel.recv() {
            assert_eq!(payload::check(&message), (0, received));
            received += 1;
        }
        let committed = committed.load(Ordering::Acquire);
        // One more may have been committed than the victim came to say.
        assert!((committed..=committed + 1).contains(&received.into()), "{committed} sent, {received} came");
        is_gone(setting, &channel);
    }
}

/// Kills the child as soon as this thread sleeps in `wait`, which must end by that. Another process does, so that there is
/// but one thread here.
fn killed_while<T>(
    setting: &Setting,
    theirs: impl FnOnce(Channel, &Cue),
    wait: impl FnOnce(&Channel) -> T,
) -> T {
    let (child, channel, cue) = setting.victim(|channel, cue| {
        theirs(channel, cue);
        raw::pause()
    });
    cue.wait();
    let sleeper = thread::id();
    let killer = child::fork(|| {
        until(|| thread::is_asleep(sleeper));
        child.kill();
    });
    let ended = wait(&channel);
    is_gone(setting, &channel);
    killer.succeeds();
    ended
}

pub fn a_sleeping_receiver_is_told_of_the_death(setting: &Setting) {
    let leak = |channel, cue: &Cue| {
        std::mem::forget::<Channel>(channel);
        cue.give();
    };
    let end = killed_while(setting, leak, |channel| channel.recv());
    assert_eq!(end, Err(RecvError::Disconnected(setting.death())));
}

pub fn a_sleeping_sender_is_told_of_the_death(setting: &Setting) {
    for len in [1000, 1_000_000] {
        let leak = |channel, cue: &Cue| {
            std::mem::forget::<Channel>(channel);
            cue.give();
        };
        let end = killed_while(setting, leak, |channel| {
            while channel.try_send(&[0; 1000]).is_ok() {}
            channel.send(&vec![0; len])
        });
        assert_eq!(end, Err(SendError::Disconnected(setting.death())));
    }
}

pub fn a_process_that_exits_is_gone_like_a_killed_one(setting: &Setting) {
    let (child, channel, _cue) = setting.victim(|channel, _| {
        (0..10).for_each(|number| channel.send(&payload::numbered(0, number, 100)).unwrap());
        raw::quit(7)
    });
    assert_eq!(child.wait(), Exit::Code(7));
    for number in 0..10 {
        assert_eq!(payload::check(&channel.recv().unwrap()), (0, number));
    }
    is_gone(setting, &channel);
    // Of a hang-up nobody knows whether it was a death.
    let salvage = channel.salvage().map(|undelivered| undelivered.count());
    let expected = if setting.death() == Cause::Died { Ok(0) } else { Err(SalvageError::NotDead) };
    assert_eq!(salvage, expected);
}

/// It neither receives nor waits, by which others learn of a death.
pub fn who_only_sends_is_told_of_the_death_and_handed_back_what_was_sent(setting: &Setting) {
    let (child, channel, cue) = setting.victim(|channel, cue| {
        assert_eq!(&*channel.recv().unwrap(), b"taken");
        std::mem::forget(channel);
        cue.give();
        raw::pause()
    });
    let (mut sender, _receiver) = channel.split();
    for message in [b"taken".as_slice(), b"left 1", b"left 2"] {
        sender.send(message).unwrap();
    }
    cue.wait();
    assert_eq!(sender.salvage().unwrap_err(), SalvageError::NotDead);
    child.kill();
    assert_eq!(child.wait(), Exit::Signal(libc::SIGKILL));
    let mut late = 0;
    until(|| match sender.try_send(b"late") {
        Ok(()) => {
            late += 1;
            false
        }
        Err(TrySendError::Full) => false,
        ended => ended == Err(TrySendError::Disconnected(Cause::Died)),
    });
    assert!(late == 0 || !setting.sends_look(), "{late} were sent to a dead peer");
    let mut undelivered = sender.salvage().unwrap();
    assert_eq!(undelivered.next().unwrap(), b"left 1");
    assert_eq!(undelivered.next().unwrap(), b"left 2");
    for _ in 0..late {
        assert_eq!(undelivered.next().unwrap(), b"late");
    }
    assert_eq!((undelivered.next(), undelivered.streamed()), (None, 0));
    assert_eq!(sender.salvage().unwrap().count(), 0);
}

pub fn a_peer_that_hangs_up_is_not_dead(setting: &Setting) {
    let (child, channel, _cue) = setting.victim(|channel, _| {
        channel.send(b"the last one").unwrap();
        std::mem::forget(channel);
        raw::close_all();
        raw::pause()
    });
    assert_eq!(&*channel.recv().unwrap(), b"the last one");
    for _ in 0..3 {
        assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::HungUp)));
        assert_eq!(channel.send(b"x"), Err(SendError::Disconnected(Cause::HungUp)));
    }
    child.kill();
    until(|| channel.recv() == Err(RecvError::Disconnected(Cause::Died)));
    is_gone(setting, &channel);
}

pub fn what_is_lost_of_a_stream_is_told(setting: &Setting) {
    const LEN: usize = 1_000_000;
    let (child, channel, cue) = setting.victim(|channel, cue| {
        let (mut sender, _receiver) = channel.split();
        sender.send(b"whole").unwrap();
        cue.tell(thread::id().into());
        sender.send(&vec![1; LEN]).unwrap();
    });
    let sleeper = cue.hear() as u32;
    until(|| thread::is_asleep(sleeper));
    child.kill();
    let (_sender, mut receiver) = channel.split();
    assert_eq!(&*receiver.recv().unwrap(), b"whole");
    assert_eq!(receiver.recv(), Err(RecvError::Disconnected(setting.death())));
    let lost = receiver.partial().unwrap();
    assert!(lost > 0 && lost < LEN as u64, "{lost}");
}

pub fn a_death_is_told_to_every_thread_that_waits(setting: &Setting) {
    let (child, channel, cue) = setting.victim(|channel, cue| {
        std::mem::forget(channel);
        cue.give();
        raw::pause()
    });
    cue.wait();
    while channel.try_send(&[0; 1000]).is_ok() {}
    std::thread::scope(|scope| {
        let (channel, (ids, started)) = (&channel, std::sync::mpsc::channel());
        for place in 0..5 {
            let ids = ids.clone();
            scope.spawn(move || {
                ids.send(thread::id()).unwrap();
                if place < 3 {
                    assert_eq!(channel.recv(), Err(RecvError::Disconnected(setting.death())));
                } else {
                    assert_eq!(channel.send(&[0; 1000]), Err(SendError::Disconnected(setting.death())));
                }
            });
        }
        let waiting: Vec<u32> = started.iter().take(5).collect();
        until(|| waiting.iter().all(|id| thread::is_asleep(*id)));
        child.kill();
    });
    is_gone(setting, &channel);
}

/// Sends back what it receives until it is killed.
fn echo(channel: Channel, _: &Cue) {
    while let Ok(message) = channel.recv() {
        channel.send(&message).unwrap();
    }
}

pub fn a_stopped_peer_delays_no_other_link_and_loses_nothing(setting: &Setting) {
    let (stopped, to_stopped, _cue) = setting.victim(echo);
    let (_other, to_other, _other_cue) = setting.victim(echo);
    stopped.signal(Signal::STOP);
    let sent = std::sync::Mutex::new(0);
    std::thread::scope(|scope| {
        let (sleeping, sleeps) = std::sync::mpsc::channel();
        let (sent, to_stopped) = (&sent, &to_stopped);
        scope.spawn(move || {
            sleeping.send(thread::id()).unwrap();
            for number in 0..1000 {
                to_stopped.send(&payload::numbered(0, number, 1000)).unwrap();
                *sent.lock().unwrap() = number;
            }
        });
        let sleeper = sleeps.recv().unwrap();
        until(|| thread::is_asleep(sleeper) && *sent.lock().unwrap() > 0);
        for number in 0..1000 {
            to_other.send(&payload::numbered(1, number, 100)).unwrap();
            assert_eq!(payload::check(&to_other.recv().unwrap()), (1, number));
        }
        assert_eq!(to_stopped.try_recv(), Err(TryRecvError::Empty));
        assert!(*sent.lock().unwrap() < 999, "all of it fitted: nothing was waited for");
        stopped.signal(Signal::CONT);
        for number in 0..1000 {
            assert_eq!(payload::check(&to_stopped.recv().unwrap()), (0, number));
        }
    });
}
