//! The ring beside a naive model of it: the same operations on both, and every answer compared.

mod op;
mod send;
mod take;

pub use op::{ClaimEnd, Op};

use super::Coverage;
use super::arithmetic::message;
use crate::ring::lines::{AWAKE, FUTEX};
use crate::ring::{Consumer, Fences, HeapMemory, Memory, Producer, Stream};
use crate::sync::Ordering;
use std::collections::VecDeque;

/// What was committed and not yet taken: one hand-out or one fragment of a stream, and where it ends.
#[derive(Debug)]
struct Wire {
    end: u64,
    piece: Piece,
}

#[derive(Debug)]
enum Piece {
    /// A message that is handed out at once.
    Whole(Vec<u8>),
    /// The first fragment of a stream of `total` bytes.
    First {
        total: usize,
        bytes: usize,
    },
    Middle {
        bytes: usize,
    },
    /// The last fragment, with the message that it completes.
    Last {
        bytes: usize,
        message: Vec<u8>,
    },
    Cancel,
}

/// One message on its way in fragments.
#[derive(Debug, Default)]
struct Slot {
    stream: Stream,
    message: Option<Vec<u8>>,
    /// Fragments committed, and bytes in them; both 0 if it has to begin anew.
    fragments: usize,
    sent: usize,
}

/// A ring, and what it must look like.
#[derive(Debug)]
pub struct Model {
    producer: Producer<HeapMemory>,
    consumer: Consumer<HeapMemory>,
    memory: HeapMemory,
    capacity: usize,
    /// P, and the consumer's position.
    position: u64,
    cursor: u64,
    wire: VecDeque<Wire>,
    /// A streamed message that was assembled, and found too long for a buffer.
    assembled: Option<Vec<u8>>,
    /// Bytes of a streamed message that were taken.
    partial: Option<usize>,
    slots: [Slot; 2],
    /// The stream on the wire has neither ended nor been given up.
    streaming: bool,
    producer_closed: bool,
    consumer_closed: bool,
    serial: u64,
    coverage: Coverage,
}

impl Model {
    /// A ring of `capacity` bytes that begins at `position`.
    ///
    /// # Panics
    /// If there is no such ring.
    pub fn new(capacity: usize, position: u64) -> Self {
        let memory = HeapMemory::new(capacity, position);
        let producer = Producer::new(memory.clone(), Fences::SeqCst, position);
        let consumer = Consumer::new(memory.clone(), Fences::SeqCst, position, 1 << 20);
        Self {
            producer: producer.expect("a capacity and a position"),
            consumer: consumer.expect("a capacity and a position"),
            memory,
            capacity,
            position,
            cursor: position,
            wire: VecDeque::new(),
            assembled: None,
            partial: None,
            slots: Default::default(),
            streaming: false,
            producer_closed: false,
            consumer_closed: false,
            serial: 0,
            coverage: Coverage::default(),
        }
    }

    /// Applies one operation to the ring and to the model.
    ///
    /// # Panics
    /// If the two differ.
    pub fn apply(&mut self, op: &Op) {
        let (armed_data, position) = (self.armed_data(), self.position);
        match op {
            Op::Push(len) => self.push(*len),
            Op::Turn(len) => self.turn(*len),
            Op::Message(len) => self.message(*len),
            Op::Claim { max, puts, patch, end } => self.claim(*max, puts, *patch, *end),
            Op::Batch { lens, commit } => self.batch(lens, *commit),
            Op::Stream { slot, len } => self.stream(*slot, *len),
            Op::Cancel => self.cancel(),
            Op::Pop => self.pop(None),
            Op::PopInto(room) => self.pop(Some(*room)),
            Op::Publish => {
                self.consumer.publish();
                assert_eq!(self.head(), self.cursor, "publish hides nothing");
            }
            Op::ArmData if !self.consumer_closed => self.consumer.arm(FUTEX),
            Op::ArmData => {}
            Op::ArmSpace => self.producer.arm(FUTEX),
            Op::Look => self.look(),
            Op::CloseProducer => {
                self.producer.close();
                self.producer_closed = true;
            }
            Op::CloseConsumer => {
                self.consumer.close();
                self.consumer_closed = true;
            }
        }
        if self.position != position && armed_data == FUTEX {
            assert_eq!(self.armed_data(), AWAKE, "a commit takes the armed value back");
            self.coverage.saw("the consumer is woken");
        }
        self.check();
    }

    fn head(&self) -> u64 {
        self.memory.head().head.load(Ordering::Relaxed)
    }

    fn armed_data(&self) -> u32 {
        self.memory.armed_data().armed.load(Ordering::Relaxed)
    }

    /// What must hold between any two operations.
    fn check(&self) {
        let (head, capacity) = (self.head(), self.capacity as u64);
        assert_eq!(self.producer.position(), self.position, "P");
        assert_eq!(self.consumer.position(), self.cursor, "the consumer's position");
        assert_eq!(self.memory.cursor().cursor.load(Ordering::Relaxed), self.cursor, "the cursor");
        let (behind, left) = (self.position.wrapping_sub(head), self.position.wrapping_sub(self.cursor));
        assert!(left <= behind && behind <= capacity - 8, "head {head:#x} ≤ cursor ≤ P");
        assert!(behind - left < capacity / 8, "{} bytes were released in secret", behind - left);
        assert_eq!(self.producer.is_streaming(), self.streaming);
        assert_eq!(self.consumer.partial(), self.partial.map(|bytes| bytes as u64));
        assert_eq!(self.consumer.poll(), !self.wire.is_empty());
        let ready = !self.wire.is_empty() || self.assembled.is_some() || self.producer_closed;
        assert_eq!(self.consumer.is_ready(), ready);
    }

    fn next_message(&mut self, len: usize) -> Vec<u8> {
        self.serial += 1;
        message(self.serial, len)
    }
}
