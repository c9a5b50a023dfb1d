//! System calls that a container's filter denies: what the link falls back to, that it says so, and that it works.

#[path = "support/mod.rs"]
mod support;

use ringway::channel::error::{Cause, RecvError};
use ringway::channel::{Channel, LinkChoice, LinkKind, Options, Wait, pair};
use ringway::ring::Fences;
use support::{child, cue, payload, raw, seccomp, thread, until};

/// Who may not make the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Both,
    Offering,
    Accepting,
}

use At::{Accepting, Both, Offering};

/// What is denied, to whom, and what comes of it.
struct Row {
    call: libc::c_long,
    at: At,
    /// Why the link is not anonymous memory, without the error and the end; empty if it is.
    obstacle: &'static str,
    /// The fences, where it matters.
    fences: Option<Fences>,
    /// What the offering end finds when the accepting one was killed.
    death: Cause,
}

impl Row {
    /// Where it was built in, named memory stands in for memfds, and for nothing else.
    fn link(&self) -> LinkKind {
        match self.obstacle {
            "" => LinkKind::Shm,
            "memfd_create" if cfg!(feature = "portable") => LinkKind::Portable,
            _ => LinkKind::Socket,
        }
    }
}

const fn shm(call: libc::c_long, at: At) -> Row {
    Row { call, at, obstacle: "", fences: None, death: Cause::Died }
}

const fn socket(call: libc::c_long, at: At, obstacle: &'static str) -> Row {
    Row { call, at, obstacle, fences: None, death: Cause::Died }
}

/// Without descriptors the link is a socket; `death` tells whether the accepting end's pidfd came through.
const fn no_passing(call: libc::c_long, at: At, death: Cause) -> Row {
    let obstacle = if call == libc::SYS_sendmsg { "sendmsg" } else { "recvmsg" };
    Row { death, ..socket(call, at, obstacle) }
}

/// Light fences need both ends' consent.
const fn full_fences(at: At) -> Row {
    Row { fences: Some(Fences::SeqCst), ..shm(libc::SYS_membarrier, at) }
}

/// Each process opens its own pidfd and passes it on, so an end knows of the other's death unless *that* is denied.
const fn hang_up_only(at: At) -> Row {
    Row { death: Cause::HungUp, ..shm(libc::SYS_pidfd_open, at) }
}

const ROWS: &[Row] = &[
    full_fences(Both),
    full_fences(Offering),
    full_fences(Accepting),
    hang_up_only(Both),
    shm(libc::SYS_pidfd_open, Offering),
    hang_up_only(Accepting),
    // A sleep on two words becomes naps.
    shm(libc::SYS_futex_waitv, Both),
    socket(libc::SYS_memfd_create, Both, "memfd_create"),
    socket(libc::SYS_memfd_create, Offering, "memfd_create"),
    // The offering end lends a segment.
    shm(libc::SYS_memfd_create, Accepting),
    socket(libc::SYS_madvise, Both, "madvise"),
    socket(libc::SYS_madvise, Offering, "madvise"),
    socket(libc::SYS_madvise, Accepting, "madvise"),
    socket(libc::SYS_futex, Both, "futex"),
    socket(libc::SYS_futex, Offering, "futex"),
    socket(libc::SYS_futex, Accepting, "futex"),
    no_passing(libc::SYS_sendmsg, Both, Cause::HungUp),
    no_passing(libc::SYS_sendmsg, Offering, Cause::Died),
    no_passing(libc::SYS_sendmsg, Accepting, Cause::HungUp),
    no_passing(libc::SYS_recvmsg, Both, Cause::HungUp),
    no_passing(libc::SYS_recvmsg, Offering, Cause::HungUp),
    no_passing(libc::SYS_recvmsg, Accepting, Cause::Died),
];

const ERRORS: [(i32, &str); 2] = [(libc::EPERM, "EPERM"), (libc::ENOSYS, "ENOSYS")];

fn options() -> Options {
    Options::new().capacity(64 << 10).unwrap().wait(Wait::Park)
}

fn echo(channel: &Channel) {
    while let Ok(message) = channel.recv() {
        if message.is_empty() {
            return;
        }
        channel.send(&message).unwrap();
    }
}

/// Messages of all kinds and many wake-ups, there and back; then a full link, both ways at once.
fn works(channel: &Channel) {
    let lengths = [1, 48, 1000, 15_000, 30_000, 300_000];
    for (number, len) in (0..200).zip(lengths.iter().cycle()) {
        let message = payload::bytes(number, *len);
        channel.send(&message).unwrap();
        assert!(*channel.recv().unwrap() == message);
    }
    let message = payload::bytes(1, 1000);
    (0..500).for_each(|_| channel.send(&message).unwrap());
    (0..500).for_each(|_| assert!(*channel.recv().unwrap() == message));
    channel.send(&[]).unwrap();
}

