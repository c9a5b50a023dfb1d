//! The engines of x86-64 that copy many bytes, each of them on whatever processor has what it needs.

use super::copies::payload;
use super::guarded::{GuardedBuffer, GuardedMemory};
use crate::ring::Memory;
use crate::ring::copy::x86::{self, Avx2, Engine, NEVER};
use crate::ring::copy::{LINE_WORDS, LONG_FROM, load_line, store_line};
use crate::sync::Ordering;

/// All that this processor has.
fn engines() -> impl Iterator<Item = Engine> {
    if Avx2::detect().is_none() {
        eprintln!("no AVX2 here: wide lines are not tried");
    }
    [Engine::Lines, Engine::String].into_iter().chain(Avx2::detect().map(Engine::Wide))
}

/// Whichever of them this processor takes by itself: from and to memory of which neither neighbour may be touched, for each
/// place of the target in a line.
#[test]
fn long_copies_are_whole_by_each_engine_and_touch_nothing_beside_them() {
    let memory = GuardedMemory::new(4096);
    let (mut source, mut target) = (GuardedBuffer::new(4096), GuardedBuffer::new(4096));
    for (engine, len) in engines().flat_map(|engine| (0..200).map(move |len| (engine, len))) {
        let len = LONG_FROM + len;
        let source = source.last(len);
        source.copy_from_slice(&payload(len));
        // Its last word is the last of the ring's, so that it lies in each place of a line in turn.
        let words = &memory.words()[(4096 - len) / 8..];
        x86::long_store(words, source, engine);
        let target = target.last(len);
        x86::long_load(words, target, engine);
        assert_eq!(target, source, "{len} B by {engine:?}");
    }
    for (engine, shift) in engines().flat_map(|engine| (0..64).map(move |shift| (engine, shift))) {
        let len = 400 + shift * 7;
        let words = &memory.words()[shift % 9..];
        x86::long_store(words, &payload(len), engine);
        let front = &mut target.last(4096)[shift..shift + len];
        x86::long_load(words, front, engine);
        assert_eq!(front, payload(len), "{len} B by {engine:?}");
    }
}

/// From the front of memory and from its end, of which neither neighbour may be touched.
#[test]
fn a_line_is_copied_whatever_it_holds_and_nothing_beside_it() {
    let memory = GuardedMemory::new(4096);
    let (mut source, mut target) = (GuardedBuffer::new(4096), GuardedBuffer::new(4096));
    let words = memory.words();
    let lines = [words.first_chunk::<LINE_WORDS>(), words.last_chunk::<LINE_WORDS>()].map(Option::unwrap);
    for (line, len) in lines.into_iter().flat_map(|line| (0..=LINE_WORDS * 8).map(move |len| (line, len))) {
        let message = payload(len);
        for front in [true, false] {
            line.iter().for_each(|word| word.store(u64::MAX, Ordering::Relaxed));
            let source = if front { &mut source.last(4096)[..len] } else { source.last(len) };
            source.copy_from_slice(&message);
            store_line(line, source);
            let untouched = &line[len.div_ceil(8)..];
            assert!(untouched.iter().all(|word| word.load(Ordering::Relaxed) == u64::MAX), "{len} B");
            let around = target.last(4096);
            around.fill(0xee);
            let at = if front { 0 } else { 4096 - len };
            load_line(line, &mut around[at..at + len]);
            assert_eq!(around[at..at + len], message, "{len} B");
            let mut beside = around[..at].iter().chain(&around[at + len..]);
            assert!(beside.all(|byte| *byte == 0xee), "{len} B");
        }
    }
}

#[test]
fn strings_are_for_processors_that_are_quick_with_them() {
    let (erms, fsrm, others) = (1 << 9, 1 << 4, !(1 << 9 | 1 << 4));
    let string_from = |ebx, edx| x86::string_from(false, ebx, edx);
    assert_eq!(string_from(0, 0), NEVER);
    assert_eq!(string_from(others, others), NEVER, "other features say nothing of it");
    assert_eq!(string_from(fsrm, erms), NEVER, "each bit has its own register");
    assert_eq!(string_from(erms, 0), x86::LONG_STRINGS as u64);
    assert_eq!(string_from(0, fsrm), x86::SHORT_STRINGS as u64);
    assert_eq!(string_from(erms, fsrm), x86::SHORT_STRINGS as u64);
    assert_eq!(x86::string_from(true, erms, fsrm), NEVER, "AMD's");
}

#[test]
fn lines_are_wide_on_amds_processors_that_have_both_bits() {
    let (fsrm, others) = (1 << 4, !(1 << 4));
    assert!(x86::is_wide(true, fsrm, true));
    assert!(!x86::is_wide(false, fsrm, true), "on Intel's it was not measured");
    assert!(!x86::is_wide(true, others, true), "before Zen 3");
    assert!(!x86::is_wide(true, fsrm, false), "the registers cannot be used");
}

#[test]
fn the_engine_of_a_length_is_one_that_this_processor_has() {
    let ((amd, ebx, edx), avx2) = (x86::features(), Avx2::detect());
    let from = x86::string_from(amd, ebx, edx);
    for len in [LONG_FROM, LONG_FROM + 1, x86::LONG_STRINGS - 1, x86::LONG_STRINGS, 1 << 20, 1 << 40] {
        let engine = x86::engine(len);
        assert!(engines().any(|had| had == engine), "{len} B by {engine:?}");
        let wide = x86::is_wide(amd, edx, avx2.is_some());
        assert_eq!(matches!(engine, Engine::Wide(_)), wide, "{len} B by {engine:?}");
        assert_eq!(engine == Engine::String, len as u64 >= from, "{len} B by {engine:?}");
    }
}
