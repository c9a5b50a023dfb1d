//! The engines that touch bytes which another process may be writing or reading.
//!
//! Rust has no model for a foreign writer. What we rely on: every access here is either a relaxed atomic load
//! or store of an aligned 64-bit word, or an instruction in inline assembly, which the compiler may not look
//! into. Neither makes an assumption about the value, and the result is an owned copy that is only ever bytes.
//!
//! * *words*: a loop of relaxed atomics. Everywhere; alone under loom and Miri, and with `--cfg ringway_words`
//!   under the sanitizers, which see no access of an instruction in assembly.
//! * *vectors*: 16 bytes at a time on x86-64, which has such registers always, for copies of at least `VECTORS_FROM` bytes. Out of
//!   a line that was waited for, up to four at once.
//! * *lines*: the same by whole lines of 64 bytes, which are fetched ahead, for copies of at least `LONG_FROM` bytes.
//! * *wide*: lines as vectors of 32 bytes, not fetched, on AMD's processors since Zen 3: quicker on that one.
//! * *string*: `rep movsb` instead of the lines, where the processor says that it is fast and is not AMD's.
//!
//! ```text
//! bytes                  0 ... 15    16 ... 191    192 ... 2047    2048 ...
//! FSRM, not AMD          words       vectors       string          string      Intel from Ice Lake on
//! ERMS alone, not AMD    words       vectors       lines           string      Intel from Ivy Bridge on
//! FSRM and AVX2, AMD     words       vectors       wide            wide        from Zen 3 on
//! neither, other AMD     words       vectors       lines           lines       also where a virtual machine hides the bits
//! ```

#![cfg_attr(not(loom), allow(unsafe_code))]

use super::record::IN_LINE;
use crate::sync::{AtomicU64, Ordering};

#[cfg(all(target_arch = "x86_64", target_pointer_width = "64", not(loom), not(miri), not(ringway_words)))]
pub mod x86;

/// Copies of this many bytes and more are long: on x86-64 they go by whole lines, or by the string engine where that is
/// quicker, and they are worth a call.
pub const LONG_FROM: usize = 192;

/// How many words so many bytes are, if that is a whole number of them, at least one, and they are not [long](LONG_FROM).
#[inline(always)]
pub fn few_words(len: usize) -> Option<usize> {
    // Very many if a part of one is left: one comparison for the three.
    let count = len.rotate_right(3);
    if count.wrapping_sub(1) < LONG_FROM / 8 - 1 { Some(count) } else { None }
}

/// Stores `source` into the ring, from the first byte of `words` on. The bytes after it in its last word mean nothing.
#[inline(always)]
pub fn store(words: &[AtomicU64], source: &[u8]) {
    #[cfg(all(
        target_arch = "x86_64",
        target_pointer_width = "64",
        not(loom),
        not(miri),
        not(ringway_words)
    ))]
    if source.len() >= x86::VECTORS_FROM {
        return x86::store(words, source);
    }
    // A message of one word, such as a number: the loop's preparations took longer than the word.
    if let (Some(word), Ok(bytes)) = (words.first(), <[u8; 8]>::try_from(source)) {
        return word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
    }
    let (whole, last) = words.split_at(source.len() / 8);
    let chunks = source.chunks_exact(8);
    let rest = chunks.remainder();
    for (word, chunk) in whole.iter().zip(chunks) {
        word.store(
            u64::from_ne_bytes([
                chunk[0], chunk[1], chunk[2], chunk[3], chunk[4], chunk[5], chunk[6], chunk[7],
            ]),
            Ordering::Relaxed,
        );
    }
    store_rest(last, rest);
}

/// Fewer than 8 bytes, if there are any, into the first of `words`.
#[inline(always)]
fn store_rest(words: &[AtomicU64], rest: &[u8]) {
    if !rest.is_empty() {
        words[0].store(gather(rest), Ordering::Relaxed);
    }
}

