//! **Ringway** is the message path between a master process and its workers on one Linux machine: lock-free rings in
//! sealed shared memory, futexes to sleep on, sockets where shared memory cannot be had, and the life of the workers
//! on top.
//!
//! # Chapters
//! Three heights, each usable alone:
//!
//! - [`cluster`]: a master and its workers, started, heard and stopped.
//! - [`channel`]: two ends that send messages to each other, in two threads or two processes.
//! - [`ring`]: one producer, one consumer, bytes in and bytes out, over any memory; with the feature `portable` also over memory
//!   with a name (`named`).
//!
//! And what carries them, for who reads the source:
//!
//! ```text
//!   cluster                the life of workers: a pure machine (events + now → actions), and a thread that obeys it
//!   channel                Sender, Receiver, and the whole of an end, with their errors
//!   link    | control      shared memory or socket, behind one enum | the handshake that chooses, and passes descriptors
//!   segment | wait         sealed memory as typed words             | arm → fence → look again → sleep
//!   ring                   the protocol, over words and lines: no I/O, no system, no clock
//!   sync    | sys          atomics: native or loom's                | the only system calls
//! ```
//!
//! A layer imports those below it and nothing above (tests: `imports_point_down_only`). System calls stand in `sys`
//! alone, mapped bytes become words in `segment` alone, and both handshake and supervisor are pure: time and death are
//! their inputs.
//!
//! In the repository: `docs/wire.md` (handshake, records, memory layout, to the byte), `docs/after-a-crash.md` (what is
//! found, by where the process was), `docs/limits.md` (limits and defaults), `docs/orderings.md` (which store comes before
//! which load, and why) and `docs/mutants.md` (each was weakened, and which test noticed).
//!
//! # Words
//! | word | meaning |
//! |---|---|
//! | producer, consumer | the two ends of a ring |
//! | sender, receiver | the two halves of a channel's end |
//! | master, worker | the two sides of a cluster |
//! | position | bytes since a ring's birth, a `u64`; only differences mean anything |
//! | record | framed bytes in a ring: a header word and a payload |
//! | padding | a record that fills the rest of a ring before the wrap |
//! | claim → commit or abort | room reserved → the record is visible, or leaves no trace |
//! | committed | `send` returned `Ok`: a living receiver gets it |
//! | read → release | handed out → the room may be written again |
//! | grant | a guard over bytes of the ring that are being written |
//! | segment | memory that one end writes and the other maps for reading |
//! | doorbell | what a sleeper on a descriptor is woken by; an *event* is only what a cluster tells |
//! | arm | to say that one is about to sleep, so that one is woken |
//! | undelivered, salvage | what a dead receiver had not taken; taking it back |
//! | drain | to finish what is there, then stop |
//! | slot, generation | a worker's place in the cluster, and which of that place's processes it is |
//! | deadline, timeout | an instant; a duration |
//! | corrupt | what a link is whose peer wrote something that no correct peer writes |
//!
//! # Trust
//! Every byte of shared memory has one writing process; the other maps it read-only, and seals keep it so. The one
//! exception is a page of wait words for each link, on whose values no check leans; and an end that may not make memory
//! and borrows its own from its peer trusts the peer with that. Two ends that were built with the feature `portable`, and of
//! which the offering one may make no memfd, trust each other with all of theirs. A peer's words are hints: loaded
//! once into a local, checked, used from the local. No safe function yields a slice over memory that another process
//! can write; receiving copies out. Rust's memory model has no foreign writer in it: what stands in for that is said
//! in the chapter of `segment`.
//!
//! # As a guest in a program
//! No signal handler, no `waitpid(-1)`, no change to the environment (tests:
//! `a_cluster_changes_no_signal_handler_and_no_environment_at_either_end`), nothing on the standard streams (tests:
//! `the_library_prints_nothing`), no panic in what ships (tests: `the_library_does_not_panic`). A process that has a
//! link over shared memory, or made a [`pair`](channel::pair), and has futexes, has one more thread, `ringway-watch`, asleep
//! and with all signals blocked; one that has a cluster has `ringway-cluster` too, however many workers there are. tests:
//! `the_threads_of_a_cluster_block_every_signal`, `nothing_runs_in_a_cluster_that_has_nothing_to_do`,
//! `a_master_has_no_thread_for_each_worker`
//!
//! # Other systems
//! On Linux all of the above is there. Elsewhere [`ring`] is, which asks nothing of a system, and with the feature `portable`
//! `named`, rings between two processes over memory with a name. Both type-check for macOS and Windows on x86-64, and were run
//! on neither. `channel` and `cluster` are left out there: a program that names them does not compile, and the compiler shows
//! the condition, and a line that says that they are unsupported on this system and what there is instead.

#![allow(rustdoc::private_intra_doc_links, reason = "constants are named where a public page explains them")]
#![cfg_attr(
    not(target_os = "linux"),
    allow(
        dead_code,
        unused_imports,
        rustdoc::broken_intra_doc_links,
        reason = "what uses and names it is left out"
    )
)]

pub mod ring;
pub(crate) mod sync;

// What has no equivalent on other systems. Where one uses it there, the compiler shows the condition and the line below it; it
// would speak of a "feature `linux`" if the condition were not turned round.
#[cfg(not(any(loom, not(target_os = "linux"))))]
// Unsupported on this system: channels are for Linux. Elsewhere there are `ringway::ring` and `ringway::named`.
pub mod channel;
#[cfg(not(any(loom, not(target_os = "linux"))))]
// Unsupported on this system: clusters are for Linux. Elsewhere there are `ringway::ring` and `ringway::named`.
pub mod cluster;
#[cfg(all(target_os = "linux", not(loom)))]
pub(crate) mod control;
#[cfg(all(target_os = "linux", not(loom)))]
pub(crate) mod link;
#[cfg(all(feature = "portable", not(loom)))]
pub mod named;
#[cfg(all(any(target_os = "linux", feature = "portable"), not(loom)))]
pub(crate) mod segment;
#[cfg(all(any(target_os = "linux", feature = "portable"), not(loom)))]
#[cfg_attr(not(target_os = "linux"), path = "sys/elsewhere.rs")]
pub(crate) mod sys;
#[cfg(all(target_os = "linux", not(loom)))]
pub(crate) mod wait;

#[cfg(not(any(loom, not(target_os = "linux"))))]
// Unsupported on this system: channels are for Linux. Elsewhere there are `ringway::ring` and `ringway::named`.
pub use channel::{LinkChoice, Message, Wait};
#[cfg(not(any(loom, not(target_os = "linux"))))]
// Unsupported on this system: clusters are for Linux. Elsewhere there are `ringway::ring` and `ringway::named`.
pub use cluster::{Cluster, Event, ExitCause, Worker, WorkerId};

/// What the fuzz targets call. Not for anybody else: it changes without notice.
#[cfg(all(fuzzing, target_os = "linux", not(loom)))]
#[doc(hidden)]
pub mod internals {
    /// One function for each fuzz target.
    pub mod fuzz {
        pub use crate::control::fuzzing::{control, handshake};
        pub use crate::ring::fuzzing::{Coverage, consumer_hostile, producer_hostile, ring_model};
    }
}

/// The examples of README.md.
#[cfg(all(doctest, target_os = "linux", not(loom)))]
#[doc = include_str!("../README.md")]
struct Readme;
