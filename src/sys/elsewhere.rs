//! What there is of this layer on other systems than Linux: named memory, for the feature `portable`.

pub(crate) mod named;

use std::time::Duration;

/// What the system answered, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(i32);

pub(crate) type Result<T> = std::result::Result<T, Errno>;

impl Errno {
    /// There is no such name.
    pub(crate) const NOENT: Self = Self(2);
    /// Somebody has the name.
    pub(crate) const EXIST: Self = Self(if cfg!(windows) { 183 } else { 17 });
    /// It has no bytes (Windows: `ERROR_FILE_INVALID`).
    pub(crate) const INVAL: Self = Self(if cfg!(windows) { 1006 } else { 22 });
    /// Nothing more is known (Windows: `ERROR_GEN_FAILURE`).
    pub(crate) const IO: Self = Self(if cfg!(windows) { 31 } else { 5 });

    pub(crate) const fn from_raw_os_error(number: i32) -> Self {
        Self(number)
    }

    pub(crate) const fn raw_os_error(self) -> i32 {
        self.0
    }
}

/// A short sleep, for where nothing tells when to go on.
pub(crate) fn doze() {
    std::thread::sleep(Duration::from_millis(1));
}
