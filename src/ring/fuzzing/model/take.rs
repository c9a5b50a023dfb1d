//! What the consumer does, and what is left when it is dead.

use super::{Model, Piece, Wire};
use crate::ring::fuzzing::arithmetic::{UNTOUCHED, is_untouched};
use crate::ring::fuzzing::{Coverage, pop_into};
use crate::ring::lines::AWAKE;
use crate::ring::{Memory, PopError};
use crate::sync::Ordering;

impl Model {
    /// Takes a message, into a buffer of `room` bytes if there is one.
    pub(super) fn pop(&mut self, room: Option<usize>) {
        let before = self.cursor;
        let expected = self.take(room.unwrap_or(usize::MAX));
        let got = match room {
            None => self.consumer.pop(),
            Some(room) => {
                let mut buffer = vec![UNTOUCHED; room];
                let (got, line) = pop_into(&mut self.consumer, &mut buffer);
                if line {
                    self.coverage.saw("pop: a message, as an answer");
                }
                let rest = buffer.split_off(got.unwrap_or(0));
                assert!(is_untouched(&rest), "bytes behind the message were touched");
                got.map(|_| buffer)
            }
        };
        assert_eq!(got, expected);
        if self.cursor != before {
            self.check_waiting_producer();
        }
        self.coverage.saw(match got {
            Ok(_) => "pop: a message",
            Err(PopError::TooSmall { .. }) => "pop: too small",
            Err(PopError::Empty) => "pop: empty",
            Err(PopError::Closed) => "pop: closed",
            Err(error) => panic!("two correct ends: {error:?}"),
        });
        if matches!(got, Err(PopError::Empty | PopError::Closed)) {
            assert_eq!(self.head(), self.cursor, "who finds nothing publishes");
        }
    }

    /// What the model hands out.
    fn take(&mut self, room: usize) -> Result<Vec<u8>, PopError> {
        let too_small = |needed: usize| Err(PopError::TooSmall { needed: needed as u64 });
        loop {
            match self.assembled.take() {
                Some(message) if message.len() > room => {
                    let needed = message.len();
                    self.assembled = Some(message);
                    self.coverage.saw("pop: too small for an assembled message");
                    return too_small(needed);
                }
                Some(message) => return Ok(message),
                None => {}
            }
            match self.wire.front().map(|wire| &wire.piece) {
                None if self.producer_closed => return Err(PopError::Closed),
                None => return Err(PopError::Empty),
                Some(Piece::Whole(message)) if message.len() > room => return too_small(message.len()),
                Some(Piece::First { total, .. }) if *total > room => return too_small(*total),
                Some(_) => {}
            }
            let Some(Wire { end, piece }) = self.wire.pop_front() else { continue };
            self.cursor = end;
            let partial = self.partial.take();
            match piece {
                Piece::Whole(message) => return Ok(message),
                Piece::First { bytes, .. } => self.partial = Some(bytes),
                Piece::Middle { bytes } => self.partial = partial.map(|before| before + bytes),
                Piece::Last { message, .. } => self.assembled = Some(message),
                Piece::Cancel => self.coverage.saw("pop: a cancel"),
            }
        }
    }

    /// A producer that waits for what was just taken must be told.
    fn check_waiting_producer(&mut self) {
        let want = self.memory.producer().want.load(Ordering::Relaxed);
        if self.cursor.wrapping_sub(want) as i64 >= 0 {
            assert_eq!(self.memory.armed_space().armed.load(Ordering::Relaxed), AWAKE, "a lost wake-up");
        }
    }

    /// What a producer that waits for space or for a receipt asks.
    pub(super) fn look(&mut self) {
        let released = self.head() == self.position;
        if released {
            assert_eq!(self.producer.has_space(), Ok(true), "all of the ring is free");
        }
        assert_eq!(self.producer.is_released(), Ok(released));
        let woken = released || self.consumer_closed;
        assert_eq!(
            self.producer.has_space(),
            Ok(woken),
            "the receipt is what is wanted now, or nothing any more"
        );
        self.coverage.saw(if released { "look: all released" } else { "look: not yet" });
    }

    /// The consumer dies: what it had not taken is handed back.
    ///
    /// # Panics
    /// If anything else is.
    pub fn finish(mut self) -> Coverage {
        let (mut whole, mut streamed, mut parts) = (Vec::new(), 0, None);
        for Wire { piece, .. } in std::mem::take(&mut self.wire) {
            match piece {
                Piece::Middle { bytes } | Piece::Last { bytes, .. } if parts.is_none() => streamed += bytes,
                Piece::Middle { bytes } => parts = parts.map(|before: usize| before + bytes),
                Piece::Last { message, .. } => {
                    self.coverage.saw("salvage: a streamed message");
                    parts = None;
                    whole.push(message);
                }
                Piece::First { bytes, .. } => streamed += parts.replace(bytes).unwrap_or(0),
                Piece::Whole(message) => {
                    streamed += parts.take().unwrap_or(0);
                    whole.push(message);
                }
                Piece::Cancel => streamed += parts.take().unwrap_or(0),
            }
        }
        streamed += parts.unwrap_or(0);
        let mut undelivered = self.producer.salvage().expect("a correct consumer's cursor");
        assert_eq!(undelivered.bytes(), self.position.wrapping_sub(self.cursor));
        assert_eq!(undelivered.by_ref().collect::<Vec<_>>(), whole);
        assert_eq!((undelivered.bytes(), undelivered.streamed()), (0, streamed as u64));
        if !whole.is_empty() {
            self.coverage.saw("salvage: messages");
        }
        if streamed > 0 {
            self.coverage.saw("salvage: parts of a stream");
        }
        self.coverage
    }
}
