//! Where the user's threads meet what comes from the workers: messages by their links, news by the supervisor.
//!
//! Each worker that is online has a [`Lane`]. Lanes that may hold something are *listed* and visited in turn; the
//! others are armed, so that their worker rings their doorbell. All doorbells hang on one epoll: waiting costs by
//! ready links, not by links, and takes no thread of its own.
//!
//! # Waiting
//! One waiting thread *leads*: it sleeps in the epoll, takes the doorbells and passes the news on. The others follow:
//! they sleep on a condition variable and one of them leads next. A thread that waits for space in a link to a worker
//! waits here as well, for the doorbell that the worker rings for both; so it also hears that the worker itself
//! waits, takes its messages into the lane's stash, and neither waits for the other for ever. Over a socket nobody rings
//! for space: there the doorbell, which is the data socket, is watched for it while a thread waits, and the control
//! socket always, since the kernel does not tell of a worker that takes nothing more.
//!
//! Nothing is lost between looking and sleeping: whoever waits for events has looked at every listed lane and armed
//! it, under the lock; every doorbell is taken by a leader, who under the same lock lists the lane and counts the
//! news; and whoever lists a lane wakes all who wait. tests:
//! `a_master_that_goes_to_sleep_is_rung_by_each_of_two_workers`,
//! `a_bell_that_is_rung_while_another_link_is_armed_is_heard`,
//! `one_bell_tells_of_data_and_of_space_and_its_worker_sleeps_too`,
//! `a_master_that_sleeps_until_one_of_many_workers_answers_never_stops`
//!
//! # Fairness
//! A lane that has had its share ([`Visit::Enough`]) stays in front until the next look. Before it goes to the end of the
//! list, the doorbells of the armed lanes are looked at, without waiting, and those that have rung are listed: so
//! between two shares of one worker each other that has something has its own, also one that the master had armed.
//! That look is a system call for each share, or for 64 doorbells that rang, and where no lane is armed there is none.
//!
//! No method calls out to user code, and the lock is held for one message, or one look at the doorbells, at most; by a sender
//! that waits, for the messages of one share. Of a long message one look takes a part, so a worker that streams may have
//! something at each look and a message at none, a hostile one for ever, and another may ring for nothing. After each look
//! in vain but the first the doorbells of the others are looked at, threads that wait for the lock have it, and a deadline
//! that has passed is told. tests:
//! `who_waits_for_events_beside_an_endless_stream_is_told_of_the_others_and_of_the_deadline`,
//! `a_thread_whose_deadline_passes_while_another_looks_at_an_endless_stream_is_told`,
//! `a_sender_beside_an_endless_stream_waits_until_its_deadline_or_for_space`,
//! `what_came_while_a_sender_looked_in_vain_is_told`

use super::error::{NextEventError, SendError};
use super::event::Event;
use super::id::WorkerId;
use super::lane::{Absorbed, Lane, NOTES, Visit, token, worker};
use super::link_port::{Armed, ReceiveHalf};
use super::yielding::Yielding;
use crate::channel::About;
use crate::sys::deadline;
use crate::sys::epoll::{BATCH, Epoll, Interest, Ready};
use crate::sys::eventfd::Bell;
use crate::wait::nap::Naps;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::MutexGuard;
use std::time::Instant;

/// The bell's token; no worker has it.
const BELL: u64 = u64::MAX;

/// The receive side of a cluster.
pub(crate) struct Inbox<R> {
    state: Yielding<State<R>>,
    epoll: Epoll,
    /// Rung for the leader.
    bell: Bell,
}

struct State<R> {
    /// What can be handed out at once.
    events: VecDeque<Event>,
    lanes: BTreeMap<WorkerId, Lane<R>>,
    /// The lanes to visit, in turn.
    listed: VecDeque<WorkerId>,
    /// The first of them has had its share, and goes behind all that are ready now.
    sated: bool,
    /// Room for what a look at the doorbells gives.
    ready: Vec<Ready>,
    /// A thread sleeps in the epoll.
    led: bool,
    end: End,
}

