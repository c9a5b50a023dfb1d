//! The ring's arithmetic once more, in the plainest words: what the model and the fuzzers measure the ring by.

/// The longest payload of one record.
pub fn max_payload(capacity: usize) -> usize {
    capacity / 4 - 8
}

/// Bytes that a record takes.
pub fn record(len: usize) -> usize {
    8 + len.div_ceil(8) * 8
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
pub fn fragments(capacity: usize, total: usize) -> Vec<usize> {
    let full = (capacity / 4).min(64 * 1024) - 8;
    let mut left = total + 8;
    let mut fragments = Vec::new();
    while left > 0 {
        fragments.push(left.min(full));
        left -= left.min(full);
    }
    fragments
}

/// Whether a message is committed at once.
pub fn is_atomic(capacity: usize, total: usize) -> bool {
    total <= max_payload(capacity)
        || fragments(capacity, total).into_iter().map(record).sum::<usize>() <= capacity / 2
}

/// The longest message that is committed at once.
pub fn max_atomic(capacity: usize) -> usize {
    (max_payload(capacity)..capacity).take_while(|&total| is_atomic(capacity, total)).last().unwrap_or(0)
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

/// `len` bytes that belong to no other message of the run.
pub fn message(serial: u64, len: usize) -> Vec<u8> {
    (0..len).map(|i| (serial as usize * 131 + i * 7 + (i >> 8)) as u8).collect()
}
