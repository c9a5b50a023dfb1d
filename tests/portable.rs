//! The portable link: what it does where shared_memory and raw_sync alone would fail, and what it leaves behind.
//!
//! The first three tests do to this link what `tests/baselines.rs` does to the crates: there a process that was killed
//! asleep costs the third `set()` of a living one its return, a wait that passes the end of a second fails at once, and a
//! forked child's drop takes its parent's name.

#[path = "support/mod.rs"]
mod support;

use ringway::channel::error::{
    BatchError, Cause, RecvError, RecvTimeoutError, SalvageError, SendError, SendTimeoutError, TryRecvError,
    TrySendError,
};
use ringway::channel::{Channel, ConnectError, LinkChoice, LinkKind, Options, Receiver, Sender, Wait, pair};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use support::child::{self, Child, Exit};
use support::cue::{self, Cue};
use support::{payload, raw, seccomp, thread, until};

/// How often each thing is tried, as often as with the crates.
const TRIES: u32 = 20;

fn options() -> Options {
    Options::new().link(LinkChoice::Portable).capacity(4096).unwrap()
}

/// A child with the other end, over named memory.
fn beside(options: &Options, theirs: impl FnOnce(Channel, &Cue)) -> (Child, Channel, Cue) {
    let (ours, their_end) = pair(options).unwrap();
    let (our_cue, their_cue) = cue::pair();
    let mut kept = Some((ours, our_cue));
    let child = child::fork(|| {
        drop(kept.take());
        theirs(their_end.connect().unwrap(), &their_cue);
    });
    let (ours, cue) = kept.unwrap();
    let channel = ours.connect().unwrap();
    assert_eq!(channel.about().link, LinkKind::Portable);
    (child, channel, cue)
}

fn echo(channel: Channel, _: &Cue) {
    while let Ok(message) = channel.recv() {
        channel.send(&message).unwrap();
    }
}

fn number(child: &Child) -> u32 {
    child.pid().as_raw_nonzero().get().unsigned_abs()
}

/// The paths of the memory that a process has mapped, whether it still has a name or not.
fn memory_of(process: &str) -> BTreeSet<String> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let paths = maps.lines().filter_map(|line| line.find("/dev/shm/rw-").map(|at| &line[at..]));
    paths.map(|path| path.trim_end_matches(" (deleted)").to_owned()).collect()
}

/// The path of memory of which a process has one, as soon as it has it.
fn path_of(process: &str) -> String {
    until(|| memory_of(process).len() == 1);
    memory_of(process).pop_first().unwrap()
}

fn exists(path: &str) -> bool {
    std::fs::exists(path).unwrap()
}

fn sleeps(child: &Child) {
    until(|| thread::is_asleep(number(child)));
}

#[test]
fn a_peer_that_is_killed_asleep_hangs_no_sender_and_no_other_link() {
    alone!(|| {
        let parked = options().wait(Wait::Park);
        let (_other, to_other, _cue) = beside(&parked, echo);
        for try_number in 0..TRIES {
            let (sleeper, channel, _cue) = beside(&parked, |channel, _| {
                let _ = channel.recv();
                raw::pause();
            });
            sleeps(&sleeper);
            sleeper.kill();
            if try_number % 2 == 0 {
                sleeper.wait();
            }
            // The wake-ups that hang are the third and those after it.
            let mut sent = 0;
            let refused = loop {
                match channel.send(&payload::numbered(0, sent, 16)) {
                    Ok(()) => sent += 1,
                    Err(refused) => break refused,
                }
                let message = payload::numbered(1, sent, 100);
                to_other.send(&message).unwrap();
                assert_eq!(*to_other.recv().unwrap(), message);
            };
            assert_eq!(refused, SendError::Disconnected(Cause::Died));
            assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Died)));
        }
    });
}

