//! Messages that carry their own oracle: who sent it, the how-manieth it is, how long it must be, and bytes that
//! follow from these.

/// The length of what every message of [`numbered`] begins with.
pub const HEAD: usize = 16;

const BLOCK: [u8; 251] = {
    let mut block = [0; 251];
    let mut i = 0;
    while i < block.len() {
        block[i] = (i as u8).wrapping_mul(29) ^ 0x5a;
        i += 1;
    }
    block
};

/// `len` bytes that depend on `seed`.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    let mut at = (seed % BLOCK.len() as u64) as usize;
    while bytes.len() < len {
        let part = &BLOCK[at..];
        bytes.extend_from_slice(&part[..part.len().min(len - bytes.len())]);
        at = 0;
    }
    bytes
}

/// Message `number` of `lane`, of `len` bytes in all, at least [`HEAD`].
pub fn numbered(lane: u32, number: u32, len: usize) -> Vec<u8> {
    assert!(len >= HEAD);
    let mut message = Vec::with_capacity(len);
    message.extend_from_slice(&lane.to_le_bytes());
    message.extend_from_slice(&number.to_le_bytes());
    message.extend_from_slice(&(len as u64).to_le_bytes());
    message.extend_from_slice(&bytes(u64::from(lane) * 7 + u64::from(number), len - HEAD));
    message
}

/// Which message of [`numbered`] this is: lane and number. Panics unless it is one, to the last byte.
pub fn check(message: &[u8]) -> (u32, u32) {
    let word = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().unwrap());
    let (lane, number) = (word(0), word(4));
    assert!(message == numbered(lane, number, message.len()), "{lane}/{number}: torn");
    (lane, number)
}

/// A length for message `number` that is different most of the time: mostly short, at times up to `most`.
pub fn length(number: u32, most: usize) -> usize {
    let mixed = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let range = if number % 16 == 0 { most - HEAD } else { most.min(200) - HEAD };
    HEAD + (mixed as usize) % (range + 1)
}
