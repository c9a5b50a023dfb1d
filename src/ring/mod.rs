//! The one-to-one record ring (chapter to be written).

pub mod lines;
mod memory;

pub use memory::{Memory, NoSpace};
