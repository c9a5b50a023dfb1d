//! The process-shared event of the crate raw_sync: a pthread mutex and condition in shared memory.
#![allow(unsafe_code, reason = "raw_sync makes its events in memory that it is given by address")]

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use raw_sync::Timeout;
use raw_sync::events::{Event, EventImpl, EventInit, EventState};

use super::pages::Pages;
use super::{End, Subject};

/// One word each way, announced by an event. Whoever waits is asleep in the event.
#[derive(Debug)]
pub struct RawSyncEvent;

/// Where the two directions lie, and in each of them the event after the word.
const THERE: usize = 0;
const BACK: usize = 2048;
const EVENT: usize = 256;

/// One direction: a word and the event that says that it has changed.
struct Mailbox {
    event: Box<dyn EventImpl>,
    pages: Arc<Pages>,
    offset: usize,
}

impl Mailbox {
    fn new(pages: &Arc<Pages>, offset: usize) -> io::Result<Self> {
        let place = pages.at(offset + EVENT, BACK - EVENT);
        // SAFETY: the place is zeroed, aligned, longer than any mutex and condition, and used for nothing else; the
        // mailbox keeps the mapping for as long as the event.
        let made = unsafe { Event::new(place, true) };
        let (event, _) = made.map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self { event, pages: pages.clone(), offset })
    }

    fn open(pages: &Arc<Pages>, offset: usize) -> io::Result<Self> {
        let place = pages.at(offset + EVENT, BACK - EVENT);
        // SAFETY: `new` made an event at this place, in the same mapping, which the mailbox keeps.
        let opened = unsafe { Event::from_existing(place) };
        let (event, _) = opened.map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self { event, pages: pages.clone(), offset })
    }
}

/// One end: where it puts words, and where it takes them.
pub struct RawSyncEnd {
    to: Mailbox,
    from: Mailbox,
}

impl fmt::Debug for RawSyncEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSyncEnd").finish_non_exhaustive()
    }
}

impl Subject for RawSyncEvent {
    type Half = RawSyncEnd;
    type End = RawSyncEnd;

    fn name(&self) -> &'static str {
        "raw_sync event"
    }

    fn spins(&self) -> bool {
        false
    }

    fn halves(&self, _size: usize) -> io::Result<(RawSyncEnd, RawSyncEnd)> {
        let pages = Pages::new(2 * BACK)?;
        let one = RawSyncEnd { to: Mailbox::new(&pages, THERE)?, from: Mailbox::new(&pages, BACK)? };
        let other = RawSyncEnd { to: Mailbox::open(&pages, BACK)?, from: Mailbox::open(&pages, THERE)? };
        Ok((one, other))
    }

    fn connect(&self, half: RawSyncEnd) -> io::Result<RawSyncEnd> {
        Ok(half)
    }
}

impl End for RawSyncEnd {
    fn send(&mut self, message: &[u8]) {
        let mut word = [0; 8];
        word.copy_from_slice(message);
        // Relaxed: the event's mutex orders the word.
        self.to.pages.word(self.to.offset).store(u64::from_le_bytes(word), Relaxed);
        self.to.event.set(EventState::Signaled).expect("the event is set");
    }

    fn recv(&mut self, buffer: &mut [u8]) -> usize {
        self.from.event.wait(Timeout::Infinite).expect("the event is waited for");
        let word = self.from.pages.word(self.from.offset).load(Relaxed);
        buffer.copy_from_slice(&word.to_le_bytes());
        buffer.len()
    }
}
