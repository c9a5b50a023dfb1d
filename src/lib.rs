//! **Ringway** is the message path between a master process and its workers.

pub mod ring;
#[allow(dead_code, reason = "the rings that use it come next")]
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