/// Killed at any moment of a talk in which both always sleep: also between a commit and its wake-up, and in either.
#[test]
fn a_peer_that_is_killed_while_it_sleeps_and_wakes_hangs_nobody() {
    alone!(|| {
        let parked = options().wait(Wait::Park);
        for try_number in 0..TRIES * 5 {
            let (talker, channel, cue) = beside(&parked, |channel, cue| {
                cue.give();
                echo(channel, cue);
            });
            cue.wait();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    // Something between none and some hundred microseconds later, which is two or three messages.
                    let later = Instant::now() + Duration::from_micros(u64::from(try_number) * 7);
                    while Instant::now() < later {
                        std::hint::spin_loop();
                    }
                    talker.kill();
                });
                let mut number = 0;
                loop {
                    let message = payload::numbered(0, number, 16);
                    if let Err(error) = channel.send(&message) {
                        assert_eq!(error, SendError::Disconnected(Cause::Died));
                        break;
                    }
                    match channel.recv() {
                        Ok(answer) => assert_eq!(*answer, message),
                        Err(error) => {
                            assert_eq!(error, RecvError::Disconnected(Cause::Died));
                            break;
                        }
                    }
                    number += 1;
                }
            });
        }
    });
}

/// Waits for the moment of a second that is this far in it.
fn in_the_second(fraction: Duration) {
    let at = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    let wanted = fraction.subsec_nanos();
    while !(wanted..wanted + 20_000_000).contains(&at(SystemTime::now())) {
        std::thread::yield_now();
    }
}

#[test]
fn a_time_out_is_as_long_as_it_says_at_any_time_of_the_second() {
    alone!(|| {
        let timeout = Duration::from_millis(120);
        let (stopped, channel, _cue) = beside(&options().wait(Wait::Park), |channel, _| {
            std::mem::forget(channel);
            raw::pause();
        });
        stopped.signal(Signal::STOP);
        while channel.try_send(&[0; 100]).is_ok() {}
        for millis in [885, 900, 935, 970, 0, 400] {
            in_the_second(Duration::from_millis(millis));
            let begun = Instant::now();
            assert_eq!(channel.recv_timeout(timeout).unwrap_err(), RecvTimeoutError::Timeout);
            assert!(begun.elapsed() >= timeout, "a receive that began at {millis} ms: {:?}", begun.elapsed());
            in_the_second(Duration::from_millis(millis));
            let begun = Instant::now();
            assert_eq!(channel.send_timeout(&[0; 100], timeout).unwrap_err(), SendTimeoutError::Timeout);
            assert!(begun.elapsed() >= timeout, "a send that began at {millis} ms: {:?}", begun.elapsed());
        }
    });
}

/// A link in the middle of its handshake: the accepting end has made the memory, the offering one is stopped before it looks.
struct Halfway {
    offering: Child,
    accepting: Accepting,
    /// The path of the memory.
    path: String,
}

/// Where the accepting end is.
enum Accepting {
    Here(JoinHandle<Result<Channel, ConnectError>>),
    Child(Child),
}

impl Halfway {
    fn new(options: &Options, beside: bool) -> Self {
        let (ours, theirs) = pair(options).unwrap();
        let (mut ours, mut theirs) = (Some(ours), Some(theirs));
        let offering = child::fork(|| {
            drop(theirs.take());
            let channel = ours.take().unwrap().connect();
            let alive = channel.is_ok_and(|channel| channel.recv().is_ok());
            raw::quit(alive.into())
        });
        drop(ours.take());
        // It has said what it has to say, and waits for the answer.
        sleeps(&offering);
        offering.signal(Signal::STOP);
        until(|| thread::state(number(&offering)) == Some('T'));
        let theirs = theirs.take().unwrap();
        let accepting = if beside {
            Accepting::Child(child::fork(|| _ = theirs.connect().map(|_channel| raw::pause())))
        } else {
            Accepting::Here(std::thread::spawn(|| theirs.connect()))
        };
        let maker = match &accepting {
            Accepting::Here(_) => "self".to_owned(),
            Accepting::Child(child) => number(child).to_string(),
        };
        let path = path_of(&maker);
        until(|| exists(&path));
        if let Accepting::Child(child) = &accepting {
            sleeps(child);
        }
        Self { offering, accepting, path }
    }
}

