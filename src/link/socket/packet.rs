//! What stands in a packet: records, each the header word of the ring and a payload, without gaps.
//!
//! ```text
//!  ┌──────────────┬─────────┐┌──────────────┬─────────┐
//!  │ header, 8 B  │ payload ││ header, 8 B  │ payload │ …
//!  └──────────────┴─────────┘└──────────────┴─────────┘
//! ```
//! One record, or a batch: several whole messages. No other file knows where anything stands in a packet.

use crate::ring::{Corrupt, Field, Flags, HEADER, Header, HeaderError, Kind};

/// The longest packet.
///
/// Longer ones gain nothing and cost the kernel large pieces of memory; it would take them up to 32 bytes less
/// than the send buffer.
pub(crate) const MAX_PACKET: usize = 64 * 1024;

/// The longest payload of a record.
pub(crate) const MAX_PAYLOAD: usize = MAX_PACKET - WORD;

/// The length of a header.
const WORD: usize = HEADER as usize;

/// How much of a packet tells what it begins with: a header, and the length behind a FIRST's.
pub(super) const BEGINNING: usize = 2 * WORD;

/// A packet that is being written, or handed out record by record.
pub(super) struct Packet {
    bytes: Box<[u8]>,
    /// What was handed out.
    at: usize,
    /// What was written, or received.
    len: usize,
}

impl std::fmt::Debug for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { bytes, at, len } = self;
        write!(f, "Packet {{ {at}..{len} of {} }}", bytes.len())
    }
}

impl Packet {
    /// An empty packet with room for `room` bytes.
    pub(super) fn new(room: usize) -> Self {
        Self { bytes: vec![0; room].into(), at: 0, len: 0 }
    }

    /// The longest payload for which an empty packet has room.
    pub(super) fn max_payload(&self) -> usize {
        self.bytes.len() - WORD
    }

    /// Forgets what there is.
    pub(super) fn clear(&mut self) {
        (self.at, self.len) = (0, 0);
    }

    /// Whether everything was handed out.
    pub(super) fn is_empty(&self) -> bool {
        self.at == self.len
    }

    /// What was written.
    pub(super) fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Appends a record, whose payload is `prefix` and `payload`. `false` if there is no room for it.
    pub(super) fn push(&mut self, kind: Kind, flags: Flags, prefix: &[u8], payload: &[u8]) -> bool {
        let len = prefix.len() + payload.len();
        let header = Header { len: len as u32, kind, flags };
        let Some(room) = self.bytes.get_mut(self.len..self.len + WORD + len) else { return false };
        let (word, room) = room.split_at_mut(WORD);
        let (before, after) = room.split_at_mut(prefix.len());
        word.copy_from_slice(&header.to_word().to_le_bytes());
        before.copy_from_slice(prefix);
        after.copy_from_slice(payload);
        self.len += WORD + len;
        true
    }

    /// The payload of the only record, which is `len` bytes long and written piece by piece. The header comes with
    /// [`Packet::seal`].
    pub(super) fn open(&mut self, len: usize) -> &mut [u8] {
        &mut self.bytes[WORD..WORD + len]
    }

    /// Makes the first `len` bytes of what was written in place the only record.
    pub(super) fn seal(&mut self, len: usize, flags: Flags) {
        let header = Header { len: len as u32, kind: Kind::Data, flags };
        self.bytes[..WORD].copy_from_slice(&header.to_word().to_le_bytes());
        (self.at, self.len) = (0, WORD + len);
    }

    /// Where a packet is received.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.clear();
        &mut self.bytes
    }

    /// `len` bytes were received. Whether a correct peer sends such a packet, whatever came before it; if not,
    /// there is nothing to hand out.
    pub(super) fn received(&mut self, len: usize) -> Result<(), Corrupt> {
        (self.at, self.len) = (0, len);
        let mut rest = &self.bytes[..len];
        let checked = loop {
            match check(rest) {
                Ok((header, after)) => {
                    // What is not a whole message has a packet of its own; only the first record tells of others.
                    let first = rest.len() == len;
                    if !(first && after.is_empty()) && header.kind != Kind::Data {
                        break Err(Corrupt { field: Field::Kind, value: header.to_word() });
                    }
                    if !first && header.flags != Flags::NONE {
                        break Err(Corrupt { field: Field::Flags, value: header.to_word() });
                    }
                    rest = after;
                }
                Err(corrupt) => break Err(corrupt),
            }
            if rest.is_empty() {
                break Ok(());
            }
        };
        if checked.is_err() {
            self.clear();
        }
        checked
    }

    /// The record that is handed out next.
    pub(super) fn front(&self) -> Option<(Header, &[u8])> {
        let (header, after) = check(&self.bytes[self.at..self.len]).ok()?;
        Some((header, &self.bytes[self.at + WORD..self.len - after.len()]))
    }

    /// Hands out a record of `len` bytes.
    pub(super) fn pop(&mut self, len: usize) {
        self.at += WORD + len;
    }
}

/// The record at the front of `rest`, and what stands behind it.
fn check(rest: &[u8]) -> Result<(Header, &[u8]), Corrupt> {
    let short = Corrupt { field: Field::Length, value: rest.len() as u64 };
    let (word, behind) = rest.split_first_chunk().ok_or(short)?;
    let word = u64::from_le_bytes(*word);
    let header = Header::from_word(word).map_err(|error| match error {
        HeaderError::Kind => Corrupt { field: Field::Kind, value: word },
        HeaderError::Flags => Corrupt { field: Field::Flags, value: word },
    })?;
    if header.kind == Kind::Padding {
        return Err(Corrupt { field: Field::Padding, value: word });
    }
    if header.flags.has(Flags::ATOMIC) || header.flags.has(Flags::LINED) {
        return Err(Corrupt { field: Field::Flags, value: word });
    }
    let after = behind.get(header.len as usize..).ok_or(Corrupt { field: Field::Length, value: word })?;
    Ok((header, after))
}

/// How long the message is that a packet of `len` bytes begins with, by the packet's beginning; `None` if it does
/// not begin with one, or not as it must.
pub(super) fn message_length(beginning: &[u8; BEGINNING], len: usize, max_message: u64) -> Option<u64> {
    let (word, total) = beginning.split_at(WORD);
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
    let header = Header::from_word(number(word)?).ok()?;
    match header.kind {
        Kind::Data if len >= WORD => {
            Some(u64::from(header.len)).filter(|bytes| *bytes <= (len - WORD) as u64)
        }
        Kind::First if len >= BEGINNING => number(total).filter(|total| *total <= max_message),
        _ => None,
    }
}

/// One packet's share of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) kind: Kind,
    /// The message's length, where it must be told.
    pub(super) total: Option<[u8; WORD]>,
    pub(super) bytes: &'a [u8],
}

/// Cuts `message` into what fits packets with payloads of `full` bytes.
pub(super) fn pieces(message: &[u8], full: usize) -> impl Iterator<Item = Piece<'_>> {
    let mut next = Some((0, message));
    std::iter::from_fn(move || {
        let (place, rest) = next.take()?;
        let (kind, total) = match place {
            0 if rest.len() <= full => (Kind::Data, None),
            0 => (Kind::First, Some((rest.len() as u64).to_le_bytes())),
            _ if rest.len() <= full => (Kind::Last, None),
            _ => (Kind::Middle, None),
        };
        let room = if total.is_some() { full - WORD } else { full };
        let (bytes, after) = rest.split_at(rest.len().min(room));
        if !matches!(kind, Kind::Data | Kind::Last) {
            next = Some((place + 1, after));
        }
        Some(Piece { kind, total, bytes })
    })
}
