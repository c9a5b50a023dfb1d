//! Grants and batches over a socket: both are written into the next packet, which is sent at the commit.

use super::tx::SocketTx;
use crate::link::error::{BatchError, Cause, TxError};
use crate::link::grant::GrantFull;
use crate::ring::Kind;

/// Room for one message in the next packet.
#[derive(Debug)]
pub(crate) struct SocketGrant<'a> {
    tx: &'a mut SocketTx,
    max: usize,
    put: usize,
}

impl<'a> SocketGrant<'a> {
    /// `max` is at most what a packet holds.
    pub(super) fn new(tx: &'a mut SocketTx, max: usize) -> Self {
        Self { tx, max, put: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.put
    }

    pub(crate) fn room(&self) -> usize {
        self.max - self.put
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), GrantFull> {
        let full = GrantFull { room: self.room() };
        let free = &mut self.tx.packet.open(self.max)[self.put..];
        free.get_mut(..bytes.len()).ok_or(full)?.copy_from_slice(bytes);
        self.put += bytes.len();
        Ok(())
    }

    pub(crate) fn write_at(&mut self, at: usize, bytes: &[u8]) -> Result<(), GrantFull> {
        let full = GrantFull { room: self.put.saturating_sub(at) };
        let written = self.tx.packet.open(self.put).get_mut(at..).ok_or(full)?;
        written.get_mut(..bytes.len()).ok_or(full)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn commit_first(self, len: usize) -> Result<(), Cause> {
        let flags = self.tx.restart_flag();
        self.tx.packet.seal(len.min(self.put), flags);
        self.tx.commit_messages()
    }
}

/// Messages in the next packet.
#[derive(Debug)]
pub(crate) struct SocketBatch<'a> {
    tx: &'a mut SocketTx,
    empty: bool,
}

impl<'a> SocketBatch<'a> {
    pub(super) fn new(tx: &'a mut SocketTx) -> Self {
        tx.packet.clear();
        Self { tx, empty: true }
    }

    pub(crate) fn push(&mut self, message: &[u8]) -> Result<(), BatchError> {
        self.tx.check_length(message.len(), self.tx.max_atomic())?;
        let mut flags = crate::ring::Flags::NONE;
        if self.empty {
            // Where there is space for a packet there is space for the longest: only the first message asks.
            self.tx.probe(0)?;
            flags = self.tx.restart_flag();
        }
        if !self.tx.packet.push(Kind::Data, flags, &[], message) {
            return Err(TxError::BatchFull.into());
        }
        self.empty = false;
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.empty
    }

    pub(crate) fn commit(self) -> Result<(), Cause> {
        if self.empty { Ok(()) } else { self.tx.commit_messages() }
    }
}
