//! The ring against a naive model, and against what no correct peer writes.

#[cfg(not(loom))]
mod basics;
