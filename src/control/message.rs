//! The messages of the control socket, and how they are written. [`super::decode`] reads them.
//!
//! Integers are little-endian and packed. Bytes called `0` must be 0. One message is one packet of at most
//! [`FRAME_MAX`] bytes. The first eight bytes are the same in every wire version:
//!
//! | at | type | |
//! |---|---|---|
//! | 0 | u32 | [`MAGIC`] |
//! | 4 | u16 | [`VERSION`] |
//! | 6 | u8 | [`Kind`] |
//! | 7 | u8 | 0 |
//!
//! After them, at these places:
//!
//! ```text
//! Hello                                        Attach                Go             Refuse
//!   8 u64     hash of the memory layout          8 u32     pid         8 chosen      8 u16    Reason
//!  16 u64     capacity, offerer to acceptor     12 u32     Features                 10 6      0
//!  24 u64     capacity, acceptor to offerer     16 chosen                           16 u64    the limit passed
//!  32 u64     max_message                       24 u8      LinkChoice               24 chosen why no memory
//!  40 u32     pid                               25 u8      FdKinds
//!  44 u32     Features                          26 u16     0
//!  48 u32     slot
//!  52 u32     generation
//!  56 chosen
//!  64 u8      LinkChoice
//!  65 u8      FdKinds
//!  66 u16     0
//!  68 u8      length of the name
//!  69 u8      number of labels
//!  70         the name, then each label: u8 length of the key, u8 length of the value, key, value;
//!             and, if named memory is chosen, its name: 16 bytes
//! ```
//!
//! `Borrow` has nothing after the header, `Lend` what `Go` has.
//!
//! *chosen*, 8 bytes: u16 [`Obstacle`] (0: shared memory), u16 errno (0: none), u8 [`End`], u8 [`Instead`], 2 bytes 0.
//!
//! A packet of one byte, [`DOORBELL`], is the doorbell: it wakes an end that sleeps on its sockets. On a socket link
//! [`CLOSED_SENDING`] and [`CLOSED_RECEIVING`], as long, say that the sender of the note closed that half of its own.
//!
//! [`Obstacle`]: super::fallback::Obstacle
//! [`End`]: super::fallback::End

use std::fmt;

use super::codes::coded;
use super::fallback::{Chosen, Fallback, LinkChoice};
use super::identity::{Identity, KEY_MAX, LABELS_MAX, NAME_MAX, VALUE_MAX};
use crate::segment::{Capacity, Name};

/// The first four bytes of every message but the doorbell: `RWAY`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"RWAY");
/// The version of everything that two processes exchange.
pub const VERSION: u16 = 1;
/// The largest packet on a control socket, in bytes.
pub const FRAME_MAX: usize = 4096;
/// The one byte that rings.
pub const DOORBELL: u8 = 1;
/// The one byte by which an end of a socket link says that it sends nothing more.
pub const CLOSED_SENDING: u8 = 2;
/// The one byte by which an end of a socket link says that it takes nothing more.
pub const CLOSED_RECEIVING: u8 = 4;

/// The length of what is the same in every version.
pub const HEADER_LEN: usize = 8;
/// The length of a [`Message::Hello`] up to the name.
pub const HELLO_LEN: usize = 70;
/// The length of a [`Message::Attach`].
pub const ATTACH_LEN: usize = 28;
/// The length of a [`Message::Go`].
pub const GO_LEN: usize = 16;
/// The length of a [`Message::Borrow`].
pub const BORROW_LEN: usize = HEADER_LEN;
/// The length of a [`Message::Lend`].
pub const LEND_LEN: usize = 16;
/// The length of a [`Message::Refuse`].
pub const REFUSE_LEN: usize = 32;
/// The length of the longest [`Message::Hello`].
pub const HELLO_MAX: usize = HELLO_LEN + NAME_MAX + LABELS_MAX * (2 + KEY_MAX + VALUE_MAX) + Name::LEN;

const _: () = assert!(HELLO_MAX <= FRAME_MAX);

coded! {
    /// The kinds of messages.
    Kind: u8 {
        /// [`Message::Doorbell`]; 0 is never the kind of a longer message.
        Doorbell = 0 "Doorbell",
        /// [`Message::Hello`].
        Hello = 1 "Hello",
        /// [`Message::Attach`].
        Attach = 2 "Attach",
        /// [`Message::Go`].
        Go = 3 "Go",
        /// [`Message::Refuse`].
        Refuse = 4 "Refuse",
        /// [`Message::Borrow`].
        Borrow = 5 "Borrow",
        /// [`Message::Lend`].
        Lend = 6 "Lend",
    }
}

