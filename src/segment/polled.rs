//! Named memory as the memory of a ring whose ends poll.

use super::layout::{Side, wait_data, wait_space};
use super::named::{Named, Whole};
use super::view::{SegmentView, wait_line};
use crate::ring::Memory;
use crate::ring::lines::{CursorLine, HeadLine, ProducerLine, WaitLine};
use crate::sync::AtomicU64;
use std::sync::Arc;

/// The memory of one direction of named memory. Nobody is woken by it: who waits, polls.
#[derive(Clone, Debug)]
pub struct NamedMemory {
    shared: Arc<Shared>,
    /// Who produces.
    producer: Side,
}

#[derive(Debug)]
struct Shared {
    whole: Whole,
    /// Taken back at the end, if the peer has never come.
    _name: Option<Named>,
}

impl NamedMemory {
    /// The direction in which the end `side` produces, and the one in which it consumes.
    pub(crate) fn directions(whole: Whole, name: Option<Named>, side: Side) -> [Self; 2] {
        let shared = Arc::new(Shared { whole, _name: name });
        [side, side.other()].map(|producer| Self { shared: Arc::clone(&shared), producer })
    }

    #[inline(always)]
    fn segment(&self, side: Side) -> &SegmentView {
        let [a, b] = &self.shared.whole.segments;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    fn wait_line(&self, offset: usize) -> &WaitLine {
        wait_line(&self.shared.whole.page, offset)
    }
}

impl Memory for NamedMemory {
    #[inline(always)]
    fn words(&self) -> &[AtomicU64] {
        self.segment(self.producer).words()
    }
    fn producer(&self) -> &ProducerLine {
        self.segment(self.producer).producer()
    }
    fn head(&self) -> &HeadLine {
        self.segment(self.producer.other()).head()
    }
    fn cursor(&self) -> &CursorLine {
        self.segment(self.producer.other()).cursor()
    }
    fn armed_data(&self) -> &WaitLine {
        self.wait_line(wait_data(self.producer.other()))
    }
    fn armed_space(&self) -> &WaitLine {
        self.wait_line(wait_space(self.producer))
    }
}
