//! What comes from one worker, in the order in which it is handed out.

use super::event::{DisconnectReason, Event};
use super::id::WorkerId;
use super::link_port::{Armed, ReceiveHalf, Received};
use crate::channel::{About, Message};
use crate::sys::epoll::{Epoll, Interest, Ready};
use std::collections::VecDeque;
use std::io;

/// How many bytes of one worker's messages are kept aside while a sender waits for that worker.
const STASH_BYTES: usize = 64 << 20;

/// What a kept message counts for besides its bytes, so that empty ones are not free.
const STASH_OVERHEAD: usize = 32;

/// How many messages one visit to a lane may hand out while others are ready.
const BUDGET: u32 = 64;

/// How many visits to a lane that has nothing are cheaper than one doorbell.
const IDLE_VISITS: u32 = 64;

/// How many looks a worker whose link has ended is worth before that is told: over a socket 64 packets each, so that they
/// take more than a kernel's buffer holds.
const LAST_LOOKS: u32 = 64;

/// Marks the token of a worker's notes, as against that of its doorbell. Slots stay below it.
pub(crate) const NOTES: u64 = 1 << 63;

/// The receiving half of one worker's link, with what its sender's end says about it.
#[derive(Debug)]
pub(crate) struct Lane<R> {
    id: WorkerId,
    receiver: R,
    /// Messages taken before the user asked for them, so that the worker could go on.
    stash: VecDeque<Message>,
    stash_bytes: usize,
    /// What is left of the present visit.
    budget: u32,
    /// How many visits in a row gave nothing.
    idle_visits: u32,
    /// How the link ended, by its own account.
    reason: Option<DisconnectReason>,
    /// The supervisor says that the link has ended.
    cut: bool,
    /// `Disconnected` was handed out.
    told: bool,
    /// `Exited`, kept until everything before it has been handed out.
    exit: Option<Event>,
    /// For what the doorbell is watched, if it is.
    watched: Option<Interest>,
    /// Whether what [`ReceiveHalf::notes`] names is watched.
    notes_watched: bool,
    /// The doorbell has told of a hang-up, and would tell of it for ever.
    hung_up: bool,
    /// A socket's doorbell has told of something to take, and would tell of it until that was taken: it is not watched
    /// for that until the lane is armed again.
    quiet: bool,
    /// A sender waits for the doorbell to be writable.
    wants_space: bool,
    /// Whether the lane is in the list of those to be visited.
    pub(crate) listed: bool,
    /// How often something happened here that a waiting sender may want to know.
    pub(crate) news: u64,
}

/// What a visit gives.
#[derive(Debug)]
pub(crate) enum Visit {
    Event(Event),
    /// As `Event`, and the lane has had its share: others come first now.
    Enough(Event),
    /// The last event of this lane.
    Last(Event),
    Nothing,
}

/// How [`Lane::absorb`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absorbed {
    /// Nothing is left; the doorbell will ring for more, or may fail to ([`Armed::Nap`]).
    All(Armed),
    /// More is there than may be kept aside.
    Full,
    /// There is more, which others shall not wait for; the lane is not armed.
    More,
}

impl<R: ReceiveHalf> Lane<R> {
    pub(crate) fn new(id: WorkerId, receiver: R) -> Self {
        Lane {
            id,
            receiver,
            stash: VecDeque::new(),
            stash_bytes: 0,
            budget: BUDGET,
            idle_visits: 0,
            reason: None,
            cut: false,
            told: false,
            exit: None,
            watched: Some(Interest::Readable),
            notes_watched: true,
            hung_up: false,
            quiet: false,
            wants_space: false,
            listed: false,
            news: 0,
        }
    }

    /// What the two ends of the link agreed on.
    pub(crate) fn about(&self) -> Option<&About> {
        self.receiver.about()
    }

    /// Hands out the next event.
    pub(crate) fn visit(&mut self) -> Visit {
        if let Some(message) = self.next_message() {
            self.idle_visits = 0;
            let event = Event::Message { from: self.id, message };
            self.budget -= 1;
            if self.budget > 0 {
                return Visit::Event(event);
            }
            self.budget = BUDGET;
            return Visit::Enough(event);
        }
        let over = self.cut || matches!(self.reason, Some(DisconnectReason::Corrupt { .. }));
        if over && !self.told {
            self.told = true;
            let reason = self.reason.clone().unwrap_or(DisconnectReason::HungUp);
            return Visit::Event(Event::Disconnected { id: self.id, reason });
        }
        match self.exit.take() {
            Some(exit) => Visit::Last(exit),
            None => Visit::Nothing,
        }
    }

    fn next_message(&mut self) -> Option<Message> {
        if let Some(message) = self.stash.pop_front() {
            self.stash_bytes -= weight(&message);
            return Some(message);
        }
        if self.told { None } else { self.take().or_else(|| self.take_last()) }
    }

    /// The next message of a link that has ended. One look may have taken a part of it, and then there are not many more: what is
    /// left is what the link held when it ended, unless a worker hangs up and goes on writing.
    fn take_last(&mut self) -> Option<Message> {
        for _ in 0..LAST_LOOKS {
            if !self.cut || self.reason.is_some() || !self.receiver.has_more() {
                return None;
            }
            if let Some(message) = self.take() {
                return Some(message);
            }
        }
        None
    }

