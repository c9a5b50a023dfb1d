//! The engines of x86-64: instructions in assembly, for copies that are longer than a few words.

use super::{LONG_FROM, prefetch_for_read, prefetch_for_write, store_rest};
use crate::sync::{AtomicU64, Ordering};
use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};

/// Copies of this many bytes and more go by vectors.
pub const VECTORS_FROM: usize = 16;

/// The bytes of a vector. Each such processor has registers for them.
const VECTOR: usize = 16;

/// The bytes of a line: four vectors.
const LINE: usize = 64;

/// How far ahead a copy by lines fetches, in bytes. 256 to 2048 were as good on AMD's Zen 1, and better than nothing.
const FETCHED: usize = 512;

/// Where short `rep movsb` is said to be fast (FSRM), the string engine begins here. On Intel's Sapphire Rapids it overtook the
/// words somewhere between 128 and 256 bytes; with the lines it was not compared there.
pub const SHORT_STRINGS: usize = 192;

/// Where only long ones are said to be fast (ERMS), they begin where glibc begins them with vectors of 16 bytes:
/// `rep_movsb_threshold` in its `sysdeps/x86/dl-cacheinfo.h`. Not measured.
pub const LONG_STRINGS: usize = 2048;

const _: () = assert!(LONG_FROM >= LINE && SHORT_STRINGS >= LONG_FROM && LONG_STRINGS >= LONG_FROM);

/// Stores `source`, of at least [`VECTORS_FROM`] bytes.
#[inline(always)]
pub fn store(words: &[AtomicU64], source: &[u8]) {
    if source.len() >= LONG_FROM {
        long_store(words, source, by_string(source.len()));
    } else {
        vector_store(words, source);
    }
}

/// Loads into `target`, of at least [`VECTORS_FROM`] bytes.
#[inline(always)]
pub fn load(words: &[AtomicU64], target: &mut [u8]) {
    if target.len() >= LONG_FROM {
        long_load(words, target, by_string(target.len()));
    } else {
        vector_load(words, target);
    }
}

/// Stores `source`, of at least [`LONG_FROM`] bytes, by the string engine or by lines. Apart, so that short copies have
/// the registers to themselves.
#[inline(never)]
pub fn long_store(words: &[AtomicU64], source: &[u8], string: bool) {
    assert!((LONG_FROM..=words.len() * 8).contains(&source.len()));
    let (from, to) = (source.as_ptr(), words.as_ptr().cast_mut().cast());
    if string {
        // SAFETY: it was asserted that `words` covers `source.len()` bytes, and an AtomicU64 may be written through
        // a shared reference. `source`, which nobody writes to, lies elsewhere. The assembly is opaque, so nothing is
        // assumed of a concurrent reader.
        return unsafe { rep_movsb(from, to, source.len()) };
    }
    lines(to as usize, source.len(), |at| {
        if at + FETCHED < source.len() {
            prefetch_for_write(words, (at + FETCHED) / 8);
        }
        // SAFETY: as above; `lines` asks for no line that ends behind the copy.
        unsafe { line_of_words(from, to, at) };
    });
}

/// Loads into `target`, of at least [`LONG_FROM`] bytes, by the string engine or by lines. Apart, as [`long_store`] is.
#[inline(never)]
pub fn long_load(words: &[AtomicU64], target: &mut [u8], string: bool) {
    assert!((LONG_FROM..=words.len() * 8).contains(&target.len()));
    let (from, to, len) = (words.as_ptr().cast(), target.as_mut_ptr(), target.len());
    if string {
        // SAFETY: it was asserted that `words` covers `target.len()` bytes; `target` is ours alone. The assembly is
        // opaque, so nothing is assumed of a concurrent writer.
        return unsafe { rep_movsb(from, to, len) };
    }
    lines(to as usize, len, |at| {
        if at + FETCHED < len {
            prefetch_for_read(words, (at + FETCHED) / 8);
        }
        // SAFETY: as above; `lines` asks for no line that ends behind the copy.
        unsafe { line_of_vectors(from, to, at) };
    });
}

