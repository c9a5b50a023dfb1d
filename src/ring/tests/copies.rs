//! Copies into and out of foreign words, by whichever engine does them at a length.

use crate::ring::copy::{LINE_WORDS, LONG_FROM, few_words, load, load_line, store, store_line};
use crate::sync::{AtomicU64, Ordering};

/// Longer than the longest copy by vectors.
const LONGEST: usize = 400;
/// What stands where nothing is to be written.
const NOTHING: u8 = 0xEE;

/// All of them, or, where each takes its time, those about a few words and some.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=LONGEST).filter(|len| !cfg!(miri) || *len < 25 || len % 64 == 0)
}

pub(super) fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|place| (place * 7 + len) as u8).collect()
}

fn bytes(words: &[AtomicU64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes()).collect()
}

#[test]
fn a_copy_in_is_whole_and_changes_no_word_that_it_does_not_reach() {
    for len in lengths() {
        // In each place of a line, from a source in each place of a word.
        let (first, shift) = (1 + len % 8, len % 7);
        let words: Vec<_> =
            (0..LONGEST / 8 + 10).map(|_| AtomicU64::new(u64::from_ne_bytes([NOTHING; 8]))).collect();
        let mut source = vec![0; shift];
        source.extend(payload(len));
        store(&words[first..], &source[shift..]);
        let (stored, end) = (bytes(&words), first * 8 + len);
        assert_eq!(stored[first * 8..end], payload(len), "{len} B");
        let untouched = stored[..first * 8].iter().chain(&stored[end.next_multiple_of(8)..]);
        assert!(untouched.copied().all(|byte| byte == NOTHING), "{len} B");
    }
}

#[test]
fn a_copy_out_is_whole_and_changes_nothing_beside_it() {
    let stored = payload(LONGEST + 80);
    let words: Vec<_> = stored
        .chunks_exact(8)
        .map(|chunk| AtomicU64::new(u64::from_ne_bytes(chunk.try_into().unwrap())))
        .collect();
    for len in lengths() {
        let (first, shift) = (len % 9, 1 + len % 7);
        let mut target = vec![NOTHING; shift + len + 24];
        load(&words[first..], &mut target[shift..shift + len]);
        assert_eq!(target[shift..shift + len], stored[first * 8..][..len], "{len} B");
        let untouched = target[..shift].iter().chain(&target[shift + len..]);
        assert!(untouched.copied().all(|byte| byte == NOTHING), "{len} B");
    }
}

#[test]
fn a_copy_into_and_out_of_a_line_is_whole_and_changes_nothing_beside_it() {
    for len in 0..=LINE_WORDS * 8 {
        let line = [(); LINE_WORDS].map(|()| AtomicU64::new(u64::from_ne_bytes([NOTHING; 8])));
        store_line(&line, &payload(len));
        let stored = bytes(&line);
        assert_eq!(stored[..len], payload(len), "{len} B");
        assert!(stored[len.next_multiple_of(8)..].iter().all(|byte| *byte == NOTHING), "{len} B");
        let mut target = vec![NOTHING; len + 2];
        load_line(&line, &mut target[1..=len]);
        assert_eq!(target[1..=len], payload(len), "{len} B");
        assert_eq!([target[0], target[len + 1]], [NOTHING; 2], "{len} B");
    }
}

#[test]
fn few_words_are_whole_ones_and_not_long() {
    let most = usize::MAX / 8 + 1;
    for len in (0..1024).chain([usize::MAX, usize::MAX - 7, most, 4 * most, 4 * most + 8]) {
        let few = len % 8 == 0 && len > 0 && len < LONG_FROM;
        assert_eq!(few_words(len), few.then_some(len / 8), "{len} B");
    }
}
