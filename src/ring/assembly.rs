//! The rules of messages that come in fragments, whatever carries the fragments.

use super::error::Field;
use super::record::{Flags, HEADER, Header, Kind};

/// What there is of a message that comes in fragments.
///
/// A FIRST tells the message's length. All fragments but the last are exactly full, which means as long as the
/// first; the last is what is left. A CANCEL, or the flag RESTART on whatever comes instead, gives the message up.
#[derive(Debug, Default)]
pub(crate) enum Assembly {
    /// No message has begun.
    #[default]
    Idle,
    /// A message has begun.
    Part(Part),
    /// A message is complete.
    Whole(Vec<u8>),
    /// A rule was broken; nothing more is taken.
    Broken,
}

/// The beginning of a message.
#[derive(Debug)]
pub(crate) struct Part {
    bytes: Vec<u8>,
    total: usize,
    full: usize,
}

impl Part {
    /// What a message of `total` bytes begins with. `full` is the payload of its FIRST, which holds the length and
    /// the bytes that `load` copies. Memory grows with what arrived: nothing is allocated for the rest.
    pub(crate) fn begin(total: usize, full: usize, load: impl FnOnce(&mut [u8])) -> Self {
        let mut bytes = vec![0; full - HEADER as usize];
        load(&mut bytes);
        Self { bytes, total, full }
    }

    /// How many bytes came.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many there will be.
    #[cfg_attr(loom, allow(dead_code, reason = "links ask, which loom does not see"))]
    pub(crate) fn total(&self) -> usize {
        self.total
    }
}

impl Assembly {
    /// Whether a record with these flags may come now.
    pub(crate) fn admits(&self, header: Header) -> bool {
        let begins = matches!(header.kind, Kind::Data | Kind::First);
        let part = matches!(self, Self::Part(_));
        (begins && part) == header.flags.has(Flags::RESTART)
            && !(header.flags.has(Flags::ATOMIC) && header.kind == Kind::Data)
    }

    /// Takes a fragment that is not the first, or a cancel; `load` copies its bytes.
    ///
    /// # Errors
    /// [`Field::Fragment`] if this is not what must come now. Nothing has changed then.
    pub(crate) fn extend(&mut self, header: Header, load: impl FnOnce(&mut [u8])) -> Result<(), Field> {
        let Self::Part(part) = self else { return Err(Field::Fragment) };
        let left = part.total - part.bytes.len();
        let expected = match header.kind {
            Kind::Cancel => 0,
            Kind::Last if left <= part.full => left,
            Kind::Middle if left > part.full => part.full,
            _ => return Err(Field::Fragment),
        };
        if header.len as usize != expected || header.flags != Flags::NONE {
            return Err(Field::Fragment);
        }
        let before = part.bytes.len();
        part.bytes.resize(before + expected, 0);
        load(&mut part.bytes[before..]);
        match header.kind {
            Kind::Cancel => *self = Self::Idle,
            Kind::Last => *self = Self::Whole(std::mem::take(&mut part.bytes)),
            _ => {}
        }
        Ok(())
    }

    /// How many bytes there are of a message that is not complete.
    pub(crate) fn partial(&self) -> Option<u64> {
        match self {
            Self::Part(part) => Some(part.len() as u64),
            _ => None,
        }
    }

    /// Takes a message of at most `room` bytes, if one is complete.
    ///
    /// # Errors
    /// The length of one that is longer; it stays.
    pub(crate) fn take_whole(&mut self, room: usize) -> Option<Result<Vec<u8>, u64>> {
        let Self::Whole(bytes) = self else { return None };
        if bytes.len() > room {
            return Some(Err(bytes.len() as u64));
        }
        let bytes = std::mem::take(bytes);
        *self = Self::Idle;
        Some(Ok(bytes))
    }
}

/// Puts messages together again that this process sent, from records that came back. Nothing is refused: what
/// does not belong to a whole message is counted.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    parts: Option<Vec<u8>>,
    lost: u64,
}

