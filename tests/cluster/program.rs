//! A test as a program: master and workers are processes of one binary.

use crate::support::held::after_first_link;
use crate::support::raw;
use ringway::channel::Options;
use ringway::{Cluster, LinkChoice, Worker};
use std::sync::Once;
use std::time::Duration;

pub use crate::support::LINKS;
pub use crate::support::held::{comes_to, descriptors, has_children};

/// The variable by which a worker is told what it is to do.
pub const ROLE: &str = "RINGWAY_TEST_ROLE";

/// Time for a stop that nobody needs.
pub const LEISURE: Duration = Duration::from_secs(20);

/// What this process is to do; empty for a worker like any other, and for the master.
pub fn role() -> String {
    std::env::var(ROLE).unwrap_or_default()
}

/// Runs `work` in a worker, which then exits with 0, and `master` elsewhere.
pub fn run(work: impl FnOnce(Worker), master: impl FnOnce()) {
    match Worker::from_env().expect("a worker, or none") {
        Some(worker) => {
            work(worker);
            raw::quit(0)
        }
        None => master(),
    }
}

/// Runs `master` over each link. Nothing may be left of it.
pub fn over_each_link(master: impl Fn(LinkChoice)) {
    for &link in LINKS {
        println!("over {link:?}");
        leaves_nothing(|| master(link));
    }
}

/// A cluster of this program, whose workers play a role.
pub fn cast(workers: usize, link: LinkChoice, role: &str) -> Cluster {
    let builder = Cluster::builder().workers(workers).link(link).env(ROLE, role);
    builder.start().expect("a cluster")
}

/// Neither a descriptor nor a process is left by `body`.
pub fn leaves_nothing(body: impl FnOnce()) {
    watch();
    let before = descriptors();
    body();
    comes_to(&before, descriptors, "descriptors");
    assert!(!has_children(), "a process is left");
}

/// Has this process start its watch thread, which stays for good, and with it one descriptor. Everything else of the link
/// that it was started for is let go when this returns.
pub fn watch() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| drop(after_first_link(&Options::new())));
}

/// What every worker of no special role does.
pub fn echo(worker: Worker) {
    while let Some(message) = worker.recv().expect("a message") {
        worker.send(&message).expect("a living master");
    }
}
