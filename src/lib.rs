//! **Ringway** is the message path between a master process and its workers.

#![allow(rustdoc::private_intra_doc_links, reason = "constants are named where a public page explains them")]

pub mod ring;
pub(crate) mod sync;

#[cfg(not(loom))]
pub mod channel;
#[cfg(not(loom))]
pub mod cluster;
#[cfg(not(loom))]
pub(crate) mod control;
#[cfg(not(loom))]
pub(crate) mod link;
#[cfg(not(loom))]
pub(crate) mod segment;
#[cfg(not(loom))]
pub(crate) mod sys;
#[cfg(not(loom))]
pub(crate) mod wait;
