//! Waiting for a peer that may be asleep, dead or hostile: poll a little, then sleep, and never through the news.
//!
//! ```text
//! sleeper:  arm ──▶ heavy fence ──▶ look again ──▶ sleep while the word is armed
//! waker:    commit ──▶ light fence ──▶ look at the word ──▶ swap it to 0 ──▶ wake
//! ```
//!
//! # Why no wake-up is lost
//! Between two fences that are ordered, one of two things holds: the sleeper's second look sees the commit, or the
//! waker's look sees the word armed. In the second case the word is 0 before the wake-up, so a sleeper that comes to the
//! futex later finds that it changed and does not sleep. The same holds against the watch thread, with the flag *gone*
//! in the place of the commit. A wait word is all that is between the two: it belongs to one link, so nobody can take,
//! forge or delay the wake-up of another, and nothing is scanned from time to time: an idle process uses no CPU.
//! tests: `a_consumer_that_goes_to_sleep_is_woken_by_a_commit`, `a_consumer_that_goes_to_sleep_twice_is_woken_twice`,
//! `a_producer_that_goes_to_sleep_is_woken_by_a_release`, `a_consumer_that_goes_to_sleep_learns_of_the_death`
//!
//! # Fences
//! | agreed | light: after each commit and release | heavy: before each sleep |
//! |---|---|---|
//! | [`Fences::Membarrier`](crate::ring::Fences) | a compiler fence | `membarrier(GLOBAL_EXPEDITED)`: the kernel has every registered process execute a full fence |
//! | [`Fences::SeqCst`](crate::ring::Fences) | a full fence | a full fence |
//!
//! The handshake agrees on the first if both ends are registered and both sleep that way. tests:
//! `fences_are_paired_by_membarrier_only_if_both_ends_register_and_sleep_with_it`
//!
//! # A heavy fence that fails later
//! A filter may come when the link is long in use. Then the sleeper executes a full fence, which is half a pair, and adds
//! [`FENCE_LOST`](crate::ring::lines::FENCE_LOST) to the wait word. Whoever wakes it takes the bit back with the word,
//! executes full fences in that direction from then on, and says so in a word of its own segment, `fenced`. A sleeper that
//! has seen `fenced` before it arms sleeps for good: what was committed with a light fence came before that word, and what
//! comes after it is followed by a full fence. Each direction does this for itself, the first time that it wakes a
//! sleeper; who has nothing to send need not be reached, and no other thread is. The light fence costs what it cost before.
//! tests: `what_was_committed_with_a_light_fence_is_seen_before_the_sleep`,
//! `what_is_committed_after_the_promise_wakes_a_consumer`, `what_is_released_after_the_promise_wakes_a_producer`,
//! `an_end_that_loses_membarrier_naps_until_its_peer_executes_full_fences`
//!
//! Until then a sleep lasts [`NAP`](nap::NAP), 1 ms, and twice as long each time that it ends without news, up to
//! [`LONGEST_NAP`](nap::LONGEST_NAP), 100 ms: for good, with a peer that never answers. Only a commit that is still on its
//! way at the second look can be missed, and the first nap outlasts that. tests:
//! `a_filter_that_comes_later_is_an_error_of_the_fence`, `each_nap_is_twice_as_long_as_the_one_before_up_to_a_bound`
//!
//! # Where the sleeper lies
//! On the wait word, as a futex, or where nobody can ([`Bed`](sleep::Bed)) on the control socket, on which the waker rings
//! instead of waking. A doorbell stays until it is taken, so one that was rung between the second look and the sleep ends that
//! sleep at once. Of two sleepers of one end, whoever takes a doorbell off the socket rings for the other one, inside the
//! process and afterwards.
//!
//! # Polling
//! [`Wait`](spin::Wait) decides. *Adaptive* polls for up to [`SPIN_LIMIT`](spin::SPIN_LIMIT), 50 µs, about what a sleep and
//! its wake-up cost. How long it polls is learnt for each endpoint: after a wait of at most that limit and a wake-up, 85 µs,
//! that polling did not end, the budget doubles; after a longer one it is halved, down to nothing. So who waits for seconds stops
//! burning a core, and who waits for microseconds soon polls again. On one CPU polling would only delay the peer: then
//! adaptive means *Park*. tests: `long_waits_shrink_the_budget_to_nothing_and_short_ones_bring_it_back`,
//! `one_cpu_means_no_polling_unless_asked_for`
//!
//! Between two looks stand 8 pauses, on AMD's processors 1 (how long one lasts differs); the clock is read after every 64
//! looks. Without any pause the poller takes the cache line from a sender that is still filling it.
//!
//! For the same reason an *answer* is not looked for before it can be there. Where the message that was just sent took one
//! cache line in this end's turn, the first look comes after a head start of [a pause and most of another](spin) on AMD's
//! processors, which is where it was measured. tests:
//! `an_answer_is_looked_for_a_while_and_by_who_parks_not_at_all`,
//! `who_took_its_turn_with_one_line_will_send_from_the_next_one`
//!
//! And the receiver of a *stream* (it has sent nothing since it waited last) does not run at its sender's heels: while the
//! next message comes within two looks, a gap before the first look grows from one look to [32 pauses](spin), about a
//! microsecond, and several messages are taken at once. On AMD's processors it grows to 128 pauses, up to 3.5 µs, while 1 KiB or
//! more comes between two waits. The first message that comes later ends it, so neither an answer nor a message now and then is
//! kept waiting by it, and with *Spin* nothing is. tests: `only_the_receiver_of_a_quick_stream_looks_later`,
//! `the_gap_is_a_long_one_only_while_much_comes`, `who_has_sent_waits_for_an_answer`
//!
//! # The watch thread
//! A process with links over shared memory, or with ends of a pair that it made, has, if it has futexes, one thread in `epoll_wait`
//! on those links' control sockets (hang-up) and their peers' pidfds, with all signals blocked ([`watch`]); so has each worker, which
//! does not outlive its master. On news it sets the link's flag, and over shared memory fences, swaps the wait words to 0 and wakes;
//! over a socket it rings a bell. A dying process closes its sockets before its pidfd tells, so a hang-up is passed on only
//! after half a second in which the pidfd was silent, and a death at once. A peer killed between its commit and its wake-up
//! is thereby as good as one that finished. Where two threads make a process's first links at the same moment, they share one. tests:
//! `what_was_committed_by_a_producer_killed_before_its_wake_up_is_delivered`,
//! `a_commit_and_the_death_of_another_process_wake_the_same_sleeper`,
//! `a_hang_up_that_was_the_beginning_of_a_death_is_told_as_a_death`,
//! `threads_that_ask_first_at_once_share_one_watch_that_is_whole`
//!
//! # What a hostile peer can do to a sleeper
//! It can write the wait words at will, so no check leans on them: a word that is cleared or armed wrongly costs a
//! needless wake-up, or the wake-up that this peer owed; one that says FENCE_LOST without a reason makes the sends to it
//! slower, once and for all, and one that says `fenced` and is not loses wake-ups of its own. tests:
//! `a_stale_arm_costs_one_wake_up_and_no_message`, `no_message_is_lost_or_spoilt_by_scribbles_over_the_wait_words`
//!
//! It can also move sleepers of a futex to a word of its own, or put a waiter for a priority-inheriting lock before them,
//! after which no wake-up of the word reaches them. A living peer need not wake us anyway; but such a sleep would outlast
//! the peer's death. So every sleep is on two words at once: the shared one and one of this process alone, which the watch
//! thread sets. Before Linux 5.16 the kernel cannot do that: then a sleep is cut into naps of 100 ms that look at the
//! private word. tests: `a_sleeper_that_a_peer_has_moved_to_a_word_of_its_own_is_still_stopped`,
//! `a_sleeper_behind_a_peers_priority_waiter_is_still_stopped`

pub(crate) mod nap;
pub(crate) mod sleep;
pub(crate) mod spin;
pub(crate) mod watch;

#[cfg(test)]
mod tests;

use crate::sync::AtomicU32;

/// What an endpoint waits for.
pub(crate) trait Condition {
    /// One cheap look, repeated at full speed.
    fn look(&mut self) -> bool;
    /// The whole condition: also an end or damage, which the next operation will report.
    fn holds(&mut self) -> bool;
    /// How many bytes of a stream were taken so far, if this is its next message rather than an answer: then it may be taken
    /// together with the ones that follow.
    fn stream(&self) -> Option<u64> {
        None
    }
    /// Whether whoever would wake executes full fences by now, whatever was agreed.
    fn fenced(&self) -> bool;
    /// Sets the wait word.
    fn arm(&mut self, armed: u32);
    /// Takes that back.
    fn disarm(&mut self);
    /// The wait word.
    fn word(&self) -> &AtomicU32;
}
