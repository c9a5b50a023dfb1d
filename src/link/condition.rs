//! What the halves of a shared-memory link wait for.

use super::{Relief, Rx};
use crate::ring::lines::FENCE_LOST;
use crate::ring::{Consumer, Memory, Producer};
use crate::segment::ShmMemory;
use crate::sync::AtomicU32;
use crate::wait::Condition;

/// Space for what was refused last; or, meanwhile, something to take in.
pub(super) struct Space<'a> {
    pub(super) producer: &'a mut Producer<ShmMemory>,
    /// The receiving half, if it was lent.
    pub(super) incoming: Option<&'a mut Rx>,
    /// Where it could be borrowed, if another thread has it.
    pub(super) relief: Option<&'a dyn Relief>,
}

impl Space<'_> {
    fn has_incoming(&self) -> bool {
        match (&self.incoming, self.relief) {
            (Some(rx), _) => rx.poll(),
            (None, Some(relief)) => relief.is_back(),
            (None, None) => false,
        }
    }
}

impl Condition for Space<'_> {
    fn look(&mut self) -> bool {
        // Damage is told by the push that follows.
        self.producer.has_space().unwrap_or(true) || self.incoming.as_ref().is_some_and(|rx| rx.poll())
    }
    fn holds(&mut self) -> bool {
        self.producer.is_consumer_closed() || self.producer.has_space().unwrap_or(true) || self.has_incoming()
    }
    fn fenced(&self) -> bool {
        self.producer.is_consumer_fenced() && self.incoming.as_ref().is_none_or(|rx| rx.is_peer_fenced())
    }
    fn arm(&mut self, armed: u32) {
        if let Some(rx) = &mut self.incoming {
            rx.arm_for_sender(armed & FENCE_LOST);
        }
        self.producer.arm(armed);
    }
    fn disarm(&mut self) {
        self.producer.disarm();
        if let Some(rx) = &mut self.incoming {
            rx.disarm();
        }
    }
    fn word(&self) -> &AtomicU32 {
        &self.producer.memory().armed_space().armed
    }
}

/// Something to take.
pub(super) struct Data<'a> {
    pub(super) consumer: &'a mut Consumer<ShmMemory>,
    pub(super) streams: bool,
}

impl Condition for Data<'_> {
    fn stream(&self) -> Option<u64> {
        self.streams.then(|| self.consumer.position())
    }
    fn look(&mut self) -> bool {
        self.consumer.poll()
    }
    fn holds(&mut self) -> bool {
        self.consumer.is_ready()
    }
    fn fenced(&self) -> bool {
        self.consumer.is_producer_fenced()
    }
    fn arm(&mut self, armed: u32) {
        self.consumer.arm(armed);
    }
    fn disarm(&mut self) {
        self.consumer.disarm();
    }
    fn word(&self) -> &AtomicU32 {
        &self.consumer.memory().armed_data().armed
    }
}
