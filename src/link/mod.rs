//! Links (chapter to be written).

#![allow(dead_code, reason = "the cluster that uses it comes next")]

pub(crate) mod connect;
pub(crate) mod error;
mod grant;
pub(crate) mod peer;
mod rx;
pub(crate) mod shm;
mod tx;
mod undelivered;

pub use connect::About;
pub use grant::{Batch, Grant, GrantFull};
pub(crate) use rx::{Armed, Rx};
pub(crate) use tx::{Relief, Tx};
pub use undelivered::Undelivered;
