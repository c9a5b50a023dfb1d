//! Two rings in named shared memory, between two processes on any system: polled, and for ends that trust each other.
//!
//! This is the height of [`ring`](crate::ring), for two processes: bytes in, bytes out. One of them chooses a [`Name`] and tells
//! it the other by whatever means they have (an argument, a pipe, a file); one makes the memory, the other opens it. On Linux
//! there is more: `channel` needs no name, wakes who sleeps and tells of a peer's death.
//!
//! ```
//! use ringway::named::{self, Capacity, Name};
//! use ringway::ring::PopError;
//! use std::time::Duration;
//!
//! let (to_child, to_parent) = (Capacity::default(), Capacity::MIN);
//! let name = Name::random()?;
//! let argument = name.to_string(); // for the other process
//! let mut rings = named::create(name, to_child, to_parent)?;
//! # let child = std::thread::spawn(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! // There, with the same capacities from its side:
//! let mut theirs = named::open(argument.parse()?, to_parent, to_child, Duration::from_secs(1))?;
//! theirs.producer.push(b"hello")?;
//! theirs.producer.close();
//! # Ok(()) });
//! loop {
//!     match rings.consumer.pop() {
//!         Ok(message) => assert_eq!(message, b"hello"),
//!         Err(PopError::Empty) => std::thread::yield_now(),
//!         Err(closed_or_corrupt) => break assert_eq!(closed_or_corrupt, PopError::Closed),
//!     }
//! }
//! # child.join().unwrap().unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Guarantees
//! - The [ring's](crate::ring): whole messages in order, each once or not at all; what was committed before a close is taken
//!   before the end is told. tests: `two_processes_exchange_messages_by_name`,
//!   `a_stream_in_both_directions_at_once_arrives_whole`
//! - There are two ends: of several who open the memory one has it. tests: `of_several_who_open_a_name_one_has_rings`
//! - Size, magic number, version, layout and capacities are checked before anything is used: [`SegmentError`]. Memory that is
//!   not there yet, or not ready, is asked for again for as long as [`open`] is told. tests:
//!   `what_does_not_fit_is_refused_and_says_why`, `named_memory_that_is_not_as_it_should_be_is_refused`,
//!   `rings_can_be_opened_before_they_are_made`,
//!   `a_name_that_is_not_there_is_asked_for_again_for_as_long_as_was_said`
//! - On Linux the memory is made exclusively, for this user alone (mode 0600), and all of it at once: where there is none, or the
//!   file system that has the names is full, it is an error. tests: `it_is_this_users_alone_allocated_and_there_once`,
//!   `a_name_of_another_user_is_refused`, `a_full_file_system_is_an_error_and_leaves_no_name`
//!
//! # The name
//! It is there from [`create`] until the other end has opened the memory, or all of the maker's rings are dropped; each end
//! can take it back sooner by [`unlink`]. What ends otherwise in that time (killed, aborted, by `exit` with the rings in a static)
//! leaves it, and the memory with it: on Linux until somebody removes `/dev/shm/rw-*`, or the next start. Afterwards nothing is
//! left. A name is for one pair of rings, and never used again. tests:
//! `a_name_is_gone_once_it_was_opened_and_when_nobody_came`, `what_a_killed_maker_leaves_can_be_opened_or_taken_back`
//!
//! # What is not there
//! - **No wake-up**: who waits, polls ([`Consumer::pop`] until it is not [`PopError::Empty`](crate::ring::PopError)). Do not arm
//!   the wait words: nobody would wake you.
//! - **No news of an end**: a peer that was killed, or dropped its rings without [`Producer::close`], is silent. Whoever knows from
//!   elsewhere that it is dead, as a parent does of its child, [freezes](Consumer::freeze) the consumer and takes what was
//!   committed, and [salvages](Producer::salvage) what the peer had not taken. tests:
//!   `what_was_committed_is_taken_and_what_was_not_taken_salvaged_after_a_death`
//! - **No protection**: each end can write all of the memory, and on Unix change its size, which ends the other by `SIGBUS`.
//! - A forked child shares the memory, and must not use it: a ring has one producer and one consumer. What it drops it drops of
//!   its own copy. tests: `a_forked_child_that_drops_rings_takes_no_name_and_no_memory`
//! - A message above half a ring goes in pieces ([`Producer::push_stream`]), up to [`MAX_MESSAGE`].
//!
//! # Systems
//! It runs on Linux, where it is tested. For macOS and Windows on x86-64 it type-checks, and was run on neither. What is said of
//! them rests on what the crate `shared_memory` 0.12.4 does:
//! - macOS gives memory when it is written, and its own answer when there is none. Lengths are multiples of 64 KiB.
//! - On Windows the memory is a file in `shared_memory-rs` of the directory for temporary files, with the rights of that, and both
//!   processes must have the same one. The name is taken back as well as can be done. Whatever keeps memory from being opened is
//!   told as *not found*.

use crate::ring::{Consumer, Fences, Producer};
use crate::segment::Side;
use crate::segment::named::{Named, Whole};
use std::time::Duration;

pub use crate::segment::{Capacity, CapacityError, Name, NameError, NamedMemory, SegmentError};

/// The longest message that is sent in pieces, in bytes: 64 MiB.
pub const MAX_MESSAGE: u64 = 64 << 20;

/// The rings of one end. Dropping them closes nothing.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rings {
    /// What is sent to the other end.
    pub producer: Producer<NamedMemory>,
    /// What comes from it.
    pub consumer: Consumer<NamedMemory>,
}

/// Makes memory for two rings under a name that nobody has used. This end sends in the one of capacity `sends`; the other end
/// says the same capacities the other way round.
///
/// # Errors
/// [`SegmentError::Call`]: the name is there, there are no names here, or no memory; it has the system's answer. Nothing is left
/// then. [`SegmentError::Target`] on 32-bit processors.
pub fn create(name: Name, sends: Capacity, receives: Capacity) -> Result<Rings, SegmentError> {
    let (whole, taken_back) = Whole::create(name, [receives, sends], Ok)?;
    Rings::of(whole, Some(taken_back), Side::B)
}

/// Opens the memory that the other end made, and takes its name back.
///
/// # Errors
/// What is wrong with it, after up to `limit` in which it might have become right. Nothing is mapped then.
pub fn open(name: Name, sends: Capacity, receives: Capacity, limit: Duration) -> Result<Rings, SegmentError> {
    Rings::of(Whole::open(name, [sends, receives], limit, Ok)?, None, Side::A)
}

/// Takes a name back, if it is there: of a peer that died, say, before the memory was opened. Who has the memory keeps it.
pub fn unlink(name: Name) {
    crate::segment::named::unlink(name);
}

impl Rings {
    fn of(whole: Whole, name: Option<Named>, side: Side) -> Result<Self, SegmentError> {
        let [outgoing, incoming] = NamedMemory::directions(whole, name, side);
        // Nobody sleeps, so nobody has to be seen to.
        let fences = Fences::Membarrier;
        // Every capacity is a ring's.
        let producer = Producer::new(outgoing, fences, 0).ok_or(SegmentError::Target)?;
        let consumer = Consumer::new(incoming, fences, 0, MAX_MESSAGE).ok_or(SegmentError::Target)?;
        Ok(Self { producer, consumer })
    }
}
