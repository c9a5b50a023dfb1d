//! A filter that denies membarrier to an end which has a link already: it naps until its peer has heard of it.

use crate::channel::{Channel, Options, Wait, pair};
use crate::ring::Fences;
use crate::sys::pidfd::Exit;
use crate::sys::tests::{alone, deny, fork_child, in_fork, skip, watchdog};
use crate::sys::{Errno, membarrier};
use crate::wait::nap;
use std::time::Instant;

/// More than the ring holds, so that its sender sleeps too.
const BURST: usize = 12;
/// How many rounds without a nap mean that there will be no more: in each, both ends sleep.
const QUIET: u32 = 300;

fn take(channel: &Channel) -> Option<u32> {
    let mut naps = None;
    for _ in 0..BURST {
        naps = Some(u32::from_le_bytes(channel.recv().ok()?[..4].try_into().unwrap()));
    }
    naps
}

/// Each message says how many naps its sender has taken.
fn give(channel: &Channel) {
    for _ in 0..BURST {
        let mut message = [0; 1000];
        message[..4].copy_from_slice(&nap::taken().to_le_bytes());
        channel.send(&message).unwrap();
    }
}

/// Two processes that are linked; those that are to lose membarrier lose it then.
fn lose(ours: bool, theirs: bool) {
    let options = Options::new().capacity(4096).unwrap().wait(Wait::Park);
    let (mut end, other) = pair(&options).map(|(a, b)| (Some(a), b)).unwrap();
    let mut other = Some(other);
    fork_child(|| {
        drop(end.take());
        let channel = other.take().unwrap().connect().unwrap();
        if theirs {
            deny(libc::SYS_membarrier, Errno::PERM);
        }
        while take(&channel).is_some() {
            give(&channel);
        }
    });
    drop(other);
    let channel = end.take().unwrap().connect().unwrap();
    assert_eq!(channel.about().fences, Fences::Membarrier);
    if ours {
        deny(libc::SYS_membarrier, Errno::PERM);
    }
    let (mut last, mut quiet, end) = ((0, 0), 0, watchdog());
    while quiet < QUIET {
        assert!(Instant::now() < end, "naps without an end: {last:?}");
        give(&channel);
        let naps = (nap::taken(), take(&channel).unwrap());
        let begun = (naps.0 > 0) >= ours && (naps.1 > 0) >= theirs;
        quiet = if begun && naps == last { quiet + 1 } else { 0 };
        last = naps;
    }
    assert!((last.0 > 0) == ours && (last.1 > 0) == theirs, "{last:?}");
}

#[test]
fn an_end_that_loses_membarrier_naps_until_its_peer_executes_full_fences() {
    alone(|| {
        if !membarrier::register() {
            return skip("there is no membarrier here");
        }
        for (ours, theirs) in [(true, false), (false, true), (true, true)] {
            assert_eq!(in_fork(|| lose(ours, theirs)), Exit::Code(0), "{ours} {theirs}");
        }
    });
}
