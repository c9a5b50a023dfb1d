//! What an end has of named memory, in the course of the handshake; without the feature `portable`, nothing, and why.

use crate::control::fallback::{Cause, LinkChoice, Obstacle};
use crate::control::message::Terms;
#[cfg(feature = "portable")]
use crate::segment::Parts;
#[cfg(feature = "portable")]
use crate::segment::named::{Capacities, LIMIT, Named};
use crate::segment::{Name, OwnedSegment, PeerSegment, WaitPage};
use std::sync::Arc;

/// All that a link over shared memory needs.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) own: Arc<OwnedSegment>,
    pub(super) peer: Arc<PeerSegment>,
    pub(super) page: Arc<WaitPage>,
}

/// What one end has of named memory.
#[derive(Debug, Default)]
pub(super) struct Portable {
    pub(super) memory: Option<Memory>,
    /// Until the link is made or given up.
    #[cfg(feature = "portable")]
    name: Option<Named>,
}

#[cfg(feature = "portable")]
impl Portable {
    /// Named memory is offered if it is asked for, or if `cause` says that no other may be made.
    pub(super) fn offering(choice: LinkChoice, cause: Cause) -> Result<Self, Cause> {
        match choice {
            LinkChoice::Portable => {}
            LinkChoice::Auto if cause.is_memfd_denied() => {}
            _ => return Err(cause),
        }
        let name = Named::new().map_err(|error| Cause::from(&error))?;
        Ok(Self { memory: None, name: Some(name) })
    }

    /// The accepting end makes it when it is told the name.
    pub(super) fn accepting() -> Result<Self, Cause> {
        Ok(Self::default())
    }

    pub(super) fn name(&self) -> Option<Name> {
        self.name.as_ref().map(Named::name)
    }

    pub(super) fn create(&mut self, terms: &Terms, name: Name) -> Result<(), Cause> {
        let made = Parts::create(name, capacities(terms));
        let (parts, name) = made.map_err(|error| Cause::from(&error))?;
        *self = Self { memory: Some(parts.into()), name: Some(name) };
        Ok(())
    }

    pub(super) fn open(&mut self, terms: &Terms) -> Result<(), Cause> {
        let name = self.name().ok_or(Cause::new(Obstacle::NotBuilt))?;
        let parts = Parts::open(name, capacities(terms), LIMIT).map_err(|error| Cause::from(&error))?;
        self.memory = Some(parts.into());
        Ok(())
    }
}

#[cfg(feature = "portable")]
impl From<Parts> for Memory {
    fn from(Parts { own, peer, page }: Parts) -> Self {
        Self { own, peer, page }
    }
}

#[cfg(feature = "portable")]
fn capacities(terms: &Terms) -> Capacities {
    [terms.to_acceptor, terms.to_offerer]
}

#[cfg(not(feature = "portable"))]
impl Portable {
    pub(super) fn offering(_: LinkChoice, _: Cause) -> Result<Self, Cause> {
        Self::accepting()
    }

    pub(super) fn accepting() -> Result<Self, Cause> {
        Err(Cause::new(Obstacle::NotBuilt))
    }

    pub(super) fn name(&self) -> Option<Name> {
        None
    }

    pub(super) fn create(&mut self, _: &Terms, _: Name) -> Result<(), Cause> {
        Err(Cause::new(Obstacle::NotBuilt))
    }

    pub(super) fn open(&mut self, _: &Terms) -> Result<(), Cause> {
        Err(Cause::new(Obstacle::NotBuilt))
    }
}
