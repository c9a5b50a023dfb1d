//! The user's handle on a running cluster.

use super::builder::Builder;
use super::error::{NextEventError, SendError, StartError, StopError};
use super::event::Event;
use super::id::WorkerId;
use super::links::Links;
use super::master::Master;
use super::outlet::Patience;
use crate::channel::About;
use crate::sys::futex;
use std::sync::Arc;
use std::time::Duration;

/// A master and its workers.
///
/// Handles are cheap to clone and may be used by any number of threads. When the last one is dropped, the workers are
/// asked to finish and get a second for it; then they are ended.
///
/// The thread that supervises belongs to the cluster: nothing that is promised depends on a call of
/// [`Cluster::next_event`], and no message passes through that thread.
#[derive(Clone, Debug)]
pub struct Cluster {
    master: Arc<Master<Links>>,
}

impl Builder {
    /// Starts the workers, and returns when all processes run; each one's [`Event::Online`] tells when its link is up.
    ///
    /// # Errors
    /// [`StartError`]; then no worker is left. Where a filter denies `futex` to this process there can be none: it is
    /// [`StartError::Os`].
    pub fn start(self) -> Result<Cluster, StartError> {
        let plan = self.plan()?;
        // The C library ends a process whose threads have to wait for each other without.
        let what = "the system call `futex`, by which its threads wait for each other,";
        futex::probe().map_err(|errno| StartError::Os { what, source: errno.into() })?;
        let master = Master::start(plan.workers, plan.limits, Links::new(plan.options), plan.program)?;
        Ok(Cluster { master: Arc::new(master) })
    }
}

impl Cluster {
    /// What a cluster is started with.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The workers that have not ended, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<WorkerId> {
        self.master.ids()
    }

    /// What was agreed on with a worker: which link it has and, if that is a socket, why. `None` before its link is up, and
    /// after its [`Event::Exited`].
    #[must_use]
    pub fn about(&self, id: WorkerId) -> Option<About> {
        self.master.about(id)
    }

    /// Sends a message to a worker, waiting for its link to come up and for space. While it waits it takes in what
    /// that worker sends, so that neither waits for the other for ever.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent then.
    pub fn send(&self, id: WorkerId, message: &[u8]) -> Result<(), SendError> {
        self.master.send(id, message, Patience::Endless)
    }

    /// The same, waiting for at most `timeout`. A message that is streamed has to be taken by the worker within that time: see
    /// [Sending](crate::channel#sending).
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent then.
    pub fn send_timeout(&self, id: WorkerId, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.master.send(id, message, Patience::within(timeout))
    }

    /// Sends a message to a worker if its link is up and there is space now.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent then.
    pub fn try_send(&self, id: WorkerId, message: &[u8]) -> Result<(), SendError> {
        self.master.send(id, message, Patience::None)
    }

    /// The next event, waiting for it. `None`: the last worker has ended, and this was told.
    ///
    /// # Errors
    /// [`NextEventError`]; no event is lost by it.
    pub fn next_event(&self) -> Result<Option<Event>, NextEventError> {
        self.master.next_event(Patience::Endless)
    }

    /// The next event, waiting for it for at most `timeout`.
    ///
    /// # Errors
    /// [`NextEventError::TimedOut`] among others; no event is lost by it.
    pub fn next_event_timeout(&self, timeout: Duration) -> Result<Option<Event>, NextEventError> {
        self.master.next_event(Patience::within(timeout))
    }

    /// The next event if there is one now.
    ///
    /// # Errors
    /// [`NextEventError::TimedOut`] if there is none.
    pub fn try_next_event(&self) -> Result<Option<Event>, NextEventError> {
        self.master.next_event(Patience::None)
    }

    /// Asks all workers to finish, and returns at once: what was sent to them before they receive, and then
    /// [`Worker::recv`](super::Worker::recv) answers `None`. Who has not left when three quarters of the time are over
    /// gets SIGTERM, and SIGKILL at its end. [`Cluster::next_event`] tells of each. A later `send` is refused with
    /// [`SendError::Stopping`], or delivered where its worker has not been asked yet.
    ///
    /// # Errors
    /// [`StopError`].
    pub fn stop(&self, within: Duration) -> Result<(), StopError> {
        self.master.stop(within)
    }
}
