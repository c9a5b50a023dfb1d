//! A producer whose consumer writes what it likes.

use super::arithmetic::{
    borders, changes, fits, fragments, is_atomic, max_atomic, max_payload, message, place, record, to_line,
};
use super::scribble::Scribbler;
use super::{Coverage, Input};
use crate::ring::lines::{AWAKE, CLOSED, DOORBELL, FUTEX};
use crate::ring::{
    Corrupt, Fences, Field, Flags, Header, HeapMemory, Kind, Memory, Producer, PushError, Stream,
};
use crate::sync::Ordering;
use std::collections::VecDeque;

/// Runs a producer against what `data` says its consumer writes.
///
/// # Panics
/// If an answer is not the one that the consumer's words ask for, or if anything is overwritten that the consumer
/// did not release.
pub fn producer_hostile(data: &[u8]) -> Coverage {
    let mut input = Input::new(data);
    let mut run = Run::new(&mut input);
    let seed = input.word();
    let mut death = input.split(12);
    if seed % 8 == 1 {
        run.race(&mut input, seed);
        return run.coverage;
    }
    while !input.is_empty() {
        run.step(&mut input);
        run.check();
    }
    run.salvage(&mut death)
}

struct Run {
    memory: HeapMemory,
    producer: Producer<HeapMemory>,
    capacity: usize,
    borders: [usize; 12],
    /// The last head that the producer can have accepted.
    head: u64,
    /// Where every record of the last lap begins, padding included, and the words of them all: they must stay until
    /// they are released.
    starts: VecDeque<u64>,
    committed: Vec<u64>,
    stream: (Stream, Vec<u8>),
    /// Fragments of the stream that were committed, while it can go on.
    fragments: usize,
    closed: bool,
    corrupt: Option<Corrupt>,
    serial: u64,
    coverage: Coverage,
}

