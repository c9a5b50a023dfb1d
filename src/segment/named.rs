//! Named memory: the segments of both ends and their wait page in one, for where there are no memfds.
//!
//! ```text
//!   offering end                                              accepting end
//!   Named::new: 128 random bits, nothing yet behind them
//!           ─────────────── the name ───────────────▶         create: exclusive, 0600, all of it
//!                                                             allocated, then labelled
//!           ◀──────────── it is there ───────────────
//!   open: size and label checked, mapped,
//!         the name taken back
//!                    whoever gives up takes the name back as well
//! ```
//! One end chooses the name and the other one makes the memory, so that there is no name while an end has yet to come, and
//! each of the two can take it back when the other one is dead. Rings without a handshake (`crate::named`) are made the same way
//! by whoever wants to, and then all of this holds but for how long the name is there.
//!
//! # What is weaker than with sealed memory
//! - **Both ends can write all of it, and change its size.** It is for ends that trust each other: one that shrinks the
//!   memory ends the other by `SIGBUS`, one that writes where it should not is found by the ring's checks or not at all.
//! - **Between `create` and `open` there is a name**, in the handshake and for about as long as the memory takes to be
//!   allocated. If both ends are killed in that time, it stays, and the memory with it, until somebody removes
//!   `/dev/shm/rw-*`; if one is, the other one takes it back. Before and afterwards nothing stays, whoever is killed. tests:
//!   `a_name_is_gone_as_soon_as_both_ends_are_attached`, `whoever_is_killed_once_both_are_attached_leaves_no_name`,
//!   `a_name_is_taken_back_by_whoever_is_left`, `a_name_stays_if_both_ends_are_killed_between_its_making_and_its_opening`
//! - It counts against the file system that has the names (in a container often 64 MiB for all), all of it from the start.
//!   Where that is full it is an error and no signal. tests: `a_full_file_system_is_an_error_and_leaves_no_name`
//!
//! # What is not trusted even so
//! The size, the label's magic number, its version, layout and capacities: anything else is refused, by a typed error.
//! tests: `named_memory_that_is_not_as_it_should_be_is_refused`. Memory that is not there yet, has no size yet, or is not
//! labelled yet is asked for again for up to [`LIMIT`]: on some systems a name is to be seen before what it stands for.
//! tests: `named_memory_that_is_still_being_made_is_waited_for`

use super::error::SegmentError;
use super::layout::{Capacity, LABEL_MAGIC, LABEL_WORDS, LAYOUT_HASH, PAGE};
use super::name::Name;
use super::place::Place;
use super::view::{SegmentView, label};
use crate::sync::Ordering;
use crate::sys::Errno;
#[cfg(not(target_os = "linux"))]
use crate::sys::doze;
use crate::sys::named::{self, NamedMapping, Origin};
#[cfg(target_os = "linux")]
use crate::wait::nap::doze;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long memory that is not there, or not ready, is asked for again. Nobody waits so long for a correct peer on Linux,
/// and a master may have other workers.
pub(crate) const LIMIT: Duration = Duration::from_millis(100);

/// The version in the label: changes with this file.
const LABEL_VERSION: u64 = 1;

/// The length is a multiple of so many bytes. Elsewhere a system may round it up to its pages, of 16 KiB or 64 KiB.
const GRAIN: usize = if cfg!(target_os = "linux") { PAGE } else { 64 * 1024 };

/// Named memory as it is mapped: the parts that the [layout](super::layout) has of it.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(super) page: Place,
    /// Of the end that opened it, and of the one that made it.
    pub(super) segments: [SegmentView; 2],
}

/// A name that is taken back on drop, in the process that made it.
#[derive(Debug)]
pub(crate) struct Named {
    name: Name,
    origin: Origin,
}

impl Named {
    /// A name that nobody has.
    ///
    /// # Errors
    /// [`SegmentError::Call`]: there is no randomness here.
    pub(crate) fn new() -> Result<Self, SegmentError> {
        Ok(Self::of(Name::random()?))
    }

    /// One that the peer has chosen.
    pub(crate) fn of(name: Name) -> Self {
        Self { name, origin: Origin::here() }
    }

    /// The name.
    pub(crate) fn name(&self) -> Name {
        self.name
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        if !self.origin.forked() {
            unlink(self.name);
        }
    }
}

impl Name {
    /// A name that nobody has.
    ///
    /// # Errors
    /// [`SegmentError::Call`]: there is no randomness here.
    pub fn random() -> Result<Self, SegmentError> {
        let mut bits = [0; Self::LEN];
        named::random(&mut bits).map_err(SegmentError::call("getrandom"))?;
        Ok(Self::from_bytes(bits))
    }
}

