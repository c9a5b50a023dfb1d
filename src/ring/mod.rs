//! The one-to-one record ring (chapter to be written).

mod assemble;
mod batch;
mod claim;
mod consumer;
mod copy;
mod error;
mod heap;
pub mod lines;
mod memory;
mod producer;
mod record;
mod salvage;
mod stream;
#[cfg(test)]
mod tests;

pub use crate::sync::Fences;
pub use batch::Batch;
pub use claim::{Claim, ClaimFull};
pub use consumer::Consumer;
pub use error::{Corrupt, Field, PopError, PushError};
pub use heap::HeapMemory;
pub use memory::{Memory, NoSpace};
pub use producer::Producer;
pub use record::{Flags, Geometry, HEADER, Header, HeaderError, Kind, MAX_FRAGMENT, MIN_CAPACITY, footprint};
pub use salvage::Undelivered;
pub use stream::Stream;
