//! The three engines that touch bytes which another process may be writing or reading.
//!
//! Rust has no model for a foreign writer. What we rely on: every access here is either a relaxed atomic load
//! or store of an aligned 64-bit word, or an instruction in inline assembly, which the compiler may not look
//! into. Neither makes an assumption about the value, and the result is an owned copy that is only ever bytes.
//!
//! * *words*: a loop of relaxed atomics. Everywhere; alone under loom and Miri, and with `--cfg ringway_words`
//!   under the sanitizers, which see no access of an instruction in assembly.
//! * *vectors*: 16 bytes at a time on x86-64, which has such registers always, for copies of at least `VECTORS_FROM` bytes.
//! * *string*: `rep movsb` on x86-64, for copies of at least `STRING_FROM` bytes.

#![cfg_attr(not(loom), allow(unsafe_code))]

use crate::sync::{AtomicU64, Ordering};

/// Copies of this many bytes and more go by vectors where there are any, if they are too short for the string engine.
#[cfg(all(target_arch = "x86_64", not(loom), not(miri), not(ringway_words)))]
pub const VECTORS_FROM: usize = 16;

/// The bytes of a vector.
#[cfg(all(target_arch = "x86_64", not(loom), not(miri), not(ringway_words)))]
const VECTOR: usize = 16;

/// Copies of this many bytes and more use the string engine where there is one: it overtakes the words somewhere between
/// 128 and 256 bytes, on the processors that were tried. The benches' 64 and 256 bytes lie on either side.
#[cfg(all(target_arch = "x86_64", not(loom), not(miri), not(ringway_words)))]
pub const STRING_FROM: usize = 192;