#[test]
fn a_forked_childs_drop_takes_neither_the_link_nor_the_name_of_its_parent() {
    alone!(|| {
        for _ in 0..TRIES {
            let Halfway { offering, accepting, path } = Halfway::new(&options(), false);
            // Before the other end has opened it, a child leaves in good order.
            child::fork(|| ()).succeeds();
            assert!(exists(&path), "the name that the other end will look for");
            offering.signal(Signal::CONT);
            let Accepting::Here(accepting) = accepting else { unreachable!() };
            let mut channel = Some(accepting.join().unwrap().unwrap());
            assert!(!exists(&path));
            // Afterwards a child drops its copy of a link in use.
            child::fork(|| drop(channel.take())).succeeds();
            channel.unwrap().send(b"still there").unwrap();
            assert_eq!(offering.wait(), Exit::Code(1), "it had that");
            // The watch thread lets go of it when it has told the end.
            until(|| memory_of("self").is_empty());
        }
    });
}

#[test]
fn whoever_is_killed_once_both_are_attached_leaves_no_name() {
    alone!(|| {
        let ended = [Exit::Signal(libc::SIGKILL); 2];
        for victims in [[true, false], [false, true], [true, true]] {
            let (a, b) = pair(&options()).unwrap();
            let (cue, their_cue) = cue::pair();
            let (mut ends, mut ours) = ([Some(a), Some(b)], Some(cue));
            let children: [Child; 2] = std::array::from_fn(|place| {
                child::fork(|| {
                    drop(ours.take());
                    let end = ends[place].take().unwrap();
                    ends = [None, None];
                    let channel = end.connect().unwrap();
                    their_cue.give();
                    std::mem::forget(channel);
                    raw::pause();
                })
            });
            let cue = ours.unwrap();
            (0..2).for_each(|_| cue.wait());
            let paths = children.each_ref().map(|child| path_of(&number(child).to_string()));
            assert_eq!(paths[0], paths[1], "one memory for both");
            assert!(!exists(&paths[0]), "while both live");
            for (child, victim) in children.iter().zip(victims) {
                if victim {
                    child.kill();
                }
            }
            let killed = children.map(|child| {
                child.kill();
                child.wait()
            });
            assert_eq!((killed, exists(&paths[0])), (ended, false));
        }
    });
}

#[test]
fn a_name_is_taken_back_by_whoever_is_left() {
    alone!(|| {
        // The end that made it lives.
        let Halfway { offering, accepting, path } = Halfway::new(&options(), false);
        offering.kill();
        let Accepting::Here(accepting) = accepting else { unreachable!() };
        accepting.join().unwrap().unwrap_err();
        assert!(!exists(&path));
        // The end that chose it lives.
        let Halfway { offering, accepting, path } = Halfway::new(&options(), true);
        let Accepting::Child(accepting) = accepting else { unreachable!() };
        accepting.kill();
        accepting.wait();
        assert!(exists(&path));
        offering.signal(Signal::CONT);
        assert_eq!(offering.wait(), Exit::Code(0), "it has nobody to hear from");
        assert!(!exists(&path));
        // The same, and it never hears that the memory was made: the other end is killed before it has said so.
        let (ours, theirs) = pair(&options()).unwrap();
        let mut kept = Some(ours);
        let accepting = child::fork(|| {
            drop(kept.take());
            let _asked = seccomp::hang_in(libc::SYS_sendmsg);
            let _ = theirs.connect();
        });
        let offering = std::thread::spawn(|| kept.unwrap().connect());
        let path = path_of(&number(&accepting).to_string());
        sleeps(&accepting);
        assert!(exists(&path));
        accepting.kill();
        accepting.wait();
        offering.join().unwrap().unwrap_err();
        assert!(!exists(&path));
    });
}

/// What README says is weaker.
#[test]
fn a_name_stays_if_both_ends_are_killed_between_its_making_and_its_opening() {
    alone!(|| {
        let Halfway { offering, accepting, path } = Halfway::new(&options(), true);
        let Accepting::Child(accepting) = accepting else { unreachable!() };
        for child in [accepting, offering] {
            child.kill();
            child.wait();
        }
        std::fs::remove_file(&path).expect("it is still there");
    });
}

#[test]
fn a_handshake_that_fails_leaves_no_name() {
    alone!(|| {
        let hasty = options().handshake_timeout(Duration::from_millis(300));
        let Halfway { offering, accepting, path } = Halfway::new(&hasty, false);
        let Accepting::Here(accepting) = accepting else { unreachable!() };
        accepting.join().unwrap().unwrap_err();
        assert!(!exists(&path));
        offering.signal(Signal::CONT);
        assert_eq!(offering.wait(), Exit::Code(0));
        assert!(!exists(&path));
    });
}

