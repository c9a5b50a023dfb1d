//! How a packet of the control socket becomes a [`Message`].
//!
//! # Guarantees
//! - Never panics, whatever the bytes.
//! - Allocates for a name and labels only, after their lengths have been checked against the bounds of
//!   [`Identity`].
//! - Strict: each message has exactly one packet, so `decode(packet)?.encode() == packet`.

use super::fallback::{Cause, Chosen, ERRNO_MAX, End, Fallback, LinkChoice, Obstacle};
use super::identity::{Identity, IdentityError, KEY_MAX, LABELS_MAX, NAME_MAX, VALUE_MAX};
use super::message::{
    Attach, DOORBELL, FRAME_MAX, FdKinds, Features, Hello, Instead, Kind, MAGIC, Message, Reason, Refuse,
    Terms, VERSION,
};
use super::message_error::MessageError;
use crate::segment::{Capacity, Name};

/// Reads one packet.
///
/// # Errors
/// A [`MessageError`] that says what is wrong with it. [`MessageError::Version`] is looked for before anything
/// that may differ between versions.
pub fn decode(packet: &[u8]) -> Result<Message, MessageError> {
    match *packet {
        [DOORBELL] => return Ok(Message::Doorbell),
        [got] => return Err(MessageError::Doorbell { got }),
        _ if packet.len() > FRAME_MAX => return Err(MessageError::TooLong { len: packet.len() }),
        _ => {}
    }
    let mut rest = Reader { packet, at: 0 };
    let magic = rest.u32()?;
    if magic != MAGIC {
        return Err(MessageError::Magic { got: magic });
    }
    let theirs = rest.u16()?;
    if theirs != VERSION {
        return Err(MessageError::Version { ours: VERSION, theirs });
    }
    let kind = rest.u8()?;
    rest.zeros(1)?;
    let message = match Kind::from_code(kind) {
        Some(Kind::Hello) => Message::Hello(Box::new(rest.hello()?)),
        Some(Kind::Attach) => Message::Attach(rest.attach()?),
        Some(Kind::Go) => Message::Go(rest.chosen()?),
        Some(Kind::Refuse) => Message::Refuse(rest.refuse()?),
        Some(Kind::Borrow) => Message::Borrow,
        Some(Kind::Lend) => Message::Lend(rest.chosen()?),
        Some(Kind::Doorbell) | None => return Err(MessageError::UnknownKind { got: kind }),
    };
    match packet.len() - rest.at {
        0 => Ok(message),
        extra => Err(MessageError::Trailing { kind: message.kind(), extra }),
    }
}

