//! Bytes from files, and numbers, as a terminal may see them.

use std::fmt::{self, Write};

/// Bytes of a file or a path, without anything that a terminal would obey: control characters and bytes that are
/// not UTF-8 are escaped, and what is long is cut.
#[derive(Debug)]
pub struct Shown<'a>(pub &'a [u8]);

const MOST_CHARACTERS: usize = 200;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pieces = self.0.utf8_chunks().flat_map(|chunk| {
            let bytes = chunk.invalid().iter().copied().map(Err);
            chunk.valid().chars().map(Ok).chain(bytes)
        });
        for piece in pieces.by_ref().take(MOST_CHARACTERS) {
            match piece {
                // `escape_debug` escapes what does not print, and these, which need it only between quotes.
                Ok(character @ ('"' | '\'' | '\\')) => f.write_char(character)?,
                Ok(character) => write!(f, "{}", character.escape_debug())?,
                Err(byte) => write!(f, "\\x{byte:02x}")?,
            }
        }
        pieces.next().map_or(Ok(()), |_| f.write_char('…'))
    }
}

/// A number with a space between groups of three digits.
#[derive(Debug)]
pub struct Grouped(pub u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at) % 3 == 0 {
                text.push(' ');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}
