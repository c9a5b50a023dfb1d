//! What the tests of whole channels share: processes that end, cues between them, messages that carry their oracle.

#![allow(dead_code, reason = "each test uses a part of it")]

pub mod alone;
pub mod child;
pub mod cue;
pub mod held;
pub mod payload;
pub mod progress;
pub mod raw;
pub mod seccomp;
pub mod thread;

use ringway::channel::LinkChoice;
use std::time::{Duration, Instant};

/// What a channel may run over.
pub const LINKS: &[LinkChoice] = if cfg!(feature = "portable") {
    &[LinkChoice::Shm, LinkChoice::Socket, LinkChoice::Portable]
} else {
    &[LinkChoice::Shm, LinkChoice::Socket]
};

/// How long a test may run: it has failed then.
pub const WATCHDOG: Duration = Duration::from_secs(45);
/// How long it may wait for what must happen; less, so that it comes to say what that was.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Whether the long form of the large tests was asked for.
pub fn is_long() -> bool {
    std::env::var_os("RINGWAY_LONG").is_some_and(|value| value == "1")
}

/// Asks until the answer is yes.
#[track_caller]
pub fn until(mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "what was waited for does not happen");
        std::thread::yield_now();
    }
}
