//! The sending half of one worker's link, shared by all who send to it.
//!
//! A sender is *lent* to one thread at a time, which may keep it for as long as it waits for space. So whoever has
//! to do something with the sender meanwhile (close it; salvage it after a death) leaves a note, and the borrower
//! carries it out when it gives the sender back: nobody waits for a thread that waits for a worker.

use super::error::SendError;
use super::id::WorkerId;
use super::link_port::SendHalf;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

/// What to do with the sender of a worker that has ended; it gets `None` if the link never was up.
type Heir<S> = Box<dyn FnOnce(Option<S>) + Send>;

/// One worker's sender and the notes about it.
pub(crate) struct Outlet<S: SendHalf> {
    state: Mutex<State<S>>,
    changed: Condvar,
}

struct State<S> {
    place: Place<S>,
    /// The cluster is being stopped: nothing more is to be sent.
    closing: bool,
    /// The worker is out of reach.
    cut: bool,
    /// Left for the borrower by [`Outlet::retire`].
    heir: Option<Heir<S>>,
}

/// Where the sender is.
enum Place<S> {
    NotYet,
    Here(S),
    Lent,
    Gone,
}

/// How long to wait for the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    None,
    Until(Instant),
    Endless,
}

impl<S: SendHalf> Outlet<S> {
    pub(crate) fn new() -> Self {
        let state = State { place: Place::NotYet, closing: false, cut: false, heir: None };
        Outlet { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The link is up.
    pub(crate) fn attach(&self, mut sender: S) {
        let mut state = self.lock();
        if state.closing {
            sender.close();
        }
        state.place = Place::Here(sender);
        self.changed.notify_all();
    }

    /// Nothing more is to be sent; the worker is to finish.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closing = true;
        if let Place::Here(sender) = &mut state.place {
            sender.close();
        }
        self.changed.notify_all();
    }

    /// The worker is out of reach.
    pub(crate) fn cut(&self) {
        self.lock().cut = true;
        self.changed.notify_all();
    }

    /// The worker has ended. `heir` gets the sender: now, or from the borrower.
    pub(crate) fn retire(&self, heir: impl FnOnce(Option<S>) + Send + 'static) {
        let mut state = self.lock();
        state.cut = true;
        self.changed.notify_all();
        let sender = match std::mem::replace(&mut state.place, Place::Gone) {
            Place::Here(sender) => Some(sender),
            Place::NotYet => None,
            Place::Lent => {
                state.heir = Some(Box::new(heir));
                return;
            }
            Place::Gone => return,
        };
        drop(state);
        heir(sender);
    }

    /// Whether [`Outlet::close`] has been called.
    pub(crate) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    /// Whether the worker has ended.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.lock().place, Place::Gone)
    }

    /// Lets `send` use the sender, waiting for the link to come up and for other borrowers.
    pub(crate) fn with<T>(
        &self,
        patience: Patience,
        send: impl FnOnce(&mut S) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        let mut lent = self.lend(patience)?;
        lent.sender.as_mut().map_or(Err(SendError::Gone), send)
    }

    fn lend(&self, patience: Patience) -> Result<Lent<'_, S>, SendError> {
        let mut state = self.lock();
        loop {
            if state.cut {
                return Err(SendError::Gone);
            }
            if state.closing {
                return Err(SendError::Stopping);
            }
            if matches!(state.place, Place::Here(_)) {
                if let Place::Here(sender) = std::mem::replace(&mut state.place, Place::Lent) {
                    return Ok(Lent { outlet: self, sender: Some(sender) });
                }
            }
            state = match (patience, &state.place) {
                (Patience::None, Place::Lent) => return Err(SendError::Full),
                (Patience::None, _) => return Err(SendError::NotOnline),
                (Patience::Until(deadline), _) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(SendError::TimedOut);
                    }
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                (Patience::Endless, _) => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn give_back(&self, mut sender: S) {
        let mut state = self.lock();
        if let Some(heir) = state.heir.take() {
            drop(state);
            return heir(Some(sender));
        }
        if state.closing {
            sender.close();
        }
        state.place = Place::Here(sender);
        self.changed.notify_all();
    }

    /// No code under this lock can panic and leave the state half changed.
    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: SendHalf> fmt::Debug for Outlet<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").finish_non_exhaustive()
    }
}

/// A borrowed sender, given back even if the borrower panics.
struct Lent<'a, S: SendHalf> {
    outlet: &'a Outlet<S>,
    sender: Option<S>,
}

impl<S: SendHalf> Drop for Lent<'_, S> {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            self.outlet.give_back(sender);
        }
    }
}

/// The outlets of all workers that there ever were.
pub(crate) struct Directory<S: SendHalf> {
    outlets: RwLock<BTreeMap<WorkerId, Arc<Outlet<S>>>>,
}

impl<S: SendHalf> Directory<S> {
    pub(crate) fn new() -> Self {
        Directory { outlets: RwLock::new(BTreeMap::new()) }
    }

    /// A new worker.
    pub(crate) fn add(&self, id: WorkerId) {
        let mut outlets = self.outlets.write().unwrap_or_else(PoisonError::into_inner);
        outlets.insert(id, Arc::new(Outlet::new()));
    }

    pub(crate) fn of(&self, id: WorkerId) -> Option<Arc<Outlet<S>>> {
        let outlets = self.outlets.read().unwrap_or_else(PoisonError::into_inner);
        outlets.get(&id).cloned()
    }

    /// The workers that have not ended, in order.
    pub(crate) fn living(&self) -> Vec<WorkerId> {
        let outlets = self.outlets.read().unwrap_or_else(PoisonError::into_inner);
        outlets.iter().filter(|(_, outlet)| !outlet.is_gone()).map(|(id, _)| *id).collect()
    }
}

#[cfg(test)]
mod tests;
