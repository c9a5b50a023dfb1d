//! What this process holds: descriptors and children.

use ringway::channel::{Options, pair};
use rustix::process::WaitOptions;
use std::time::{Duration, Instant};

/// What the open descriptors of this process refer to, in order.
pub fn descriptors() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    let mut targets: Vec<_> = targets.map(|target| target.to_string_lossy().into_owned()).collect();
    // The listing itself.
    targets.retain(|target| !target.starts_with("/proc/"));
    targets.sort();
    targets
}

/// Makes and drops this process's first link, and waits until nothing is left of it but the watch thread's one descriptor. What is
/// open then.
pub fn after_first_link(options: &Options) -> Vec<String> {
    let mut expected = descriptors();
    let (ours, theirs) = pair(options).unwrap();
    let ends = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| theirs.connect().unwrap());
        (ours.connect().unwrap(), theirs.join().unwrap())
    });
    expected.push("anon_inode:[eventpoll]".into());
    expected.sort();
    drop(ends);
    comes_to(&expected, descriptors, "descriptors after the first link");
    expected
}

/// Waits until `held` says what is expected: the watch thread holds a link for as long as it takes to tell its end, and
/// what the link holds is let go after that.
pub fn comes_to<T: PartialEq + std::fmt::Debug>(expected: &T, held: impl Fn() -> T, what: &str) {
    let patience = Instant::now() + Duration::from_secs(20);
    while held() != *expected && Instant::now() < patience {
        std::thread::yield_now();
    }
    assert_eq!(held(), *expected, "{what}");
}

/// Whether this process has a child, be it a zombie.
pub fn has_children() -> bool {
    !matches!(rustix::process::wait(WaitOptions::NOHANG), Err(rustix::io::Errno::CHILD))
}
