//! Waiting (chapter to be written).

pub(crate) mod sleep;
pub(crate) mod spin;
pub(crate) mod watch;

use crate::sync::AtomicU32;

/// What an endpoint waits for.
pub(crate) trait Condition {
    /// One cheap look, repeated at full speed.
    fn look(&mut self) -> bool;
    /// The whole condition: also an end or damage, which the next operation will report.
    fn holds(&mut self) -> bool;
    /// Sets the wait word.
    fn arm(&mut self, armed: u32);
    /// Takes that back.
    fn disarm(&mut self);
    /// The wait word.
    fn word(&self) -> &AtomicU32;
}