coded! {
    /// What a link that is not over sealed memory runs over.
    Instead: u8 {
        /// The socket.
        Socket = 0 "socket",
        /// Named memory.
        Portable = 1 "named memory",
    }
}

coded! {
    /// Why an end refused.
    Reason: u16 {
        /// The other end speaks another wire version.
        Version = 1 "another wire version",
        /// It sent something that is no message.
        Malformed = 2 "a message that cannot be read",
        /// It sent a message that was not due.
        OutOfOrder = 3 "a message out of order",
        /// It sent more or fewer descriptors than it said.
        Descriptors = 4 "a wrong number of descriptors",
        /// It contradicted what was settled before.
        Contradiction = 5 "a message that contradicts an earlier one",
        /// The time limit passed.
        TimedOut = 6 "the time limit passed",
        /// Shared memory was demanded and cannot be had.
        NoSharedMemory = 7 "shared memory was demanded and cannot be had",
        /// A proposed capacity is over the limit.
        Capacity = 8 "the capacity is over the limit",
        /// The proposed `max_message` is over the limit.
        MaxMessage = 9 "max_message is over the limit",
    }
}

/// A set of named bits.
macro_rules! bits {
    ($(#[$meta:meta])* $name:ident: $word:ty { $($(#[$doc:meta])* $bit:ident = $value:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name($word);

        impl $name {
            $($(#[$doc])* pub const $bit: Self = Self($value);)*
            /// The empty set.
            pub const NONE: Self = Self(0);
            /// Every bit.
            pub const ALL: Self = Self(0 $(| $value)*);

            /// Every bit with its name.
            #[cfg(test)]
            pub(crate) const NAMED: &'static [(&'static str, Self)] =
                &[$((stringify!($bit), Self($value)),)*];

            /// The set as a number.
            #[must_use]
            pub const fn bits(self) -> $word {
                self.0
            }

            /// The set that has this number, unless it has bits without a name.
            #[must_use]
            pub fn from_bits(bits: $word) -> Option<Self> {
                (bits & !Self::ALL.0 == 0).then_some(Self(bits))
            }

            /// Whether all of `other` is in the set.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The set with `other` added.
            #[must_use]
            pub const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// The set with `other` removed.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }
        }
    };
}

bits! {
    /// What an end can do, as far as the other end must know.
    Features: u32 {
        /// The process is registered for `membarrier(GLOBAL_EXPEDITED)`.
        MEMBARRIER_REGISTERED = 1,
        /// The process calls `membarrier` before it sleeps.
        MEMBARRIER_SLEEPS = 2,
        /// The process can pass descriptors.
        FD_PASSING = 4,
        /// The process can make memfds.
        MEMFD = 8,
    }
}

bits! {
    /// The descriptors that come with a message, in the order of the bits.
    FdKinds: u8 {
        /// The sender's segment; with [`Message::Lend`], the one that it lends.
        SEGMENT = 1,
        /// The link's wait page.
        WAIT_PAGE = 2,
        /// A pidfd of the sender.
        PIDFD = 4,
    }
}

impl FdKinds {
    /// How many descriptors these are.
    #[must_use]
    pub const fn count(self) -> usize {
        self.0.count_ones() as usize
    }
}

/// What the offering end proposes; the accepting end can only take it or refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The capacity of the ring from the offerer to the acceptor.
    pub to_acceptor: Capacity,
    /// The capacity of the ring from the acceptor to the offerer.
    pub to_offerer: Capacity,
    /// The longest message that either end may send, in bytes.
    pub max_message: u64,
}

/// The offering end's first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The hash of the offerer's memory layout.
    pub layout: u64,
    /// What is proposed.
    pub terms: Terms,
    /// The offerer's process id, as it says itself.
    pub pid: u32,
    /// What the offerer can do.
    pub features: Features,
    /// Shared memory, or what stands in its way at the offerer.
    pub chosen: Chosen,
    /// What the offerer was told to use.
    pub choice: LinkChoice,
    /// The descriptors that come with the message.
    pub fds: FdKinds,
    /// Who the acceptor is.
    pub identity: Identity,
    /// The name of the memory that the acceptor is to make, if named memory is chosen and only then.
    pub name: Option<Name>,
}

/// The accepting end's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attach {
    /// The acceptor's process id, as it says itself.
    pub pid: u32,
    /// What the acceptor can do.
    pub features: Features,
    /// Shared memory, or what stands in its way at either end.
    pub chosen: Chosen,
    /// What the acceptor was told to use.
    pub choice: LinkChoice,
    /// The descriptors that come with the message.
    pub fds: FdKinds,
}

