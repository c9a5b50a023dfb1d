//! Where everything lies: the picture, the numbers, the offsets. No other file computes one.
//!
//! ```text
//! segment of an end             0    the producer's line of its outgoing direction
//! (it alone writes)           128    the head line of its incoming direction
//!                             256    the cursor line of its incoming direction
//!                             384    nothing
//!                            4096    the data of its outgoing direction
//!              4096 + capacity
//!
//! wait page of a link           0    A waits for data
//! (both ends write)           128    A waits for space
//!                             256    B waits for data
//!                             384    B waits for space
//!                             512    nothing; of named memory: its label
//!                            4096
//!
//! named memory                  0    the wait page of the link
//! (both ends write)          4096    the segment of A
//!         4096 + length of that      the segment of B
//! ```
//!
//! The label is five words: `LABEL_MAGIC`, the label's version, the hash of the layout, the capacities of A's and of B's
//! outgoing direction. None of them is ever 0. The word behind it is 0 until an end has opened the memory as A.
//!
//! Offsets are the same on every machine, whatever the size of its pages.

use crate::ring::lines::{
    AWAKE, CLOSED, CursorLine, DOORBELL, FENCE_LOST, FUTEX, HeadLine, LINE, ProducerLine, SPACE, WaitLine,
};
use std::fmt;
use std::mem::offset_of;

/// The distance of the lines from the data, and the length of a wait page.
pub(super) const PAGE: usize = 4096;

/// The producer's line of the end's outgoing direction.
pub(super) const PRODUCER: usize = 0;
/// The head line of the end's incoming direction.
pub(super) const HEAD: usize = LINE;
/// The cursor line of the end's incoming direction.
pub(super) const CURSOR: usize = 2 * LINE;
/// The data of the end's outgoing direction.
pub(super) const DATA: usize = PAGE;

/// Where the label of named memory lies in its wait page.
#[cfg(feature = "portable")]
pub(super) const LABEL: usize = 4 * LINE;
/// How many words it has.
#[cfg(feature = "portable")]
pub(super) const LABEL_WORDS: usize = 5;
/// Its first word: `RINGWAY1`.
#[cfg(feature = "portable")]
pub(super) const LABEL_MAGIC: u64 = u64::from_le_bytes(*b"RINGWAY1");

/// One of the two ends of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The end that offered the link and made the wait page.
    A,
    /// The end that accepted it.
    B,
}

impl Side {
    /// The other end.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// The word by which `side` waits for data.
pub(super) const fn wait_data(side: Side) -> usize {
    match side {
        Side::A => 0,
        Side::B => 2 * LINE,
    }
}

/// The word by which `side` waits for space.
pub(super) const fn wait_space(side: Side) -> usize {
    wait_data(side) + LINE
}

/// The length of a data area in bytes: a power of two from 4 KiB to 1 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capacity(u32);

impl Capacity {
    /// 4 KiB.
    pub const MIN: Self = Self(1 << 12);
    /// 1 GiB.
    pub const MAX: Self = Self(1 << 30);

    /// A capacity of `bytes` bytes.
    ///
    /// # Errors
    /// [`CapacityError`] unless it is a power of two from 4 KiB to 1 GiB.
    pub const fn new(bytes: u64) -> Result<Self, CapacityError> {
        if bytes.is_power_of_two() && Self::MIN.bytes() <= bytes && bytes <= Self::MAX.bytes() {
            Ok(Self(bytes as u32))
        } else {
            Err(CapacityError { bytes })
        }
    }

    /// The capacity in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0 as u64
    }

    /// The length of a segment with such a data area.
    pub(super) const fn segment_len(self) -> usize {
        DATA + self.0 as usize
    }

    /// The number of 64-bit words in the data area.
    pub(super) const fn words(self) -> usize {
        self.0 as usize / size_of::<u64>()
    }
}

impl Default for Capacity {
    /// 1 MiB.
    fn default() -> Self {
        Self(1 << 20)
    }
}

/// What [`Capacity::new`] refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapacityError {
    bytes: u64,
}

impl fmt::Display for CapacityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (Capacity::MIN.bytes(), Capacity::MAX.bytes());
        let next = self.bytes.clamp(least, most).next_power_of_two();
        let bytes = self.bytes;
        write!(
            f,
            "a capacity of {bytes} bytes is not a power of two from {least} to {most}: use {next}, for example"
        )
    }
}

