//! The process-shared event of the crate raw_sync, a pthread mutex and condition, in a segment of the crate shared_memory.
#![allow(unsafe_code, reason = "raw_sync makes its events in memory that it is given by address")]

use std::fmt;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};

use raw_sync::Timeout;
use raw_sync::events::{Event, EventImpl, EventInit, EventState};
use shared_memory::{Shmem, ShmemConf};

use super::{End, Subject};

/// One word each way, announced by an event. Whoever waits is asleep in the event.
#[derive(Debug)]
pub struct RawSyncEvent {
    /// Who calls `set`, which a killed waiter can make hang: the sender itself, or a thread of its own.
    by_a_thread: bool,
}

/// As the crates' examples have it.
pub static DIRECT: RawSyncEvent = RawSyncEvent { by_a_thread: false };

/// As a link would have to do it whose senders must not hang.
pub static RINGER: RawSyncEvent = RawSyncEvent { by_a_thread: true };

/// The version of a crate that `Cargo.lock` has.
fn version(name: &str) -> &'static str {
    let entry = include_str!("../../Cargo.lock").split_once(&format!("name = \"{name}\"\nversion = \""));
    entry.and_then(|(_, rest)| rest.split_once('"')).map_or("?", |(version, _)| version)
}

/// Where the two directions lie, and in each of them the event after the word.
const THERE: usize = 0;
const BACK: usize = 2048;
const EVENT: usize = 256;

/// A segment that both ends have, by a fork.
struct Segment(Shmem);

// SAFETY: what is used of it is its address; the word is atomic, and the event is made for many processes.
unsafe impl Send for Segment {}
// SAFETY: as above.
unsafe impl Sync for Segment {}

impl Segment {
    fn new() -> io::Result<Arc<Self>> {
        let made = ShmemConf::new().size(2 * BACK).create().map_err(io::Error::other)?;
        // The name is not needed: it is taken back at once, by a second handle, and not by each process's drop.
        let mut name = ShmemConf::new().os_id(made.get_os_id()).open().map_err(io::Error::other)?;
        name.set_owner(true);
        drop(name);
        let mut made = made;
        made.set_owner(false);
        Ok(Arc::new(Self(made)))
    }

    fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset < self.0.len(), "beyond the segment");
        self.0.as_ptr().wrapping_add(offset)
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: in bounds by `at`, aligned by the constants, mapped for as long as `self`; only atomics refer to it.
        unsafe { AtomicU64::from_ptr(self.at(offset).cast()) }
    }
}

/// One direction: a word and the event that says that it has changed.
struct Mailbox {
    event: Box<dyn EventImpl>,
    segment: Arc<Segment>,
    offset: usize,
}

// SAFETY: the event is reached through its address in the segment, which the mailbox keeps, and not through its thread.
unsafe impl Send for Mailbox {}

impl Mailbox {
    fn new(segment: &Arc<Segment>, offset: usize) -> io::Result<Self> {
        // SAFETY: the place is zeroed, aligned, longer than any mutex and condition, and used for nothing else; the
        // mailbox keeps the segment for as long as the event.
        let made = unsafe { Event::new(segment.at(offset + EVENT), true) };
        let (event, _) = made.map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self { event, segment: segment.clone(), offset })
    }

    fn open(segment: &Arc<Segment>, offset: usize) -> io::Result<Self> {
        // SAFETY: `new` made an event at this place, in the same segment, which the mailbox keeps.
        let opened = unsafe { Event::from_existing(segment.at(offset + EVENT)) };
        let (event, _) = opened.map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self { event, segment: segment.clone(), offset })
    }

    fn set(&self) {
        self.event.set(EventState::Signaled).expect("the event is set");
    }
}

/// One end before it is in its process: where it puts words, and where it takes them.
pub struct RawSyncHalf {
    to: Mailbox,
    from: Mailbox,
}

/// One end.
pub struct RawSyncEnd {
    word: (Arc<Segment>, usize),
    from: Mailbox,
    setter: Setter,
}

/// Who calls `set`.
enum Setter {
    Oneself(Mailbox),
    Thread(Sender<()>),
}

impl fmt::Debug for RawSyncHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSyncHalf").finish_non_exhaustive()
    }
}

impl fmt::Debug for RawSyncEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSyncEnd").finish_non_exhaustive()
    }
}

impl Subject for RawSyncEvent {
    type Half = RawSyncHalf;
    type End = RawSyncEnd;

    fn name(&self) -> &'static str {
        let by = if self.by_a_thread { ", a thread sets" } else { "" };
        let (event, segment) = (version("raw_sync"), version("shared_memory"));
        // Kept for the life of the process: there are two.
        static NAMES: [OnceLock<String>; 2] = [const { OnceLock::new() }; 2];
        NAMES[usize::from(self.by_a_thread)]
            .get_or_init(|| format!("raw_sync {event}, shared_memory {segment}{by}"))
    }

    fn spins(&self) -> bool {
        false
    }

    fn halves(&self, _size: usize) -> io::Result<(RawSyncHalf, RawSyncHalf)> {
        let segment = Segment::new()?;
        let one = RawSyncHalf { to: Mailbox::new(&segment, THERE)?, from: Mailbox::new(&segment, BACK)? };
        let other = RawSyncHalf { to: Mailbox::open(&segment, BACK)?, from: Mailbox::open(&segment, THERE)? };
        Ok((one, other))
    }

    fn connect(&self, half: RawSyncHalf) -> io::Result<RawSyncEnd> {
        let RawSyncHalf { to, from } = half;
        let word = (to.segment.clone(), to.offset);
        let setter = if self.by_a_thread {
            let (calls, called) = channel();
            std::thread::Builder::new().spawn(move || {
                let to = to;
                called.iter().for_each(|()| to.set());
            })?;
            Setter::Thread(calls)
        } else {
            Setter::Oneself(to)
        };
        Ok(RawSyncEnd { word, from, setter })
    }
}

impl End for RawSyncEnd {
    fn send(&mut self, message: &[u8]) {
        let mut word = [0; 8];
        word.copy_from_slice(message);
        // Relaxed: the event's mutex orders the word.
        let (segment, offset) = &self.word;
        segment.word(*offset).store(u64::from_le_bytes(word), Relaxed);
        match &self.setter {
            Setter::Oneself(to) => to.set(),
            Setter::Thread(calls) => calls.send(()).expect("the thread runs"),
        }
    }

    fn recv(&mut self, buffer: &mut [u8]) -> usize {
        self.from.event.wait(Timeout::Infinite).expect("the event is waited for");
        let word = self.from.segment.word(self.from.offset).load(Relaxed);
        buffer.copy_from_slice(&word.to_le_bytes());
        buffer.len()
    }
}
