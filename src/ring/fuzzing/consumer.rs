//! A consumer before memory that may hold anything.

use super::arithmetic::{self, UNTOUCHED, is_untouched};
use super::scribble::Scribbler;
use super::{Coverage, Input, pop_into};
use crate::ring::lines::{CLOSED, DOORBELL, FUTEX};
use crate::ring::{
    Consumer, Corrupt, Fences, Field, Flags, Header, HeapMemory, Kind, Memory, PopError, Producer, Stream,
};
use crate::sync::Ordering;

/// Runs a consumer against what `data` says stands in memory, and how that changes between its calls.
///
/// # Panics
/// If an answer is not one that the consumer promises, whatever it reads.
pub fn consumer_hostile(data: &[u8]) -> Coverage {
    let mut input = Input::new(data);
    let mut run = Run::new(&mut input);
    let seed = input.word();
    let scribbler = (seed % 8 == 1).then(|| Scribbler::on_data(run.memory.clone(), seed));
    run.raced = scribbler.is_some();
    while !input.is_empty() {
        run.step(&mut input);
    }
    run.coverage
}

struct Run {
    memory: HeapMemory,
    consumer: Consumer<HeapMemory>,
    /// Writes correct records, so that the lies meet a ring in use.
    producer: Producer<HeapMemory>,
    stream: Stream,
    capacity: usize,
    max_message: u64,
    borders: [usize; 12],
    corrupt: Option<Corrupt>,
    /// What was published when the consumer was told that the producer is dead.
    frozen: Option<u64>,
    /// Another thread writes at the same time.
    raced: bool,
    coverage: Coverage,
}

