//! The CPU time that this process has used.
#![allow(unsafe_code, reason = "the standard library has no getrusage")]

use std::mem::MaybeUninit;
use std::ops::{Add, Sub};
use std::time::Duration;

/// CPU time, in user code and in the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    pub user: Duration,
    pub system: Duration,
}

impl Cpu {
    /// What all threads of this process have used so far.
    pub fn used() -> Self {
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the pointer is to a `rusage` that is ours alone; the call writes nothing else.
        unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
        // SAFETY: a `rusage` is integers only, for which zero is a value, and the call wrote integers.
        let usage = unsafe { usage.assume_init() };
        Self { user: duration(usage.ru_utime), system: duration(usage.ru_stime) }
    }
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
}

impl Add for Cpu {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { user: self.user + other.user, system: self.system + other.system }
    }
}

impl Sub for Cpu {
    type Output = Self;

    /// What was used since `earlier`.
    fn sub(self, earlier: Self) -> Self {
        // The kernel splits its one sum by samples: a part can seem to go back a little.
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}
