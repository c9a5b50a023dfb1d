//! Two ends that send messages to each other, in two threads or two processes.
//!
//! [`pair`] makes two [`Pending`] ends; each connects where it is by then: in another thread, in a forked child, or in a
//! program that [`spawn`] started with it and that asks [`Pending::from_env`]. The handshake agrees on what carries the
//! messages ([`Channel::about`] tells), on capacities and on the longest message.
//!
//! A [`Channel`] is a whole end, for any number of threads. [`Channel::split`] makes of it a [`Sender`] and a
//! [`Receiver`], each for one thread, without locks. Calls and answers are quickest by [`Sender::send`] and
//! [`Receiver::recv_into`] of such halves: then a message of up to 56 bytes costs its one cache line.
//!
//! # Example
//! ```
//! use ringway::channel::{Cause, Options, RecvError, pair};
//! use std::thread;
//!
//! let (ours, theirs) = pair(&Options::new().capacity(64 << 10)?)?;
//! let worker = thread::spawn(move || {
//!     let (mut sender, mut receiver) = theirs.connect().expect("a link").split();
//!     let mut buffer = vec![0; 1024];
//!     while let Ok(len) = receiver.recv_into(&mut buffer) {
//!         buffer[..len].reverse();
//!         sender.send(&buffer[..len]).expect("a living peer");
//!     }
//! });
//!
//! let channel = ours.connect()?;
//! channel.send(b"stressed")?;
//! assert_eq!(&*channel.recv()?, b"desserts");
//! channel.close_sending();
//! assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Closed)));
//! worker.join().expect("no panic");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Sending
//! | | waits for space | longest message |
//! |---|---|---|
//! | `try_send` | never: [`TrySendError::Full`] | [`Sender::max_atomic`]: half the capacity, headers included |
//! | `send`, `send_timeout`, `send_deadline` | yes | [`Sender::max_message`] |
//! | [`Sender::grant`], written in place | yes | [`Sender::max_grant`]: a quarter of the capacity, less a header |
//! | [`Sender::batch`], seen all at once | no: [`BatchError::Full`] | all of it together: half the capacity |
//!
//! Over the socket link `try_send`, a grant and a batch take what fits into one packet, at most 64 KiB.
//!
//! A message of at most [`Sender::max_atomic`] bytes (over shared memory half the capacity, over a socket one packet) is
//! committed in one step, by `send` too: it is there whole or not at all, needs no peer that takes it meanwhile, and is
//! undelivered as a whole if the peer dies. A longer one is *streamed*: the peer is handed it whole or not at all, but it
//! needs the peer to take it while it is sent, and is lost if either end dies before its last piece is sent. A deadline is one
//! for all of it: what is not sent by then is given up, and the next try begins anew. Who receives until a deadline keeps the
//! part that came, and the next call goes on.
//!
//! # Guarantees
//! - A message of any length up to `max_message` arrives whole, in order, at most once. An empty message is a message.
//!   tests: `two_ends_echo`, `records_of_every_length_come_out_as_they_went_in`
//! - `Ok` means committed: a living peer gets the message even if this process is killed at the next instruction. tests:
//!   `what_was_committed_by_a_producer_killed_before_its_wake_up_is_delivered`,
//!   `what_a_killed_peer_had_committed_arrives_and_then_its_death`
//! - Every wait ends: by its condition, its deadline, a close, or the peer's death. tests:
//!   `a_consumer_that_goes_to_sleep_learns_of_the_death`, `a_sender_that_waits_learns_of_the_death`,
//!   `a_deadline_ends_a_wait_and_not_before`, `a_deadline_ends_each_wait_before_a_peer_that_streams_without_end`
//! - Two whole ends that both only send do not wait for each other for ever: each takes in what the other sends, up to
//!   [`Options::inbox_max`], and then says [`SendError::Full`]. tests: `two_ends_that_both_only_send_do_not_hang`. The two
//!   halves of a split end do not do that for each other, and neither does one tell what the other has released: see
//!   [`Channel::split`]. tests: `what_a_split_receiver_holds_back_leaves_room_for_the_longest_atomic_message`
//! - A program that was started with an end has that end and no other descriptor of a channel, and no other program has
//!   it. tests: `only_the_program_that_is_meant_inherits_an_end`, `a_programs_own_children_have_no_end`,
//!   `an_end_is_taken_once`
//! - A death is told of the process that connected, by its own pidfd: after a [`spawn`] that is the program. tests:
//!   `what_a_killed_program_had_committed_arrives_and_then_its_death`,
//!   `a_program_is_dead_though_a_copy_of_it_holds_its_end_open`, `a_program_that_ends_before_it_connects_is_told_at_once`
//! - Whatever a peer does ends at worst its own link. tests:
//!   `the_seeds_of_consumer_hostile_reach_both_outcomes_of_every_check`,
//!   `a_packet_that_no_correct_peer_sends_makes_the_link_corrupt`
//!
//! # Errors
//! One small type for each operation, with only the outcomes that it can have ([`error`]). A message is borrowed, so a
//! refused one is still the caller's. Nothing was sent, or taken, when an error comes back; [`Cause`] says why a direction
//! has ended: closed, hung up, died, corrupt, or a forked copy. Where the system said no, [`ConnectError::raw_os_error`] is
//! its number, also behind a refused handshake. tests: `who_asks_for_shared_memory_alone_is_told_why_there_is_none`
//!
//! # Panics
//! None.
//!
//! # After a crash
//! The survivor receives what the dead peer had committed, then [`Cause::Died`]; its sends answer the same. A peer that
//! only let go of its sockets has [`Cause::HungUp`]: its process may go on, but over shared memory it gets no more space,
//! so what it left ends within one capacity, as a dead peer's does. [`Receiver::partial`] tells of a message that was
//! being streamed, and [`Channel::salvage`] hands back what the dead peer had not taken; over a socket
//! only to the process that made the [`pair`], and the others are [told](SalvageError::NotHeld) so. A forked child's copy
//! answers [`Cause::Forked`] and touches nothing. Nothing has a name, so nothing is left behind; but for a portable link,
//! while its ends connect ([`LinkKind::Portable`]).

mod duplex;
pub mod error;
mod exec;
mod message;
mod options;
mod pending;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;
mod trusted;

/// What two ends say to each other before they are connected, and why they may refuse.
pub mod handshake {
    pub use crate::control::fallback::{Cause, End, Fallback, LinkChoice, Obstacle};
    pub use crate::control::identity::{Identity, IdentityError};
    pub use crate::control::message::{Reason, Refuse, Terms};
    pub use crate::control::refusal::Refusal;
}

pub use crate::control::accept::Limits;
pub use crate::control::fallback::LinkChoice;
pub use crate::link::{About, Batch, Grant, GrantFull, LinkKind, Undelivered};
pub use crate::segment::CapacityError;
pub use crate::wait::spin::Wait;
pub use duplex::Channel;
pub use error::{
    BatchError, Cause, RecvError, RecvIntoError, RecvTimeoutError, SalvageError, SendError, SendTimeoutError,
    TryRecvError, TryRecvIntoError, TrySendError,
};
pub use exec::{FromEnvError, SpawnError, spawn};
pub use message::Message;
pub use options::{HANDSHAKE_TIMEOUT, INBOX_MAX, MAX_MESSAGE, Options};
pub use pending::{ConnectError, Pending, pair};
pub use receiver::Receiver;
pub use sender::Sender;
pub use trusted::{ReadGrant, TrustedReceiver};