impl Run {
    fn new(input: &mut Input<'_>) -> Self {
        let (capacity, position) = (input.capacity(), input.position());
        let max_message = [1 << 20, 1 << 10, 0, 1 << 60][input.below(4)];
        let memory = HeapMemory::new(capacity, position);
        let consumer = Consumer::new(memory.clone(), Fences::SeqCst, position, max_message);
        let producer = Producer::new(memory.clone(), Fences::SeqCst, position);
        Self {
            memory,
            consumer: consumer.expect("a capacity and a position"),
            producer: producer.expect("a capacity and a position"),
            stream: Stream::new(),
            capacity,
            max_message,
            borders: arithmetic::borders(capacity),
            corrupt: None,
            frozen: None,
            raced: false,
            coverage: Coverage::default(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(16) {
            0 | 1 => _ = self.producer.push_message(&vec![7; input.len(&self.borders)]),
            2 => _ = self.producer.push_stream(&mut self.stream, &vec![8; self.capacity * 2]),
            3 => self.producer.cancel_stream(),
            4 | 5 => self.forge(input),
            6 => self.lie(input),
            7 => {
                let near = [self.consumer.position(), self.producer.position()];
                self.memory.producer().want.store(input.lie(&near), Ordering::Relaxed);
                self.memory.producer().closed.store(u32::from(input.below(4) == 1), Ordering::Relaxed);
                let armed = [FUTEX, DOORBELL, CLOSED, u32::MAX][input.below(4)];
                self.memory.armed_space().armed.store(armed, Ordering::Relaxed);
            }
            8..=10 => self.pop(None),
            11 | 12 => {
                let room = input.len(&self.borders);
                self.pop(Some(room));
            }
            13 => self.consumer.publish(),
            14 => {
                self.consumer.arm(FUTEX);
                self.consumer.disarm();
            }
            _ => match input.below(8) {
                0 => self.consumer.close(),
                1 if self.frozen.is_none() => {
                    self.consumer.freeze();
                    self.frozen = Some(self.memory.head().head.load(Ordering::Relaxed));
                }
                _ => {}
            },
        }
        self.check();
    }

    fn word(&self, position: u64) -> u64 {
        let index = (position % self.capacity as u64 / 8) as usize;
        self.memory.words()[index].load(Ordering::Relaxed)
    }

    /// Writes a record's header near the consumer's position, and a length behind it.
    fn forge(&mut self, input: &mut Input<'_>) {
        let kinds = [Kind::Data, Kind::Padding, Kind::First, Kind::Middle, Kind::Last, Kind::Cancel];
        let flags = [
            Flags::NONE,
            Flags::NONE,
            Flags::RESTART,
            Flags::ATOMIC,
            Flags::RESTART.with(Flags::ATOMIC),
            Flags::LINED,
            Flags::LINED.with(Flags::RESTART),
        ];
        let (kind, flags) = (kinds[input.below(6)], flags[input.below(7)]);
        let position = self.consumer.position();
        let room = self.capacity - (position % self.capacity as u64) as usize;
        let len = match input.below(4) {
            0 => room - 8,
            1 => self.capacity / 4 - 8,
            _ => input.len(&self.borders),
        };
        // Here, at the next word, or where the second fragment of a batch stands.
        let ahead = [0, 0, 1, self.capacity / 32][input.below(4)];
        let at = (position % self.capacity as u64 / 8) as usize + ahead;
        let (words, total) = (self.memory.words(), input.len(&self.borders) as u64);
        let header = Header { len: len as u32, kind, flags }.to_word();
        words[at % words.len()].store(header, Ordering::Relaxed);
        if kind == Kind::First {
            let total = if input.coin() { input.lie(&[total, self.max_message]) } else { total };
            words[(at + 1) % words.len()].store(total, Ordering::Relaxed);
        }
    }

    /// Writes any word anywhere.
    fn lie(&mut self, input: &mut Input<'_>) {
        let index = match input.below(3) {
            0 => self.consumer.position() as usize / 8,
            1 => self.producer.position() as usize / 8,
            _ => input.below(256),
        };
        let words = self.memory.words();
        let word = &words[index % words.len()];
        word.store(input.lie(&[word.load(Ordering::Relaxed)]), Ordering::Relaxed);
    }

    fn pop(&mut self, room: Option<usize>) {
        let (before, header) = (self.consumer.position(), self.word(self.consumer.position()));
        let (partial, ready) = (self.consumer.partial(), self.consumer.is_ready());
        let got = match room {
            None => self.consumer.pop(),
            Some(room) => {
                let mut buffer = vec![UNTOUCHED; room];
                let (got, line) = pop_into(&mut self.consumer, &mut buffer);
                if line {
                    self.coverage.saw("data: as an answer");
                }
                let rest = buffer.split_off(got.unwrap_or(0));
                let touched = !is_untouched(&rest);
                assert!(!touched || matches!(got, Err(PopError::Corrupt(_))), "{got:?} touched the buffer");
                got.map(|_| buffer)
            }
        };
        let moved = self.consumer.position().wrapping_sub(before);
        assert!(moved <= self.capacity as u64, "{moved} bytes in one call");
        if let Some(corrupt) = self.corrupt {
            assert_eq!(got, Err(PopError::Corrupt(corrupt)), "corrupt for good");
            assert_eq!(moved, 0);
            return;
        }
        assert!(self.raced || ready || got.is_err(), "a message although it was not ready");
        match got {
            Ok(message) => self.taken(before, header, &message),
            Err(PopError::Empty) => self.coverage.saw("empty"),
            Err(PopError::Closed) => self.coverage.saw("closed"),
            Err(PopError::TooSmall { needed }) => {
                let longest = self.max_message.max(self.capacity as u64 / 2);
                assert!(room.is_some_and(|room| (room as u64) < needed) && needed <= longest);
                self.coverage.saw("too small");
            }
            Err(PopError::Corrupt(corrupt)) => {
                self.corrupt = Some(corrupt);
                self.coverage.saw(self.name(corrupt, partial));
            }
        }
    }

    /// A message was handed out.
    fn taken(&mut self, before: u64, header: u64, message: &[u8]) {
        assert!(message.len() as u64 <= self.max_message.max(self.capacity as u64 / 2));
        if self.consumer.position() == before {
            self.coverage.saw("a streamed message that was assembled before");
            return;
        }
        let Ok(Header { len, kind, flags }) = Header::from_word(header) else {
            assert!(self.raced, "a message from a header that is none");
            return;
        };
        let from = if kind == Kind::Padding { before.wrapping_add(u64::from(len) + 8) } else { before };
        match kind {
            Kind::Data => {
                if !self.raced {
                    assert_eq!(message, self.payload(from, len as usize), "not what stands in the ring");
                }
                let restart = flags.has(Flags::RESTART);
                let lined = flags.has(Flags::LINED);
                self.coverage.saw(match (restart, lined) {
                    (true, _) => "data: gives up a stream",
                    (false, true) => "data: up to the line",
                    (false, false) => "data",
                });
            }
            Kind::Padding => self.coverage.saw("padding"),
            Kind::First if flags.has(Flags::ATOMIC) => self.coverage.saw("batch of fragments"),
            _ => self.coverage.saw("streamed"),
        }
    }

    fn payload(&self, position: u64, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        for i in 1..=len.div_ceil(8) as u64 {
            bytes.extend_from_slice(&self.word(position.wrapping_add(i * 8)).to_ne_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    /// Whether a record with this header, where the consumer stands, takes more than a record may because of its line.
    fn lined_too_far(&self, word: u64) -> bool {
        let Ok(header) = Header::from_word(word) else { return false };
        let mut start = self.consumer.position();
        if header.kind == Kind::Data && self.word(start) != word {
            // Behind padding.
            start = start.wrapping_add(self.capacity as u64 - start % self.capacity as u64);
        }
        let own = arithmetic::record(header.len as usize);
        let lined = header.kind == Kind::Data && header.flags.has(Flags::LINED);
        lined && own + arithmetic::to_line(start.wrapping_add(own as u64)) > self.capacity / 4
    }

    /// Which check failed.
    fn name(&self, Corrupt { field, value }: Corrupt, partial: Option<u64>) -> &'static str {
        let header = Header::from_word(value).ok();
        let (kind, flags) = header.map_or((None, Flags::NONE), |header| (Some(header.kind), header.flags));
        match field {
            Field::Kind => "kind: unknown",
            Field::Flags if kind.is_none() => "flags: unknown",
            Field::Flags if self.lined_too_far(value) => "flags: lined beyond a quarter",
            Field::Flags if flags.has(Flags::LINED) && kind != Some(Kind::Data) => {
                "flags: lined without a message"
            }
            Field::Flags if flags.has(Flags::ATOMIC) && kind == Some(Kind::Data) => "flags: atomic data",
            Field::Flags if !flags.has(Flags::RESTART) => "flags: no restart although a stream is open",
            Field::Flags if matches!(kind, Some(Kind::Data | Kind::First)) => "flags: restart of nothing",
            Field::Flags => "flags: restart on what begins nothing",
            Field::Length if value + 8 > self.capacity as u64 / 4 => "length: over a quarter",
            Field::Length => "length: over the wrap",
            Field::Overrun => "overrun",
            Field::Padding if kind != Some(Kind::Padding) => "padding: nothing behind it",
            Field::Padding if flags != Flags::NONE => "padding: flags",
            Field::Padding => "padding: out of place",
            Field::Fragment => match kind {
                Some(Kind::First) => "fragment: a first that is not full",
                Some(Kind::Middle | Kind::Last | Kind::Cancel) if partial.is_none() => {
                    "fragment: without a first"
                }
                Some(Kind::Middle | Kind::Last | Kind::Cancel) => "fragment: not what must follow",
                _ => "fragment: missing from its batch",
            },
            Field::Total if value > self.max_message => "total: too long",
            Field::Total => "total: not one that is cut",
            Field::Head | Field::Cursor => panic!("a consumer reads neither: {field:?}"),
        }
    }

    /// What holds between any two steps.
    fn check(&self) {
        let (position, capacity) = (self.consumer.position(), self.capacity as u64);
        let head = self.memory.head().head.load(Ordering::Relaxed);
        assert_eq!(self.memory.cursor().cursor.load(Ordering::Relaxed), position);
        match self.frozen {
            Some(published) => {
                assert_eq!(head, published, "a dead producer is told nothing");
                assert!(position.wrapping_sub(published) < capacity, "more than a capacity of the dead");
            }
            None => assert!(position.wrapping_sub(head) < capacity / 8),
        }
        assert!(self.corrupt.is_none() || self.consumer.is_ready());
        assert!(self.consumer.partial().is_none_or(|bytes| bytes < self.max_message));
    }
}
