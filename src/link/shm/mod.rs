//! The shared-memory link: one ring each way.

mod rx;
mod tx;

pub(crate) use rx::ShmRx;
pub(crate) use tx::ShmTx;