    /// Takes a message from the link.
    fn take(&mut self) -> Option<Message> {
        if self.reason.is_some() {
            return None;
        }
        match self.receiver.try_recv() {
            Received::Message(message) => return Some(message),
            Received::Empty => {}
            Received::Closed => self.reason = Some(DisconnectReason::Closed),
            Received::HungUp => self.reason = Some(DisconnectReason::HungUp),
            Received::Corrupt { field } => self.reason = Some(DisconnectReason::Corrupt { field }),
        }
        None
    }

    /// Takes what is there, so that a worker that waits for the master to take it can go on: as much as a visit hands out.
    pub(crate) fn absorb(&mut self, epoll: &Epoll) -> Absorbed {
        let mut in_vain = false;
        for _ in 0..BUDGET {
            let takes = self.stash_bytes < STASH_BYTES && !self.told;
            let message = if takes { self.take() } else { None };
            if let Some(message) = message {
                self.stash_bytes += weight(&message);
                self.stash.push_back(message);
                continue;
            }
            match self.arm(epoll) {
                Armed::Ready if self.stash_bytes >= STASH_BYTES => return Absorbed::Full,
                // It came just now; or it is a part of a long message.
                Armed::Ready if std::mem::replace(&mut in_vain, true) => return Absorbed::More,
                Armed::Ready => {}
                armed => return Absorbed::All(armed),
            }
        }
        Absorbed::More
    }

    /// Whether the lane needs no visit until its doorbell rings.
    pub(crate) fn arm(&mut self, epoll: &Epoll) -> Armed {
        if self.reason.is_some() || self.told {
            return Armed::Sleep;
        }
        if std::mem::replace(&mut self.quiet, false) && self.watch(epoll).is_err() {
            self.quiet = true;
            return Armed::Nap;
        }
        self.receiver.arm()
    }

    /// A visit gave nothing. True if there have been so many of these that the lane had better be armed.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.idle_visits = self.idle_visits.saturating_add(1);
        self.idle_visits >= IDLE_VISITS
    }

    /// Whether something is kept aside.
    pub(crate) fn has_stash(&self) -> bool {
        !self.stash.is_empty()
    }

    /// Nothing can be sent to this worker any more, or received from it but what is there.
    pub(crate) fn is_over(&self) -> bool {
        self.cut || matches!(self.reason, Some(DisconnectReason::Corrupt { .. }))
    }

    pub(crate) fn cut(&mut self) {
        self.cut = true;
        self.news += 1;
    }

    pub(crate) fn exited(&mut self, exit: Event) {
        self.receiver.mark_dead();
        self.exit = Some(exit);
        self.cut();
    }

    /// Takes note of what the epoll tells of the doorbell or of the notes.
    pub(crate) fn heard(&mut self, ready: Ready, epoll: &Epoll) {
        self.receiver.silence();
        self.news += 1;
        // A hang-up would be told for ever; what it means is the supervisor's to say. So would be space.
        match (ready.token & NOTES != 0, ready.hangup) {
            (true, true) => self.unwatch_notes(epoll),
            (true, false) => {}
            (false, hung_up) => {
                self.hung_up |= hung_up;
                self.quiet |= ready.readable && self.receiver.notes().is_some();
                self.wants_space &= !ready.writable;
                // If this fails it is told once more.
                let _ = self.watch(epoll);
            }
        }
    }

    /// Says whether a sender waits for space, and so for the doorbell to be writable where none rings for that.
    pub(crate) fn want_space(&mut self, wants: bool, epoll: &Epoll) -> io::Result<()> {
        self.wants_space = wants && self.receiver.notes().is_some();
        Ok(self.watch(epoll)?)
    }

    /// Has the doorbell watched for what is wanted now.
    fn watch(&mut self, epoll: &Epoll) -> crate::sys::Result<()> {
        let wanted = match (!self.hung_up && !self.quiet, self.wants_space) {
            (true, false) => Some(Interest::Readable),
            (true, true) => Some(Interest::Both),
            (false, true) => Some(Interest::Writable),
            (false, false) => None,
        };
        let (doorbell, token) = (self.receiver.doorbell(), token(self.id));
        match (self.watched, wanted) {
            (before, after) if before == after => {}
            (_, None) => epoll.remove(doorbell)?,
            (None, Some(interest)) => epoll.add(doorbell, token, interest)?,
            (Some(_), Some(interest)) => epoll.modify(doorbell, token, interest)?,
        }
        self.watched = wanted;
        Ok(())
    }

    fn unwatch_notes(&mut self, epoll: &Epoll) {
        if std::mem::replace(&mut self.notes_watched, false) {
            let _ = self.receiver.notes().map(|notes| epoll.remove(notes));
        }
    }

    /// Nothing of this lane is of interest any more.
    pub(crate) fn unwatch(&mut self, epoll: &Epoll) {
        (self.hung_up, self.wants_space) = (true, false);
        let _ = self.watch(epoll);
        self.unwatch_notes(epoll);
    }

    /// For what the doorbell is watched, if it is.
    #[cfg(test)]
    pub(crate) fn watched_for(&self) -> Option<Interest> {
        self.watched
    }
}

fn weight(message: &Message) -> usize {
    message.len() + STASH_OVERHEAD
}

/// A worker as epoll names it.
pub(crate) fn token(id: WorkerId) -> u64 {
    u64::from(id.slot()) << 32 | u64::from(id.generation())
}

/// The worker that epoll names so.
pub(crate) fn worker(token: u64) -> WorkerId {
    WorkerId::new(((token & !NOTES) >> 32) as u32, token as u32)
}
