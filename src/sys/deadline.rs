//! Instants as the relative times that system calls take.

use rustix::event::Timespec;
use std::time::{Duration, Instant};

/// The longest single sleep. Whoever asked for more sleeps again; it keeps every number in range of the oldest
/// interface (a count of milliseconds in 32 bits).
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What is left until `deadline`, nothing if it has passed, at most [`LONGEST`].
pub(super) fn left(deadline: Instant) -> Timespec {
    let left = deadline.saturating_duration_since(Instant::now()).min(LONGEST);
    Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() }
}

/// The instant `timeout` after `now`; of a timeout that no clock can count, the half, or as much as can be counted.
pub(crate) fn after(now: Instant, timeout: Duration) -> Instant {
    let halves = std::iter::successors(Some(timeout), |longer| Some(*longer / 2));
    // The last of them is zero, which always can.
    halves.filter_map(|timeout| now.checked_add(timeout)).next().unwrap_or(now)
}

/// Whether `deadline` has passed; one that is absent never does.
pub(crate) fn passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}
