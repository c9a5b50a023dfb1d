//! Messages that are written in place, and messages that are sent together.

use super::error::{BatchError, Cause, TxError};
use super::peer::Peer;
use super::socket::{SocketBatch, SocketGrant};
use crate::ring::{self, Claim, ClaimFull};
use crate::segment::ShmMemory;
use crate::sys::fork::Origin;
use std::fmt;
use std::io;

/// Room for one message, to be filled and committed. Dropped, it leaves no trace.
///
/// The bytes may lie in memory that the peer can read, so a grant hands out no slice: bytes are put in.
#[derive(Debug)]
pub struct Grant<'a> {
    inner: GrantInner<'a>,
}

#[derive(Debug)]
enum GrantInner<'a> {
    Shm {
        claim: Claim<'a, ShmMemory>,
        /// In a forked child there is nothing behind the claim.
        origin: Origin,
    },
    Socket(SocketGrant<'a>),
}

/// The bytes do not fit into what was granted. None of them was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantFull {
    /// How many bytes there was room for.
    pub room: usize,
}

impl fmt::Display for GrantFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is room for {} bytes: ask for a larger grant", self.room)
    }
}

impl std::error::Error for GrantFull {}

impl From<ClaimFull> for GrantFull {
    fn from(full: ClaimFull) -> Self {
        Self { room: full.room }
    }
}

impl<'a> Grant<'a> {
    #[inline]
    pub(super) fn shm(claim: Claim<'a, ShmMemory>, origin: Origin) -> Self {
        Self { inner: GrantInner::Shm { claim, origin } }
    }

    pub(super) fn socket(grant: SocketGrant<'a>) -> Self {
        Self { inner: GrantInner::Socket(grant) }
    }

    /// How many bytes were put.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.inner {
            GrantInner::Shm { claim, .. } => claim.len(),
            GrantInner::Socket(grant) => grant.len(),
        }
    }

    /// Whether nothing was put yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many more bytes can be put.
    #[inline]
    #[must_use]
    pub fn room(&self) -> usize {
        match &self.inner {
            GrantInner::Shm { origin, .. } if origin.forked() => 0,
            GrantInner::Shm { claim, .. } => claim.room(),
            GrantInner::Socket(grant) => grant.room(),
        }
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`GrantFull`] if they do not fit; none was put then.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), GrantFull> {
        match &mut self.inner {
            GrantInner::Shm { origin, .. } if origin.forked() => Err(GrantFull { room: 0 }),
            GrantInner::Shm { claim, .. } => Ok(claim.put(bytes)?),
            GrantInner::Socket(grant) => grant.put(bytes),
        }
    }

    /// Writes over bytes that were put before, from byte `at` on.
    ///
    /// # Errors
    /// [`GrantFull`] if they reach beyond what was put; nothing is changed then.
    pub fn write_at(&mut self, at: usize, bytes: &[u8]) -> Result<(), GrantFull> {
        match &mut self.inner {
            GrantInner::Shm { origin, .. } if origin.forked() => Err(GrantFull { room: 0 }),
            GrantInner::Shm { claim, .. } => Ok(claim.write_at(at, bytes)?),
            GrantInner::Socket(grant) => grant.write_at(at, bytes),
        }
    }

    /// Sends what was put.
    ///
    /// # Errors
    /// The [`Cause`] if the direction ended meanwhile. Over shared memory a commit fails in a forked child alone.
    #[inline]
    pub fn commit(self) -> Result<(), Cause> {
        let len = self.len();
        self.commit_first(len)
    }

    /// Sends the first `len` bytes of what was put; all of it if there are fewer.
    ///
    /// # Errors
    /// As [`Grant::commit`].
    #[inline]
    pub fn commit_first(self, len: usize) -> Result<(), Cause> {
        match self.inner {
            GrantInner::Shm { origin, .. } if origin.forked() => Err(Cause::Forked),
            GrantInner::Shm { claim, .. } => {
                claim.commit_first(len);
                Ok(())
            }
            GrantInner::Socket(grant) => grant.commit_first(len),
        }
    }
}

/// A full grant takes what fits, and then nothing.
impl io::Write for Grant<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(self.room());
        self.put(&bytes[..fits]).map_err(io::Error::other)?;
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Messages that the peer sees all at once, or not at all. Dropped without a commit, it leaves no trace.
#[derive(Debug)]
pub struct Batch<'a> {
    inner: BatchInner<'a>,
}

#[derive(Debug)]
enum BatchInner<'a> {
    Shm {
        batch: ring::Batch<'a, ShmMemory>,
        usable: Result<(), TxError>,
        longest: u64,
        peer: &'a Peer,
    },
    Socket(SocketBatch<'a>),
    /// Of a sending half that is lent.
    None,
}

impl<'a> Batch<'a> {
    /// `usable`: what every push answers if it is an error. `longest`: the longest message that is taken.
    #[inline]
    pub(super) fn shm(
        batch: ring::Batch<'a, ShmMemory>,
        usable: Result<(), TxError>,
        longest: u64,
        peer: &'a Peer,
    ) -> Self {
        Self { inner: BatchInner::Shm { batch, usable, longest, peer } }
    }

    pub(super) fn socket(batch: SocketBatch<'a>) -> Self {
        Self { inner: BatchInner::Socket(batch) }
    }

    pub(super) fn none() -> Self {
        Self { inner: BatchInner::None }
    }

    /// Adds a message.
    ///
    /// # Errors
    /// [`BatchError`]; the batch is as it was before, and can still be committed.
    #[inline]
    pub fn push(&mut self, message: &[u8]) -> Result<(), BatchError> {
        match &mut self.inner {
            BatchInner::Shm { peer, .. } if peer.forked() => Err(BatchError::Disconnected(Cause::Forked)),
            BatchInner::Shm { batch, usable, longest, peer } => {
                (*usable)?;
                let (len, max) = (message.len() as u64, *longest);
                if len > max {
                    return Err(BatchError::TooLong { len, max });
                }
                Ok(batch.push_message(message).map_err(|error| peer.refused(error))?)
            }
            BatchInner::Socket(batch) => batch.push(message),
            BatchInner::None => Err(BatchError::Full),
        }
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.inner {
            BatchInner::Shm { batch, .. } => batch.is_empty(),
            BatchInner::Socket(batch) => batch.is_empty(),
            BatchInner::None => true,
        }
    }

    /// Sends the messages, all at once.
    ///
    /// # Errors
    /// The [`Cause`] if the direction ended meanwhile. Over shared memory a commit fails in a forked child alone.
    #[inline]
    pub fn commit(self) -> Result<(), Cause> {
        match self.inner {
            BatchInner::Shm { peer, .. } if peer.forked() => Err(Cause::Forked),
            BatchInner::Shm { batch, .. } => {
                batch.commit();
                Ok(())
            }
            BatchInner::Socket(batch) => batch.commit(),
            BatchInner::None => Ok(()),
        }
    }
}