/// Takes a name back, if it is there.
pub(crate) fn unlink(name: Name) {
    named::unlink(&name.to_string());
}

/// The capacities of what the offering and of what the accepting end sends in.
pub(crate) type Capacities = [Capacity; 2];

/// What is still to be done to a mapping.
type Prepare = fn(NamedMapping) -> Result<NamedMapping, Errno>;

impl Whole {
    /// Makes memory with this name. Whoever has the answer takes the name back when it is no longer needed.
    ///
    /// # Errors
    /// [`SegmentError::Call`]: somebody has the name; there are no names here, or there is no memory. Nothing is left then.
    pub(crate) fn create(
        name: Name,
        capacities: Capacities,
        prepare: Prepare,
    ) -> Result<(Self, Named), SegmentError> {
        if cfg!(not(target_pointer_width = "64")) {
            return Err(SegmentError::Target);
        }
        let mapping = NamedMapping::create(&name.to_string(), length(capacities));
        let mapping = mapping.map_err(SegmentError::call("shm_open"))?;
        let name = Named::of(name);
        let whole = Self::of(prepare(mapping).map_err(SegmentError::call("shm_open"))?, capacities)?;
        let words = label(&whole.page).words.iter().zip(label_of(capacities));
        words.for_each(|(place, word)| place.store(word, Ordering::Relaxed));
        Ok((whole, name))
    }

    /// Maps the memory that the other end made, and takes its name back.
    ///
    /// # Errors
    /// What is wrong with it, after `limit`, in which it might have become right. Nothing is mapped then.
    pub(crate) fn open(
        name: Name,
        capacities: Capacities,
        limit: Duration,
        prepare: Prepare,
    ) -> Result<Self, SegmentError> {
        if cfg!(not(target_pointer_width = "64")) {
            return Err(SegmentError::Target);
        }
        let until = Instant::now().checked_add(limit);
        let name = name.to_string();
        loop {
            let tried = Self::try_open(&name, capacities, prepare);
            match tried {
                Err(error) if is_not_ready(&error) && until.is_none_or(|until| Instant::now() < until) => {
                    doze();
                }
                Ok(whole) => {
                    named::unlink(&name);
                    return Ok(whole);
                }
                refused => return refused,
            }
        }
    }

    fn try_open(name: &str, capacities: Capacities, prepare: Prepare) -> Result<Self, SegmentError> {
        let mapping = NamedMapping::open(name).and_then(prepare);
        let mapping = mapping.map_err(SegmentError::call("shm_open"))?;
        let (expected, found) = (length(capacities) as u64, mapping.len() as u64);
        if expected != found {
            return Err(SegmentError::Size { expected, found });
        }
        let whole = Self::of(mapping, capacities)?;
        let fields = ["magic number", "version", "layout", "capacity", "capacity"];
        // Each word is compared, and those that are 0 are read again: no order between them is relied on.
        let label = label(&whole.page);
        let words = label.words.iter().map(|word| word.load(Ordering::Relaxed));
        for ((found, expected), field) in words.zip(label_of(capacities)).zip(fields) {
            if found != expected {
                return Err(SegmentError::Label { field, expected, found });
            }
        }
        // A ring has one producer and one consumer: of several who open it one is that.
        let claimed = label.opened.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed);
        claimed.map(|_| whole).map_err(|_| SegmentError::Opened)
    }

    fn of(mapping: NamedMapping, [a, b]: Capacities) -> Result<Self, SegmentError> {
        let mapping = Arc::new(mapping);
        let part = |offset, len| {
            let found = mapping.len() as u64;
            Place::part(&mapping, offset, len)
                .ok_or(SegmentError::Size { expected: (offset + len) as u64, found })
        };
        let segments = [
            SegmentView::new(part(PAGE, a.segment_len())?, a),
            SegmentView::new(part(PAGE + a.segment_len(), b.segment_len())?, b),
        ];
        Ok(Self { page: part(0, PAGE)?, segments })
    }
}

fn length([a, b]: Capacities) -> usize {
    (PAGE + a.segment_len() + b.segment_len()).next_multiple_of(GRAIN)
}

fn label_of([a, b]: Capacities) -> [u64; LABEL_WORDS] {
    [LABEL_MAGIC, LABEL_VERSION, LAYOUT_HASH, a.bytes(), b.bytes()]
}

/// Whether this can be said of memory that is still being made.
fn is_not_ready(error: &SegmentError) -> bool {
    match error {
        SegmentError::Call { errno, .. } => {
            [Errno::NOENT, Errno::INVAL].map(Errno::raw_os_error).contains(errno)
        }
        SegmentError::Label { found, .. } => *found == 0,
        _ => false,
    }
}