impl Run {
    fn new(input: &mut Input<'_>) -> Self {
        let (capacity, head) = (input.capacity(), input.position());
        let memory = HeapMemory::new(capacity, head);
        let producer = Producer::new(memory.clone(), Fences::SeqCst, head);
        Self {
            memory,
            producer: producer.expect("a capacity and a position"),
            capacity,
            borders: borders(capacity),
            head,
            starts: VecDeque::new(),
            committed: vec![0; capacity / 8],
            stream: (Stream::new(), vec![8; capacity + 1]),
            fragments: 0,
            closed: false,
            corrupt: None,
            serial: 0,
            coverage: Coverage::default(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let position = self.producer.position();
        let mut first = position;
        match input.below(16) {
            0..=2 => self.push(input),
            3 => self.claim(input),
            4 => self.batch(input),
            5 | 6 => first = self.stream(),
            7 => self.cancel(),
            8 | 9 => self.release(input),
            10 => self.lie(input),
            11 => {
                let expected = self.load_head(position).map(|()| self.head == position);
                assert_eq!(self.producer.is_released(), expected);
            }
            12 => {
                let expected = self.load_head(position);
                assert_eq!(self.producer.has_space().map(drop), expected);
            }
            13 => self.producer.arm(FUTEX),
            14 => self.producer.demote(),
            _ => {
                self.producer.disarm();
                if input.below(16) == 1 {
                    self.producer.close();
                    self.closed = true;
                }
            }
        }
        self.remember(first);
    }

    /// The consumer releases a record or more, as a correct one does.
    fn release(&mut self, input: &mut Input<'_>) {
        let position = self.producer.position();
        let kept = self.first_kept();
        let pick = kept + input.below((self.starts.len() - kept + 1).min(256));
        let head = self.starts.get(pick).copied().unwrap_or(position);
        self.memory.head().head.store(head, Ordering::Relaxed);
    }

    /// The consumer writes any word.
    fn lie(&mut self, input: &mut Input<'_>) {
        let near = [self.head, self.producer.position(), self.head.wrapping_add(self.capacity as u64)];
        let armed = [AWAKE, FUTEX, DOORBELL, CLOSED, u32::MAX][input.below(5)];
        match input.below(4) {
            0 | 1 => self.memory.head().head.store(input.lie(&near), Ordering::Relaxed),
            2 => self.memory.armed_data().armed.store(armed, Ordering::Relaxed),
            _ => {
                self.memory.armed_space().armed.store(armed, Ordering::Relaxed);
                self.memory.head().closed.store(u32::from(input.below(8) == 1), Ordering::Relaxed);
            }
        }
    }

    /// The producer, which has committed everything before `position`, looks at the head.
    fn load_head(&mut self, position: u64) -> Result<(), Corrupt> {
        if let Some(corrupt) = self.corrupt {
            return Err(corrupt);
        }
        let head = self.memory.head().head.load(Ordering::Relaxed);
        let (behind, before) = (position.wrapping_sub(head), position.wrapping_sub(self.head));
        self.coverage.saw(match behind <= before {
            true if head % 8 == 0 => "head: accepted",
            true => "head: not aligned",
            false if behind as i64 > 0 => "head: backward",
            false => "head: beyond what was committed",
        });
        if head % 8 != 0 || behind > before {
            let corrupt = Corrupt { field: Field::Head, value: head };
            self.corrupt = Some(corrupt);
            return Err(corrupt);
        }
        self.head = head;
        Ok(())
    }

    /// Where a record goes that follows `from`, or why it cannot. Everything before `position` is committed.
    fn room(&mut self, position: u64, from: u64, len: usize) -> Result<u64, PushError> {
        let (_, end) = place(self.capacity, from, len);
        let closed_hint = self.memory.armed_data().armed.load(Ordering::Relaxed) == CLOSED;
        let looks =
            closed_hint || self.closed || self.corrupt.is_some() || !fits(self.capacity, self.head, end);
        if !looks {
            return Ok(end);
        }
        if let Some(corrupt) = self.corrupt {
            return Err(PushError::Corrupt(corrupt));
        }
        if self.closed || self.memory.head().closed.load(Ordering::Relaxed) != 0 {
            self.coverage.saw("closed");
            return Err(PushError::Closed);
        }
        self.load_head(position)?;
        if fits(self.capacity, self.head, end) {
            return Ok(end);
        }
        self.coverage.saw("full");
        Err(PushError::Full)
    }

    fn record_room(&mut self, len: usize) -> Result<u64, PushError> {
        let max = max_payload(self.capacity);
        if len > max {
            return Err(PushError::TooLong { len: len as u64, max: max as u64 });
        }
        let position = self.producer.position();
        self.room(position, position, len)
    }

    fn push(&mut self, input: &mut Input<'_>) {
        self.serial += 1;
        let message = message(self.serial, input.len(&self.borders));
        if input.coin() && self.producer.push_turn(&message) {
            assert!(!self.closed && self.corrupt.is_none());
            assert!(fits(self.capacity, self.head, self.producer.position()));
            self.fragments = 0;
            self.coverage.saw("pushed in turn");
            return;
        }
        let expected = self.record_room(message.len());
        assert_eq!(self.producer.push(&message), expected.map(drop));
        if let Ok(end) = expected {
            assert_eq!(self.producer.position(), end);
            self.fragments = 0;
            self.coverage.saw("pushed");
        }
    }

    fn claim(&mut self, input: &mut Input<'_>) {
        let (max, put, commit) = (input.len(&self.borders), input.len(&self.borders), input.coin());
        let expected = self.record_room(max).map(drop);
        let got = self.producer.claim(max).map(|mut claim| {
            let _ = claim.put(&vec![9; put]);
            if commit {
                claim.commit();
            }
        });
        assert_eq!(got, expected);
        if got.is_ok() && commit {
            self.fragments = 0;
        }
    }

    fn batch(&mut self, input: &mut Input<'_>) {
        let lens: Vec<_> = (0..input.below(5)).map(|_| input.below(self.capacity / 2)).collect();
        let commit = !input.coin();
        let position = self.producer.position();
        let (mut end, mut bytes, mut expected) = (position, 0, Vec::new());
        for &len in &lens {
            let answer = self.batched(position, (end, bytes), len);
            if let Ok(after) = answer {
                (end, bytes) = after;
            }
            expected.push(answer.map(drop));
        }
        let mut batch = self.producer.batch();
        let got: Vec<_> = lens.iter().map(|&len| batch.push_message(&vec![6; len])).collect();
        if commit {
            batch.commit();
        }
        assert_eq!(got, expected);
        if commit && bytes > 0 {
            assert_eq!(self.producer.position(), end);
            self.fragments = 0;
        }
    }

    /// Where a message ends, and the bytes of the batch with it, that comes after `bytes` bytes and `from`.
    fn batched(
        &mut self,
        position: u64,
        (mut from, mut bytes): (u64, usize),
        len: usize,
    ) -> Result<(u64, usize), PushError> {
        let fragments: Vec<_> = match len <= max_payload(self.capacity) {
            true => vec![len],
            false if is_atomic(self.capacity, len) => fragments(self.capacity, len).collect(),
            false => {
                return Err(PushError::TooLong { len: len as u64, max: max_atomic(self.capacity) as u64 });
            }
        };
        for len in fragments {
            if bytes + record(len) > self.capacity / 2 {
                return Err(PushError::BatchFull);
            }
            (from, bytes) = (self.room(position, from, len)?, bytes + record(len));
        }
        Ok((from, bytes))
    }

    /// Returns the first record of the call that must still stand: a head that lies ahead of P when the call
    /// begins, and is behind it later, releases what the same call committed.
    fn stream(&mut self) -> u64 {
        let lens: Vec<_> = fragments(self.capacity, self.stream.1.len()).collect();
        let (mut starts, mut expected) = (vec![self.producer.position()], Ok(()));
        let mut end = starts[0];
        while self.fragments < lens.len() && expected.is_ok() {
            match self.room(end, end, lens[self.fragments]) {
                Ok(after) => (end, self.fragments) = (after, self.fragments + 1),
                Err(error) => expected = Err(error),
            }
            starts.push(end);
        }
        assert_eq!(self.producer.push_stream(&mut self.stream.0, &self.stream.1), expected);
        assert_eq!(self.producer.position(), end);
        if expected.is_ok() {
            assert!(!self.producer.is_streaming());
            self.coverage.saw("streamed");
        }
        self.fragments %= lens.len();
        let kept = end.wrapping_sub(self.head);
        starts.into_iter().find(|start| end.wrapping_sub(*start) <= kept).unwrap_or(end)
    }

    fn cancel(&mut self) {
        if self.producer.is_streaming() {
            let position = self.producer.position();
            let room = self.room(position, position, 0);
            self.producer.cancel_stream();
            assert_eq!(self.producer.is_streaming(), room.is_err());
        } else {
            self.producer.cancel_stream();
        }
        self.fragments = 0;
    }

    fn word(&self, position: u64) -> u64 {
        self.memory.words()[self.index(position)].load(Ordering::Relaxed)
    }

    /// Which word stands at a position.
    fn index(&self, position: u64) -> usize {
        (position % self.capacity as u64 / 8) as usize
    }

    /// Reads back what was committed from `position` on.
    fn remember(&mut self, mut position: u64) {
        let end = self.producer.position();
        while position != end {
            let header = Header::from_word(self.word(position)).expect("a committed header");
            let own = record(header.len as usize);
            let lined = header.flags.has(Flags::LINED);
            let given = if lined { to_line(position.wrapping_add(own as u64)) } else { 0 };
            let (first, words) = (self.index(position), (own + given) / 8);
            for (committed, word) in
                self.committed[first..][..words].iter_mut().zip(&self.memory.words()[first..][..words])
            {
                *committed = word.load(Ordering::Relaxed);
            }
            self.starts.push_back(position);
            position = position.wrapping_add(words as u64 * 8);
        }
        while self.starts.front().is_some_and(|start| end.wrapping_sub(*start) >= self.capacity as u64) {
            self.starts.pop_front();
        }
    }

    /// The first of `starts` that is not released.
    fn first_kept(&self) -> usize {
        let position = self.producer.position();
        let kept = position.wrapping_sub(self.head);
        self.starts.partition_point(|start| position.wrapping_sub(*start) > kept)
    }

    /// Nothing that was not released is overwritten, and the next header place says that nothing is there.
    fn check(&self) {
        let position = self.producer.position();
        assert_eq!(self.word(position), 0);
        let kept = position.wrapping_sub(self.head);
        assert!(kept <= self.capacity as u64 - 8);
        let Some(&start) = self.starts.get(self.first_kept()) else { return };
        let (first, end, words) = (self.index(start), self.index(position), self.committed.len());
        let parts = if first < end { [first..end, 0..0] } else { [first..words, 0..end] };
        for part in parts {
            let changes = changes(&self.memory.words()[part.clone()], &self.committed[part]);
            assert_eq!(changes, 0, "a record from {start:#x} on was overwritten");
        }
    }

    /// The consumer dies, and leaves a cursor.
    fn salvage(mut self, input: &mut Input<'_>) -> Coverage {
        let position = self.producer.position();
        let starts: Vec<_> = self.starts.iter().copied().chain([position]).collect();
        let start = starts[input.below(starts.len().min(256))];
        let cursor = if input.coin() { start } else { input.lie(&[self.head, position, start]) };
        self.memory.cursor().cursor.store(cursor, Ordering::Relaxed);
        let in_bounds = cursor % 8 == 0 && position.wrapping_sub(cursor) <= position.wrapping_sub(self.head);
        let expected = (in_bounds && starts.contains(&cursor)).then(|| self.left(cursor));
        match self.producer.salvage() {
            Ok(undelivered) => {
                assert!(in_bounds);
                let bytes: usize = undelivered.map(|message| message.len()).sum();
                assert!(bytes <= self.capacity);
                if let Some(expected) = expected {
                    assert_eq!(bytes, expected, "bytes handed back");
                }
                self.coverage.saw(if expected.is_some() {
                    "cursor: accepted"
                } else {
                    "cursor: a lie not found"
                });
            }
            Err(corrupt) => {
                assert_eq!(corrupt, Corrupt { field: Field::Cursor, value: cursor });
                assert_eq!(expected, None, "a record's start was refused");
                self.coverage.saw(match in_bounds {
                    true => "cursor: inside of a record",
                    false if cursor % 8 != 0 => "cursor: not aligned",
                    false => "cursor: out of bounds",
                });
            }
        }
        self.coverage
    }

    /// How many bytes of messages stand whole in the ring from `cursor` on.
    fn left(&self, cursor: u64) -> usize {
        let reach = self.producer.position().wrapping_sub(cursor);
        let after = |start: &&u64| self.producer.position().wrapping_sub(**start) <= reach;
        let (mut whole, mut parts) = (0, None);
        for start in self.starts.iter().filter(after) {
            let header = Header::from_word(self.committed[self.index(*start)]).expect("a committed header");
            let len = header.len as usize;
            match header.kind {
                Kind::Data => (whole, parts) = (whole + len, None),
                Kind::First => parts = Some(len - 8),
                Kind::Middle => parts = parts.map(|bytes| bytes + len),
                Kind::Last => whole += parts.take().map_or(0, |bytes| bytes + len),
                Kind::Cancel => parts = None,
                Kind::Padding => {}
            }
        }
        whole
    }

    /// The same calls while another thread writes the consumer's words: no answer can be foretold, but every one
    /// must be given, and what was found corrupt stays so.
    fn race(&mut self, input: &mut Input<'_>, seed: u64) {
        let _scribbler = Scribbler::on_lines(self.memory.clone(), seed, self.producer.position());
        let mut corrupt = None;
        while !input.is_empty() {
            let answer = match input.below(6) {
                0 => self.producer.push_message(&vec![1; input.len(&self.borders)]),
                1 => self.producer.claim(input.len(&self.borders)).map(|mut claim| {
                    let _ = claim.put(b"raced");
                    claim.commit();
                }),
                2 => self.producer.push_stream(&mut self.stream.0, &self.stream.1),
                3 => self.producer.has_space().map(drop).map_err(PushError::from),
                4 => self.producer.is_released().map(drop).map_err(PushError::from),
                _ => self.producer.push(b""),
            };
            match (answer, corrupt) {
                (Err(PushError::TooLong { .. }), _) => {}
                (answer, Some(corrupt)) => assert_eq!(answer, Err(PushError::Corrupt(corrupt))),
                (Err(PushError::Corrupt(found)), None) => corrupt = Some(found),
                _ => {}
            }
            assert_eq!(self.word(self.producer.position()), 0);
        }
        self.coverage.saw(if corrupt.is_some() { "raced: corrupt" } else { "raced: not corrupt" });
    }
}
