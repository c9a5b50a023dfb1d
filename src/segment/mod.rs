//! Shared memory between two processes of which neither trusts the other.
//!
//! Each end of a link makes one *segment*: a sealed memfd that it alone can write, and that the other end maps
//! for reading. In it lie the data of the direction in which this end produces, and the lines of which this end
//! is the writer. A third memory, the *wait page*, holds the words by which the ends wake each other, and is the
//! only one that both write. [`layout`] is the picture.
//!
//! ```text
//!          end A                                     end B
//!   OwnedSegment ──── rw ──▶ memfd a ◀── ro ──── PeerSegment
//!    PeerSegment ──── ro ──▶ memfd b ◀── rw ──── OwnedSegment
//!       WaitPage ──── rw ──▶ memfd w ◀── rw ──── WaitPage
//! ```
//!
//! # How a segment is made and taken
//! The maker maps it first and seals it then: a mapping made before `F_SEAL_FUTURE_WRITE` stays writable, and
//! nobody ever makes another. `F_SEAL_SEAL` comes last. The taker asks for the seals and for the exact size
//! *before* it maps anything; since the seals cannot be taken off, both answers stay true. So
//! - no access of the taker can raise `SIGBUS`: the memory cannot shrink, and a page that it does not have yet
//!   is there, all zero, when it is first read,
//! - no access of the maker can: its pages are populated before they are written,
//! - whatever the peer does to its own mapping (remap, protect, open again, punch holes) is refused by the
//!   kernel or seen by nobody. A hole can be punched into the wait page; it reads as words of 0, which is what
//!   its peer could have stored.
//!
//! Descriptors are closed once mapped, so a link holds none for its memory. A forked child has none of a link's
//! mappings: [`crate::sys::map`].
//!
//! # A segment that was lent
//! An accepting end that may not make memory gets some from its peer ([`OwnedSegment::lend`]) and makes it its own
//! ([`OwnedSegment::borrow`]): it fixes the size, checks it, maps, adds the other seals, and then populates. For the
//! lender, which maps what comes back, it is a segment like any other. For the borrower all of the above holds but
//! one thing: the lender can have mapped the memory before it was sealed, and then it can write there. **Who borrows
//! trusts the lender with the bytes of its own segment.** They are what it sends to this very peer. It reads back
//! nothing of them but records, when it salvages after the peer's death, and checks each as it would a peer's. So a
//! lender can spoil what is handed back, and nothing else. tests: `what_was_borrowed_is_a_segment_like_any_other`,
//! `what_was_lent_and_is_not_as_it_should_be_is_refused`,
//! `a_lender_can_write_what_it_mapped_in_time_and_take_no_page_away`,
//! `salvage_survives_a_lender_that_writes_what_it_reads`,
//! `a_lender_that_scribbles_over_what_it_lent_spoils_what_the_borrower_sends_and_no_more`
//!
//! # Memory with a name
//! With the feature `portable` both segments and the wait page may lie in one piece of named memory, which both ends can write:
//! `named` says what is weaker then. That is all that there is of this layer on other systems than Linux.
//!
//! # What Rust does not model, and what is relied on instead
//! Rust's memory model knows threads of one program. It has no notion of a foreign process that writes the same
//! memory, still less of one that breaks every rule on purpose. This is what stands in for it:
//! - Mapped bytes are only ever reached as `&AtomicU64`, `&AtomicU32` and `repr(C)` structs of them. These are
//!   valid for any bytes and may change under a shared reference; a foreign store is treated as what it is to
//!   the machine, an atomic store by another core. No `&[u8]`, `&mut` or non-atomic type over mapped bytes
//!   exists anywhere (the ring's copy engines work on `&[AtomicU64]` or in assembly).
//! - A value that was loaded is data, not a promise: nothing about it is assumed until it was checked, in the
//!   local variable that it was loaded into.
//! - Of memory that is mapped read-only Rust promises that *relaxed* loads of at most 8 bytes work on 64-bit
//!   targets, which is why 32-bit ones are refused. An acquire load of it is beyond that promise, but compiles
//!   to the same plain load on x86-64 (`mov`) and to a load without a store on AArch64 (`ldar`) and RISC-V
//!   (`ld` and a fence). Nothing but loads is ever executed on it; a store would end the process by `SIGSEGV`.
//! - A mapping stays where it is until its owner is dropped, and every reference borrows the owner, or, in
//!   [`ShmMemory`], lies beside an `Arc` of it.
//!
//! # Where it may be refused
//! Every failure is a [`SegmentError`] that names the call and the kernel's answer, or what was wrong with a
//! peer's descriptor. Nothing stays open or mapped after one. The link falls back to a socket and shows it as
//! the reason.

#![allow(dead_code, unused_imports, reason = "some of it is for one feature, one system, or tests")]

mod error;
mod layout;
mod name;
mod place;
mod view;

#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod owned;
#[cfg(target_os = "linux")]
mod peer;
#[cfg(target_os = "linux")]
mod wait_page;

#[cfg(feature = "portable")]
pub(crate) mod named;
#[cfg(all(feature = "portable", target_os = "linux"))]
mod parts;
#[cfg(feature = "portable")]
mod polled;

#[cfg(all(test, target_os = "linux"))]
mod tests;

#[cfg(target_os = "linux")]
pub use error::Seals;
pub use error::SegmentError;
pub use layout::{Capacity, CapacityError};
pub(crate) use layout::{LAYOUT_HASH, Side};
pub use name::{Name, NameError};

#[cfg(target_os = "linux")]
pub(crate) use memory::{Mute, ShmMemory};
#[cfg(target_os = "linux")]
pub(crate) use owned::OwnedSegment;
#[cfg(all(feature = "portable", target_os = "linux"))]
pub(crate) use parts::Parts;
#[cfg(target_os = "linux")]
pub(crate) use peer::PeerSegment;
#[cfg(feature = "portable")]
pub use polled::NamedMemory;
#[cfg(target_os = "linux")]
pub(crate) use wait_page::WaitPage;
