//! Tells code, comments and literals of a Rust file apart, without a parser.

/// A file seen twice. Both texts are as long as the file and have its line breaks, so that an offset or a line
/// number means the same in all three.
#[derive(Debug)]
pub struct Masks {
    /// The code: every comment, and what stands between the quotes of a literal, is blank.
    pub code: String,
    /// The comments, their markers included: everything else is blank.
    pub comments: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Code,
    Comment,
    Literal,
}

/// Splits `text`.
pub fn mask(text: &str) -> Masks {
    let bytes = text.as_bytes();
    let mut parts = vec![Part::Code; bytes.len()];
    let mut at = 0;
    while at < bytes.len() {
        let (part, inside, end) = piece(bytes, at);
        parts[inside.0..inside.1].fill(part);
        at = end;
    }
    Masks { code: keep(bytes, &parts, Part::Code), comments: keep(bytes, &parts, Part::Comment) }
}

/// The piece that starts at `at`: what it is, which of its bytes are that, and where the next piece starts.
fn piece(bytes: &[u8], at: usize) -> (Part, (usize, usize), usize) {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        let end = at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        return (Part::Comment, (at, end), end);
    }
    if rest.starts_with(b"/*") {
        let end = block_comment(bytes, at);
        return (Part::Comment, (at, end), end);
    }
    if rest[0] == b'"' {
        let end = quoted(bytes, at + 1, b'"');
        return (Part::Literal, (at + 1, end.saturating_sub(1).max(at + 1)), end);
    }
    if rest[0] == b'\'' {
        return match char_literal(bytes, at) {
            Some(end) => (Part::Literal, (at + 1, end - 1), end),
            None => (Part::Code, (at, at + 1), at + 1),
        };
    }
    if let Some((start, inner_end, end)) = raw_string(bytes, at) {
        return (Part::Literal, (start, inner_end), end);
    }
    let word = rest.iter().take_while(|&&b| is_word(b)).count().max(1);
    (Part::Code, (at, at + word), at + literal_prefix(rest, word))
}

/// Steps over `b` and `c` alone before a quote, and over whole words elsewhere.
fn literal_prefix(rest: &[u8], word: usize) -> usize {
    let quote = rest.get(word) == Some(&b'"') || rest.get(word) == Some(&b'\'');
    if quote && word == 1 { 1 } else { word }
}

pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The end of the block comment that starts at `at`; block comments nest.
fn block_comment(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut i) = (0, at);
    while i < bytes.len() {
        if bytes[i..].starts_with(b"/*") {
            depth += 1;
            i += 2;
        } else if bytes[i..].starts_with(b"*/") {
            depth -= 1;
            i += 2;
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    bytes.len()
}

/// The offset just after the closing quote of a literal whose inside starts at `at`.
fn quoted(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut i = at;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 2,
            b if b == quote => return i + 1,
            _ => i += 1,
        }
    }
    bytes.len()
}

/// The end of the character literal that starts at `at`; `None` for a lifetime or a label.
fn char_literal(bytes: &[u8], at: usize) -> Option<usize> {
    let first = *bytes.get(at + 1)?;
    if first == b'\\' {
        return Some(quoted(bytes, at + 1, b'\''));
    }
    let width = match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    };
    (bytes.get(at + 1 + width) == Some(&b'\'')).then_some(at + width + 2)
}

/// `r"…"`, `r#"…"#`, `br"…"`, `cr"…"`: start and end of the inside, and the end of the literal.
fn raw_string(bytes: &[u8], at: usize) -> Option<(usize, usize, usize)> {
    if at > 0 && is_word(bytes[at - 1]) {
        return None;
    }
    let rest = &bytes[at..];
    let prefix = if rest.starts_with(b"r") {
        1
    } else if rest.starts_with(b"br") || rest.starts_with(b"cr") {
        2
    } else {
        return None;
    };
    let hashes = rest[prefix..].iter().take_while(|&&b| b == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return None;
    }
    let start = at + prefix + hashes + 1;
    let mut closing = vec![b'"'];
    closing.resize(hashes + 1, b'#');
    let inner = bytes[start..].windows(closing.len()).position(|w| w == closing);
    let inner_end = inner.map_or(bytes.len(), |offset| start + offset);
    Some((start, inner_end, (inner_end + closing.len()).min(bytes.len())))
}