/// A packet and how far it has been read; `at` never passes its end.
struct Reader<'a> {
    packet: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], MessageError> {
        let end = self.at.saturating_add(len);
        let have = self.packet.len();
        let bytes = self.packet.get(self.at..end).ok_or(MessageError::Short { need: end, have })?;
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, MessageError> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, MessageError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, MessageError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, MessageError> {
        self.array().map(u64::from_le_bytes)
    }

    fn zeros(&mut self, len: usize) -> Result<(), MessageError> {
        let start = self.at;
        match self.bytes(len)?.iter().enumerate().find(|(_, byte)| **byte != 0) {
            Some((offset, byte)) => Err(MessageError::Reserved { at: start + offset, got: *byte }),
            None => Ok(()),
        }
    }

    fn text(&mut self, len: usize) -> Result<String, MessageError> {
        let bytes = self.bytes(len)?.to_vec();
        String::from_utf8(bytes).map_err(|_| IdentityError::NotUtf8.into())
    }

    fn hello(&mut self) -> Result<Hello, MessageError> {
        let layout = self.u64()?;
        let terms =
            Terms { to_acceptor: self.capacity()?, to_offerer: self.capacity()?, max_message: self.u64()? };
        if terms.max_message == 0 {
            return Err(MessageError::MaxMessage);
        }
        let pid = self.u32()?;
        let features = self.features()?;
        let (slot, generation) = (self.u32()?, self.u32()?);
        let chosen = self.chosen()?;
        let choice = self.choice()?;
        let fds = self.fds(chosen, FdKinds::SEGMENT.with(FdKinds::WAIT_PAGE))?;
        let identity = self.identity(Identity::new(slot, generation))?;
        let named = matches!(chosen, Chosen::Portable(_));
        let name = if named { Some(Name::from_bytes(self.array()?)) } else { None };
        Ok(Hello { layout, terms, pid, features, chosen, choice, fds, identity, name })
    }

    fn attach(&mut self) -> Result<Attach, MessageError> {
        let pid = self.u32()?;
        let features = self.features()?;
        let chosen = self.chosen()?;
        let choice = self.choice()?;
        let fds = self.fds(chosen, FdKinds::SEGMENT)?;
        Ok(Attach { pid, features, chosen, choice, fds })
    }

    fn refuse(&mut self) -> Result<Refuse, MessageError> {
        let code = self.u16()?;
        let reason =
            Reason::from_code(code).ok_or(MessageError::UnknownCode { field: "reason", got: code })?;
        self.zeros(6)?;
        let limit = self.u64()?;
        let chosen = self.chosen()?;
        let (fallback, named) = (chosen.fallback(), matches!(chosen, Chosen::Portable(_)));
        let limited = matches!(reason, Reason::Capacity | Reason::MaxMessage);
        if named || (limit != 0 && !limited) || (fallback.is_some() != (reason == Reason::NoSharedMemory)) {
            return Err(MessageError::Refuse { reason });
        }
        Ok(Refuse { reason, limit, fallback })
    }

    fn capacity(&mut self) -> Result<Capacity, MessageError> {
        Capacity::new(self.u64()?).map_err(MessageError::Capacity)
    }

    fn features(&mut self) -> Result<Features, MessageError> {
        let got = self.u32()?;
        Features::from_bits(got).ok_or(MessageError::UnknownFeatures { got })
    }

    fn choice(&mut self) -> Result<LinkChoice, MessageError> {
        let got = self.u8()?;
        LinkChoice::from_code(got).ok_or(MessageError::UnknownCode { field: "choice", got: got.into() })
    }

    fn chosen(&mut self) -> Result<Chosen, MessageError> {
        let (obstacle, errno, end, instead) = (self.u16()?, self.u16()?, self.u8()?, self.u8()?);
        self.zeros(2)?;
        if errno > ERRNO_MAX {
            return Err(MessageError::Errno { got: errno });
        }
        if (obstacle, errno, end, instead) == (0, 0, 0, 0) {
            return Ok(Chosen::Shm);
        }
        let unknown = |field, got| MessageError::UnknownCode { field, got };
        let at = End::from_code(end).ok_or(unknown("end", end.into()))?;
        let obstacle = Obstacle::from_code(obstacle).ok_or(unknown("obstacle", obstacle))?;
        let fallback = Fallback { at, cause: Cause::with_errno(obstacle, errno.into()) };
        match Instead::from_code(instead) {
            Some(Instead::Socket) => Ok(Chosen::Socket(fallback)),
            Some(Instead::Portable) => Ok(Chosen::Portable(fallback)),
            None => Err(unknown("instead", instead.into())),
        }
    }

    /// The set of descriptors, and the two zero bytes after it: `needed` for shared memory and none of them for
    /// anything else, a pidfd with either.
    fn fds(&mut self, chosen: Chosen, needed: FdKinds) -> Result<FdKinds, MessageError> {
        let got = self.u8()?;
        self.zeros(2)?;
        let needed = if chosen == Chosen::Shm { needed } else { FdKinds::NONE };
        match FdKinds::from_bits(got) {
            Some(fds) if fds.without(FdKinds::PIDFD) == needed => Ok(fds),
            _ => Err(MessageError::FdKinds { got, needed: needed.bits() }),
        }
    }

    fn identity(&mut self, mut identity: Identity) -> Result<Identity, MessageError> {
        let name = usize::from(self.u8()?);
        let count = usize::from(self.u8()?);
        if name > NAME_MAX {
            return Err(IdentityError::NameTooLong { len: name }.into());
        }
        if count > LABELS_MAX {
            return Err(IdentityError::TooManyLabels { count }.into());
        }
        identity = identity.with_name(self.text(name)?)?;
        for _ in 0..count {
            let (key, value) = (usize::from(self.u8()?), usize::from(self.u8()?));
            if key > KEY_MAX {
                return Err(IdentityError::KeyLength { len: key }.into());
            }
            if value > VALUE_MAX {
                return Err(IdentityError::ValueTooLong { len: value }.into());
            }
            identity = identity.with_label(self.text(key)?, self.text(value)?)?;
        }
        Ok(identity)
    }
}