/// Whether a copy of so many bytes, [`LONG_FROM`] at least, goes by the string engine.
#[inline(always)]
fn by_string(len: usize) -> bool {
    /// From how many bytes on; 0: not known yet.
    static FROM: AtomicU64 = AtomicU64::new(0);

    #[cold]
    #[inline(never)]
    fn ask() -> u64 {
        // SAFETY: every processor of x86-64 has the instruction, which only answers.
        #[allow(unused_unsafe, reason = "later versions of Rust know that")]
        let (last, features) = unsafe { (__cpuid(0).eax, __cpuid_count(7, 0)) };
        let amd = std::arch::is_x86_feature_detected!("sse4a");
        let from = if last < 7 { u64::MAX } else { string_from(amd, features.ebx, features.edx) };
        FROM.store(from, Ordering::Relaxed);
        from
    }

    let from = match FROM.load(Ordering::Relaxed) {
        0 => ask(),
        from => from,
    };
    len as u64 >= from
}

/// From how many bytes on copies go by the string engine, by what CPUID's leaf 7 says of the processor: Intel's *Software
/// Developer's Manual*, volume 2A. Without either bit, never. Nor on AMD's processors, of which Zen 3 and later have both: there
/// `rep movsb` is slow for some alignments of the target, and glibc leaves it to copies that pass by the caches (the file
/// above, and bug 30994).
pub fn string_from(amd: bool, ebx: u32, edx: u32) -> u64 {
    const ERMS: u32 = 1 << 9;
    const FSRM: u32 = 1 << 4;
    match (edx & FSRM != 0, ebx & ERMS != 0) {
        _ if amd => u64::MAX,
        (true, _) => SHORT_STRINGS as u64,
        (false, true) => LONG_STRINGS as u64,
        (false, false) => u64::MAX,
    }
}

/// Calls `line` for the first and the last bytes of `len`, as many as a line has, and for each line of the target between, which
/// lies at `target`: a store over the edge of a line takes longer. Some bytes are copied twice. `len` is a line at least, and
/// no call reaches behind it.
#[inline(always)]
fn lines(target: usize, len: usize, line: impl Fn(usize)) {
    line(0);
    let mut at = LINE - target % LINE;
    while at + LINE < len {
        line(at);
        at += LINE;
    }
    line(len - LINE);
}

/// As words, for what [`vector_store`] says.
///
/// # Safety
/// [`LINE`] bytes must be readable at `from + at` and writable at `to + at`, and must not overlap.
#[inline(always)]
unsafe fn line_of_words(from: *const u8, to: *mut u8, at: usize) {
    // SAFETY: the caller vouches for both ranges.
    unsafe {
        asm!(
            "movq {a}, qword ptr [{from} + {at}]",
            "movhps {a}, qword ptr [{from} + {at} + 8]",
            "movq {b}, qword ptr [{from} + {at} + 16]",
            "movhps {b}, qword ptr [{from} + {at} + 24]",
            "movq {c}, qword ptr [{from} + {at} + 32]",
            "movhps {c}, qword ptr [{from} + {at} + 40]",
            "movq {d}, qword ptr [{from} + {at} + 48]",
            "movhps {d}, qword ptr [{from} + {at} + 56]",
            "movups [{to} + {at}], {a}",
            "movups [{to} + {at} + 16], {b}",
            "movups [{to} + {at} + 32], {c}",
            "movups [{to} + {at} + 48], {d}",
            from = in(reg) from, to = in(reg) to, at = in(reg) at,
            a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
            options(nostack, preserves_flags),
        );
    }
}

/// # Safety
/// As for [`line_of_words`].
#[inline(always)]
unsafe fn line_of_vectors(from: *const u8, to: *mut u8, at: usize) {
    // SAFETY: the caller vouches for both ranges.
    unsafe {
        asm!(
            "movups {a}, [{from} + {at}]",
            "movups {b}, [{from} + {at} + 16]",
            "movups {c}, [{from} + {at} + 32]",
            "movups {d}, [{from} + {at} + 48]",
            "movups [{to} + {at}], {a}",
            "movups [{to} + {at} + 16], {b}",
            "movups [{to} + {at} + 32], {c}",
            "movups [{to} + {at} + 48], {d}",
            from = in(reg) from, to = in(reg) to, at = in(reg) at,
            a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
            options(nostack, preserves_flags),
        );
    }
}

