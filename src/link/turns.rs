//! Whose turn it is: what the two halves of an end tell each other about it.
//!
//! Two processes that take turns, a call and its answer, want something else of the ring than two that stream: a message
//! in one line, whose 0 behind was written before, and a receiver that does not look before the answer can be there, because
//! a look takes the line away from whoever is about to write it. One word, which both halves of an end write, tells which
//! it is. It is a hint: nothing but speed rests on it, so all of it is relaxed, and a race costs a message or two their
//! short way.
//!
//! | the word | since | the next send is | the next receive |
//! |---|---|---|---|
//! | *waited* | the receiving half found nothing and waits | a turn | looks at once |
//! | a position | a turn with a message of one line; there the next one will begin | one of a stream | waits for an answer |
//! | *answered* | that answer came, or is waited for in the long way | a turn | looks at once; if there is a message, *streams* |
//! | *streams* | a second message, either way, or one of several lines; or an early look found the answer | one of a stream | looks at once |

use crate::sync::{AtomicU64, Ordering};

/// What the halves of one end tell each other. See the module.
#[derive(Debug)]
pub(crate) struct Turns(AtomicU64);

// Positions are multiples of 8, and none that follows a message is 0.
const WAITED: u64 = 1;
const STREAMS: u64 = 2;
const ANSWERED: u64 = 3;

/// What a message that is about to be sent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// A call, or an answer.
    Turn,
    /// The second message since the receiving half waited.
    Second,
    /// One of a stream.
    Stream,
}

/// What a receiving half that wants a message may expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Whatever there is.
    Any,
    /// The answer to a message of one line that has just been sent.
    Answer,
    /// An answer was taken and nothing sent since. If there is a message at once, the peer streams.
    Second,
}

/// What a receiving half that begins to wait waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// The next message of a stream: nothing was sent since it waited last.
    Next,
    /// An answer.
    Answer,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(WAITED))
    }

    #[inline(always)]
    pub(crate) fn occasion(&self) -> Occasion {
        match self.0.load(Ordering::Relaxed) {
            STREAMS => Occasion::Stream,
            WAITED | ANSWERED => Occasion::Turn,
            _ => Occasion::Second,
        }
    }

    /// Whether it is [`Expected::Answer`].
    #[inline(always)]
    pub(super) fn is_answer(&self) -> bool {
        const { assert!(WAITED <= ANSWERED && STREAMS <= ANSWERED) };
        self.0.load(Ordering::Relaxed) > ANSWERED
    }

    /// 0 if it is [`Expected::Any`].
    #[inline(always)]
    pub(super) fn is_not_any(&self) -> u64 {
        const { assert!(WAITED == 1 && STREAMS == 2) };
        self.0.load(Ordering::Relaxed).wrapping_sub(1) >> 1
    }

    /// There was, or will be, more than one message in one of the directions.
    #[inline(always)]
    pub(crate) fn stream(&self) {
        self.0.store(STREAMS, Ordering::Relaxed);
    }

    /// In its turn this end sent a message that takes one line at most, and its next one will begin at `position`.
    #[inline(always)]
    pub(crate) fn take(&self, position: u64) {
        self.0.store(position, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn expected(&self) -> Expected {
        match self.0.load(Ordering::Relaxed) {
            WAITED | STREAMS => Expected::Any,
            ANSWERED => Expected::Second,
            _ => Expected::Answer,
        }
    }

    /// The receiving half waits for the answer that it [expected](Expected::Answer): where the next message of this end will
    /// begin. After a race with the sending half it may be no position, which is as harmless.
    #[inline(always)]
    pub(crate) fn await_answer(&self) -> u64 {
        let position = self.0.load(Ordering::Relaxed);
        self.0.store(ANSWERED, Ordering::Relaxed);
        position
    }

    /// The receiving half has found nothing and waits.
    #[inline(always)]
    pub(crate) fn wait(&self) -> Awaited {
        let had = self.0.load(Ordering::Relaxed);
        self.0.store(WAITED, Ordering::Relaxed);
        if matches!(had, WAITED | ANSWERED) { Awaited::Next } else { Awaited::Answer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_and_its_answer_are_turns_again_and_again() {
        let turns = Turns::new();
        for position in [64, 128, 192] {
            assert_eq!(turns.occasion(), Occasion::Turn);
            turns.take(position);
            assert_eq!(turns.expected(), Expected::Answer);
            assert_eq!(turns.await_answer(), position);
        }
    }

    #[test]
    fn the_quick_questions_are_answered_as_the_long_ones() {
        for word in [WAITED, STREAMS, ANSWERED, 8, 64, u64::MAX - 7] {
            let turns = Turns(AtomicU64::new(word));
            assert_eq!(turns.is_answer(), turns.expected() == Expected::Answer, "{word}");
            assert_eq!(turns.is_not_any() == 0, turns.expected() == Expected::Any, "{word}");
        }
    }

    #[test]
    fn a_second_message_in_a_turn_makes_a_stream_until_the_receiver_waits() {
        let turns = Turns::new();
        turns.take(64);
        assert_eq!(turns.occasion(), Occasion::Second);
        turns.stream();
        assert_eq!((turns.occasion(), turns.expected()), (Occasion::Stream, Expected::Any));
        assert_eq!(turns.wait(), Awaited::Answer);
        assert_eq!(turns.wait(), Awaited::Next);
        assert_eq!((turns.occasion(), turns.expected()), (Occasion::Turn, Expected::Any));
    }

    #[test]
    fn who_takes_a_second_message_after_an_answer_expects_no_third_and_no_answer() {
        let turns = Turns::new();
        turns.take(64);
        turns.await_answer();
        assert_eq!(turns.expected(), Expected::Second);
        turns.stream();
        assert_eq!((turns.occasion(), turns.expected()), (Occasion::Stream, Expected::Any));
    }

    #[test]
    fn who_finds_nothing_after_an_answer_waits_for_the_next_message() {
        let turns = Turns::new();
        turns.take(64);
        turns.await_answer();
        assert_eq!(turns.wait(), Awaited::Next);
        assert_eq!(turns.occasion(), Occasion::Turn);
    }
}
