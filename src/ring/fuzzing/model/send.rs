//! What the producer does.

use super::{ClaimEnd, Model, Piece, Wire};
use crate::ring::fuzzing::arithmetic::{
    fits, fragments, is_atomic, max_atomic, max_payload, place, record, turn,
};
use crate::ring::{Batch, ClaimFull, PushError};

impl Model {
    /// Where a record goes that follows `from`, or why it cannot.
    fn room(&self, from: u64, len: usize) -> Result<u64, PushError> {
        let (start, end) = place(self.capacity, from, len);
        if self.producer_closed || self.consumer_closed {
            return Err(PushError::Closed);
        }
        if !fits(self.capacity, self.head(), end) {
            return Err(PushError::Full);
        }
        debug_assert!(start.wrapping_sub(from) < self.capacity as u64);
        Ok(end)
    }

    fn too_long(len: usize, max: usize) -> PushError {
        PushError::TooLong { len: len as u64, max: max as u64 }
    }

    /// The same outcome on both sides, or the run ends here.
    fn compare<T: PartialEq + std::fmt::Debug>(
        &mut self,
        got: Result<T, PushError>,
        expected: Result<T, PushError>,
    ) {
        assert_eq!(got, expected);
        self.coverage.saw(match got {
            Ok(_) => "push: committed",
            Err(PushError::Full) => "push: full",
            Err(PushError::TooLong { .. }) => "push: too long",
            Err(PushError::BatchFull) => "push: batch full",
            Err(PushError::Closed) => "push: closed",
            Err(error) => panic!("two correct ends: {error:?}"),
        });
    }

    /// `piece` stands in the ring, up to `end`; whatever was being streamed is given up.
    fn commit(&mut self, end: u64, piece: Piece) {
        self.position = end;
        if self.streaming && matches!(piece, Piece::Whole(_)) {
            self.coverage.saw("push: a stream is given up by another message");
        }
        self.streaming = false;
        for slot in &mut self.slots {
            (slot.fragments, slot.sent) = (0, 0);
        }
        self.wire.push_back(Wire { end, piece });
    }

    pub(super) fn push(&mut self, len: usize) {
        let message = self.next_message(len);
        let expected = match len <= max_payload(self.capacity) {
            true => self.room(self.position, len),
            false => Err(Self::too_long(len, max_payload(self.capacity))),
        };
        let got = self.producer.push(&message);
        self.compare(got, expected.map(drop));
        if let Ok(end) = expected {
            self.commit(end, Piece::Whole(message));
        }
    }

    /// The short way is not always open; when it is, it must be right.
    pub(super) fn turn(&mut self, len: usize) {
        let message = self.next_message(len);
        if !self.producer.push_turn(&message) {
            return self.push(len);
        }
        let bytes = turn(self.position, len);
        let end = self.position.wrapping_add(bytes as u64);
        assert!(self.room(self.position, len).is_ok() && bytes <= self.capacity / 4 && !self.streaming);
        assert!(fits(self.capacity, self.head(), end));
        self.coverage.saw(if bytes > record(len) { "turn: up to the line" } else { "turn" });
        self.commit(end, Piece::Whole(message));
    }

    /// Where the records of a message end, and the bytes they take, in a batch that has `bytes` bytes and ends at
    /// `from`.
    fn batched(&self, from: u64, bytes: usize, len: usize) -> Result<(u64, usize), PushError> {
        let records = match len <= max_payload(self.capacity) {
            true => vec![len],
            false if is_atomic(self.capacity, len) => fragments(self.capacity, len).collect(),
            false => return Err(Self::too_long(len, max_atomic(self.capacity))),
        };
        records.into_iter().try_fold((from, bytes), |(from, bytes), len| {
            match bytes + record(len) <= self.capacity / 2 {
                true => Ok((self.room(from, len)?, bytes + record(len))),
                false => Err(PushError::BatchFull),
            }
        })
    }

    pub(super) fn message(&mut self, len: usize) {
        let message = self.next_message(len);
        let expected = self.batched(self.position, 0, len).map(|(end, _)| end);
        let got = self.producer.push_message(&message);
        self.compare(got, expected.map(drop));
        if let Ok(end) = expected {
            if len > max_payload(self.capacity) {
                self.coverage.saw("push: fragments");
            }
            self.commit(end, Piece::Whole(message));
        }
    }