/// Fewer than 8 bytes as the first ones of a word.
#[inline(always)]
fn gather(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    let (mut at, mut left) = (0, bytes);
    if let Some((four, rest)) = left.split_first_chunk::<4>() {
        word[..4].copy_from_slice(four);
        (at, left) = (4, rest);
    }
    if let Some((two, rest)) = left.split_first_chunk::<2>() {
        word[at..at + 2].copy_from_slice(two);
        (at, left) = (at + 2, rest);
    }
    if let Some(one) = left.first() {
        word[at] = *one;
    }
    u64::from_ne_bytes(word)
}

/// The first bytes of a word, fewer than 8.
#[inline(always)]
fn scatter(word: u64, bytes: &mut [u8]) {
    let word = word.to_ne_bytes();
    let (mut at, mut left) = (0, bytes);
    if left.len() >= 4 {
        let (four, rest) = left.split_at_mut(4);
        four.copy_from_slice(&word[..4]);
        (at, left) = (4, rest);
    }
    if left.len() >= 2 {
        let (two, rest) = left.split_at_mut(2);
        two.copy_from_slice(&word[at..at + 2]);
        (at, left) = (at + 2, rest);
    }
    if let Some(one) = left.first_mut() {
        *one = word[at];
    }
}

/// Loads bytes from the ring, from the first byte of `words` on, until `target` is full.
#[inline(always)]
pub fn load(words: &[AtomicU64], target: &mut [u8]) {
    #[cfg(all(
        target_arch = "x86_64",
        target_pointer_width = "64",
        not(loom),
        not(miri),
        not(ringway_words)
    ))]
    if target.len() >= x86::VECTORS_FROM {
        return x86::load(words, target);
    }
    // As in `store`.
    if let (Some(word), Ok(bytes)) = (words.first(), <&mut [u8; 8]>::try_from(&mut *target)) {
        *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
        return;
    }
    let (whole, last) = words.split_at(target.len() / 8);
    let (chunks, rest) = target.split_at_mut(target.len() & !7);
    for (word, chunk) in whole.iter().zip(chunks.chunks_exact_mut(8)) {
        chunk.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
    }
    if !rest.is_empty() {
        scatter(last[0].load(Ordering::Relaxed), rest);
    }
}

/// What a line holds behind a header, in bytes.
const LINE_BYTES: usize = IN_LINE as usize;
/// And in words.
pub const LINE_WORDS: usize = LINE_BYTES / 8;

/// [`store`] for at most as many bytes as [`LINE_WORDS`] have: few enough to be written out, and so without a loop.
#[inline(always)]
pub fn store_line(words: &[AtomicU64; LINE_WORDS], source: &[u8]) {
    // Four to seven whole words: the first four and the last four, with nothing more to be asked. No other length has such a
    // count: with a part of a word it is a very large one.
    let count = source.len().rotate_right(3);
    if count.wrapping_sub(4) <= LINE_WORDS - 4 {
        if let Some(whole) = source.get(..count * 8) {
            if let (Some(first), Some(last)) = (whole.first_chunk::<32>(), whole.last_chunk::<32>()) {
                store_four(&words[..4], first);
                store_four(&words[count - 4..count], last);
                return;
            }
        }
    }
    let mut source = source;
    for word in words {
        let Some((chunk, rest)) = source.split_first_chunk::<8>() else {
            if !source.is_empty() {
                word.store(gather(source), Ordering::Relaxed);
            }
            return;
        };
        word.store(u64::from_ne_bytes(*chunk), Ordering::Relaxed);
        source = rest;
    }
}

/// Four words, written out: a loop over what is not known to be so few would have a branch for each.
#[inline(always)]
fn store_four(words: &[AtomicU64], source: &[u8; 32]) {
    let mut source = source.as_slice();
    for word in words {
        let Some((chunk, rest)) = source.split_first_chunk::<8>() else { return };
        word.store(u64::from_ne_bytes(*chunk), Ordering::Relaxed);
        source = rest;
    }
}

