//! What the tests of this chapter share: messages and ends as they should be.

mod denied;
mod drive;
mod host;
mod lending;
mod machine;
mod outcomes;
mod page;
mod portable;
mod random;
mod seeds;
mod stages;
mod wire;

use std::time::{Duration, Instant};

use super::accept::{Acceptance, Acceptor, Limits};
use super::fallback::{Cause, Chosen, End, Fallback, LinkChoice, Obstacle};
use super::handshake::Local;
use super::identity::{Identity, KEY_MAX, LABELS_MAX, NAME_MAX, VALUE_MAX};
use super::message::{Attach, FdKinds, Features, Hello, Message, Reason, Refuse, Terms};
use super::offer::{Offer, Offerer};
use crate::segment::{Capacity, Name};

/// A limit that ends a test that would hang otherwise.
const WATCHDOG: Duration = Duration::from_secs(30);

const LAYOUT: u64 = 0x0123_4567_89ab_cdef;
const TERMS: Terms = Terms { to_acceptor: Capacity::MAX, to_offerer: Capacity::MIN, max_message: 64 << 20 };
const ALL_FDS: FdKinds = FdKinds::ALL;
const REPLY_FDS: FdKinds = FdKinds::SEGMENT.with(FdKinds::PIDFD);

fn local() -> Local {
    Local {
        layout: LAYOUT,
        pid: 7,
        features: Features::ALL,
        choice: LinkChoice::Auto,
        shm: Ok(()),
        portable: Err(Cause::new(Obstacle::NotBuilt)),
        pidfd: true,
    }
}

fn identity() -> Identity {
    let named = Identity::new(3, 9).with_name("resize").unwrap();
    named.with_label("zone", "a").unwrap().with_label("role", "").unwrap()
}

fn full_identity() -> Identity {
    let named = Identity::new(u32::MAX, u32::MAX).with_name("ö".repeat(NAME_MAX / 2)).unwrap();
    (0..LABELS_MAX).fold(named, |identity, at| {
        identity.with_label(format!("{at:0>KEY_MAX$}"), "v".repeat(VALUE_MAX)).unwrap()
    })
}

fn offer() -> Offer {
    Offer { local: local(), terms: TERMS, identity: identity(), name: None }
}

fn acceptance() -> Acceptance {
    Acceptance { local: Local { pid: 8, ..local() }, limits: Limits::NONE }
}

fn offerer(offer: Offer, now: Instant) -> Offerer {
    Offerer::new(offer, now, now + WATCHDOG)
}

fn acceptor(acceptance: Acceptance, now: Instant) -> Acceptor {
    Acceptor::new(acceptance, now, now + WATCHDOG)
}

fn fallback(at: End, obstacle: Obstacle, errno: i32) -> Fallback {
    Fallback { at, cause: Cause::with_errno(obstacle, errno) }
}

fn socket(at: End, obstacle: Obstacle, errno: i32) -> Chosen {
    Chosen::Socket(fallback(at, obstacle, errno))
}

fn hello() -> Hello {
    Hello {
        layout: LAYOUT,
        terms: TERMS,
        pid: 7,
        features: Features::ALL,
        chosen: Chosen::Shm,
        choice: LinkChoice::Auto,
        fds: ALL_FDS,
        identity: identity(),
        name: None,
    }
}

fn attach() -> Attach {
    Attach { pid: 8, features: Features::ALL, chosen: Chosen::Shm, choice: LinkChoice::Auto, fds: REPLY_FDS }
}

fn refuse(reason: Reason) -> Refuse {
    let limited = matches!(reason, Reason::Capacity | Reason::MaxMessage);
    let denied = fallback(End::Acceptor, Obstacle::MemfdCreate, 1);
    Refuse {
        reason,
        limit: if limited { 4096 } else { 0 },
        fallback: (reason == Reason::NoSharedMemory).then_some(denied),
    }
}

/// Messages of every kind, with every number of every enum.
fn messages() -> Vec<Message> {
    let mut messages = vec![Message::Doorbell, Message::Go(Chosen::Shm)];
    for obstacle in Obstacle::ALL {
        for at in End::ALL {
            messages.push(Message::Go(socket(*at, *obstacle, 4095)));
        }
    }
    messages.extend([Message::Borrow, Message::Lend(Chosen::Shm)]);
    messages.push(Message::Lend(socket(End::Offerer, Obstacle::NoSpace, 28)));
    messages.extend(Reason::ALL.iter().map(|reason| Message::Refuse(refuse(*reason))));
    for choice in LinkChoice::ALL {
        messages.push(Message::Hello(Box::new(Hello { choice: *choice, ..hello() })));
        messages.push(Message::Attach(Attach { choice: *choice, ..attach() }));
    }
    let denied = socket(End::Offerer, Obstacle::SendFds, 38);
    for fds in [FdKinds::NONE, FdKinds::PIDFD] {
        messages.push(Message::Hello(Box::new(Hello { chosen: denied, fds, ..hello() })));
        messages.push(Message::Attach(Attach { chosen: denied, fds, ..attach() }));
    }
    for cause in Obstacle::ALL {
        let named = Chosen::Portable(fallback(End::Offerer, *cause, 1));
        let name = Some(Name::from_bytes([0xa5; Name::LEN]));
        messages.push(Message::Go(named));
        messages.push(Message::Attach(Attach { chosen: named, fds: FdKinds::PIDFD, ..attach() }));
        let hello = Hello { chosen: named, fds: FdKinds::NONE, name, identity: full_identity(), ..hello() };
        messages.push(Message::Hello(Box::new(hello)));
    }
    messages.push(Message::Hello(Box::new(Hello { identity: full_identity(), ..hello() })));
    messages.push(Message::Hello(Box::new(Hello { identity: Identity::default(), ..hello() })));
    messages
}
