//! A running cluster: the thread, what it shares with its users, and what they do with it.

use super::error::{NextEventError, SendError, StartError, StopError};
use super::event::Event;
use super::id::WorkerId;
use super::link_port::{Armed, Port, SendHalf};
use super::outlet::Patience;
use super::runtime::{Runtime, Shared};
use super::spawn::Program;
use super::supervisor::{Limits, Supervisor};
use crate::channel::About;
use crate::sys::fork::Origin;
use crate::sys::process;
use std::fmt;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the workers have to finish when the last handle of a cluster is dropped without a stop.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// A cluster over any kind of link.
pub(crate) struct Master<P: Port> {
    shared: Arc<Shared<P>>,
    thread: Option<JoinHandle<()>>,
    origin: Origin,
}

impl<P: Port> Master<P> {
    /// Starts the workers. When this returns an error, none of them is left.
    pub(crate) fn start(workers: u32, limits: Limits, port: P, program: Program) -> Result<Self, StartError> {
        let need = |what| move |source: io::Error| StartError::Os { what, source };
        let origin = Origin::here();
        let shared = Arc::new(Shared::new().map_err(need("an epoll"))?);
        let supervisor = Supervisor::new(workers, limits);
        let runtime =
            Runtime::new(supervisor, port, program, Arc::clone(&shared)).map_err(need("an epoll"))?;
        let (says, hears) = mpsc::channel();
        let thread = process::spawn_thread("ringway-cluster", None, move || runtime.run(&says))
            .map_err(need("a thread"))?;
        let started = hears.recv();
        let mut master = Master { shared, thread: Some(thread), origin };
        match started {
            Ok(Ok(())) => Ok(master),
            Ok(Err(error)) => {
                master.join();
                Err(error)
            }
            // It ended without a word, so it panicked.
            Err(mpsc::RecvError) => {
                master.join();
                Err(need("its thread")(io::Error::other("the thread has ended")))
            }
        }
    }

    /// The workers that have not ended.
    pub(crate) fn ids(&self) -> Vec<WorkerId> {
        if self.origin.forked() { Vec::new() } else { self.shared.outlets.living() }
    }

    pub(crate) fn send(&self, id: WorkerId, message: &[u8], patience: Patience) -> Result<(), SendError> {
        if self.origin.forked() {
            return Err(SendError::Forked);
        }
        let outlet = self.shared.outlets.of(id).ok_or(SendError::NoSuchWorker)?;
        let deadline = match patience {
            Patience::None => return outlet.with(patience, |sender| sender.try_send(message)),
            Patience::Until(deadline) => Some(deadline),
            Patience::Endless => None,
        };
        outlet.with(patience, |sender| {
            match sender.try_send(message) {
                Err(SendError::Full | SendError::TooLongForTry) => {}
                sent => return sent,
            }
            let inbox = &self.shared.inbox;
            let mut wait = inbox.space_wait(id);
            sender.send(message, &mut |armed| {
                if armed != Armed::Ready && outlet.is_closing() {
                    return Err(SendError::Stopping);
                }
                inbox.wait_for_space(id, &mut wait, armed, deadline)
            })
        })
    }

    pub(crate) fn about(&self, id: WorkerId) -> Option<About> {
        if self.origin.forked() { None } else { self.shared.inbox.about(id) }
    }

    pub(crate) fn next_event(&self, patience: Patience) -> Result<Option<Event>, NextEventError> {
        if self.origin.forked() {
            return Err(NextEventError::Forked);
        }
        match patience {
            Patience::None => self.shared.inbox.try_next_event(),
            Patience::Until(deadline) => self.shared.inbox.next_event(Some(deadline)),
            Patience::Endless => self.shared.inbox.next_event(None),
        }
    }

    pub(crate) fn stop(&self, within: Duration) -> Result<(), StopError> {
        if self.origin.forked() {
            return Err(StopError::Forked);
        }
        self.shared.stop(within);
        Ok(())
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was a mistake of ours; what is left to do here is nothing.
            let _ = thread.join();
        }
    }
}

impl<P: Port> Drop for Master<P> {
    fn drop(&mut self) {
        if self.origin.forked() {
            // The thread does not exist in this process.
            std::mem::forget(self.thread.take());
            return;
        }
        // A stop that was asked for has its own time.
        if !self.shared.is_stopping() {
            self.shared.stop(GRACE);
        }
        self.join();
    }
}

impl<P: Port> fmt::Debug for Master<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Master").field("workers", &self.ids()).finish_non_exhaustive()
    }
}

impl Patience {
    /// Until `timeout` from now.
    pub(crate) fn within(timeout: Duration) -> Patience {
        Instant::now().checked_add(timeout).map_or(Patience::Endless, Patience::Until)
    }
}
