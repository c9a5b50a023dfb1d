//! What a segment refuses, survives and carries.

mod hostile;
mod lent;
mod memory;
#[cfg(feature = "portable")]
mod named;
mod refused;
mod space;

use super::{Capacity, OwnedSegment, PeerSegment, ShmMemory, Side, WaitPage};
use std::sync::Arc;

fn smallest() -> Capacity {
    Capacity::new(4096).unwrap()
}

/// Everything that the two ends of a link have mapped.
struct Link {
    own: [Arc<OwnedSegment>; 2],
    peer: [Arc<PeerSegment>; 2],
    wait: [Arc<WaitPage>; 2],
}

impl Link {
    fn new(capacity: Capacity) -> Self {
        let (a, a_fd) = OwnedSegment::create(capacity).unwrap();
        let (b, b_fd) = OwnedSegment::create(capacity).unwrap();
        let (wait, wait_fd) = WaitPage::create().unwrap();
        Self {
            own: [a, b].map(Arc::new),
            peer: [b_fd, a_fd].map(|fd| Arc::new(PeerSegment::open(fd, capacity).unwrap())),
            wait: [wait, WaitPage::open(wait_fd).unwrap()].map(Arc::new),
        }
    }

    fn parts(&self, side: Side) -> (Arc<OwnedSegment>, Arc<PeerSegment>, Arc<WaitPage>) {
        let end = side as usize;
        (self.own[end].clone(), self.peer[end].clone(), self.wait[end].clone())
    }

    fn outgoing(&self, side: Side) -> ShmMemory {
        let (own, peer, wait) = self.parts(side);
        ShmMemory::outgoing(own, peer, wait, side)
    }

    fn incoming(&self, side: Side) -> ShmMemory {
        let (own, peer, wait) = self.parts(side);
        ShmMemory::incoming(own, peer, wait, side)
    }
}
