//! Calls that a process loses while its links are in use, to a filter that comes late or to a kernel without memory: its
//! waits end all the same, by naps.

#[path = "support/mod.rs"]
mod support;

use ringway::channel::error::{
    Cause, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TrySendError,
};
use ringway::channel::{Channel, LinkChoice, Options, Wait, pair};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::seccomp::{deny_process, deny_while};
use support::thread::is_asleep;
use support::{PATIENCE, child, cue, payload, raw, until};

const ERRORS: [i32; 2] = [libc::EPERM, libc::ENOSYS];

/// How many messages come one by one, and how many go through a link that holds fewer.
const SINGLE: u32 = 10;
const MANY: u32 = 500;

fn options(link: LinkChoice) -> Options {
    Options::new().capacity(64 << 10).unwrap().wait(Wait::Park).link(link)
}

/// Sends, takes and ends, each only when the process `other` is asleep; itself it never is, so that `other` need not be
/// able to wake anybody.
fn serve(channel: &Channel, other: u32) -> ! {
    let asleep = || until(|| is_asleep(other));
    for number in 0..SINGLE {
        asleep();
        channel.try_send(&payload::numbered(0, number, 100)).unwrap();
    }
    let mut taken = 0;
    while taken < MANY {
        asleep();
        while let Ok(message) = channel.try_recv() {
            assert_eq!(payload::check(&message), (1, taken));
            taken += 1;
        }
    }
    asleep();
    raw::quit(0)
}

/// A process to which `calls` are denied once it has a link: it waits for a deadline, for messages, for space and for the
/// end of its peer, of which it is told as `death`.
fn goes_on_without(calls: &[libc::c_long], errno: i32, link: LinkChoice, death: Cause) {
    let (ours, theirs) = pair(&options(link)).unwrap();
    let (our_cue, their_cue) = cue::pair();
    let (mut kept, here) = (Some((ours, our_cue)), std::process::id());
    let peer = child::fork(|| {
        drop(kept.take());
        let channel = theirs.connect().unwrap();
        their_cue.wait();
        serve(&channel, here)
    });
    let (ours, cue) = kept.unwrap();
    let channel = ours.connect().unwrap();
    calls.iter().for_each(|call| deny_process(*call, errno));
    assert_eq!(channel.recv_timeout(Duration::from_millis(5)), Err(RecvTimeoutError::Timeout));
    cue.give();
    for number in 0..SINGLE {
        assert_eq!(payload::check(&channel.recv().unwrap()), (0, number));
    }
    for number in 0..MANY {
        channel.send(&payload::numbered(1, number, 1000)).unwrap();
    }
    assert_eq!(channel.recv(), Err(RecvError::Disconnected(death)));
    peer.succeeds();
}

#[test]
fn who_loses_futexes_naps_until_there_is_news() {
    alone!(|| {
        for errno in ERRORS {
            let calls = [libc::SYS_futex, libc::SYS_futex_waitv];
            child::fork(|| goes_on_without(&calls, errno, LinkChoice::Shm, Cause::Died)).succeeds();
        }
    });
}

/// Who can wake nobody any more hangs up where a wake-up is owed: a peer that sleeps gets what was committed and the end.
#[test]
fn who_cannot_be_woken_any_more_gets_every_message_and_then_the_end() {
    let hung_up = Cause::HungUp;
    let takes = |channel: &Channel| {
        assert_eq!(payload::check(&channel.recv().unwrap()), (0, 0));
        assert_eq!(channel.recv(), Err(RecvError::Disconnected(hung_up)));
    };
    let sends = |channel: &Channel| {
        let message = payload::numbered(1, 0, 1000);
        let refused = std::iter::repeat_with(|| channel.send(&message)).find_map(Result::err);
        assert_eq!(refused, Some(SendError::Disconnected(hung_up)));
    };
    alone!(|| {
        for errno in ERRORS {
            let gives = |channel: &Channel| channel.try_send(&payload::numbered(0, 0, 100)).unwrap();
            let frees = |channel: &Channel| while channel.try_recv().is_ok() {};
            // By a futex, and by a packet on the control socket.
            let links = [(LinkChoice::Shm, libc::SYS_futex), (LinkChoice::Portable, libc::SYS_sendto)];
            let built = if cfg!(feature = "portable") { 2 } else { 1 };
            for (link, call) in &links[..built] {
                child::fork(|| wakes_nobody(*link, *call, errno, takes, gives)).succeeds();
                child::fork(|| wakes_nobody(*link, *call, errno, sends, frees)).succeeds();
            }
        }
    });
}

