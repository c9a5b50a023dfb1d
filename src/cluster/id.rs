//! Who a worker is.

use std::fmt;

/// A worker: the place it fills, and which of that place's processes it is.
///
/// Slots count from 1 and stay: a worker that replaces a dead one takes over its slot with the next generation,
/// so an id is never shared by two processes.
///
/// It prints as the slot alone for the first generation (`3`), and with the generation after that (`3.2`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId {
    slot: u32,
    generation: u32,
}

impl WorkerId {
    pub(crate) const fn new(slot: u32, generation: u32) -> Self {
        WorkerId { slot, generation }
    }

    /// The first process of a slot.
    pub(crate) const fn first(slot: u32) -> Self {
        WorkerId::new(slot, 1)
    }

    /// The place in the cluster, 1 to the number of workers.
    pub const fn slot(self) -> u32 {
        self.slot
    }

    /// Which process of the slot this is; the first is 1.
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.generation {
            1 => write!(f, "{}", self.slot),
            generation => write!(f, "{}.{generation}", self.slot),
        }
    }
}

impl fmt::Debug for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkerId({}.{})", self.slot, self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::WorkerId;

    #[test]
    fn the_first_generation_prints_as_its_slot() {
        assert_eq!(WorkerId::first(3).to_string(), "3");
        assert_eq!(WorkerId::new(3, 2).to_string(), "3.2");
        assert_eq!(format!("{:?}", WorkerId::first(3)), "WorkerId(3.1)");
    }
}