/// What one tries over and over: whether it told the death.
type Try = fn(&mut Sender, &mut Receiver) -> bool;

/// Each may begin before anything else has found out that the peer is dead.
const TRIES_OF_EACH_KIND: [Try; 8] = [
    |_, receiver| receiver.try_recv() == Err(TryRecvError::Disconnected(Cause::Died)),
    |_, receiver| receiver.recv() == Err(RecvError::Disconnected(Cause::Died)),
    |sender, _| matches!(sender.try_send(&[0; 100]), Err(TrySendError::Disconnected(Cause::Died))),
    |sender, _| matches!(sender.send(&[0; 100]), Err(SendError::Disconnected(Cause::Died))),
    |sender, _| matches!(sender.send(&[0; 10_000]), Err(SendError::Disconnected(Cause::Died))),
    |sender, _| match sender.try_grant(100) {
        Ok(grant) => grant.commit().is_err(),
        Err(refused) => matches!(refused, TrySendError::Disconnected(Cause::Died)),
    },
    |sender, _| {
        let mut batch = sender.batch();
        let pushed = batch.push(&[0; 100]);
        batch.commit().unwrap();
        matches!(pushed, Err(BatchError::Disconnected(Cause::Died)))
    },
    |sender, _| match sender.salvage() {
        Ok(undelivered) => undelivered.count() == 0,
        Err(refused) => refused != SalvageError::NotDead,
    },
];

/// Where there are no futexes no thread watches, and whatever cannot go on looks for itself.
#[test]
fn without_futexes_whatever_cannot_go_on_tells_the_death() {
    alone!(|| {
        [libc::SYS_futex, libc::SYS_futex_waitv].iter().for_each(|call| seccomp::deny(*call, libc::EPERM));
        let threads = thread::names();
        for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
            for tells in TRIES_OF_EACH_KIND {
                let (peer, channel, _cue) = beside(&options().wait(wait), |_channel, _| raw::pause());
                let (mut sender, mut receiver) = channel.split();
                peer.kill();
                peer.wait();
                until(|| tells(&mut sender, &mut receiver));
            }
        }
        assert_eq!(thread::names(), threads);
    });
}

#[test]
fn without_futexes_a_sleeper_is_woken_by_its_peers_death() {
    alone!(|| {
        [libc::SYS_futex, libc::SYS_futex_waitv].iter().for_each(|call| seccomp::deny(*call, libc::ENOSYS));
        let receives = |channel: &Channel| {
            assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Died)));
        };
        let sends = |channel: &Channel| {
            let refused = std::iter::repeat_with(|| channel.send(&[0; 100])).find_map(Result::err);
            assert_eq!(refused, Some(SendError::Disconnected(Cause::Died)));
        };
        for waits in [&receives as &dyn Fn(&Channel), &sends] {
            for wait in [Wait::Adaptive, Wait::Park] {
                let (peer, channel, _cue) = beside(&options().wait(wait), |_channel, _| raw::pause());
                let sleeper = thread::id();
                let killer = child::fork(|| {
                    until(|| thread::is_asleep(sleeper));
                    peer.kill();
                });
                waits(&channel);
                killer.succeeds();
            }
        }
    });
}

/// Both ends of one link often see for themselves what the other one is about to wake them for: then no wake-up is owed, and
/// a link whose ends can wake nobody by a futex must not end over it.
#[test]
fn without_futexes_no_link_ends_over_a_wake_up_that_nobody_waits_for() {
    alone!(|| {
        [libc::SYS_futex, libc::SYS_futex_waitv].iter().for_each(|call| seccomp::deny(*call, libc::EPERM));
        for number in 0..TRIES {
            let message = payload::numbered(0, number, 40_000);
            let (echoes, channel, _cue) = beside(&options().wait(Wait::Park), echo);
            for _ in 0..20 {
                channel.send(&message).unwrap();
                assert!(*channel.recv().unwrap() == message);
            }
            drop(channel);
            echoes.succeeds();
        }
    });
}