/// A link between this process and a child, one or both of which may not make the row's call.
fn hold(row: &Row, (errno, name): (i32, &str)) {
    let (ours, theirs) = pair(&options()).unwrap();
    let (our_cue, their_cue) = cue::pair();
    let mut kept = Some((ours, our_cue));
    let peer = child::fork(|| {
        drop(kept.take());
        if row.at != Offering {
            seccomp::deny(row.call, errno);
        }
        let channel = theirs.connect().unwrap();
        echo(&channel);
        std::mem::forget(channel);
        their_cue.give();
        raw::pause();
    });
    if row.at != Accepting {
        seccomp::deny(row.call, errno);
    }
    let (ours, cue) = kept.unwrap();
    let channel = ours.connect().unwrap();
    // The end that comes across it first; the accepting one is the first to receive.
    let accepting = row.at == Accepting || (row.at, row.call) == (Both, libc::SYS_recvmsg);
    let end = if accepting { "accepting end" } else { "offering end" };
    let expected = (!row.obstacle.is_empty()).then(|| format!("{}: {name} ({end})", row.obstacle));
    assert_eq!(channel.about().fallback.map(|fallback| fallback.to_string()), expected);
    assert_eq!(channel.about().link, row.link());
    assert_eq!(channel.about().lent, (row.call, row.at) == (libc::SYS_memfd_create, Accepting));
    assert!(row.fences.is_none_or(|fences| channel.about().fences == fences));
    works(&channel);
    cue.wait();
    peer.kill();
    until(|| channel.recv() == Err(RecvError::Disconnected(row.death)));
    peer.wait();
}

fn every_row(rows: impl Fn(&Row) -> bool) {
    for row in ROWS.iter().filter(|row| rows(row)) {
        for error in ERRORS {
            eprintln!("call {} denied to {:?}: {}", row.call, row.at, error.1);
            child::fork(|| hold(row, error)).succeeds();
        }
    }
}

#[test]
fn what_shared_memory_can_do_without_is_done_without() {
    alone!(|| every_row(|row| row.obstacle.is_empty()));
}

#[test]
fn what_shared_memory_cannot_do_without_makes_the_link_another_one() {
    alone!(|| every_row(|row| !row.obstacle.is_empty()));
}

/// Who may make no memfd is asked for no futex: over named memory nobody sleeps on one.
#[test]
fn without_memfds_and_futexes_the_link_is_what_it_is_without_memfds() {
    alone!(|| {
        for ((errno, name), at) in ERRORS.into_iter().flat_map(|error| [(error, Both), (error, Offering)]) {
            let denies = move || {
                seccomp::deny(libc::SYS_memfd_create, errno);
                seccomp::deny(libc::SYS_futex, errno);
                seccomp::deny(libc::SYS_futex_waitv, errno);
            };
            let (ours, theirs) = pair(&options()).unwrap();
            let mut kept = Some(ours);
            let peer = child::fork(|| {
                drop(kept.take());
                if at == Both {
                    denies();
                }
                let channel = theirs.connect().unwrap();
                echo(&channel);
                assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Closed)));
            });
            let offering = child::fork(|| {
                let ours = kept.take().unwrap();
                denies();
                let channel = ours.connect().unwrap();
                let why = format!("memfd_create: {name} (offering end)");
                let link = if cfg!(feature = "portable") { LinkKind::Portable } else { LinkKind::Socket };
                assert_eq!(channel.about().link, link);
                assert_eq!(channel.about().fallback.map(|fallback| fallback.to_string()), Some(why));
                assert_eq!(thread::all("self").len(), 1, "nobody has to wait for a thread");
                works(&channel);
            });
            drop(kept);
            offering.succeeds();
            peer.succeeds();
        }
    });
}

/// A link between this process and a child. Membarrier is denied to one or both once they have it.
fn lose_membarrier(at: At, errno: i32) {
    let (ours, theirs) = pair(&options().link(LinkChoice::Shm)).unwrap();
    let mut kept = Some(ours);
    let peer = child::fork(|| {
        drop(kept.take());
        let channel = theirs.connect().unwrap();
        if at != Offering {
            seccomp::deny(libc::SYS_membarrier, errno);
        }
        echo(&channel);
    });
    let channel = kept.unwrap().connect().unwrap();
    if at != Accepting {
        seccomp::deny(libc::SYS_membarrier, errno);
    }
    works(&channel);
    peer.succeeds();
}

#[test]
fn a_link_that_is_in_use_does_without_membarrier_from_one_moment_to_the_next() {
    alone!(|| {
        for (errno, _) in ERRORS {
            for at in [Both, Offering, Accepting] {
                child::fork(|| lose_membarrier(at, errno)).succeeds();
            }
        }
    });
}

#[test]
fn who_asks_for_shared_memory_alone_is_told_why_there_is_none() {
    alone!(|| {
        for (errno, name) in ERRORS {
            let denied = child::fork(|| {
                seccomp::deny(libc::SYS_memfd_create, errno);
                let (ours, theirs) = pair(&options().link(LinkChoice::Shm)).unwrap();
                let peer = std::thread::spawn(|| theirs.connect().unwrap_err());
                let errors = [ours.connect().unwrap_err(), peer.join().unwrap()];
                let why = format!("memfd_create: {name}");
                assert!(errors.iter().all(|error| error.to_string().contains(&why)), "{errors:?}");
                assert!(errors.iter().all(|error| error.raw_os_error() == Some(errno)), "{errors:?}");
            });
            denied.succeeds();
        }
    });
}