impl std::error::Error for CapacityError {}

/// A number for this file and for the lines it places: two ends share memory only if theirs are equal.
pub(crate) const LAYOUT_HASH: u64 = fnv1a(&[
    // The shape of the memory.
    size_of::<usize>() as u64,
    u32::from_ne_bytes([1, 2, 3, 4]) as u64,
    LINE as u64,
    PAGE as u64,
    PRODUCER as u64,
    HEAD as u64,
    CURSOR as u64,
    DATA as u64,
    // The words on the lines.
    offset_of!(ProducerLine, want) as u64,
    offset_of!(ProducerLine, closed) as u64,
    offset_of!(ProducerLine, fenced) as u64,
    offset_of!(HeadLine, head) as u64,
    offset_of!(HeadLine, closed) as u64,
    offset_of!(HeadLine, fenced) as u64,
    offset_of!(CursorLine, cursor) as u64,
    offset_of!(WaitLine, armed) as u64,
    // The wait page, and what its words may hold.
    wait_data(Side::A) as u64,
    wait_space(Side::A) as u64,
    wait_data(Side::B) as u64,
    wait_space(Side::B) as u64,
    AWAKE as u64,
    FUTEX as u64,
    DOORBELL as u64,
    SPACE as u64,
    CLOSED as u64,
    FENCE_LOST as u64,
]);

/// FNV-1a over the numbers' bytes, least significant first.
const fn fnv1a(numbers: &[u64]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < numbers.len() * 8 {
        let byte = (numbers[at / 8] >> (at % 8 * 8)) & 0xff;
        hash = (hash ^ byte).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    hash
}

const _: () = {
    assert!(size_of::<ProducerLine>() == LINE && align_of::<ProducerLine>() == LINE);
    assert!(size_of::<HeadLine>() == LINE && align_of::<HeadLine>() == LINE);
    assert!(size_of::<CursorLine>() == LINE && align_of::<CursorLine>() == LINE);
    assert!(size_of::<WaitLine>() == LINE && align_of::<WaitLine>() == LINE);
    assert!(HEAD - PRODUCER == LINE && CURSOR - HEAD == LINE && CURSOR + LINE <= DATA);
    assert!(wait_data(Side::B) - wait_space(Side::A) == LINE && wait_space(Side::B) + LINE <= PAGE);
    assert!(DATA % LINE == 0 && PAGE % LINE == 0);
};

#[cfg(test)]
mod tests {
    use super::{Capacity, LAYOUT_HASH, Side, fnv1a, wait_data, wait_space};

    #[test]
    fn a_capacity_is_a_power_of_two_within_its_bounds() {
        for bytes in [0, 1, 2048, 4095, 4097, 6144, (1 << 30) + 1, 1 << 31, 1 << 32, 1 << 63, u64::MAX] {
            let error = Capacity::new(bytes).unwrap_err().to_string();
            assert!(error.contains(&format!("of {bytes} bytes")), "{error}");
        }
        for bits in 12..=30 {
            assert_eq!(Capacity::new(1 << bits).unwrap().bytes(), 1 << bits);
        }
        assert_eq!(Capacity::default(), Capacity::new(1 << 20).unwrap());
    }

    #[test]
    fn the_error_names_a_capacity_that_would_do() {
        for (bytes, next) in [(0, 4096), (5000, 8192), ((1 << 29) + 1, 1 << 30), (u64::MAX, 1 << 30)] {
            let error = Capacity::new(bytes).unwrap_err().to_string();
            assert!(error.contains(&format!("use {next},")), "{error}");
        }
    }

    #[test]
    fn the_four_wait_words_lie_where_the_picture_says() {
        let places = [Side::A, Side::B].map(|side| (wait_data(side), wait_space(side)));
        assert_eq!(places, [(0, 128), (256, 384)]);
        assert!(Side::A.other() == Side::B && Side::B.other() == Side::A);
    }

    #[test]
    fn the_hash_is_fnv_1a_and_notices_every_number() {
        assert_eq!(fnv1a(&[]), 0xcbf2_9ce4_8422_2325);
        // "foobar" and two zero bytes.
        let expected = b"foobar\0\0".iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        assert_eq!(fnv1a(&[u64::from_le_bytes(*b"foobar\0\0")]), expected);
        assert_ne!(fnv1a(&[1, 2]), fnv1a(&[2, 1]));
        assert_ne!(LAYOUT_HASH, 0);
    }
}