fn keep(bytes: &[u8], parts: &[Part], wanted: Part) -> String {
    let kept = bytes.iter().zip(parts).map(|(&byte, &part)| {
        let ascii = if byte.is_ascii() { byte } else { b'?' };
        if byte == b'\n' || part == wanted { ascii } else { b' ' }
    });
    kept.map(char::from).collect()
}

/// A word, a lifetime, `::`, or one character of punctuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// Offset in the file.
    pub at: usize,
    /// What it is.
    pub text: &'a str,
}

/// The tokens of masked code.
pub fn tokens(code: &str) -> Vec<Token<'_>> {
    let bytes = code.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        if bytes[at].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let quote = usize::from(bytes[at] == b'\'');
        let word = bytes[at + quote..].iter().take_while(|&&b| is_word(b)).count();
        let length = match word {
            0 if bytes[at..].starts_with(b"::") => 2,
            0 => 1,
            _ => quote + word,
        };
        found.push(Token { at, text: &code[at..at + length] });
        at += length;
    }
    found
}

/// The index of the bracket that closes the one at `open`; the last token if none does.
pub fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return i;
        }
    }
    tokens.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        let masks = mask(text);
        assert_eq!(masks.code.len(), text.len());
        assert_eq!(masks.comments.len(), text.len());
        masks.code
    }

    #[test]
    fn a_line_comment_ends_with_its_line() {
        assert_eq!(code("a // b \" c\nd"), "a         \nd");
        assert_eq!(mask("a // b\nd").comments, "  // b\n ");
    }

    #[test]
    fn block_comments_nest() {
        assert_eq!(code("a /* b /* c */ d */ e"), "a                   e");
    }

    #[test]
    fn a_quote_in_a_string_does_not_end_it_when_escaped() {
        assert_eq!(code(r#"f("a\"{b", c)"#), r#"f("     ", c)"#);
        assert_eq!(code(r#"f("\\") + g"#), r#"f("  ") + g"#);
    }

    #[test]
    fn raw_strings_end_with_as_many_hashes_as_they_began_with() {
        assert_eq!(code(r###"r#"a"b"# + c"###), r###"r#"   "# + c"###);
        assert_eq!(code(r###"br"a\" + c"###), r###"br"  " + c"###);
        assert_eq!(code("r#type + x"), "r#type + x");
        assert_eq!(code(r#"for"x""#), r#"for" ""#);
    }

    #[test]
    fn bytes_and_c_strings_are_literals() {
        assert_eq!(code(r#"b"{" c"}" b'{' b'\''"#), r#"b" " c" " b' ' b'  '"#);
    }

    #[test]
    fn a_lifetime_is_not_the_start_of_a_character() {
        assert_eq!(code("fn f<'a>(x: &'a str) -> '{'"), "fn f<'a>(x: &'a str) -> ' '");
        assert_eq!(code("'outer: loop { 'x'; '\\''; 'é' }"), "'outer: loop { ' '; '  '; '  ' }");
    }

    #[test]
    fn a_slash_in_a_string_starts_no_comment() {
        assert_eq!(code("\"http://x\" + y"), "\"        \" + y");
    }

    #[test]
    fn an_unfinished_literal_or_comment_ends_with_the_file() {
        for text in ["\"a", "'", "r#\"a", "/* a", "//", "\"a\\", "'\\", "\""] {
            code(text);
        }
    }

    #[test]
    fn tokens_are_words_lifetimes_paths_and_single_characters() {
        let code = "crate::x<'a>(0x1f, y_1);";
        let texts: Vec<&str> = tokens(code).iter().map(|t| t.text).collect();
        assert_eq!(texts, ["crate", "::", "x", "<", "'a", ">", "(", "0x1f", ",", "y_1", ")", ";"]);
    }

    #[test]
    fn brackets_of_all_kinds_are_matched() {
        let code = "f({ [ ( ) ] }) g";
        let tokens = tokens(code);
        assert_eq!(closing(&tokens, 1), 8);
        assert_eq!(closing(&tokens, 2), 7);
    }
}