/// What a process does to which the `call` that wakes is denied, once its peer sleeps.
fn wakes_nobody(
    link: LinkChoice,
    call: libc::c_long,
    errno: i32,
    sleeper: impl FnOnce(&Channel),
    denied: impl FnOnce(&Channel),
) {
    let (ours, theirs) = pair(&options(link)).unwrap();
    let mut kept = Some(theirs);
    let process = child::fork(|| {
        let channel = kept.take().unwrap().connect().unwrap();
        deny_process(call, errno);
        let peer = rustix::process::getppid().unwrap().as_raw_nonzero().get() as u32;
        until(|| is_asleep(peer));
        denied(&channel);
        // It knows that the peer has been told of the end.
        assert_eq!(channel.try_send(b"late"), Err(TrySendError::Disconnected(Cause::HungUp)));
        assert_eq!(channel.send(b"late"), Err(SendError::Disconnected(Cause::HungUp)));
        assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::HungUp)));
        // It closes nothing, and lives on until it is killed.
        raw::pause()
    });
    drop(kept);
    sleeper(&ours.connect().unwrap());
    process.kill();
    process.wait();
}

/// The watch thread tells the end, by its epoll. Who has no futexes has none of those either, and nothing but a poll tells of a
/// pidfd: it is told by the socket, and as what that can tell.
#[test]
fn who_loses_poll_naps_until_there_is_news() {
    alone!(|| {
        for errno in ERRORS {
            let calls = [libc::SYS_poll, libc::SYS_ppoll];
            let portable = cfg!(feature = "portable").then_some(LinkChoice::Portable);
            for link in portable.into_iter().chain([LinkChoice::Socket]) {
                child::fork(|| goes_on_without(&calls, errno, link, Cause::Died)).succeeds();
                let futexless = child::fork(|| {
                    [libc::SYS_futex, libc::SYS_futex_waitv]
                        .iter()
                        .for_each(|call| deny_process(*call, errno));
                    goes_on_without(&calls, errno, link, Cause::HungUp);
                });
                futexless.succeeds();
            }
        }
    });
}

/// The watch thread polls then. It could not wait from the first; it finds a second link as it found the first one.
#[test]
fn who_may_not_wait_on_an_epoll_is_told_the_end_all_the_same() {
    alone!(|| {
        for errno in ERRORS {
            let process = child::fork(|| {
                let calls = [libc::SYS_epoll_wait, libc::SYS_epoll_pwait, libc::SYS_epoll_pwait2];
                calls.iter().for_each(|call| deny_process(*call, errno));
                goes_on_without(&[], errno, LinkChoice::Shm, Cause::Died);
                goes_on_without(&[], errno, LinkChoice::Shm, Cause::Died);
            });
            process.succeeds();
        }
    });
}

/// A channel over a socket, whose other end is a child's.
fn over_a_socket(theirs: impl FnOnce(Channel)) -> (child::Child, Channel) {
    let (ours, other) = pair(&options(LinkChoice::Socket)).unwrap();
    let mut kept = Some(ours);
    let peer = child::fork(|| {
        drop(kept.take());
        theirs(other.connect().unwrap());
    });
    (peer, kept.unwrap().connect().unwrap())
}

