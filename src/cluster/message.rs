//! What was never received.

use crate::channel::Message;
use std::fmt;

/// The messages that a worker had not received when it ended, oldest first.
pub struct Undelivered(Box<dyn Iterator<Item = Message> + Send>);

impl Undelivered {
    pub(crate) fn new(messages: impl Iterator<Item = Message> + Send + 'static) -> Self {
        Undelivered(Box::new(messages))
    }

    /// For a worker whose link was never up.
    pub(crate) fn none() -> Self {
        Undelivered::new(std::iter::empty())
    }
}

impl Iterator for Undelivered {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.0.next()
    }
}

impl fmt::Debug for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Undelivered").finish_non_exhaustive()
    }
}
