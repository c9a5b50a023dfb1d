//! What comes from one worker, in the order in which it is handed out.

use super::event::{DisconnectReason, Event};
use super::id::WorkerId;
use super::link_port::{Armed, ReceiveHalf, Received};
use crate::channel::Message;
use std::collections::VecDeque;

/// How many bytes of one worker's messages are kept aside while a sender waits for that worker.
const STASH_BYTES: usize = 64 << 20;

/// What a kept message counts for besides its bytes, so that empty ones are not free.
const STASH_OVERHEAD: usize = 32;

/// How many messages one visit to a lane may hand out while others are ready.
const BUDGET: u32 = 64;

/// How many visits to a lane that has nothing are cheaper than one doorbell.
const IDLE_VISITS: u32 = 64;

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
    /// Whether the doorbell is watched.
    pub(crate) watched: bool,
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
            watched: true,
            listed: false,
            news: 0,
        }
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
        if self.told { None } else { self.take() }
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

    /// Takes what is there, so that a worker that waits for the master to take it can go on.
    pub(crate) fn absorb(&mut self) -> Absorbed {
        loop {
            while self.stash_bytes < STASH_BYTES {
                let Some(message) = self.take() else { break };
                self.stash_bytes += weight(&message);
                self.stash.push_back(message);
            }
            let armed = self.arm();
            if armed != Armed::Ready {
                return Absorbed::All(armed);
            }
            if self.stash_bytes >= STASH_BYTES {
                return Absorbed::Full;
            }
        }
    }

    /// Whether the lane needs no visit until its doorbell rings.
    pub(crate) fn arm(&mut self) -> Armed {
        if self.reason.is_some() || self.told { Armed::Sleep } else { self.receiver.arm() }
    }

    /// A visit gave nothing. True if there have been so many of these that the lane had better be armed.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.idle_visits += 1;
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

    pub(crate) fn receiver(&mut self) -> &mut R {
        &mut self.receiver
    }
}

fn weight(message: &Message) -> usize {
    message.len() + STASH_OVERHEAD
}