    pub(super) fn claim(&mut self, max: usize, puts: &[usize], patch: (usize, usize), end: ClaimEnd) {
        let source = self.next_message(puts.iter().sum::<usize>() + patch.1);
        let expected = match max <= max_payload(self.capacity) {
            true => self.room(self.position, max),
            false => Err(Self::too_long(max, max_payload(self.capacity))),
        };
        let got = match self.producer.claim(max) {
            Ok(mut claim) => {
                let (mut content, mut rest) = (Vec::new(), source.as_slice());
                for &put in puts {
                    let room = max - content.len();
                    let answer = claim.put(&rest[..put]);
                    assert_eq!(answer, if put <= room { Ok(()) } else { Err(ClaimFull { room }) });
                    if answer.is_ok() {
                        content.extend_from_slice(&rest[..put]);
                    }
                    rest = &rest[put..];
                }
                let (at, len) = patch;
                let room = content.len().saturating_sub(at);
                let answer = claim.write_at(at, &rest[..len]);
                let fits = at <= content.len() && len <= room;
                assert_eq!(answer, if fits { Ok(()) } else { Err(ClaimFull { room }) });
                if fits {
                    content[at..at + len].copy_from_slice(&rest[..len]);
                }
                assert_eq!((claim.len(), claim.is_empty()), (content.len(), content.is_empty()));
                match end {
                    ClaimEnd::Commit => claim.commit(),
                    ClaimEnd::CommitFirst(first) => {
                        content.truncate(first);
                        claim.commit_first(first);
                    }
                    ClaimEnd::Drop => {}
                }
                Ok(content)
            }
            Err(error) => Err(error),
        };
        self.compare(got.as_ref().map(drop).map_err(|error| *error), expected.map(drop));
        match (got, end) {
            (Ok(_), ClaimEnd::Drop) => self.coverage.saw("claim: dropped"),
            (Ok(content), _) => {
                let (start, _) = place(self.capacity, self.position, max);
                self.coverage.saw("claim: committed");
                self.commit(start.wrapping_add(record(content.len()) as u64), Piece::Whole(content));
            }
            (Err(_), _) => {}
        }
    }

    pub(super) fn batch(&mut self, lens: &[usize], commit: bool) {
        let messages: Vec<_> = lens.iter().map(|&len| self.next_message(len)).collect();
        let (mut end, mut bytes, mut expected) = (self.position, 0, Vec::new());
        let mut whole = Vec::new();
        for message in messages.iter() {
            let answer = self.batched(end, bytes, message.len());
            if let Ok(after) = answer {
                (end, bytes) = after;
                whole.push((end, message.clone()));
            }
            expected.push(answer.map(drop));
        }
        let mut batch = self.producer.batch();
        let got: Vec<_> = messages.iter().map(|message| batch.push_message(message)).collect();
        assert_eq!((batch.bytes(), batch.is_empty()), (bytes as u64, whole.is_empty()));
        if commit {
            Batch::commit(batch);
        }
        for (got, expected) in got.into_iter().zip(expected) {
            self.compare(got, expected);
        }
        self.coverage.saw(if commit { "batch: committed" } else { "batch: dropped" });
        for (end, message) in whole.into_iter().filter(|_| commit) {
            self.commit(end, Piece::Whole(message));
        }
    }

    /// Goes on with the stream in `slot`.
    pub(super) fn stream(&mut self, slot: usize, len: usize) {
        let message = match self.slots[slot].message.take() {
            Some(message) => message,
            None => self.next_message(len),
        };
        let got = self.producer.push_stream(&mut self.slots[slot].stream, &message);
        let expected = match is_atomic(self.capacity, message.len()) {
            true => self.batched(self.position, 0, message.len()).map(|(end, _)| {
                self.commit(end, Piece::Whole(message.clone()));
            }),
            false => self.stream_fragments(slot, &message),
        };
        self.compare(got, expected);
        if got.is_err() {
            if !is_atomic(self.capacity, message.len()) {
                assert_eq!(self.slots[slot].stream.sent(), self.slots[slot].sent);
            }
            self.slots[slot].message = Some(message);
        }
    }

    fn stream_fragments(&mut self, slot: usize, message: &[u8]) -> Result<(), PushError> {
        let fragments: Vec<_> = fragments(self.capacity, message.len()).collect();
        let last = fragments.len() - 1;
        for i in self.slots[slot].fragments..=last {
            let end = self.room(self.position, fragments[i])?;
            let sent = self.slots[slot].sent;
            let (bytes, piece) = match i {
                0 => (fragments[0] - 8, Piece::First { total: message.len(), bytes: fragments[0] - 8 }),
                _ if i == last => {
                    (fragments[i], Piece::Last { bytes: fragments[i], message: message.to_vec() })
                }
                _ => (fragments[i], Piece::Middle { bytes: fragments[i] }),
            };
            if i == 0 && self.streaming {
                self.coverage.saw("push: a stream is given up by another");
            }
            self.commit(end, piece);
            self.streaming = i < last;
            if i < last {
                (self.slots[slot].fragments, self.slots[slot].sent) = (i + 1, sent + bytes);
            }
        }
        self.coverage.saw("push: streamed");
        Ok(())
    }

    /// Gives up the stream on the wire, if there is one.
    pub(super) fn cancel(&mut self) {
        self.producer.cancel_stream();
        if !self.streaming {
            return;
        }
        match self.room(self.position, 0) {
            Ok(end) => {
                self.coverage.saw("cancel: committed");
                self.commit(end, Piece::Cancel);
            }
            Err(_) => {
                self.coverage.saw("cancel: no room");
                for slot in &mut self.slots {
                    (slot.fragments, slot.sent) = (0, 0);
                }
            }
        }
    }
}
