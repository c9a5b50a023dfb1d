//! What stands in the data area: records, each a header word and a payload.
//!
//! ```text
//!            8-byte header word                      payload, up to the next multiple of 8
//!  ┌───────────────┬─────────┬─────────┐ ┌──────────────────────────────────────┬ ─ ─ ─ ┐
//!  │ len: bits 0…31│kind: …47│flags …63│ │ len bytes                             0 … 7 B
//!  └───────────────┴─────────┴─────────┘ └──────────────────────────────────────┴ ─ ─ ─ ┘
//! ```
//!
//! The word 0 means *not committed*: a kind is at least 1, so no committed header is 0.
//! No other file computes an offset or takes a header apart.

/// Size of a record's header in bytes, and the alignment of every position.
pub const HEADER: u64 = 8;

/// What the processor moves from one core to another at once, in bytes: on x86-64 and most aarch64.
pub const CACHE_LINE: u64 = 64;
/// The longest payload that lies in one line with its header, in bytes.
pub const IN_LINE: u64 = CACHE_LINE - HEADER;

/// The smallest data area in bytes.
pub const MIN_CAPACITY: u64 = 64;

/// The largest data area in bytes: the index of a word has 32 bits.
pub const MAX_CAPACITY: u64 = 32 << 30;

/// The longest fragment of a message, header included, in bytes; a quarter of a smaller ring.
pub const MAX_FRAGMENT: u64 = 64 * 1024;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// A whole message.
    Data = 1,
    /// The unused rest of the data area before the wrap.
    Padding = 2,
    /// The first fragment of a message: its payload begins with the message's length as a little-endian u64.
    First = 3,
    /// A fragment that is neither first nor last.
    Middle = 4,
    /// The last fragment of a message.
    Last = 5,
    /// The message that was being streamed will not be finished. No payload.
    Cancel = 6,
}

impl Kind {
    fn from_bits(bits: u16) -> Option<Self> {
        Some(match bits {
            1 => Self::Data,
            2 => Self::Padding,
            3 => Self::First,
            4 => Self::Middle,
            5 => Self::Last,
            6 => Self::Cancel,
            _ => return None,
        })
    }
}

/// The flag bits of a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// The message that was being streamed was given up; this record begins the next one.
    pub const RESTART: Self = Self(1);
    /// All fragments of this message were committed at once.
    pub const ATOMIC: Self = Self(2);
    /// The record goes on to the end of the line that it ends in: what comes next begins with a line. Only on
    /// [`Kind::Data`].
    pub const LINED: Self = Self(4);

    const KNOWN: u16 = 7;

    /// Both sets of flags.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every flag of `other` is set here.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A committed header word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of the payload in bytes.
    pub len: u32,
    /// What the record is.
    pub kind: Kind,
    /// Its flags.
    pub flags: Flags,
}

/// Why a header word is not one that a producer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The kind is none of [`Kind`].
    Kind,
    /// A flag is set that this version does not know.
    Flags,
}

impl Header {
    /// The header of a plain message.
    #[inline(always)]
    #[must_use]
    pub const fn data(len: u32) -> Self {
        Self { len, kind: Kind::Data, flags: Flags::NONE }
    }

    /// The header as the word that stands in the ring.
    #[inline(always)]
    #[must_use]
    pub const fn to_word(self) -> u64 {
        self.len as u64 | (self.kind as u64) << 32 | (self.flags.0 as u64) << 48
    }

    /// Bytes that the record takes if it begins at `start`.
    #[inline(always)]
    #[must_use]
    pub const fn extent(self, start: u64) -> u64 {
        let bytes = footprint(self.len as u64);
        if self.flags.has(Flags::LINED) { bytes + to_line(start.wrapping_add(bytes)) } else { bytes }
    }

    /// The header of an empty message that [goes on to the end of its line](Flags::LINED); that of a longer one is so much more.
    pub(crate) const LINED_WORD: u64 = Self { len: 0, kind: Kind::Data, flags: Flags::LINED }.to_word();

    /// Length and extent of the record whose header is this word and which begins at `start`, if it is nothing but a
    /// message. The quick look that most headers pass.
    #[inline(always)]
    #[must_use]
    pub const fn plain(word: u64, start: u64) -> Option<(u64, u64)> {
        const DATA: u64 = Header::data(0).to_word() >> 32;
        const LINED: u64 = Header::LINED_WORD >> 32;
        let (what, len) = (word >> 32, word & 0xffff_ffff);
        let bytes = footprint(len);
        if what == DATA {
            return Some((len, bytes));
        }
        if what == LINED { Some((len, bytes + to_line(start.wrapping_add(bytes)))) } else { None }
    }

    /// Takes a word apart.
    ///
    /// # Errors
    /// [`HeaderError`] for an unknown kind or flag.
    #[inline(always)]
    pub fn from_word(word: u64) -> Result<Self, HeaderError> {
        let flags = (word >> 48) as u16;
        if flags & !Flags::KNOWN != 0 {
            return Err(HeaderError::Flags);
        }
        match Kind::from_bits((word >> 32) as u16) {
            Some(kind) => Ok(Self { len: word as u32, kind, flags: Flags(flags) }),
            None => Err(HeaderError::Kind),
        }
    }
}