/// Whether there will be more events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The supervisor is at work.
    Open,
    /// No more but the last of each lane.
    Finished,
    /// No more, not even those.
    Abandoned,
}

type Guard<'a, R> = MutexGuard<'a, State<R>>;

impl<R: ReceiveHalf> Inbox<R> {
    pub(crate) fn new() -> io::Result<Self> {
        let (epoll, bell) = (Epoll::new()?, Bell::new()?);
        epoll.add(&bell, BELL, Interest::Readable)?;
        let state = State {
            events: VecDeque::new(),
            lanes: BTreeMap::new(),
            listed: VecDeque::new(),
            sated: false,
            ready: Vec::new(),
            led: false,
            end: End::Open,
        };
        Ok(Inbox { state: Yielding::new(state), epoll, bell })
    }

    /// The next event, waiting for it until the deadline. `None`: there will be no more.
    pub(crate) fn next_event(&self, deadline: Option<Instant>) -> Result<Option<Event>, NextEventError> {
        let mut state = self.lock();
        let (mut naps, mut in_vain) = (Naps::new(), false);
        loop {
            if let Some(event) = self.take(&mut state) {
                return Ok(Some(event));
            }
            if state.is_over() {
                return Ok(None);
            }
            // There was something, and it was no event: perhaps there is such a thing for ever.
            if in_vain && deadline::passed(deadline) {
                return Err(NextEventError::TimedOut);
            }
            // Whoever lets go of the lock after this looks at all lanes anew: what was listed meanwhile must not be armed.
            let nap = match state.arm(&self.epoll) {
                Armed::Ready => {
                    if std::mem::replace(&mut in_vain, true) {
                        self.look(&mut state);
                        state = self.state.step_aside(state);
                    }
                    continue;
                }
                Armed::Nap => Some(naps.next()),
                Armed::Sleep => None,
            };
            let until = earlier(deadline, nap);
            let waited = self.wait(state, until, |state| state.has_some() || state.is_over());
            let (guard, in_time) = waited.map_err(NextEventError::Os)?;
            state = guard;
            if nap.is_some() {
                state.list_all();
                self.wake(&state);
            }
            if !in_time && until == deadline {
                return Err(NextEventError::TimedOut);
            }
            if std::mem::replace(&mut in_vain, true) {
                state = self.state.step_aside(state);
            }
        }
    }

    /// [`Inbox::next_event`] for somebody who has other things to do: nothing is armed, so the workers need not ring.
    pub(crate) fn try_next_event(&self) -> Result<Option<Event>, NextEventError> {
        let mut state = self.lock();
        if let Some(event) = self.take(&mut state) {
            return Ok(Some(event));
        }
        if !state.led {
            state = self.lead(state, Some(Instant::now())).map_err(NextEventError::Os)?;
        }
        match self.take(&mut state) {
            Some(event) => Ok(Some(event)),
            None if state.is_over() => Ok(None),
            None => Err(NextEventError::TimedOut),
        }
    }

    /// The next event that is there.
    fn take(&self, state: &mut State<R>) -> Option<Event> {
        if std::mem::replace(&mut state.sated, false) {
            self.look(state);
            state.listed.rotate_left(1);
        }
        state.next_event(&self.epoll)
    }

    /// Takes note of the doorbells that have rung, without waiting for one: of all, for a lane rings each of its two
    /// once. As a leader does, it wakes all who wait: who waits for space has heard of it only here.
    fn look(&self, state: &mut State<R>) {
        if state.listed.len() >= state.lanes.len() {
            return;
        }
        let mut ready = std::mem::take(&mut state.ready);
        let mut heard = false;
        for _ in 0..=(2 * state.lanes.len() + 1) / BATCH {
            // If this fails, so will the wait that comes when nothing is left to hand out, and that one tells of it.
            let Ok(more) = self.epoll.poll(&mut ready) else { break };
            for ready in ready.drain(..) {
                // A bell that was rung for a leader is the leader's to silence.
                if ready.token != BELL || !state.led {
                    self.heard(state, ready);
                }
                heard |= ready.token != BELL;
            }
            if !more {
                break;
            }
        }
        state.ready = ready;
        if heard {
            self.wake(state);
        }
    }

