//! The ring's arithmetic once more, in the plainest words: what the model and the fuzzers measure the ring by.

use crate::sync::{AtomicU64, Ordering};

/// The longest payload of one record.
pub fn max_payload(capacity: usize) -> usize {
    capacity / 4 - 8
}

/// Bytes that a record takes.
pub fn record(len: usize) -> usize {
    8 + len.div_ceil(8) * 8
}

/// Bytes from `position` to where a line of 64 bytes begins.
pub fn to_line(position: u64) -> usize {
    (64 - (position % 64) as usize) % 64
}

/// Bytes that a record which begins at `from` takes for an end that takes turns.
pub fn turn(from: u64, len: usize) -> usize {
    let own = record(len);
    let rest = to_line(from.wrapping_add(own as u64));
    if own <= 64 && rest < own { own + rest } else { own }
}

/// Where a record goes that follows `from`: its start, behind the padding if there is any, and its end.
pub fn place(capacity: usize, from: u64, len: usize) -> (u64, u64) {
    let offset = (from % capacity as u64) as usize;
    let padding = if offset + record(len) > capacity { capacity - offset } else { 0 };
    let start = from.wrapping_add(padding as u64);
    (start, start.wrapping_add(record(len) as u64))
}

/// Whether a record that ends at `end` has room, and the next header behind it.
pub fn fits(capacity: usize, head: u64, end: u64) -> bool {
    end.wrapping_add(8).wrapping_sub(head) <= capacity as u64
}

/// The payloads of the fragments of a message; the first includes the eight bytes of its length.
pub fn fragments(capacity: usize, total: usize) -> impl Iterator<Item = usize> {
    let full = (capacity / 4).min(64 * 1024) - 8;
    let mut left = total + 8;
    std::iter::from_fn(move || {
        let fragment = left.min(full);
        left -= fragment;
        (fragment > 0).then_some(fragment)
    })
}

/// Whether a message is committed at once.
pub fn is_atomic(capacity: usize, total: usize) -> bool {
    total <= max_payload(capacity) || fragments(capacity, total).map(record).sum::<usize>() <= capacity / 2
}

/// The longest message that is committed at once.
pub fn max_atomic(capacity: usize) -> usize {
    let (mut longest, mut step) = (max_payload(capacity), capacity / 2);
    while step > 0 {
        if is_atomic(capacity, longest + step) {
            longest += step;
        }
        step /= 2;
    }
    longest
}

/// Lengths at which something changes, the capacity first.
pub fn borders(capacity: usize) -> [usize; 12] {
    let (single, atomic) = (max_payload(capacity), max_atomic(capacity));
    [
        capacity,
        single / 2,
        single - 8,
        single - 1,
        single,
        single + 1,
        atomic - 1,
        atomic,
        atomic + 1,
        capacity / 2,
        capacity - 8,
        capacity * 3 / 2,
    ]
}

/// Words that are handled in one turn of a loop: a fuzzer follows every turn, which costs more than the ring itself.
const STRIDE: usize = 8;

/// `len` bytes that belong to no other message of the run.
pub fn message(serial: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + STRIDE * 8);
    for stride in 0..len.div_ceil(STRIDE * 8) {
        let words = std::array::from_fn::<_, STRIDE, _>(|i| {
            let mixed = (serial << 32 | (stride * STRIDE + i) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (mixed ^ mixed >> 32).to_ne_bytes()
        });
        bytes.extend_from_slice(words.as_flattened());
    }
    bytes.truncate(len);
    bytes
}

/// 0 if `words` are still what they were.
pub fn changes(words: &[AtomicU64], before: &[u64]) -> u64 {
    let (strides, olds) = (words.chunks_exact(STRIDE), before.chunks_exact(STRIDE));
    let rest = strides.remainder().iter().zip(olds.remainder());
    let mut changes = 0;
    for (now, before) in strides.zip(olds) {
        for i in 0..STRIDE {
            changes |= now[i].load(Ordering::Relaxed) ^ before[i];
        }
    }
    rest.fold(changes, |changes, (now, before)| changes | now.load(Ordering::Relaxed) ^ before)
}

/// What stands in a buffer before a message is taken into it.
pub const UNTOUCHED: u8 = 0xee;

/// Whether all of `bytes` is [`UNTOUCHED`].
pub fn is_untouched(bytes: &[u8]) -> bool {
    static UNTOUCHED_BYTES: [u8; 1024] = [UNTOUCHED; 1024];
    bytes.chunks(UNTOUCHED_BYTES.len()).all(|chunk| *chunk == UNTOUCHED_BYTES[..chunk.len()])
}