/// Stores `source` into the ring, from the first byte of `words` on. The bytes after it in its last word mean nothing.
#[inline(always)]
pub fn store(words: &[AtomicU64], source: &[u8]) {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri), not(ringway_words)))]
    if source.len() >= STRING_FROM {
        return string_store(words, source);
    }
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri), not(ringway_words)))]
    if source.len() >= VECTORS_FROM {
        return vector_store(words, source);
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
    if !rest.is_empty() {
        last[0].store(gather(rest), Ordering::Relaxed);
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
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri), not(ringway_words)))]
    if target.len() >= STRING_FROM {
        return string_load(words, target);
    }
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri), not(ringway_words)))]
    if target.len() >= VECTORS_FROM {
        return vector_load(words, target);
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

/// What a line holds behind a header, in words.
pub const LINE_WORDS: usize = 7;

/// [`store`] for at most as many bytes as [`LINE_WORDS`] have: few enough to be written out, and so without a loop.
#[inline(always)]
pub fn store_line(words: &[AtomicU64; LINE_WORDS], source: &[u8]) {
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

/// [`load`] for at most as many bytes as [`LINE_WORDS`] have.
#[inline(always)]
pub fn load_line(words: &[AtomicU64; LINE_WORDS], target: &mut [u8]) {
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

#[cfg(all(target_arch = "x86_64", not(loom), not(miri), not(ringway_words)))]
#[inline(always)]
fn string_store(words: &[AtomicU64], source: &[u8]) {
    assert!(source.len() <= words.len() * 8);
    // SAFETY: it was asserted that `words` covers `source.len()` bytes, and an AtomicU64 may be written through
    // a shared reference. The assembly is opaque, so nothing is assumed of a concurrent reader.
    unsafe { rep_movsb(source.as_ptr(), words.as_ptr().cast_mut().cast(), source.len()) }
}

#[cfg(all(target_arch = "x86_64", not(loom), not(miri), not(ringway_words)))]
#[inline(always)]
fn string_load(words: &[AtomicU64], target: &mut [u8]) {
    assert!(target.len() <= words.len() * 8);
    // SAFETY: it was asserted that `words` covers `target.len()` bytes; `target` is ours alone. The assembly is
    // opaque, so nothing is assumed of a concurrent writer.
    unsafe { rep_movsb(words.as_ptr().cast(), target.as_mut_ptr(), target.len()) }
}

/// # Safety
/// `len` bytes must be readable at `from` and writable at `to`, and must not overlap.
#[cfg(all(target_arch = "x86_64", not(loom), not(miri), not(ringway_words)))]
#[inline(always)]
unsafe fn rep_movsb(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller vouches for both ranges; the direction flag is clear by the calling convention.
    unsafe {
        std::arch::asm!(
            "rep movsb",
            inout("rcx") len => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags),
        );
    }
}

#[cfg(all(target_arch = "x86_64", not(loom), not(miri), not(ringway_words)))]
#[inline(always)]
fn vector_store(words: &[AtomicU64], source: &[u8]) {
    assert!((VECTOR..=words.len() * 8).contains(&source.len()));
    // SAFETY: as in `string_store`; there is a vector at least.
    unsafe { vectors(source.as_ptr(), words.as_ptr().cast_mut().cast(), source.len()) }
}

#[cfg(all(target_arch = "x86_64", not(loom), not(miri), not(ringway_words)))]
#[inline(always)]
fn vector_load(words: &[AtomicU64], target: &mut [u8]) {
    assert!((VECTOR..=words.len() * 8).contains(&target.len()));
    // SAFETY: as in `string_load`; there is a vector at least.
    unsafe { vectors(words.as_ptr().cast(), target.as_mut_ptr(), target.len()) }
}

/// Whole vectors from the front, and one that ends where the copy ends, over a part of the one before it.
///
/// # Safety
/// `len` bytes, [`VECTOR`] at least, must be readable at `from` and writable at `to`, and must not overlap.
#[cfg(all(target_arch = "x86_64", not(loom), not(miri), not(ringway_words)))]
#[inline(always)]
unsafe fn vectors(from: *const u8, to: *mut u8, len: usize) {
    let last = len - VECTOR;
    let mut at = 0;
    // Two at a time, of which the second may be the last.
    while at + VECTOR <= last {
        // SAFETY: `at + 2 * VECTOR` is `len` at most; the caller vouches for both ranges.
        unsafe {
            std::arch::asm!(
                "movups {first}, [{from} + {at}]",
                "movups {second}, [{from} + {at} + 16]",
                "movups [{to} + {at}], {first}",
                "movups [{to} + {at} + 16], {second}",
                from = in(reg) from, to = in(reg) to, at = in(reg) at,
                first = out(xmm_reg) _, second = out(xmm_reg) _,
                options(nostack, preserves_flags),
            );
        }
        at += 2 * VECTOR;
    }
    if at < len {
        if at < last {
            // SAFETY: `at + VECTOR` is below `len`.
            unsafe { vector(from, to, at) };
        }
        // SAFETY: `last + VECTOR` is `len`.
        unsafe { vector(from, to, last) };
    }
}

/// # Safety
/// A vector must be readable at `from + at` and writable at `to + at`.
#[cfg(all(target_arch = "x86_64", not(loom), not(miri), not(ringway_words)))]
#[inline(always)]
unsafe fn vector(from: *const u8, to: *mut u8, at: usize) {
    // SAFETY: the caller vouches for both ranges.
    unsafe {
        std::arch::asm!(
            "movups {vector}, [{from} + {at}]",
            "movups [{to} + {at}], {vector}",
            from = in(reg) from, to = in(reg) to, at = in(reg) at,
            vector = out(xmm_reg) _,
            options(nostack, preserves_flags),
        );
    }
}

/// Asks for the line of the word with this index, which will be written soon. A hint: it cannot fault and changes nothing.
#[inline(always)]
pub fn prefetch_for_write(words: &[AtomicU64], index: usize) {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
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
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
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
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    for line in words.chunks(8) {
        // SAFETY: `cldemote` changes no memory and no flag; processors without it execute a no-op.
        unsafe {
            std::arch::asm!("cldemote [{}]", in(reg) line.as_ptr(), options(nostack, preserves_flags, readonly));
        }
    }
    let _ = words;
}
