//! (chapter to be written)

mod builder;
mod error;
mod event;
#[cfg(test)]
mod fake;
mod handle;
mod id;
mod inbox;
mod lane;
mod link_port;
mod links;
mod mark;
mod master;
mod message;
mod outlet;
mod runtime;
mod spawn;
mod supervisor;
mod worker;

pub use crate::channel::Message;
pub use builder::Builder;
pub use error::{FromEnvError, HandshakeError, NextEventError, SendError, StartError, StopError};
pub use event::{DisconnectReason, Event, ExitCause};
pub use handle::Cluster;
pub use id::WorkerId;
pub use message::Undelivered;
pub use worker::Worker;
