//! What a line is, what a word is, and how words are counted. Master, workers and the check use these same
//! functions; they work on bytes, because a file need not be UTF-8.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::BufRead;
use std::iter;

/// How often each word was seen.
pub type Counts = HashMap<Box<[u8]>, u64>;

/// The most bytes that a white-space character has in UTF-8.
const LONGEST_SPACE: usize = 3;

/// The longest word that [`messages`] with this limit keeps whole.
pub const fn longest_word(limit: usize) -> usize {
    limit - LONGEST_SPACE
}

/// Cuts a file into messages: one a line, with its line end, so that no message is empty.
///
/// A line of more than `limit` bytes becomes several messages, cut before a white-space character, so that no
/// word of at most [`longest_word`] bytes is cut and the counts stay exact.
pub fn messages(file: &[u8], limit: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = file;
    iter::from_fn(move || {
        // `skip_until` searches with memchr, many times faster than a loop over the bytes.
        let mut after = rest;
        let line = after.skip_until(b'\n').ok().filter(|&length| length > 0)?;
        let (message, left) = rest.split_at(if line > limit { cut(rest, limit) } else { line });
        rest = left;
        Some(message)
    })
}

/// The last place within `limit` at which a white-space character starts.
fn cut(line: &[u8], limit: usize) -> usize {
    (1..=limit).rev().find(|&at| space_length(&line[at..]) > 0).unwrap_or(limit)
}

/// Adds the words of a line.
pub fn add_words(counts: &mut Counts, line: &[u8]) {
    for word in words(line) {
        add(counts, word, 1);
    }
}

/// Adds to the count of one word; only a word that is new costs an allocation.
pub fn add(counts: &mut Counts, word: &[u8], times: u64) {
    if let Some(count) = counts.get_mut(word) {
        *count += times;
    } else if let Entry::Vacant(entry) = counts.entry(word.into()) {
        entry.insert(times);
    }
}

/// The words of a text: its longest runs of bytes without a white-space character.
///
/// White space is what [`char::is_whitespace`] says, found by its UTF-8 bytes. Everything else belongs to a
/// word, bytes that are not UTF-8 too.
pub fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    iter::from_fn(move || {
        while let length @ 1.. = space_length(rest) {
            rest = &rest[length..];
        }
        let (word, left) = rest.split_at(word_length(rest));
        rest = left;
        (!word.is_empty()).then_some(word)
    })
}

/// The bytes before the first white-space character.
fn word_length(text: &[u8]) -> usize {
    (0..text.len()).find(|&at| space_length(&text[at..]) > 0).unwrap_or(text.len())
}

/// The length of the white-space character that the bytes start with; 0 if they start with none.
///
/// UTF-8 is self-synchronising: the first byte of a character is never found within another, so it is enough to
/// compare bytes.
fn space_length(bytes: &[u8]) -> usize {
    match *bytes {
        [b'\t'..=b'\r' | b' ', ..] => 1,
        [0xC2, 0x85 | 0xA0, ..] => 2,
        [0xE1, 0x9A, 0x80, ..]
        | [0xE2, 0x80, 0x80..=0x8A | 0xA8 | 0xA9 | 0xAF, ..]
        | [0xE2, 0x81, 0x9F, ..]
        | [0xE3, 0x80, 0x80, ..] => 3,
        _ => 0,
    }
}

/// The words with the highest counts, highest first; equal counts in the order of their bytes.
pub fn top(counts: &Counts, most: usize) -> Vec<(&[u8], u64)> {
    let mut sorted: Vec<_> = counts.iter().map(|(word, &count)| (&**word, count)).collect();
    sorted.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    sorted.truncate(most);
    sorted
}

/// The first word, in the order of [`top`], whose count is not `times` the expected one.
pub fn difference<'a>(counts: &'a Counts, expected: &'a Counts, times: u64) -> Option<(&'a [u8], u64, u64)> {
    let of = |map: &Counts, word: &[u8]| map.get(word).copied().unwrap_or(0);
    let known = expected.iter().map(|(word, &once)| (&**word, of(counts, word), once * times));
    let unknown = counts.iter().filter(|(word, _)| !expected.contains_key(*word));
    known
        .chain(unknown.map(|(word, &count)| (&**word, count, 0)))
        .filter(|&(_, counted, right)| counted != right)
        .min_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(b.0)))
}
