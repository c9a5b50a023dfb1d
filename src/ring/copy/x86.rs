//! The engines of x86-64: instructions in assembly, for copies that are longer than a few words.

use super::{LINE_BYTES, LINE_WORDS, LONG_FROM, prefetch_for_read, prefetch_for_write, store_rest};
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

/// The bit of EDX in CPUID's leaf 7 which says that short `rep movsb` is fast.
const FSRM: u32 = 1 << 4;

/// More bytes than a copy can have.
pub const NEVER: u64 = u64::MAX - 1;

const _: () = assert!(LONG_FROM >= LINE && SHORT_STRINGS >= LONG_FROM && LONG_STRINGS >= LONG_FROM);

/// How a long copy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// By lines, each as four vectors of 16 bytes, fetched ahead.
    Lines,
    /// By lines, each as two vectors of 32 bytes.
    Wide(Avx2),
    /// By `rep movsb`.
    String,
}

/// The proof that the processor has AVX2 and the system saves its registers. Only this module makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

impl Avx2 {
    /// Whether it is so.
    pub fn detect() -> Option<Self> {
        std::arch::is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

/// Stores `source`, of at least [`VECTORS_FROM`] bytes.
#[inline(always)]
pub fn store(words: &[AtomicU64], source: &[u8]) {
    if source.len() >= LONG_FROM {
        long_store(words, source, engine(source.len()));
    } else {
        vector_store(words, source);
    }
}

/// Loads into `target`, of at least [`VECTORS_FROM`] bytes.
#[inline(always)]
pub fn load(words: &[AtomicU64], target: &mut [u8]) {
    if target.len() >= LONG_FROM {
        long_load(words, target, engine(target.len()));
    } else {
        vector_load(words, target);
    }
}

/// Stores `source`, of at least [`LONG_FROM`] bytes. Apart, so that short copies have the registers to themselves.
#[inline(never)]
pub fn long_store(words: &[AtomicU64], source: &[u8], engine: Engine) {
    assert!((LONG_FROM..=words.len() * 8).contains(&source.len()));
    let (from, to, len) = (source.as_ptr(), words.as_ptr().cast_mut().cast(), source.len());
    // SAFETY: it was asserted that `words` covers `len` bytes, and an AtomicU64 may be written through a shared reference.
    // `source`, which nobody writes to, lies elsewhere. The assembly is opaque, so nothing is assumed of a concurrent
    // reader. `lines` asks for no line that ends behind the copy. Who has an `Avx2` has AVX too.
    unsafe {
        match engine {
            Engine::String => rep_movsb(from, to, len),
            Engine::Lines => lines(to as usize, len, |at| {
                if at + FETCHED < len {
                    prefetch_for_write(words, (at + FETCHED) / 8);
                }
                line_of_words(from, to, at);
            }),
            Engine::Wide(_) => wide_lines(from, to, len),
        }
    }
}

/// Loads into `target`, of at least [`LONG_FROM`] bytes. A call of its own, as [`long_store`] is.
#[inline(never)]
pub fn long_load(words: &[AtomicU64], target: &mut [u8], engine: Engine) {
    assert!((LONG_FROM..=words.len() * 8).contains(&target.len()));
    let (from, to, len) = (words.as_ptr().cast(), target.as_mut_ptr(), target.len());
    // SAFETY: it was asserted that `words` covers `len` bytes; `target` is ours alone. The rest is as in `long_store`, where
    // the other side is a writer.
    unsafe {
        match engine {
            Engine::String => rep_movsb(from, to, len),
            Engine::Lines => lines(to as usize, len, |at| {
                if at + FETCHED < len {
                    prefetch_for_read(words, (at + FETCHED) / 8);
                }
                line_of_vectors(from, to, at);
            }),
            Engine::Wide(_) => wide_lines(from, to, len),
        }
    }
}

/// By which engine this processor copies so many bytes, [`LONG_FROM`] at least.
#[inline(always)]
pub fn engine(len: usize) -> Engine {
    /// From how many bytes on copies go by the string engine, [`NEVER`], or [`WIDE`]. 0: not known yet.
    static CHOSEN: AtomicU64 = AtomicU64::new(0);
    /// All go by wide lines. Only where there is an [`Avx2`].
    const WIDE: u64 = u64::MAX;

    #[cold]
    #[inline(never)]
    fn choose() -> u64 {
        let (amd, ebx, edx) = features();
        let chosen =
            if is_wide(amd, edx, Avx2::detect().is_some()) { WIDE } else { string_from(amd, ebx, edx) };
        CHOSEN.store(chosen, Ordering::Relaxed);
        chosen
    }

    let chosen = match CHOSEN.load(Ordering::Relaxed) {
        0 => choose(),
        chosen => chosen,
    };
    match chosen {
        WIDE => Engine::Wide(Avx2(())),
        from if len as u64 >= from => Engine::String,
        _ => Engine::Lines,
    }
}

/// Whether it is AMD's processor, and EBX and EDX of CPUID's leaf 7: 0 and 0 where there is none.
pub fn features() -> (bool, u32, u32) {
    // SAFETY: every processor of x86-64 has the instruction, which only answers.
    #[allow(unused_unsafe, reason = "later versions of Rust know that")]
    let (last, leaf) = unsafe { (__cpuid(0).eax, __cpuid_count(7, 0)) };
    let amd = std::arch::is_x86_feature_detected!("sse4a");
    if last < 7 { (amd, 0, 0) } else { (amd, leaf.ebx, leaf.edx) }
}

/// From how many bytes on copies go by the string engine, by what CPUID's leaf 7 says of the processor: Intel's *Software
/// Developer's Manual*, volume 2A. Without either bit, never. Nor on AMD's processors, of which Zen 3 and later have both: there
/// `rep movsb` is slow for some alignments of the target, and glibc leaves it to copies that pass by the caches (the file
/// above, and bug 30994).
pub fn string_from(amd: bool, ebx: u32, edx: u32) -> u64 {
    const ERMS: u32 = 1 << 9;
    match (edx & FSRM != 0, ebx & ERMS != 0) {
        _ if amd => NEVER,
        (true, _) => SHORT_STRINGS as u64,
        (false, true) => LONG_STRINGS as u64,
        (false, false) => NEVER,
    }
}

/// Whether lines are wide: on AMD's processors since Zen 3, which FSRM tells from those before it, where there is an [`Avx2`]. On Zen 3
/// they moved 1.3 times as many messages of 1 KiB as the narrow ones that are fetched ahead, 1.6 times as many of 4 KiB,
/// 1.5 of 64 KiB. Zen 1 moves 16 bytes at once, and gained 4 % at 64 KiB. Zen 4 and 5, which are taken too, and Zen 2 and
/// Intel's, which are not, were not measured.
pub fn is_wide(amd: bool, edx: u32, avx2: bool) -> bool {
    amd && edx & FSRM != 0 && avx2
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

/// As vectors of 32 bytes, in both directions. Messages that were just written by words from end to end went 6 to 29 % more often a
/// second with it than with words as vectors of 16 bytes (256 B to 64 KiB, AMD's Zen 3, both fetched ahead), whatever its loads
/// wait for.
///
/// # Safety
/// As for [`line_of_words`]; the processor must have AVX. [`forget_wide_vectors`] has to follow.
#[inline(always)]
unsafe fn line_of_wide_vectors(from: *const u8, to: *mut u8, at: usize) {
    // SAFETY: the caller vouches for both ranges and for the processor.
    unsafe {
        asm!(
            "vmovdqu ymm0, [{from} + {at}]",
            "vmovdqu ymm1, [{from} + {at} + 32]",
            "vmovdqu [{to} + {at}], ymm0",
            "vmovdqu [{to} + {at} + 32], ymm1",
            from = in(reg) from, to = in(reg) to, at = in(reg) at,
            out("ymm0") _, out("ymm1") _,
            options(nostack, preserves_flags),
        );
    }
}

/// # Safety
/// `len` bytes, [`LINE`] at least, must be readable at `from` and writable at `to`, and must not overlap. The processor must have
/// AVX.
#[inline(always)]
unsafe fn wide_lines(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: `lines` calls for no line that ends behind `len`; the caller vouches for the rest.
    unsafe {
        lines(to as usize, len, |at| line_of_wide_vectors(from, to, at));
        forget_wide_vectors();
    }
}

/// Gives back the upper halves of the wide registers: as long as they are in use, other instructions on vectors can be slower.
///
/// # Safety
/// The processor must have AVX.
#[inline(always)]
unsafe fn forget_wide_vectors() {
    // SAFETY: the caller vouches for the processor; all that the instruction changes is named as lost.
    unsafe { asm!("vzeroupper", clobber_abi("sysv64"), options(nomem, nostack, preserves_flags)) }
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
    let (from, to, len) = (words.as_ptr().cast(), target.as_mut_ptr(), target.len());
    assert!((VECTOR..=words.len() * 8).contains(&len));
    // All at once only out of what can lie in one line: a round trip of 64 bytes, which lie in two, took a seventh longer with
    // that on AMD's Zen 3.
    // SAFETY: as in `long_load`; there is a vector at least.
    unsafe { if len > LINE_BYTES { vectors(from, to, len) } else { few_vectors(from, to, len) } }
}

/// Loads into `target`, of at least [`VECTORS_FROM`] bytes and at most as many as a line has behind a header.
#[inline(always)]
pub fn load_line(words: &[AtomicU64; LINE_WORDS], target: &mut [u8]) {
    assert!((VECTOR..=LINE_BYTES).contains(&target.len()));
    // SAFETY: `words` are as many bytes as were asserted at most; `target` is ours alone. The rest as in `long_load`.
    unsafe { few_vectors(words.as_ptr().cast(), target.as_mut_ptr(), target.len()) }
}

/// Two vectors or four, of which those at the end can lie over a part of those before.
///
/// # Safety
/// `len` bytes, [`VECTOR`] at least and [`LINE_BYTES`] at most, must be readable at `from` and writable at `to`, and must not overlap.
#[inline(always)]
unsafe fn few_vectors(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller vouches for both ranges, of which four vectors are asked only if they have two.
    unsafe {
        if len < 2 * VECTOR {
            asm!(
                "movups {a}, [{from}]",
                "movups {b}, [{from} + {len} - 16]",
                "movups [{to}], {a}",
                "movups [{to} + {len} - 16], {b}",
                from = in(reg) from, to = in(reg) to, len = in(reg) len,
                a = out(xmm_reg) _, b = out(xmm_reg) _,
                options(nostack, preserves_flags),
            );
            return;
        }
        asm!(
            "movups {a}, [{from}]",
            "movups {b}, [{from} + 16]",
            "movups {c}, [{from} + {len} - 32]",
            "movups {d}, [{from} + {len} - 16]",
            "movups [{to}], {a}",
            "movups [{to} + 16], {b}",
            "movups [{to} + {len} - 32], {c}",
            "movups [{to} + {len} - 16], {d}",
            from = in(reg) from, to = in(reg) to, len = in(reg) len,
            a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
            options(nostack, preserves_flags),
        );
    }
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