    /// Watches a link before it is put to use: the one part of [`Inbox::online`] that can fail.
    pub(crate) fn watch(&self, id: WorkerId, receiver: &R) -> io::Result<()> {
        self.epoll.add(receiver.doorbell(), token(id), Interest::Readable)?;
        if let Some(notes) = receiver.notes() {
            let added = self.epoll.add(notes, token(id) | NOTES, Interest::Readable);
            added.inspect_err(|_| self.unwatch(receiver))?;
        }
        Ok(())
    }

    /// The opposite of [`Inbox::watch`], for a link that is not put to use after all.
    pub(crate) fn unwatch(&self, receiver: &R) {
        let _ = self.epoll.remove(receiver.doorbell());
        let _ = receiver.notes().map(|notes| self.epoll.remove(notes));
    }

    /// A watched link is up.
    pub(crate) fn online(&self, id: WorkerId, receiver: R) {
        self.post(|state| {
            state.lanes.insert(id, Lane::new(id, receiver));
            state.events.push_back(Event::Online { id });
            state.list(id);
        });
    }

    /// What was agreed on with a worker, from its link's coming up to its last event.
    pub(crate) fn about(&self, id: WorkerId) -> Option<About> {
        self.lock().lanes.get(&id)?.about().cloned()
    }

    /// The process runs.
    pub(crate) fn forked(&self, id: WorkerId, pid: u32) {
        self.post(|state| state.events.push_back(Event::Forked { id, pid }));
    }

    /// The link has ended; what is in it is still to be handed out.
    pub(crate) fn disconnected(&self, id: WorkerId) {
        self.post(|state| {
            if let Some(lane) = state.lanes.get_mut(&id) {
                lane.cut();
                state.list(id);
            }
        });
    }

    /// The process has ended; what it left is still to be handed out before `exit`.
    pub(crate) fn exited(&self, id: WorkerId, exit: Event) {
        self.post(|state| match state.lanes.get_mut(&id) {
            Some(lane) => {
                lane.exited(exit);
                state.list(id);
            }
            None => state.events.push_back(exit),
        });
    }

    /// A thread that waits for space for this worker is to look again.
    pub(crate) fn nudge(&self, id: WorkerId) {
        self.post(|state| {
            if let Some(lane) = state.lanes.get_mut(&id) {
                lane.news += 1;
            }
        });
    }

    /// Nothing more will come; if this is not `orderly`, not even the last event of a worker that has none yet.
    pub(crate) fn finish(&self, orderly: bool) {
        self.post(|state| state.end = if orderly { End::Finished } else { End::Abandoned });
    }

    fn post(&self, change: impl FnOnce(&mut State<R>)) {
        let mut state = self.lock();
        change(&mut state);
        self.wake(&state);
    }

    /// Lets every waiting thread look again.
    fn wake(&self, state: &State<R>) {
        self.state.tell();
        if state.led {
            self.bell.ring();
        }
    }

    /// Waits until `until` holds (true) or the deadline passes (false).
    fn wait<'a>(
        &'a self,
        mut state: Guard<'a, R>,
        deadline: Option<Instant>,
        until: impl Fn(&State<R>) -> bool,
    ) -> io::Result<(Guard<'a, R>, bool)> {
        let (mut last, mut has_led) = (false, false);
        loop {
            if until(&state) {
                return Ok((state, true));
            }
            if last {
                return Ok((state, false));
            }
            // A deadline that has passed still allows one look at the doorbells.
            last = deadline::passed(deadline);
            state = match state.led {
                true => self.state.sleep(state, deadline),
                // It was woken in vain, perhaps by a worker that rings and rings.
                false if std::mem::replace(&mut has_led, true) => {
                    let state = self.lead(state, deadline)?;
                    self.state.step_aside(state)
                }
                false => self.lead(state, deadline)?,
            };
        }
    }

    fn lead<'a>(&'a self, mut state: Guard<'a, R>, deadline: Option<Instant>) -> io::Result<Guard<'a, R>> {
        state.led = true;
        drop(state);
        let mut ready = Vec::new();
        let waited = self.epoll.wait(&mut ready, deadline);
        let mut state = self.lock();
        state.led = false;
        for ready in ready {
            self.heard(&mut state, ready);
        }
        self.state.tell();
        waited?;
        Ok(state)
    }

    fn heard(&self, state: &mut State<R>, ready: Ready) {
        if ready.token == BELL {
            return self.bell.silence();
        }
        let id = worker(ready.token);
        let Some(lane) = state.lanes.get_mut(&id) else { return };
        lane.heard(ready, &self.epoll);
        state.list(id);
    }

    fn lock(&self) -> Guard<'_, R> {
        self.state.lock()
    }
}

