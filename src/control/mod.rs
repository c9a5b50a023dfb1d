//! How two processes come to agree on a link: the control socket, its messages, and the handshake.
//!
//! Each link has a control socket, `AF_UNIX` and `SOCK_SEQPACKET`, which the accepting end inherits. Over it the
//! two ends settle once, before the first message of a user, what they will run on:
//!
//! ```text
//!   offering end                                                      accepting end
//!   makes its segment and the wait page
//!   Hello  versions, layout, terms, identity  ──[segment, wait page, pidfd]──▶  opens them, makes its segment
//!   opens the segment  ◀──────────[segment, pidfd]──  Attach  shared memory, or why not
//!   Go     shared memory, or why not  ───────────────────────────────────────▶
//! ```
//!
//! An accepting end that may not make memory gets its segment from the other end, before it attaches:
//!
//! ```text
//!                       ◀──────────────────────  Borrow
//!   makes a segment
//!   Lend   shared memory, or why not  ──[segment]──▶  maps and seals it, goes on as if it had made it
//! ```
//!
//! An offering end that may not make memory either, and was built with the feature `portable`, chooses a name for some; the
//! accepting end makes it, and the offering one opens it. Nothing is passed then but pidfds:
//!
//! ```text
//!   Hello  a name, why it has one  ──[pidfd]──▶  makes memory with that name
//!   opens the memory, takes the name back  ◀──[pidfd]──  Attach  named memory, or why not
//!   Go     named memory, or why not  ──────────────────▶
//! ```
//!
//! Instead of its next message either end may say `Refuse`, and that is the end. Afterwards the socket carries doorbells, and its hang-up
//! tells that the peer is disconnected.
//!
//! | file | question |
//! |---|---|
//! | [`message`] | what is said, and how it is written |
//! | [`decode`], [`message_error`] | how a packet is read, and what can be wrong with it |
//! | [`identity`], [`fallback`], [`refusal`] | who a worker is; why a link is a socket; why there is no link |
//! | [`offer`], [`accept`] | the two ends as pure machines; [`handshake`] is what they share |
//! | [`drive`] | a machine on a real socket, with descriptors; [`session`] is how |
//!
//! # Guarantees
//! - Whatever a peer sends, each end of a handshake ends: agreed, or with a typed [`refusal::Refusal`] of which the
//!   peer is told. Nothing panics, and nothing is allocated by a length that a peer gives.
//! - Shared memory that cannot be had makes the link a socket, and *both* ends know why
//!   ([`fallback::Fallback`]); unless one of them demanded shared memory: then it is a refusal with the same
//!   reason.
//! - A segment is lent once at most, to an end that asks, and nothing stays open of it whatever becomes of the link. tests:
//!   `a_segment_is_lent_once_and_only_for_shared_memory`, `whatever_becomes_of_a_lent_segment_nothing_stays_open`
//! - Another wire version is refused by both ends, which both name both versions; another memory layout makes
//!   the link a socket.
//! - A packet of no bytes is no message and no hang-up: it is refused at once.
//! - Descriptors that were not declared, too few or too many, are closed.
//! - Fences are paired by `membarrier` only if both ends are registered for it and both sleep with it.
//!
//! The two ends are not in step at the end: the offering end is done when its `Go` is sent. An accepting end that
//! refuses at that moment (its time limit passes) is, to the offering end, a peer that says `Refuse` and hangs
//! up on an established link.
//!
//! # Rules for whoever reads the socket afterwards
//! Only [`message::Message::Doorbell`] means something then: whatever else comes is taken off, its descriptors are closed,
//! and the link goes on. tests: `noise_on_the_control_socket_is_no_news`

#![cfg_attr(not(test), allow(dead_code, reason = "the numbers of the wire, and what tests drive by hand"))]

pub mod accept;
mod codes;
pub mod decode;
pub mod drive;
pub mod fallback;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod handshake;
pub mod identity;
pub mod message;
pub mod message_error;
pub mod offer;
pub mod refusal;
mod session;

#[cfg(test)]
mod tests;