/// [`load`] for at most as many bytes as [`LINE_WORDS`] have.
#[inline(always)]
pub fn load_line(words: &[AtomicU64; LINE_WORDS], target: &mut [u8]) {
    #[cfg(all(
        target_arch = "x86_64",
        target_pointer_width = "64",
        not(loom),
        not(miri),
        not(ringway_words)
    ))]
    if target.len() >= x86::VECTORS_FROM {
        return x86::load_line(words, target);
    }
    let mut target = target;
    for word in words {
        if target.len() < 8 {
            if !target.is_empty() {
                scatter(word.load(Ordering::Relaxed), target);
            }
            return;
        }
        let (chunk, rest) = target.split_at_mut(8);
        chunk.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        target = rest;
    }
}

/// Stores `source` from byte `at` on, keeping the other bytes of the words that it only partly covers.
#[inline]
pub fn store_at(words: &[AtomicU64], at: usize, source: &[u8]) {
    let (mut word, shift) = (at / 8, at % 8);
    let mut source = source;
    if shift != 0 {
        let (head, rest) = source.split_at(source.len().min(8 - shift));
        patch(&words[word], shift, head);
        (word, source) = (word + 1, rest);
    }
    let (whole, rest) = source.split_at(source.len() & !7);
    if !whole.is_empty() {
        store(&words[word..], whole);
    }
    if !rest.is_empty() {
        patch(&words[word + whole.len() / 8], 0, rest);
    }
}

fn patch(word: &AtomicU64, at: usize, bytes: &[u8]) {
    let mut value = word.load(Ordering::Relaxed).to_ne_bytes();
    value[at..at + bytes.len()].copy_from_slice(bytes);
    word.store(u64::from_ne_bytes(value), Ordering::Relaxed);
}

/// Asks for the line of the word with this index, which will be written soon. A hint: it cannot fault and changes nothing, so the
/// index may lie behind `words`.
#[inline(always)]
pub fn prefetch_for_write(words: &[AtomicU64], index: usize) {
    #[cfg(all(target_arch = "x86_64", target_pointer_width = "64", not(loom), not(miri)))]
    // SAFETY: a prefetch of whatever address changes no memory, no flag, and raises no fault.
    unsafe {
        let word = words.as_ptr().wrapping_add(index);
        std::arch::asm!("prefetchw [{}]", in(reg) word, options(nostack, preserves_flags, readonly));
    }
    #[cfg(all(target_arch = "aarch64", not(loom), not(miri)))]
    // SAFETY: a prefetch of whatever address changes no memory, no flag, and raises no fault.
    unsafe {
        let word = words.as_ptr().wrapping_add(index);
        std::arch::asm!("prfm pstl1keep, [{}]", in(reg) word, options(nostack, preserves_flags, readonly));
    }
    let _ = (words, index);
}

/// Asks for the line of the word with this index, which will be read soon. A hint, as [`prefetch_for_write`].
#[inline(always)]
pub fn prefetch_for_read(words: &[AtomicU64], index: usize) {
    #[cfg(all(target_arch = "x86_64", target_pointer_width = "64", not(loom), not(miri)))]
    // SAFETY: a prefetch of whatever address changes no memory, no flag, and raises no fault.
    unsafe {
        let word = words.as_ptr().wrapping_add(index);
        std::arch::asm!("prefetcht0 [{}]", in(reg) word, options(nostack, preserves_flags, readonly));
    }
    #[cfg(all(target_arch = "aarch64", not(loom), not(miri)))]
    // SAFETY: a prefetch of whatever address changes no memory, no flag, and raises no fault.
    unsafe {
        let word = words.as_ptr().wrapping_add(index);
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) word, options(nostack, preserves_flags, readonly));
    }
    let _ = (words, index);
}

/// Tells the processor that the lines of `words` will be read by another core next. A hint: a no-op where the
/// processor does not know it.
#[inline(always)]
pub fn demote(words: &[AtomicU64]) {
    #[cfg(all(target_arch = "x86_64", target_pointer_width = "64", not(loom), not(miri)))]
    for line in words.chunks(8) {
        // SAFETY: `cldemote` changes no memory and no flag; processors without it execute a no-op.
        unsafe {
            std::arch::asm!("cldemote [{}]", in(reg) line.as_ptr(), options(nostack, preserves_flags, readonly));
        }
    }
    let _ = words;
}
