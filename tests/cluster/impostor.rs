//! A worker that takes its socket by hand and says what no Ringway says.

use crate::alone;
use crate::diary::Diary;
use crate::program::{LINKS, leaves_nothing, role};
use crate::support::raw;
use ringway::{Cluster, ExitCause, LinkChoice};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// What each impostor does, and a word of what the master says of it.
const IMPOSTORS: [(&str, &str); 8] = [
    ("an empty packet", "0 bytes"),
    ("garbage", "starts with"),
    ("a long packet", "4096 are allowed"),
    ("another version", "version"),
    ("a Hello", "Hello"),
    ("half an Attach", "20 bytes"),
    ("an Attach with a descriptor too many", "descriptor"),
    ("300 descriptors", "no doorbell"),
];

/// The most descriptors that the kernel passes in a packet.
const MOST_FDS: usize = 253;

#[test]
fn a_worker_that_speaks_nonsense_is_refused_and_killed_and_leaves_nothing() {
    alone!(|| {
        if !role().is_empty() {
            misbehave(&role());
        }
        for &link in LINKS {
            for (act, word) in IMPOSTORS {
                leaves_nothing(|| {
                    let ExitCause::Handshake(why) = end_of(act, link) else { panic!("{act}") };
                    assert!(why.to_string().contains(word), "{act}: {why}");
                });
            }
        }
    });
}

#[test]
fn a_worker_that_hangs_up_and_lives_on_is_killed_in_the_end() {
    alone!(|| {
        if !role().is_empty() {
            raw::close_all();
            raw::pause();
        }
        for &link in LINKS {
            leaves_nothing(|| {
                let end = end_of("hangs up", link);
                assert!(matches!(end, ExitCause::NeverSpoke { .. }), "{end}");
            });
        }
    });
}

fn end_of(act: &str, link: LinkChoice) -> ExitCause {
    let limit = Duration::from_millis(if act == "hangs up" { 200 } else { 20_000 });
    let builder = Cluster::builder().workers(1).link(link).handshake_timeout(limit);
    let cluster = builder.env(crate::program::ROLE, act).start().unwrap();
    let diary = Diary::of(&cluster, |_, _| {});
    assert!(diary.lives().all(|(_, life)| !life.online));
    diary.only_exit()
}

/// The control socket, named in the environment.
fn control() -> OwnedFd {
    let mark = std::env::var("RINGWAY_WORKER").unwrap();
    let fd = mark.split(',').nth(1).and_then(|socket| socket.split(':').next()).unwrap();
    raw::adopt(fd.parse().unwrap())
}

fn misbehave(act: &str) -> ! {
    let control = control();
    let mut hello = [0; 4096];
    let (len, _) = rustix::net::recv(&control, &mut hello, RecvFlags::empty()).unwrap();
    // The version, and what kind of message it is, as docs/wire.md has it.
    let mut attach = [0; 28];
    attach[..6].copy_from_slice(&hello[..6]);
    attach[6] = 2;
    match act {
        "an empty packet" => say(&control, b"", 0),
        "garbage" => say(&control, b"something that is long enough to be a message", 0),
        "a long packet" => say(&control, &[0x52; 60_000], 0),
        "another version" => {
            attach[4] += 1;
            say(&control, &attach, 0);
        }
        "a Hello" => say(&control, &hello[..len], 0),
        "half an Attach" => say(&control, &attach[..20], 0),
        "an Attach with a descriptor too many" => say(&control, &attach, 1),
        "300 descriptors" => {
            say(&control, b"x", MOST_FDS);
            say(&control, &attach, 300 - MOST_FDS);
        }
        other => panic!("{other} is no act"),
    }
    raw::pause()
}

/// Sends a packet with so many descriptors.
fn say(control: &OwnedFd, bytes: &[u8], fds: usize) {
    let fds: Vec<BorrowedFd<'_>> = vec![control.as_fd(); fds];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
    }
    // The master may have hung up by the second packet.
    let _ = rustix::net::sendmsg(control, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL);
}
