//! The engines of x86-64 that copy many bytes, each of them on whatever processor.

use super::copies::payload;
use super::guarded::{GuardedBuffer, GuardedMemory};
use crate::ring::Memory;
use crate::ring::copy::{LONG_FROM, x86};

/// Whichever of the two this processor takes by itself: from and to memory of which neither neighbour may be touched, for each
/// place of the target in a line.
#[test]
fn long_copies_are_whole_by_strings_and_by_lines_and_touch_nothing_beside_them() {
    let memory = GuardedMemory::new(4096);
    let (mut source, mut target) = (GuardedBuffer::new(4096), GuardedBuffer::new(4096));
    for (string, len) in [false, true].into_iter().flat_map(|string| (0..200).map(move |len| (string, len))) {
        let len = LONG_FROM + len;
        let source = source.last(len);
        source.copy_from_slice(&payload(len));
        // Its last word is the last of the ring's, so that it lies in each place of a line in turn.
        let words = &memory.words()[(4096 - len) / 8..];
        x86::long_store(words, source, string);
        let target = target.last(len);
        x86::long_load(words, target, string);
        assert_eq!(target, source, "{len} B");
    }
    for (shift, string) in (0..64).flat_map(|shift| [(shift, false), (shift, true)]) {
        let len = 400 + shift * 7;
        let words = &memory.words()[shift % 9..];
        x86::long_store(words, &payload(len), string);
        let front = &mut target.last(4096)[shift..shift + len];
        x86::long_load(words, front, string);
        assert_eq!(front, payload(len), "{len} B");
    }
}

#[test]
fn strings_are_for_processors_that_are_quick_with_them() {
    let (erms, fsrm, others) = (1 << 9, 1 << 4, !(1 << 9 | 1 << 4));
    let string_from = |ebx, edx| x86::string_from(false, ebx, edx);
    assert_eq!(string_from(0, 0), u64::MAX);
    assert_eq!(string_from(others, others), u64::MAX, "other features say nothing of it");
    assert_eq!(string_from(fsrm, erms), u64::MAX, "each bit has its own register");
    assert_eq!(string_from(erms, 0), x86::LONG_STRINGS as u64);
    assert_eq!(string_from(0, fsrm), x86::SHORT_STRINGS as u64);
    assert_eq!(string_from(erms, fsrm), x86::SHORT_STRINGS as u64);
    assert_eq!(x86::string_from(true, erms, fsrm), u64::MAX, "AMD's");
}