/// # Safety
/// `len` bytes must be readable at `from` and writable at `to`, and must not overlap.
#[inline(always)]
unsafe fn rep_movsb(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller vouches for both ranges; the direction flag is clear by the calling convention.
    unsafe {
        asm!(
            "rep movsb",
            inout("rcx") len => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags),
        );
    }
}

/// Whole vectors, each loaded as two words, then what is left as words. Whoever sends has often just written the message, word
/// by word, and the processor hands a load what a store before it wrote only if that one store has all of it: otherwise the
/// load waits until the store is done, and so for all stores before it, those of the last message into the ring among them.
#[inline(always)]
fn vector_store(words: &[AtomicU64], source: &[u8]) {
    let (whole, rest) = source.split_at(source.len() / VECTOR * VECTOR);
    let (covered, left) = words.split_at(whole.len() / 8);
    // SAFETY: `covered` is as long as `whole`, by the split, and that is whole vectors. The rest as in `long_store`.
    unsafe { words_to_vectors(whole.as_ptr(), covered.as_ptr().cast_mut().cast(), whole.len()) }
    match rest.split_first_chunk::<8>() {
        Some((chunk, rest)) => {
            left[0].store(u64::from_ne_bytes(*chunk), Ordering::Relaxed);
            store_rest(&left[1..], rest);
        }
        None => store_rest(left, rest),
    }
}

/// # Safety
/// As for [`vectors`]; `len` must be a multiple of [`VECTOR`].
#[inline(always)]
unsafe fn words_to_vectors(from: *const u8, to: *mut u8, len: usize) {
    let mut at = 0;
    while at + VECTOR < len {
        // SAFETY: `at + 2 * VECTOR` is `len` at most; the caller vouches for both ranges.
        unsafe {
            asm!(
                "movq {first}, qword ptr [{from} + {at}]",
                "movhps {first}, qword ptr [{from} + {at} + 8]",
                "movq {second}, qword ptr [{from} + {at} + 16]",
                "movhps {second}, qword ptr [{from} + {at} + 24]",
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
        // SAFETY: `at + VECTOR` is `len`.
        unsafe {
            asm!(
                "movq {vector}, qword ptr [{from} + {at}]",
                "movhps {vector}, qword ptr [{from} + {at} + 8]",
                "movups [{to} + {at}], {vector}",
                from = in(reg) from, to = in(reg) to, at = in(reg) at,
                vector = out(xmm_reg) _,
                options(nostack, preserves_flags),
            );
        }
    }
}

#[inline(always)]
fn vector_load(words: &[AtomicU64], target: &mut [u8]) {
    assert!((VECTOR..=words.len() * 8).contains(&target.len()));
    // SAFETY: as in `long_load`; there is a vector at least.
    unsafe { vectors(words.as_ptr().cast(), target.as_mut_ptr(), target.len()) }
}

/// Whole vectors from the front, and one that ends where the copy ends, over a part of the one before it.
///
/// # Safety
/// `len` bytes, [`VECTOR`] at least, must be readable at `from` and writable at `to`, and must not overlap.
#[inline(always)]
unsafe fn vectors(from: *const u8, to: *mut u8, len: usize) {
    let last = len - VECTOR;
    let mut at = 0;
    // Two at a time, of which the second may be the last.
    while at + VECTOR <= last {
        // SAFETY: `at + 2 * VECTOR` is `len` at most; the caller vouches for both ranges.
        unsafe {
            asm!(
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
#[inline(always)]
unsafe fn vector(from: *const u8, to: *mut u8, at: usize) {
    // SAFETY: the caller vouches for both ranges.
    unsafe {
        asm!(
            "movups {vector}, [{from} + {at}]",
            "movups [{to} + {at}], {vector}",
            from = in(reg) from, to = in(reg) to, at = in(reg) at,
            vector = out(xmm_reg) _,
            options(nostack, preserves_flags),
        );
    }
}