impl Reassembly {
    /// The next record; the message that it completes, if it does.
    pub(crate) fn add(&mut self, kind: Kind, payload: Vec<u8>) -> Option<Vec<u8>> {
        if matches!(kind, Kind::Data | Kind::First | Kind::Cancel) {
            self.end();
        }
        match (kind, &mut self.parts) {
            (Kind::Data, _) => return Some(payload),
            // Shorter than a length, it is no record of ours but a payload, and the cursor was a lie.
            (Kind::First, _) => self.parts = payload.get(HEADER as usize..).map(<[u8]>::to_vec),
            (Kind::Middle | Kind::Last, Some(parts)) => parts.extend_from_slice(&payload),
            (Kind::Middle | Kind::Last, None) => self.lost += payload.len() as u64,
            (Kind::Padding | Kind::Cancel, _) => {}
        }
        if kind == Kind::Last { self.parts.take() } else { None }
    }

    /// Nothing more comes of the message that was begun, if one was.
    pub(crate) fn end(&mut self) {
        self.lost += self.parts.take().map_or(0, |parts| parts.len() as u64);
    }

    /// How many bytes came that belong to messages of which the rest is missing.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn begun() -> Assembly {
        Assembly::Part(Part::begin(20, 16, |bytes| bytes.fill(1)))
    }

    fn header(len: u32, kind: Kind, flags: Flags) -> Header {
        Header { len, kind, flags }
    }

    #[test]
    fn a_fragment_has_no_flags_and_the_length_that_is_left() {
        for (expected, len, kind, flags) in [
            (Ok(()), 12, Kind::Last, Flags::NONE),
            (Ok(()), 0, Kind::Cancel, Flags::NONE),
            (Err(Field::Fragment), 12, Kind::Last, Flags::ATOMIC),
            (Err(Field::Fragment), 0, Kind::Cancel, Flags::RESTART),
            (Err(Field::Fragment), 11, Kind::Last, Flags::NONE),
            (Err(Field::Fragment), 16, Kind::Middle, Flags::NONE),
            (Err(Field::Fragment), 12, Kind::Data, Flags::NONE),
        ] {
            let mut assembly = begun();
            let extended = assembly.extend(header(len, kind, flags), |bytes| bytes.fill(2));
            assert_eq!(extended, expected, "{len} {kind:?} {flags:?}");
            assert_eq!(assembly.partial(), expected.is_err().then_some(8));
        }
    }

    #[test]
    fn a_message_is_taken_once_and_only_where_it_fits() {
        let mut assembly = begun();
        assembly.extend(header(12, Kind::Last, Flags::NONE), |bytes| bytes.fill(2)).unwrap();
        assert_eq!(assembly.take_whole(19), Some(Err(20)));
        assert_eq!(assembly.take_whole(20), Some(Ok([[1; 8].as_slice(), &[2; 12]].concat())));
        assert_eq!(assembly.take_whole(20), None);
    }

    #[test]
    fn what_came_back_in_pieces_is_whole_again_or_counted() {
        let mut pieces = Reassembly::default();
        let first = |bytes: &[u8]| [&[0; 8], bytes].concat();
        assert_eq!(pieces.add(Kind::Last, vec![1; 5]), None);
        assert_eq!(pieces.add(Kind::First, first(b"ab")), None);
        assert_eq!(pieces.add(Kind::Middle, b"cd".to_vec()), None);
        assert_eq!(pieces.add(Kind::Last, b"e".to_vec()), Some(b"abcde".to_vec()));
        assert_eq!(pieces.lost(), 5);
        assert_eq!(pieces.add(Kind::First, first(b"abc")), None);
        assert_eq!(pieces.add(Kind::Data, b"whole".to_vec()), Some(b"whole".to_vec()));
        assert_eq!(pieces.lost(), 8);
        assert_eq!(pieces.add(Kind::First, first(b"abcd")), None);
        pieces.end();
        assert_eq!(pieces.lost(), 12);
    }
}
