//! Named memory as what one end of a link has of it.

use super::SegmentError;
use super::layout::Side;
use super::name::Name;
use super::named::{Capacities, Named, Whole};
use super::owned::OwnedSegment;
use super::peer::PeerSegment;
use super::wait_page::WaitPage;
use crate::sys::named::NamedMapping;
use std::sync::Arc;
use std::time::Duration;

/// What one end of a link has of named memory. A forked child has none of it.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) own: Arc<OwnedSegment>,
    pub(crate) peer: Arc<PeerSegment>,
    pub(crate) page: Arc<WaitPage>,
}

impl Parts {
    /// Makes memory with this name for a link, for its accepting end: see [`Whole::create`].
    ///
    /// # Errors
    /// As there.
    pub(crate) fn create(name: Name, capacities: Capacities) -> Result<(Self, Named), SegmentError> {
        let (whole, name) = Whole::create(name, capacities, NamedMapping::kept_from_children)?;
        Ok((Self::of(whole, Side::B), name))
    }

    /// Maps the memory that the accepting end made, for the offering end, and takes its name back: see [`Whole::open`].
    ///
    /// # Errors
    /// As there.
    pub(crate) fn open(name: Name, capacities: Capacities, limit: Duration) -> Result<Self, SegmentError> {
        let whole = Whole::open(name, capacities, limit, NamedMapping::kept_from_children)?;
        Ok(Self::of(whole, Side::A))
    }

    fn of(Whole { page, segments: [a, b] }: Whole, side: Side) -> Self {
        let (own, peer) = match side {
            Side::A => (a, b),
            Side::B => (b, a),
        };
        let (own, peer) = (OwnedSegment::at(own), PeerSegment::at(peer));
        Self { own: Arc::new(own), peer: Arc::new(peer), page: Arc::new(WaitPage::at(page)) }
    }
}
