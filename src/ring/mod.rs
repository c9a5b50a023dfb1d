//! One producer, one consumer, any memory: messages go in at one end and come out at the other, whole and in order.
//!
//! The ring knows no process, no clock and no system call. It reads and writes what a [`Memory`] hands out, so the same
//! code runs over the heap, under loom and Miri, and over memory that another, perhaps hostile, process has mapped.
//!
//! ```
//! use ringway::ring::{Consumer, Fences, HeapMemory, PopError, Producer};
//!
//! let memory = HeapMemory::new(4096, 0);
//! let mut producer = Producer::new(memory.clone(), Fences::SeqCst, 0).ok_or("geometry")?;
//! let mut consumer = Consumer::new(memory, Fences::SeqCst, 0, 64 << 20).ok_or("geometry")?;
//! producer.push(b"first")?;
//! let mut batch = producer.batch();
//! batch.push(b"second")?;
//! batch.push(b"third")?;
//! batch.commit();
//! assert_eq!(consumer.pop()?, b"first");
//! assert_eq!(consumer.pop()?, b"second");
//! assert_eq!(consumer.pop()?, b"third");
//! assert_eq!(consumer.pop(), Err(PopError::Empty));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The data area
//! A power of two of bytes, all zero at birth. Positions count bytes since birth and are multiples of 8; where one lies
//! is its remainder by the capacity. They are compared by wrapping subtraction only, so they may pass `u64::MAX`.
//!
//! ```text
//!   0                                                                    capacity
//!   ├───────────────────┬───┬───────────────────┬──────────┬──────────┬─────────┤
//!   │ record   record … │ 0 │ free              │ record … │ record … │ padding │
//!   └───────────────────┴───┴───────────────────┴──────────┴──────────┴─────────┘
//!                       ▲ P                     ▲ head     ▲ r = cursor
//!
//!   P     where the next record begins: its header is 0
//!   r     where the next record to hand out begins; the cursor says so in shared memory
//!   head  what lies before it was released and may be written again
//! ```
//!
//! A record is an 8-byte header and a payload, never split; padding fills the rest before the wrap. The header is one
//! word (length, kind, flags), and **0 means: not committed**.
//!
//! # Protocol
//! **Commit in band.** There is no shared index of the end: the consumer polls the header at its own position, so a
//! record and the news of it travel in one cache line. To commit is to write the payload, then 0 into the *next* header
//! place, then this header with Release. Hence the producer's invariant: *P + padding + record + 8 − head ≤ capacity*;
//! the 8 are that next header place. Padding and the record behind it, or all records of a batch, become visible by the
//! header that is written last and stands first.
//!
//! **Turns.** Where each end answers the other, what counts is how many cache lines change hands for one message. An end
//! that takes turns ([`Producer::push_turn`]) lets a record of up to 64 bytes lie in one line, by giving the rest of a line
//! away ([`Flags::LINED`]), and writes the 0 behind its *next* record while the peer is busy with this one. Then the commit
//! writes to the one line that the peer polls, and to no other. What can be known of that record before is found out at the
//! same time, so a turn like the last one ([`Producer::push_again`]) has little left to look at; nor has a consumer that polls for a record of one line and takes it at
//! sight ([`Consumer::pop_line`]): what it would ask of it, it has asked before. An end that sends a stream packs its
//! records, and writes the 0 with the record: that moves more messages a second. tests:
//! `an_answer_arrives_by_the_shortest_ways_with_its_payload`, `two_ends_that_take_turns_hear_each_other`,
//! `an_answer_of_any_length_in_a_line_is_taken_wherever_it_lies`, `a_turn_like_the_one_before_has_as_many_words`
//!
//! **Flow control, lazily.** The consumer hands out first and moves `cursor`, which only salvage reads; it moves `head`,
//! which the producer reads when it runs out of known space, once in an eighth of the capacity, when it finds nothing,
//! before it blocks, and when it closes. A producer that waits leaves `want`; a consumer that sees it waiting publishes
//! at once. A claim with its padding is less than 3/4 of the ring and at most 1/8 is hidden, so laziness alone never
//! blocks.
//!
//! **Long messages.** Up to a quarter of the ring a message is one record; up to half of it, fragments that are
//! committed at once; above, it is *streamed*: sent while the consumer takes it ([`Stream`]).
//!
//! **Close** needs no space: it is a word, read only after a header of 0, and the header is read once more after it.
//!
//! **Salvage** ([`Producer::salvage`]) is for a consumer whose process has ended: the producer reads back from its own
//! memory what lies between the dead one's cursor and P. The cursor is checked by arithmetic and by a walk that must
//! meet record starts which the producer kept for itself.
//!
//! # Guarantees
//! - Messages come out whole, in order, each once or not at all. tests:
//!   `records_of_every_length_come_out_as_they_went_in`, `a_record_arrives_with_its_payload`,
//!   `a_record_that_overwrites_an_older_one_waits_until_that_was_taken`, `streams_that_take_turns_never_mix_their_messages`
//! - A batch, a message in fragments, and padding with its record appear as a whole or not at all. tests:
//!   `a_batch_appears_all_at_once`, `the_fragments_of_a_message_arrive_together`,
//!   `padding_never_appears_without_its_record`
//! - A 0 that was written ahead is a 0 when the record before it appears, whatever was done in between. tests:
//!   `an_end_that_takes_turns_writes_the_zero_behind_a_record_before_its_turn`,
//!   `nothing_that_is_written_over_a_zero_ahead_is_taken_for_a_record`
//! - A claim or batch that is dropped leaves no trace. tests: `a_dropped_claim_and_a_dropped_batch_leave_no_trace`,
//!   `what_a_dropped_batch_wrote_over_released_records_does_not_spoil_salvage`
//! - What was committed before a close is taken before the end is told. tests:
//!   `nothing_that_was_sent_before_the_close_is_lost`
//! - Who follows the waiting rules is woken. tests: `a_consumer_that_goes_to_sleep_is_woken_by_a_commit`,
//!   `a_producer_that_goes_to_sleep_is_woken_by_a_release`,
//!   `both_ends_of_a_full_ring_with_a_lazy_head_sleep_and_are_woken`
//! - Whatever a peer writes, an end stays within its memory, takes one capacity at most in one call, allocates nothing for a
//!   length that a peer only claims, and answers with what was written or with [`Corrupt`]. (A call takes a stream as its
//!   peer sends it. What would end more than a capacity from where the call began is left to the next, and the answer is
//!   [`PopError::Empty`], as if it had come a moment later; only `head` is not moved for it.) tests:
//!   `a_call_that_would_come_more_than_a_capacity_far_leaves_the_rest_to_the_next`,
//!   `the_seeds_of_consumer_hostile_reach_both_outcomes_of_every_check`,
//!   `the_seeds_of_producer_hostile_reach_both_outcomes_of_every_check`
//!
//! # Errors
//! [`PushError`] and [`PopError`]; after one nothing was committed, or taken. [`Corrupt`] is for good, and names the
//! word and its value. tests: `a_corrupt_head_stays_corrupt_in_every_answer`,
//! `a_batch_that_found_the_head_corrupt_takes_nothing_more`
//!
//! # Panics
//! None. (A [`Memory`] that hands out other memory at a later call may end in one, but in nothing worse.)
//!
//! # After a crash
//! A dead producer has committed a record or has not: its consumer calls [`Consumer::freeze`] and takes what is there,
//! which ends within one capacity of the last published head. A dead consumer leaves its cursor: see salvage. Of a message
//! that was being streamed, [`Consumer::partial`] and [`Undelivered::streamed`] tell how many bytes came.
//!
//! # Orderings
//! Each Release in the source carries the label of its pair. Loom explores the pairs within the ring, with full fences
//! for both sides of R4, which proves where they must stand. `docs/orderings.md` says which store comes before which load,
//! and why; it has the models, the test that notices each weakening, and what no tool can judge.
//!
//! | label | Release | Acquire | without it |
//! |---|---|---|---|
//! | R1 | the header, after the payload and the next header place | the header, before the payload | a payload of old bytes |
//! | R2 | `head`, after the copy out | `head`, before the room is written again | a message overwritten while it is copied |
//! | R3 | `head`, after `cursor` | `head` and `cursor` at salvage | a cursor behind the head: salvage refuses a correct one |
//! | R4 | the commit, the release or the close, light fence, look at the wait word | arm the wait word, heavy fence, look again | a sleeper that nobody wakes |
//! | R5 | swap of the wait word to 0 | the same swap by the other waker | a wake-up that two leave to each other |
//! | R6 | `closed`, after the last commit | `closed`, before the last look | the last messages lost |
//! | R7 | the peer is gone, set by the watch thread | the same flag, before the last look | what a dead peer committed, lost |
//! | R8 | the address of what is made once for a process | the same | a half-made one |
//! | R9 | `fenced`, after the last commit or release with a light fence | `fenced`, before the wait word is armed | a sleeper that nobody wakes |
//!
//! R7 and R8 belong to waiting, and are here so that the list is whole.
//!
//! # Where the ideas come from
//! - Polling the slot itself instead of a shared index: FastForward (Giacomoni, Moseley and Vachharajani, 2008). Lengths
//!   written last, padding at the wrap: Aeron's logs and agrona's ring buffers.
//! - Positions that only grow, one writer for each, each on lines of its own: the LMAX Disruptor. Publishing lazily:
//!   MCRingBuffer (Lee, Bu and Chandranmenon, 2010).
//! - Claim, fill in place, commit; a protocol that speaks of offsets and owns no bytes: bip buffers and bbqueue.
//! - Arm, look again, sleep: the event count, and virtio's notification. A full fence on one side only: asymmetric
//!   fences, as in liburcu and folly.
//!
//! What is ours is the sum: in-band commit between processes that do not trust each other, and salvage.

mod assemble;
pub(crate) mod assembly;
mod batch;
mod claim;
mod consumer;
mod copy;
mod error;
#[cfg(all(any(test, fuzzing), not(loom)))]
pub(crate) mod fuzzing;
mod heap;
pub mod lines;
mod memory;
mod producer;
mod record;
mod salvage;
mod stream;
#[cfg(test)]
mod tests;

pub use crate::sync::Fences;
pub use assemble::Reading;
pub use batch::Batch;
pub use claim::{Claim, ClaimFull};
pub use consumer::{Consumer, Look, Seen, Taken};
#[cfg(not(loom))]
pub(crate) use copy::prefetch_for_write;
pub use error::{Corrupt, Field, PopError, PushError};
pub use heap::HeapMemory;
pub use memory::{Memory, NoSpace};
pub use producer::Producer;
pub use record::{
    CACHE_LINE, Flags, Geometry, HEADER, Header, HeaderError, IN_LINE, Kind, MAX_CAPACITY, MAX_FRAGMENT,
    MIN_CAPACITY, footprint,
};
pub use salvage::Undelivered;
pub use stream::Stream;