/// The end of the talk, by either end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refuse {
    /// Why.
    pub reason: Reason,
    /// The limit that was passed, for [`Reason::Capacity`] and [`Reason::MaxMessage`]; else 0.
    pub limit: u64,
    /// What stands in the way, for [`Reason::NoSharedMemory`] and for nothing else.
    pub fallback: Option<Fallback>,
}

impl fmt::Display for Refuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.name())?;
        match (self.reason, self.fallback) {
            (Reason::Capacity | Reason::MaxMessage, _) => write!(f, " of {} bytes", self.limit),
            (_, Some(fallback)) => write!(f, ": {fallback}"),
            (_, None) => Ok(()),
        }
    }
}

/// A message of the control socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Wakes an end that sleeps on its sockets. May come at any time after [`Message::Go`].
    Doorbell,
    /// The offering end's first message.
    Hello(Box<Hello>),
    /// The accepting end's answer.
    Attach(Attach),
    /// The offering end's last word: the link that both use from now on.
    Go(Chosen),
    /// The end of the talk.
    Refuse(Refuse),
    /// The accepting end may not make a segment and asks for one. Its [`Message::Attach`] comes later.
    Borrow,
    /// The offering end's answer to that: it lends a segment, or what stands in its way.
    Lend(Chosen),
}

impl Message {
    /// The message's kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Message::Doorbell => Kind::Doorbell,
            Message::Hello(_) => Kind::Hello,
            Message::Attach(_) => Kind::Attach,
            Message::Go(_) => Kind::Go,
            Message::Refuse(_) => Kind::Refuse,
            Message::Borrow => Kind::Borrow,
            Message::Lend(_) => Kind::Lend,
        }
    }

    /// The packet that says this.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        if matches!(self, Message::Doorbell) {
            return vec![DOORBELL];
        }
        let mut packet = Vec::with_capacity(HELLO_LEN);
        packet.extend(MAGIC.to_le_bytes());
        packet.extend(VERSION.to_le_bytes());
        packet.extend([self.kind().code(), 0]);
        match self {
            Message::Doorbell | Message::Borrow => {}
            Message::Hello(hello) => put_hello(&mut packet, hello),
            Message::Attach(attach) => put_attach(&mut packet, attach),
            Message::Go(chosen) | Message::Lend(chosen) => put_chosen(&mut packet, *chosen),
            Message::Refuse(refuse) => put_refuse(&mut packet, refuse),
        }
        packet
    }
}

fn put_hello(packet: &mut Vec<u8>, hello: &Hello) {
    let Terms { to_acceptor, to_offerer, max_message } = hello.terms;
    for word in [hello.layout, to_acceptor.bytes(), to_offerer.bytes(), max_message] {
        packet.extend(word.to_le_bytes());
    }
    let identity = &hello.identity;
    for word in [hello.pid, hello.features.bits(), identity.slot(), identity.generation()] {
        packet.extend(word.to_le_bytes());
    }
    put_chosen(packet, hello.chosen);
    packet.extend([hello.choice.code(), hello.fds.bits(), 0, 0]);
    // The bounds of an `Identity` are below 256.
    packet.extend([identity.name().len() as u8, identity.labels().len() as u8]);
    packet.extend(identity.name().as_bytes());
    for (key, value) in identity.labels() {
        packet.extend([key.len() as u8, value.len() as u8]);
        packet.extend(key.as_bytes());
        packet.extend(value.as_bytes());
    }
    packet.extend(hello.name.iter().flat_map(|name| name.to_bytes()));
}

fn put_attach(packet: &mut Vec<u8>, attach: &Attach) {
    packet.extend(attach.pid.to_le_bytes());
    packet.extend(attach.features.bits().to_le_bytes());
    put_chosen(packet, attach.chosen);
    packet.extend([attach.choice.code(), attach.fds.bits(), 0, 0]);
}

fn put_refuse(packet: &mut Vec<u8>, refuse: &Refuse) {
    packet.extend(refuse.reason.code().to_le_bytes());
    packet.extend([0; 6]);
    packet.extend(refuse.limit.to_le_bytes());
    put_chosen(packet, refuse.fallback.map_or(Chosen::Shm, Chosen::Socket));
}

fn put_chosen(packet: &mut Vec<u8>, chosen: Chosen) {
    let instead = if matches!(chosen, Chosen::Portable(_)) { Instead::Portable } else { Instead::Socket };
    let (obstacle, errno, end) = match chosen.fallback() {
        None => (0, 0, 0),
        Some(Fallback { at, cause }) => (cause.obstacle().code(), cause.errno_code(), at.code()),
    };
    packet.extend(obstacle.to_le_bytes());
    packet.extend(errno.to_le_bytes());
    packet.extend([end, instead.code(), 0, 0]);
}