/// Bytes that a record with a payload of `len` bytes takes in the ring.
#[inline(always)]
#[must_use]
pub const fn footprint(len: u64) -> u64 {
    (HEADER + len + 7) & !7
}

/// Bytes from `position` to where a line begins.
#[inline(always)]
const fn to_line(position: u64) -> u64 {
    position.wrapping_neg() % CACHE_LINE
}

/// How many bytes a record of `bytes` bytes at `start` gives away so that the next one begins with a line: the rest of the
/// line in which it ends, if that is too little for another one like it. 0 for a record that fits into no line.
#[inline(always)]
#[must_use]
pub const fn given_away(start: u64, bytes: u64) -> u64 {
    let rest = to_line(start.wrapping_add(bytes));
    if rest < bytes && bytes <= CACHE_LINE { rest } else { 0 }
}

/// The numbers that follow from a capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The capacity less 1.
    mask: u64,
}

impl Geometry {
    /// The geometry of a data area of `words` words; `None` unless that is a power of two, of at least [`MIN_CAPACITY`] and at most
    /// [`MAX_CAPACITY`] bytes.
    #[must_use]
    pub const fn of_words(words: usize) -> Option<Self> {
        let capacity = words as u64 * 8;
        if capacity.is_power_of_two() && capacity >= MIN_CAPACITY && capacity <= MAX_CAPACITY {
            Some(Self { mask: capacity - 1 })
        } else {
            None
        }
    }

    /// The data area in bytes.
    #[inline(always)]
    #[must_use]
    pub const fn capacity(self) -> u64 {
        self.mask + 1
    }

    /// Where `position` lies in the data area, in bytes.
    #[inline(always)]
    #[must_use]
    pub const fn offset(self, position: u64) -> u64 {
        position & self.mask
    }

    /// The index of the word at `position`.
    #[inline(always)]
    #[must_use]
    pub const fn word(self, position: u64) -> usize {
        (self.offset(position) / 8) as usize
    }

    /// Bytes from `position` to the end of the data area.
    #[inline(always)]
    #[must_use]
    pub const fn room(self, position: u64) -> u64 {
        self.capacity() - self.offset(position)
    }

    /// The longest record, header included: a quarter of the data area.
    #[inline(always)]
    #[must_use]
    pub const fn max_record(self) -> u64 {
        self.capacity() / 4
    }

    /// The longest payload of one record.
    #[inline(always)]
    #[must_use]
    pub const fn max_payload(self) -> u64 {
        self.max_record() - HEADER
    }

    /// The longest batch, headers included and padding not: half of the data area.
    #[inline(always)]
    #[must_use]
    pub const fn max_batch(self) -> u64 {
        self.capacity() / 2
    }

    /// How much the consumer may have released without saying so.
    #[inline(always)]
    #[must_use]
    pub const fn lazy_step(self) -> u64 {
        self.capacity() / 8
    }

    /// The payload of a fragment that is not the last.
    #[inline(always)]
    #[must_use]
    pub const fn fragment(self) -> u64 {
        let record = if self.max_record() < MAX_FRAGMENT { self.max_record() } else { MAX_FRAGMENT };
        record - HEADER
    }

    /// Bytes that a message of `total` bytes takes when it is cut into fragments.
    #[must_use]
    pub const fn fragments_footprint(self, total: u64) -> u64 {
        let with_length = total + HEADER;
        let full = with_length / self.fragment();
        let rest = with_length % self.fragment();
        let tail = if rest == 0 { 0 } else { footprint(rest) };
        full * (self.fragment() + HEADER) + tail
    }

    /// Where a message of `total` bytes ends that begins at `start` and is cut into fragments, padding included.
    #[must_use]
    pub(super) const fn fragments_end(self, start: u64, total: u64) -> u64 {
        let (mut end, mut left) = (start, total + HEADER);
        while left > 0 {
            let piece = if left < self.fragment() { left } else { self.fragment() };
            let (bytes, room) = (footprint(piece), self.room(end));
            end = end.wrapping_add(if bytes > room { room + bytes } else { bytes });
            left -= piece;
        }
        end
    }

    /// Whether a message of `total` bytes is committed at once, in one record or in one batch of fragments.
    #[must_use]
    pub const fn is_atomic(self, total: u64) -> bool {
        total <= self.max_payload()
            || (total <= self.capacity() && self.fragments_footprint(total) <= self.max_batch())
    }

    /// The longest message that is committed at once.
    #[must_use]
    pub const fn max_atomic(self) -> u64 {
        let mut low = self.max_payload();
        let mut high = self.capacity();
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.is_atomic(middle) { low = middle } else { high = middle }
        }
        low
    }
}
