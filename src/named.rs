//! Two rings in named shared memory, between two processes on any system: polled, and for ends that trust each other.
//!
//! This is the height of [`ring`](crate::ring), for two processes: bytes in, bytes out. One process makes the memory, the other
//! one is told its name by whatever means they have (an argument, a pipe, a file) and opens it. On Linux there is more:
//! `channel` needs no name, wakes who sleeps and tells of a peer's death.
//!
//! ```
//! use ringway::named::{self, Capacity};
//! use ringway::ring::PopError;
//! use std::time::Duration;
//!
//! let (to_child, to_parent) = (Capacity::default(), Capacity::MIN);
//! let (name, mut rings) = named::create(to_child, to_parent)?;
//! let argument = name.to_string(); // for the other process
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
//!   before the end is told. tests: `two_processes_exchange_messages_by_name`
//! - A name is 128 random bits. The memory is made exclusively and for this user alone (0600 on Unix), and the name taken back
//!   as soon as the other end has opened it, so that what is killed later leaves nothing. It is taken back as well when the
//!   rings are dropped and nobody has come. tests: `a_name_is_gone_once_it_was_opened_and_when_nobody_came`
//! - Size, magic number, version, layout and capacities are checked before anything is used: [`SegmentError`]. Memory that is
//!   not there yet, or not ready, is asked for again for as long as [`open`] is told. tests:
//!   `what_does_not_fit_is_refused_and_says_why`, `named_memory_that_is_not_as_it_should_be_is_refused`,
//!   `a_name_that_is_not_there_is_asked_for_again_for_as_long_as_was_said`
//! - Where there is no memory it is an error, on Linux also where the file system that has the names is full. tests:
//!   `a_full_file_system_is_an_error_and_leaves_no_name`
//!
//! # What is not there
//! - **No wake-up**: who waits, polls ([`Consumer::pop`] until it is not [`PopError::Empty`](crate::ring::PopError)). The wait
//!   words of the memory are never armed.
//! - **No news of a death**: a peer that is killed without [`Producer::close`] is silent. Whoever knows from elsewhere that it is
//!   dead, as a parent does of its child, takes what it committed, and [salvages](Producer::salvage) what it had not taken.
//!   tests: `what_was_committed_is_taken_and_what_was_not_taken_salvaged_after_a_death`
//! - **No protection**: each end can write all of the memory, and on Unix change its size, which ends the other by `SIGBUS`.
//! - A process that is killed between [`create`] and the other's [`open`] leaves the name, and the memory with it, until somebody
//!   opens it. tests: `what_a_killed_maker_leaves_is_there_until_somebody_opens_it`
//! - A forked child shares the memory, and must not use it: a ring has one producer and one consumer. What it drops it drops of
//!   its own copy. tests: `a_forked_child_that_drops_rings_takes_no_name_and_no_memory`
//!
//! # Systems
//! It runs on Linux, where it is tested. For macOS and Windows on x86-64 it type-checks, and was run on neither. There nothing
//! asks for the memory before it is written: what happens when there is none is the system's.

use crate::ring::{Consumer, Fences, Producer};
use crate::segment::Side;
use crate::segment::named::{Named, Whole, choose};
use std::time::Duration;

pub use crate::segment::{Capacity, CapacityError, Name, NameError, NamedMemory, SegmentError};

/// The longest message that is received in pieces, in bytes: 64 MiB.
pub const MAX_MESSAGE: u64 = 64 << 20;

/// The rings of one end.
#[derive(Debug)]
pub struct Rings {
    /// What is sent to the other end.
    pub producer: Producer<NamedMemory>,
    /// What comes from it.
    pub consumer: Consumer<NamedMemory>,
}

/// Makes memory for two rings, of which this end sends in the one of capacity `sends`, and its name. The other end says the
/// same capacities the other way round.
///
/// # Errors
/// [`SegmentError::Call`]: there are no names here, or no memory; it names the call and the system's answer. Nothing is left
/// then. [`SegmentError::Target`] on 32-bit processors.
pub fn create(sends: Capacity, receives: Capacity) -> Result<(Name, Rings), SegmentError> {
    let name = choose()?;
    let (whole, taken_back) = Whole::create(name, [receives, sends], Ok)?;
    Ok((name, Rings::of(whole, Some(taken_back), Side::B)?))
}

/// Opens the memory that the other end made, and takes its name back.
///
/// # Errors
/// What is wrong with it, after up to `limit` in which it might have become right. Nothing is mapped then.
pub fn open(name: Name, sends: Capacity, receives: Capacity, limit: Duration) -> Result<Rings, SegmentError> {
    Rings::of(Whole::open(name, [sends, receives], limit, Ok)?, None, Side::A)
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