impl<R: ReceiveHalf> State<R> {
    /// The next event that is there. The lane it is from stays in front, also if that has had its share now.
    fn next_event(&mut self, epoll: &Epoll) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        for _ in 0..self.listed.len() {
            let id = *self.listed.front()?;
            let Some(lane) = self.lanes.get_mut(&id) else {
                self.listed.pop_front();
                continue;
            };
            match lane.visit() {
                Visit::Event(event) => return Some(event),
                Visit::Enough(event) => {
                    self.sated = true;
                    return Some(event);
                }
                Visit::Last(event) => {
                    self.listed.pop_front();
                    lane.unwatch(epoll);
                    self.lanes.remove(&id);
                    return Some(event);
                }
                Visit::Nothing if lane.is_idle() && lane.arm(epoll) == Armed::Sleep => {
                    lane.listed = false;
                    self.listed.pop_front();
                }
                Visit::Nothing => self.listed.rotate_left(1),
            }
        }
        None
    }

    /// Arms every listed lane, so that none is listed any more unless it has something.
    fn arm(&mut self, epoll: &Epoll) -> Armed {
        let (lanes, mut naps) = (&mut self.lanes, false);
        self.listed.retain(|id| {
            let Some(lane) = lanes.get_mut(id) else { return false };
            let armed = lane.arm(epoll);
            naps |= armed == Armed::Nap;
            lane.listed = armed == Armed::Ready;
            lane.listed
        });
        match self.listed.is_empty() {
            false => Armed::Ready,
            true if naps => Armed::Nap,
            true => Armed::Sleep,
        }
    }

    /// Doorbells may have been missed.
    fn list_all(&mut self) {
        let ids: Vec<_> = self.lanes.keys().copied().collect();
        ids.into_iter().for_each(|id| self.list(id));
    }

    /// Says whether a sender waits for space in this worker's link.
    fn want_space(&mut self, id: WorkerId, wants: bool, epoll: &Epoll) -> io::Result<()> {
        self.lanes.get_mut(&id).map_or(Ok(()), |lane| lane.want_space(wants, epoll))
    }

    fn absorb(&mut self, id: WorkerId, epoll: &Epoll) -> Result<Absorbed, SendError> {
        let Some(lane) = self.lanes.get_mut(&id) else { return Err(SendError::Gone) };
        let absorbed = lane.absorb(epoll);
        // What is not armed has to be listed.
        if lane.has_stash() || lane.is_over() || absorbed == Absorbed::More {
            self.list(id);
        }
        Ok(absorbed)
    }

    /// The lane may have something. Those who wait must be woken for it.
    fn list(&mut self, id: WorkerId) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            if !std::mem::replace(&mut lane.listed, true) {
                self.listed.push_back(id);
            }
        }
    }

    /// Whether there is nothing to wait for.
    fn is_over(&self) -> bool {
        match self.end {
            End::Open => false,
            End::Finished => self.lanes.is_empty(),
            End::Abandoned => true,
        }
    }

    /// Whether a look may give an event.
    fn has_some(&self) -> bool {
        !self.events.is_empty() || !self.listed.is_empty()
    }
}

impl<R> fmt::Debug for Inbox<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

/// The earlier of two deadlines, where `None` is never.
fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

mod space;
#[cfg(test)]
mod tests;
