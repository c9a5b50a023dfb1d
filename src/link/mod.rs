//! What carries the messages of one channel: shared memory, or a socket; behind one enum, with one meaning.
//!
//! | | [`shm`] | [`socket`] |
//! |---|---|---|
//! | carries a message | one ring each way, in sealed memory | `SOCK_SEQPACKET`, one record a packet |
//! | system calls while both ends are awake | none, but for memory in the first lap | one to send, two where each send looks for the peer, one or two to receive |
//! | needs | memfd, seals, futex, descriptors that can be passed | what was inherited at the start |
//! | `Full` means | the ring is | the kernel's buffer is |
//! | at once (`try_send`, a grant, a batch) | half, a quarter, half of the ring | one packet |
//! | waits by | polling, then a futex | `poll` |
//! | polls before it sleeps | as [`Wait`](crate::wait::spin::Wait) says | no |
//! | death is told by | the watch thread (over named memory without futexes: `poll`) | the pidfd, in the same `poll`; to who made a pair also by the watch thread, or a `poll` a send |
//! | undelivered is | from the dead end's cursor on | what is left in its socket, if a duplicate of that is held |
//!
//! # Which, and why
//! The handshake chooses. Shared memory if both ends can have it and neither asked for the socket
//! ([`LinkChoice`](crate::control::fallback::LinkChoice)); else, with the feature `portable`, named memory if it is memfds that
//! are denied; else the socket, with a
//! [`Fallback`](crate::control::fallback::Fallback) that says which end stood in the way and by what, such as
//! `mmap: ENOMEM (accepting end)`. An accepting end to which `memfd_create` is denied gets its memory from the other one
//! ([`About::lent`]); an offering end has the socket then. So has a process without `madvise`: its mappings could not be
//! kept from forked children. Who demands shared memory gets it or a refusal. Another wire version is refused, and both
//! are named; another layout of the memory is a reason for the socket. tests:
//! `both_ends_agree_on_shared_memory`, `what_stands_in_the_way_at_either_end_is_the_reason_that_both_ends_know`,
//! `who_demands_shared_memory_gets_it_or_a_refusal_with_the_reason`,
//! `an_end_that_may_not_make_memory_gets_it_from_the_other_one`,
//! `another_version_is_refused_in_words_that_it_can_read`
//!
//! # The same over both
//! - Messages arrive whole, in order, at most once. tests: `both_directions_carry_messages_round_and_round`,
//!   `messages_of_every_length_arrive_in_order`, `long_messages_of_every_kind_of_length_arrive_among_short_ones`
//! - `Ok` is a commit: the message outlives its sender. tests:
//!   `what_was_committed_by_a_producer_killed_before_its_wake_up_is_delivered`,
//!   `what_a_killed_peer_had_committed_arrives_and_then_its_death`
//! - What came before an end is received before the end is told, with its cause ([`error::Cause`]). tests:
//!   `nothing_that_was_sent_before_the_close_is_lost`, `what_was_sent_is_received_before_the_end_is_told`
//! - A hang-up is not a death: only a pidfd tells that nothing can change any more, and only then is there salvage. While
//!   the pidfd may still tell, the hang-up is not told: `try_recv` says *empty*, and `try_send` takes what there is room for, or says
//!   *full*. tests:
//!   `a_hang_up_that_was_the_beginning_of_a_death_is_told_as_a_death`,
//!   `a_hang_up_or_an_end_that_was_the_beginning_of_a_death_is_told_as_a_death`,
//!   `what_came_before_a_hang_up_is_received_and_so_is_what_comes_after`
//! - A peer that is gone gets no more space, so what it left ends: over shared memory within one capacity, even if every
//!   word of its ring is a header, and even if it has only hung up and writes on. tests:
//!   `a_dead_peers_ring_full_of_headers_ends_within_one_capacity`,
//!   `a_peer_that_dies_while_its_endless_ring_is_received_from_ends_it`,
//!   `a_peer_that_hung_up_and_goes_on_writing_has_an_end_too`
//! - A sender that waits for space takes in what the peer sends meanwhile ([`Relief`]). tests:
//!   `two_ends_that_both_only_send_do_not_hang`, `two_ends_that_both_only_send_do_not_wait_for_each_other`
//! - While the ends take turns, messages of one length that fit into a cache line lie in one each, but for two at each eighth
//!   of the ring, which go the long way. In a stream all are packed, and so is what whole ends, grants, batches and sends
//!   with a time limit commit: that is for halves that `send` or `try_send`, and `recv_into`. tests:
//!   `a_message_lies_in_one_line_while_the_ends_take_turns_and_is_packed_in_a_stream`,
//!   `who_took_its_turn_with_one_line_will_send_from_the_next_one`,
//!   `who_finds_a_second_message_behind_an_answer_sends_the_next_one_as_of_a_stream`,
//!   `who_answers_calls_that_queue_up_streams_the_answers`
//! - The message of a turn, sent as the ones of the last sentence and up to 4 KiB long, is pushed towards the other core, where
//!   the processor knows how: an end that has waited sends what it is waited for. A stream's are not, which would ruin its rate.
//!   tests:
//!   `the_message_of_a_turn_is_handed_over_and_those_of_a_stream_are_not`
//! - A forked copy touches nothing. tests: `a_forked_child_is_told_and_may_drop_what_it_inherited`,
//!   `a_forked_copy_touches_nothing`
//!
//! What is weaker over the socket is listed in [`socket`].
//!
//! # Named memory
//! The portable link (feature `portable`) is [`shm`] over memory that has a name while its ends connect
//! (`crate::segment::named`), chosen before the socket where the offering end is denied `memfd_create`, or asked for. It
//! differs in how an end sleeps: on its control socket, where the peer rings ([`bells`]), and not on a futex.
//!
//! | way to sleep | why not, or why |
//! |---|---|
//! | raw_sync's event | on Unix a mutex and a condition of the C library in the memory itself: who is killed with the mutex keeps it, and then a `set()` hangs, and a `wait()` that has to take it back, whatever its time-out; a waiter that is killed makes the third `set()` after it hang. Each would need a thread for each link |
//! | a futex | only Linux has any, and this link is to leave it one day; and who is denied memfds may be denied futexes |
//! | the doorbell | chosen: the peer's death ends every wait, a wake-up stays until it is heard, and no thread is needed. README, *The portable link*, has how long a sleeper's round trip takes beside one over a futex, and beside one over raw_sync's event |
//!
//! Where this process has no futexes it starts no watch thread for such a link: two threads could not wait for each other
//! there, and the C library would end the process. Then the end that cannot go on looks for its peer's death itself
//! ([`peer::Peer::look`]): in its sleep, at every 64th poll before it, and in whatever finds the ring full or empty. That is
//! this end's own affair; the peer may have a watch thread. Named memory that is chosen for want of memfds is chosen for that
//! alone, so the reason shown is `memfd_create`. tests: `without_futexes_whatever_cannot_go_on_tells_the_death`,
//! `without_memfds_and_futexes_the_link_is_what_it_is_without_memfds`
//!
//! tests: `a_peer_that_is_killed_asleep_hangs_no_sender_and_no_other_link`,
//! `a_peer_that_is_killed_while_it_sleeps_and_wakes_hangs_nobody`,
//! `a_time_out_is_as_long_as_it_says_at_any_time_of_the_second`

mod bells;
mod condition;
pub(crate) mod connect;
pub(crate) mod error;
mod grant;
pub(crate) mod peer;
mod portable;
mod rx;
pub(crate) mod shm;
pub(crate) mod socket;
pub(crate) mod turns;
mod tx;
mod undelivered;

pub use connect::{About, LinkKind};
pub use grant::{Batch, Grant, GrantFull};
pub(crate) use rx::{Armed, Rx};
pub(crate) use tx::{Relief, Tx};
pub use undelivered::Undelivered;
