//! What is left of links that are gone: nothing, but the one thread that watches for all links of a process.

#[path = "support/mod.rs"]
mod support;

use ringway::channel::{Channel, LinkChoice, Options, Pending, pair};
use std::collections::BTreeSet;
use std::time::Duration;
use support::held::comes_to;
use support::{LINKS, child};

/// What this process has, by the kernel's word.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    fds: BTreeSet<u32>,
    shared_mappings: usize,
    threads: usize,
}

fn held() -> Held {
    let names = |path| -> Vec<String> {
        let entries = std::fs::read_dir(path).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    // The directory that was read is closed by now.
    let is_open = |fd: &String| std::fs::read_link(format!("/proc/self/fd/{fd}")).is_ok();
    let fds = names("/proc/self/fd").into_iter().filter(is_open).map(|fd| fd.parse().unwrap()).collect();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let shared_mappings =
        maps.lines().filter(|line| line.contains("memfd:") || line.contains("/dev/shm/rw-")).count();
    Held { fds, shared_mappings, threads: names("/proc/self/task").len() }
}

fn connect(options: &Options) -> (Channel, Channel) {
    let (ours, theirs) = pair(options).unwrap();
    let theirs = std::thread::spawn(|| theirs.connect().unwrap());
    (ours.connect().unwrap(), theirs.join().unwrap())
}

/// A link's whole life, in good order.
fn used_and_dropped(options: &Options) {
    let (ours, theirs) = connect(options);
    for len in [10, 20_000] {
        ours.send(&vec![0; len]).unwrap();
        theirs.recv().unwrap();
        theirs.send(&vec![0; len]).unwrap();
        ours.recv().unwrap();
    }
}

/// Its halves go one by one, on other threads, with messages under way.
fn dropped_in_pieces(options: &Options) {
    let (ours, theirs) = connect(options);
    ours.send(b"never taken").unwrap();
    let (sender, receiver) = ours.split();
    std::thread::spawn(|| drop(sender)).join().unwrap();
    drop(theirs);
    std::thread::spawn(|| drop(receiver)).join().unwrap();
}

fn never_connected(options: &Options) {
    drop(pair(options).unwrap());
    let (ours, theirs) = pair(options).unwrap();
    drop(theirs);
    ours.connect().unwrap_err();
    let (ours, theirs) = pair(&options.clone().handshake_timeout(Duration::from_millis(1))).unwrap();
    ours.connect().unwrap_err();
    theirs.connect().unwrap_err();
}

fn killed(options: &Options) {
    let (ours, theirs) = pair(options).unwrap();
    let mut ours = Some(ours);
    let victim = child::fork(|| {
        drop(ours.take());
        let channel = theirs.connect().unwrap();
        while channel.send(&[0; 100]).is_ok() {}
    });
    let channel = ours.unwrap().connect().unwrap();
    channel.recv().unwrap();
    victim.kill();
    while channel.recv().is_ok() {}
}

/// The child's own copies go, and the parent's stay.
fn forked(options: &Options) {
    let (ours, theirs) = connect(options);
    let mut slot = Some((ours, theirs));
    child::fork(|| {
        let before = held();
        drop(slot.take());
        let after = held();
        assert!(before.fds.is_superset(&after.fds) && before.fds.len() >= after.fds.len() + 2);
        assert_eq!(after.shared_mappings, 0);
    })
    .succeeds();
    let (ours, theirs) = slot.unwrap();
    ours.send(b"still there").unwrap();
    theirs.recv().unwrap();
}

#[test]
fn nothing_is_left_of_a_link() {
    alone!(|| {
        let lives = [used_and_dropped, dropped_in_pieces, never_connected, killed, forked];
        let counts = |held: Held| (held.fds.len(), held.shared_mappings, held.threads);
        let (fds, _, threads) = counts(held());
        for &link in LINKS {
            let options = Options::new().link(link).capacity(64 << 10).unwrap();
            // The thread that watches stays, with its table. It holds a link for as long as it takes to tell its end, and
            // a thread that was joined may still be on its way out.
            used_and_dropped(&options);
            comes_to(&(fds + 1, 0, threads + 1), || counts(held()), "what the first link leaves");
            let before = held();
            for life in lives {
                (0..5).for_each(|_| life(&options));
                comes_to(&before, held, "what is held");
            }
        }
    });
}

/// The numbers of the descriptors that an exec would leave open, beside the standard streams.
fn inherited_by_exec() -> Vec<u32> {
    let flags = |fd: &u32| {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim().to_owned();
        u32::from_str_radix(&flags, 8).unwrap()
    };
    let fds = held().fds.into_iter().filter(|fd| *fd > 2);
    fds.filter(|fd| flags(fd) & libc::O_CLOEXEC as u32 == 0).collect()
}

#[test]
fn an_exec_inherits_no_descriptor_of_a_link() {
    alone!(|| {
        let before = inherited_by_exec();
        for &link in [LinkChoice::Auto].iter().chain(LINKS) {
            let options = Options::new().link(link);
            let _unconnected: (Pending, Pending) = pair(&options).unwrap();
            let _connected = connect(&options);
            assert_eq!(inherited_by_exec(), before);
        }
    });
}
