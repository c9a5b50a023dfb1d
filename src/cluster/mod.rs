//! A master process and its workers: started, heard, written to and stopped.
//!
//! ```text
//!   master process                                            worker processes
//!  ┌───────────────────────────────────────┐
//!  │ threads of the user                   │   link: a ring each way, or a socket    ┌──────────────────────────┐
//!  │   send(id, message) ──────────────────┼────────────────────────────────────────▶│ worker 1   recv, send    │
//!  │   next_event() ◀── messages ──────────┼─────────────────────────────────────────│                          │
//!  │        ▲                              │                                         └──────────────────────────┘
//!  │        │ Forked, Online,              │   handshake, hang-up, pidfd, signals    ┌──────────────────────────┐
//!  │        │ Disconnected, Exited         │◀ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ▶│ worker 2                 │
//!  │ thread `ringway-cluster`: supervises  │                                         └──────────────────────────┘
//!  └───────────────────────────────────────┘                                            … and so on
//! ```
//!
//! One program is both. It first calls [`Worker::from_env`], which is `Some` in a process that a cluster started; where it
//! is `None` the program goes on as the master. [`Builder::command`] starts another program instead, which must do the same.
//!
//! # Example
//! ```no_run
//! use ringway::{Cluster, Event, Worker};
//! use std::time::Duration;
//!
//! if let Some(worker) = Worker::from_env()? {
//!     while let Some(message) = worker.recv()? {
//!         worker.send(&message)?;
//!     }
//!     return Ok(());
//! }
//! let cluster = Cluster::builder().workers(4).start()?;
//! for id in cluster.ids() {
//!     cluster.send(id, b"hello")?;
//! }
//! // What was sent is received, and answered, before the workers finish.
//! cluster.stop(Duration::from_secs(5))?;
//! while let Some(event) = cluster.next_event()? {
//!     match event {
//!         Event::Message { from, message } => println!("{from}: {} bytes", message.len()),
//!         Event::Exited { id, cause, undelivered } => {
//!             println!("{id} {cause}; {} messages come back", undelivered.count());
//!         }
//!         _ => {}
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Terms
//! | term | meaning |
//! |---|---|
//! | slot, generation | a worker's place, 1 to the number of workers, and which of that place's processes it is: together its [`WorkerId`] |
//! | online | the handshake is over and the link is up |
//! | disconnected | no more comes from the worker; its process may go on |
//! | undelivered | what was sent to a worker and not received by it before it ended: [`Undelivered`], in [`Event::Exited`] |
//! | stash | what is taken in from a worker while a thread waits for space to send to it |
//! | supervisor | a pure machine, from events and the time to actions; the thread `ringway-cluster` does what it says |
//!
//! # Guarantees
//! - For each worker the events come in one order, each once: `Forked`, `Online`, its messages as it sent them,
//!   `Disconnected`, `Exited`. Then [`Cluster::next_event`] is `None`, and stays so. tests:
//!   `workers_know_who_they_are_and_echo_in_order`, `a_program_that_ends_at_once_has_its_end_told`
//! - What a worker committed before `kill -9` comes before its `Disconnected`; what it had not received is in its `Exited`,
//!   in order, with no gap and none twice. tests:
//!   `what_a_killed_worker_committed_arrives_and_what_it_had_not_taken_comes_back`
//! - A worker's end concerns no other worker. tests: `the_others_go_on_when_one_worker_is_killed`
//! - No worker outlives the master, whatever it does just then, but one that changes its user or its capabilities (see
//!   [`Worker`]); nothing is left where shared memory has names. tests: `no_worker_outlives_a_killed_master`
//! - Sending and listening may be done in any order: while [`Cluster::send`] waits it takes in what that worker sends, up to
//!   a bound, and then says [`SendError::Full`]. tests:
//!   `a_million_messages_that_echo_before_the_first_event_do_not_hang_over_shared_memory`,
//!   `a_million_messages_that_echo_before_the_first_event_do_not_hang_over_a_socket`
//! - A worker that floods gets a bounded share of each turn (`docs/limits.md`). tests:
//!   `a_worker_that_floods_gets_its_share_and_no_more`
//! - [`Cluster::stop`] lets workers finish what was sent; who does not leave is ended with SIGTERM, then with SIGKILL.
//!   Dropping the last handle does the same, and returns when none is left. tests:
//!   `a_stop_lets_the_workers_finish_what_was_sent`, `who_does_not_finish_in_time_gets_sigterm_and_then_sigkill`,
//!   `dropping_a_cluster_asks_its_workers_to_finish_and_leaves_none`
//! - A cluster starts whole or not at all, and leaves nothing when it ends. tests:
//!   `a_program_that_cannot_run_is_refused_and_named`,
//!   `a_cluster_that_finds_no_descriptors_fails_whole_and_can_be_tried_again`,
//!   `clusters_that_came_and_went_leave_nothing`
//! - A worker that forgot to ask whether it is one cannot start a cluster (it would start itself again and again), and a
//!   child of a worker is no worker. tests: `a_worker_that_forgot_to_say_so_cannot_start_a_cluster`,
//!   `a_child_of_a_worker_is_none_and_may_start_a_cluster_of_its_own`
//! - A worker that may not make memory borrows its segment from the master ([`About::lent`](crate::channel::About::lent)),
//!   and trusts it with what it sends. tests: `nothing_is_lost_of_a_killed_worker_that_borrowed_its_segment`
//! - Where shared memory cannot be had the link is a socket, and [`About::fallback`](crate::channel::About::fallback) of
//!   [`Worker::about`] and of [`Cluster::about`] says why. tests: `a_worker_to_whom_a_call_is_denied_uses_what_is_left_and_says_why`
//! - A worker that speaks nonsense is refused, with the reason, and killed. tests:
//!   `a_worker_that_speaks_nonsense_is_refused_and_killed_and_leaves_nothing`
//!
//! # Errors
//! One type for each operation: [`StartError`], [`SendError`], [`NextEventError`], [`StopError`], [`FromEnvError`]. How a
//! worker ended is no error but an event: [`ExitCause`].
//!
//! # Panics
//! None.
//!
//! # After a crash
//! Of a worker: its messages, [`Event::Disconnected`], then [`Event::Exited`] with what it had not received. What one of its
//! own threads had taken in while it waited for space ([`Worker::send`]) had been received. It is not replaced.
//!
//! Of the master: the kernel kills the workers (`PR_SET_PDEATHSIG`), or the library does, in a worker that has lost that
//! signal. What they had committed and the master had not received is lost.

mod builder;
mod error;
mod event;
#[cfg(test)]
mod fake;
mod handle;
mod id;
mod inbox;
mod lane;
mod link_port;
mod links;
mod mark;
mod master;
mod message;
mod orphan;
mod outlet;
mod runtime;
mod spawn;
mod supervisor;
mod worker;
mod yielding;

pub use crate::channel::Message;
pub use builder::Builder;
pub use error::{FromEnvError, HandshakeError, NextEventError, SendError, StartError, StopError};
pub use event::{DisconnectReason, Event, ExitCause};
pub use handle::Cluster;
pub use id::WorkerId;
pub use message::Undelivered;
pub use worker::Worker;
