//! The watch thread: tells links over shared memory, and over sockets who made the pair, that their peer is gone.
//!
//! One for each process that has such a link, or is a worker, unless it has no futexes, blocked in `epoll_wait` on the links' control
//! sockets (hang-up only) and their peers' pidfds, with all signals blocked. A forked child that makes links of its own starts its own.
//!
//! If it may not wait on an epoll any more it polls, and looks at least each [100 ms](LONGEST_NAP) which links there are.
//!
//! A dying process closes its sockets before its pidfd tells. So a hang-up is not passed on for what it seems while the
//! link doubts it ([`Watched::hung_up`]): the thread asks again when the link says, and sleeps in between like before.

use super::nap::{LONGEST_NAP, doze};
use crate::sync::published::Published;
use crate::sys::epoll::{Epoll, Interest, Ready};
use crate::sys::fork::Origin;
use crate::sys::{Result, process, socket};
use std::collections::{HashMap, HashSet};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

/// What the watch thread has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// The peer's end of the control socket is closed.
    HungUp,
    /// The peer's process has ended.
    Dead,
}

/// Something that wants to know when its peer is gone.
pub(crate) trait Watched: Send + Sync {
    /// The control socket if hang-ups are of interest, and the peer's pidfd where there is one. The same at every call.
    fn descriptors(&self) -> (Option<BorrowedFd<'_>>, Option<BorrowedFd<'_>>);
    /// The peer has hung up. `Some`: perhaps because it is dying, of which the pidfd would tell; ask again then. Must
    /// not block.
    fn hung_up(&self) -> Option<Instant>;
    /// The peer's process has ended. Must not block.
    fn died(&self);
}

/// The watch thread of this process.
pub(crate) struct Watch {
    origin: Origin,
    epoll: Arc<Epoll>,
    watched: Arc<Mutex<Entries>>,
    /// The thread was started.
    runs: Mutex<bool>,
}

#[derive(Default)]
struct Entries {
    next: u64,
    by_token: HashMap<u64, Weak<dyn Watched>>,
}

/// This process's [`Watch`], from the first link on.
static CURRENT: Published<Watch> = Published::new();

/// Bit 0 of an epoll token: the event is of the pidfd.
const PIDFD: u64 = 1;

impl Watch {
    /// This process's watch thread, started if need be.
    ///
    /// # Errors
    /// The errno of `epoll_create`, or `EAGAIN` if no thread could be started.
    pub(crate) fn here() -> Result<&'static Self> {
        let known = CURRENT.get();
        let watch = match known.filter(|watch| !watch.origin.forked()) {
            Some(watch) => watch,
            None => CURRENT.replace(known, Box::new(Self::new()?)),
        };
        watch.start()?;
        Ok(watch)
    }

    fn new() -> Result<Self> {
        let (epoll, watched) = (Arc::new(Epoll::new()?), Arc::default());
        Ok(Self { origin: Origin::here(), epoll, watched, runs: Mutex::new(false) })
    }

    /// Starts the thread unless it runs. Of threads that find the same watch at once, one does so: a second thread would
    /// idle for as long as the process lasts.
    fn start(&self) -> Result<()> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if !*runs {
            let (epoll, watched) = (Arc::clone(&self.epoll), Arc::clone(&self.watched));
            process::spawn_thread("ringway-watch", Some(64 * 1024), move || run(&epoll, &watched)).map_err(
                |error| crate::sys::Errno::from_io_error(&error).unwrap_or(crate::sys::Errno::AGAIN),
            )?;
            *runs = true;
        }
        Ok(())
    }

    /// Watches until [`Watch::forget`] is called with the token that this returns.
    ///
    /// # Errors
    /// The errno of `epoll_ctl`; nothing is watched then.
    pub(crate) fn add(&self, watched: &Arc<impl Watched + 'static>) -> Result<u64> {
        let token = {
            let mut entries = self.entries();
            let token = entries.next;
            entries.next += 2;
            let weak = Arc::downgrade(watched);
            entries.by_token.insert(token, weak);
            token
        };
        let (control, pidfd) = watched.descriptors();
        let mut added = control.map_or(Ok(()), |control| self.epoll.add(control, token, Interest::HangUp));
        if let (Ok(()), Some(pidfd)) = (added, pidfd) {
            added = self.epoll.add(pidfd, token | PIDFD, Interest::Readable);
        }
        added.inspect_err(|_| self.forget(token, control, pidfd))?;
        Ok(token)
    }

    /// Watches no longer.
    pub(crate) fn forget(&self, token: u64, control: Option<BorrowedFd<'_>>, pidfd: Option<BorrowedFd<'_>>) {
        self.entries().by_token.remove(&token);
        // Already gone if it fired: there is nothing to do about a failure.
        let _ = control.map(|control| self.epoll.remove(control));
        let _ = pidfd.map(|pidfd| self.epoll.remove(pidfd));
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(epoll: &Epoll, watched: &Mutex<Entries>) {
    let find = |token: u64| {
        let entries = watched.lock().unwrap_or_else(PoisonError::into_inner);
        entries.by_token.get(&token).and_then(Weak::upgrade)
    };
    let mut ready = Vec::new();
    // The links whose hang-up is in doubt, and until when.
    let mut doubtful: HashMap<u64, Instant> = HashMap::new();
    // Where the epoll cannot be waited on, what it would tell no more.
    let mut told: Option<HashSet<u64>> = None;
    loop {
        let until = doubtful.values().min().copied();
        if told.is_none() && epoll.wait(&mut ready, until).is_err() {
            told = Some(HashSet::new());
        }
        if let Some(told) = &mut told {
            poll(watched, told, &mut ready, until);
        }
        for event in ready.drain(..) {
            let Some(watched) = find(event.token & !PIDFD) else { continue };
            let (control, pidfd) = watched.descriptors();
            if event.token & PIDFD != 0 {
                let _ = pidfd.map(|pidfd| epoll.remove(pidfd));
                watched.died();
            } else {
                let _ = control.map(|control| epoll.remove(control));
                doubtful.insert(event.token, Instant::now());
            }
        }
        doubtful.retain(|token, until| match find(*token).and_then(|watched| watched.hung_up()) {
            Some(later) => {
                *until = later;
                true
            }
            None => false,
        });
    }
}

/// What the epoll would tell that has not been `told`, or nothing if there is nothing for a while.
fn poll(watched: &Mutex<Entries>, told: &mut HashSet<u64>, ready: &mut Vec<Ready>, until: Option<Instant>) {
    let present = |(token, watched): (&u64, &Weak<dyn Watched>)| Some((*token, watched.upgrade()?));
    let entries = watched.lock().unwrap_or_else(PoisonError::into_inner);
    let links: Vec<_> = entries.by_token.iter().filter_map(present).collect();
    drop(entries);
    let descriptors = links.iter().flat_map(|(token, link)| {
        let (control, pidfd) = link.descriptors();
        let control = control.map(|control| (*token, (control, Interest::HangUp)));
        let pidfd = pidfd.map(|pidfd| (token | PIDFD, (pidfd, Interest::Readable)));
        control.into_iter().chain(pidfd)
    });
    let (tokens, asked): (Vec<_>, Vec<_>) = descriptors.filter(|(token, _)| !told.contains(token)).unzip();
    let soon = Instant::now() + LONGEST_NAP;
    if socket::wait_any(&asked, ready, Some(until.map_or(soon, |until| until.min(soon)))).is_err() {
        doze();
    }
    for event in ready {
        event.token = tokens[event.token as usize];
        told.insert(event.token);
    }
}