#[test]
fn a_wait_for_which_the_kernel_has_no_memory_is_begun_again() {
    alone!(|| {
        let left = raw::shared_word();
        left.store(20, Ordering::Relaxed);
        let (peer, channel) = over_a_socket(|channel| {
            until(|| left.load(Ordering::Relaxed) == 0);
            channel.send(b"hello").unwrap();
        });
        deny_while(left, libc::SYS_ppoll, libc::ENOMEM);
        assert_eq!(&*channel.recv_timeout(PATIENCE).unwrap(), b"hello");
        peer.succeeds();
    });
}

/// A channel over a socket whose every packet the system has no memory for, `left` times; the other end is a child's.
fn without_memory(
    left: &'static AtomicU64,
    errno: i32,
    theirs: impl FnOnce(Channel),
) -> (child::Child, Channel) {
    let (peer, channel) = over_a_socket(theirs);
    deny_while(left, libc::SYS_sendto, errno);
    (peer, channel)
}

fn for_each_error(body: impl Fn(&'static AtomicU64, i32)) {
    for errno in [libc::ENOBUFS, libc::ENOMEM] {
        child::fork(|| body(raw::shared_word(), errno)).succeeds();
    }
}

/// What was granted must not be refused any more, so the commit waits; it is sent once.
#[test]
fn a_commit_for_which_the_kernel_has_no_memory_is_sent_once_it_has_some() {
    let body = |left: &'static AtomicU64, errno| {
        let (peer, channel) = without_memory(left, errno, |channel| {
            for message in ["granted", "one", "of a batch"] {
                assert_eq!(&*channel.recv().unwrap(), message.as_bytes());
            }
            assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Closed)));
        });
        let (mut sender, _receiver) = channel.split();
        let mut grant = sender.grant(100).unwrap();
        grant.put(b"granted").unwrap();
        left.store(5, Ordering::Relaxed);
        grant.commit().unwrap();
        assert_eq!(left.load(Ordering::Relaxed), 0);
        let mut batch = sender.batch();
        batch.push(b"one").unwrap();
        batch.push(b"of a batch").unwrap();
        left.store(5, Ordering::Relaxed);
        batch.commit().unwrap();
        assert_eq!(left.load(Ordering::Relaxed), 0);
        drop(sender);
        peer.succeeds();
    };
    alone!(|| for_each_error(body));
}

/// One that waits for memory which never comes ends with its peer.
#[test]
fn a_commit_for_which_the_kernel_never_has_memory_ends_with_the_peer() {
    let body = |left: &'static AtomicU64, errno| {
        let here = std::process::id();
        let (peer, channel) = without_memory(left, errno, |channel| {
            until(|| left.load(Ordering::Relaxed) != 0 && is_asleep(here));
            // As of a process that is killed.
            std::mem::forget(channel);
        });
        let (mut sender, _receiver) = channel.split();
        let mut grant = sender.grant(100).unwrap();
        grant.put(b"granted").unwrap();
        left.store(u64::MAX, Ordering::Relaxed);
        assert_eq!(grant.commit(), Err(Cause::Died));
        peer.succeeds();
    };
    alone!(|| for_each_error(body));
}

/// A message that was not promised its space is refused at once, whatever the deadline, and can be sent again.
#[test]
fn a_send_for_which_the_kernel_has_no_memory_is_refused_and_can_be_tried_again() {
    let body = |left: &'static AtomicU64, errno| {
        let (peer, channel) = without_memory(left, errno, |channel| {
            for number in 0..2 {
                assert_eq!(payload::check(&channel.recv().unwrap()), (0, number));
            }
            assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Closed)));
        });
        for (number, len) in [(0, 100), (1, 200_000)] {
            let message = payload::numbered(0, number, len);
            left.store(2, Ordering::Relaxed);
            let refused = channel.send(&message).unwrap_err();
            assert!(matches!(refused, SendError::NoSpace(_)), "{refused}");
            let refused = channel.send_timeout(&message, Duration::MAX).unwrap_err();
            assert!(matches!(refused, SendTimeoutError::NoSpace(_)), "{refused}");
            assert_eq!(left.load(Ordering::Relaxed), 0);
            channel.send(&message).unwrap();
        }
        drop(channel);
        peer.succeeds();
    };
    alone!(|| for_each_error(body));
}
