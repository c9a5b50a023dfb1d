//! One Rust file, and which of its lines reach a user.

use super::lexer::{Token, closing, mask, tokens};

/// A Rust file.
#[derive(Debug)]
pub struct Source {
    /// From the package's root, with `/`.
    pub path: String,
    /// As it stands in the file.
    pub text: String,
    /// The code alone (see [`Masks`](super::lexer::Masks)).
    pub code: String,
    /// The comments alone.
    pub comments: String,
    /// Where each line starts.
    line_starts: Vec<usize>,
    /// For each line whether it is compiled into what a user gets.
    ships: Vec<bool>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let masks = mask(text);
        let mut ships = vec![true; text.lines().count() + 1];
        for (first, last) in test_regions(&masks.code) {
            ships[first - 1..last].fill(false);
        }
        Self {
            path: path.into(),
            text: text.into(),
            code: masks.code,
            comments: masks.comments,
            line_starts: line_starts(text),
            ships,
        }
    }

    pub fn tokens(&self) -> Vec<Token<'_>> {
        tokens(&self.code)
    }

    /// The line of an offset, counted from 1.
    pub fn line_of(&self, at: usize) -> usize {
        self.line_starts.partition_point(|&start| start <= at)
    }

    /// Whether a line is compiled into what a user gets.
    pub fn ships(&self, line: usize) -> bool {
        self.ships.get(line - 1).copied().unwrap_or(true)
    }

    /// The folder, with a `/` at its end, in which the modules that this file declares are looked for.
    fn modules_folder(&self) -> String {
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        match stem.rsplit_once('/') {
            Some((folder, "mod" | "lib" | "main")) => format!("{folder}/"),
            _ => format!("{stem}/"),
        }
    }

    /// The modules in files of their own that do not ship.
    fn test_modules(&self) -> Vec<String> {
        let tokens = self.tokens();
        let declared = tokens.windows(3).filter(|w| w[0].text == "mod" && w[2].text == ";");
        declared.filter(|w| !self.ships(self.line_of(w[0].at))).map(|w| w[1].text.to_owned()).collect()
    }
}

/// Marks every file that is declared by a `#[cfg(test)] mod name;`, and all below it.
pub fn mark_test_files(sources: &mut [Source]) {
    let mut stems = Vec::new();
    for source in sources.iter() {
        let folder = source.modules_folder();
        stems.extend(source.test_modules().iter().map(|name| format!("{folder}{name}")));
    }
    for source in sources {
        let below = |stem: &String| {
            let rest = source.path.strip_prefix(stem.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        if stems.iter().any(below) {
            source.ships.fill(false);
        }
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect()
}

/// The first and last lines of the items that are compiled only for tests or for the fuzzers.
fn test_regions(code: &str) -> Vec<(usize, usize)> {
    let tokens = tokens(code);
    let starts = line_starts(code);
    let line_of = |at: usize| starts.partition_point(|&start| start <= at);
    let mut regions = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let inner = token.text == "#" && text(&tokens, i + 1) == "!";
        let open = if inner { i + 2 } else { i + 1 };
        if token.text != "#" || text(&tokens, open) != "[" {
            continue;
        }
        let close = closing(&tokens, open);
        if may_ship(&tokens[open + 1..close]) {
            continue;
        }
        let end = if inner { code.len() } else { tokens[item_end(&tokens, close + 1)].at };
        regions.push((line_of(token.at), line_of(end)));
    }
    regions
}

/// Whether what carries this attribute can be in a build that is neither a test nor a fuzz target.
fn may_ship(attribute: &[Token<'_>]) -> bool {
    match text(attribute, 0) {
        "test" => attribute.len() > 1,
        "cfg" => predicate(attribute, 2).0,
        _ => true,
    }
}

/// Whether the predicate that starts at `i` can hold, and the index after it. `test` and `fuzzing` do not hold; what
/// else it names may.
fn predicate(tokens: &[Token<'_>], i: usize) -> (bool, usize) {
    let name = text(tokens, i);
    if text(tokens, i + 1) != "(" {
        let mut end = i + 1;
        while !matches!(text(tokens, end), "," | ")" | "") {
            end += 1;
        }
        return (!matches!(name, "test" | "fuzzing"), end);
    }
    let close = closing(tokens, i + 1);
    let (mut parts, mut next) = (Vec::new(), i + 2);
    while next < close {
        let (part, end) = predicate(tokens, next);
        parts.push(part);
        next = end + usize::from(text(tokens, end) == ",");
    }
    let holds = match name {
        "all" => parts.iter().all(|&part| part),
        "any" => parts.iter().any(|&part| part),
        _ => true,
    };
    (holds, close + 1)
}

/// The index of the last token of the item, statement or field that starts at `start`.
fn item_end(tokens: &[Token<'_>], start: usize) -> usize {
    let mut i = start;
    while text(tokens, i) == "#" && text(tokens, i + 1) == "[" {
        i = closing(tokens, i + 1) + 1;
    }
    if text(tokens, i) == "pub" {
        i = if text(tokens, i + 1) == "(" { closing(tokens, i + 1) + 1 } else { i + 1 };
    }
    let kind = text(tokens, i);
    let constant = kind == "const" && matches!(text(tokens, i + 2), ":");
    let ends_with_semicolon = constant || matches!(kind, "use" | "let" | "static" | "type");
    let is_item = matches!(
        kind,
        "fn" | "mod"
            | "struct"
            | "enum"
            | "union"
            | "trait"
            | "impl"
            | "unsafe"
            | "extern"
            | "async"
            | "const"
    );
    while i < tokens.len() {
        match tokens[i].text {
            ";" => return i,
            "," if !is_item && !ends_with_semicolon => return i,
            ")" | "]" | "}" => return i.saturating_sub(1).max(start),
            "{" if !ends_with_semicolon => return closing(tokens, i),
            "{" | "(" | "[" => i = closing(tokens, i),
            _ => {}
        }
        i += 1;
    }
    tokens.len() - 1
}

/// The text of token `i`, empty behind the end.
pub fn text<'a>(tokens: &[Token<'a>], i: usize) -> &'a str {
    tokens.get(i).map_or("", |token| token.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines, counted from 1, that do not ship.
    fn unshipped(text: &str) -> Vec<usize> {
        let source = Source::new("src/x.rs", text);
        (1..=text.lines().count()).filter(|&line| !source.ships(line)).collect()
    }

    #[test]
    fn a_test_module_does_not_ship_and_what_follows_does() {
        assert_eq!(unshipped("fn a() {}\n#[cfg(test)]\nmod t {\n fn b() {}\n}\nfn c() {}\n"), [2, 3, 4, 5]);
    }

    #[test]
    fn a_test_function_does_not_ship() {
        assert_eq!(unshipped("#[test]\n#[should_panic]\nfn a() {\n}\nfn b() {}\n"), [1, 2, 3, 4]);
    }

    #[test]
    fn predicates_are_understood() {
        for hidden in ["test", "all(test, not(loom))", "any(test, fuzzing)", "all(feature = \"x\", test)"] {
            assert_eq!(
                unshipped(&format!("#[cfg({hidden})]\nfn a() {{}}\nfn b() {{}}\n")),
                [1, 2],
                "{hidden}"
            );
        }
        for shown in ["not(test)", "any(test, unix)", "feature = \"test\"", "loom", "not(loom)"] {
            assert_eq!(unshipped(&format!("#[cfg({shown})]\nfn a() {{}}\n")), [0; 0], "{shown}");
        }
    }

    #[test]
    fn the_end_of_an_item_is_found() {
        assert_eq!(unshipped("#[cfg(test)]\nuse a::{b, c};\nfn d() {}\n"), [1, 2]);
        assert_eq!(unshipped("struct A {\n#[cfg(test)]\nb: u8,\nc: u8,\n}\n"), [2, 3]);
        assert_eq!(
            unshipped("#[cfg(test)]\npub(crate) fn a(b: [u8; 4],\n c: u8) {\n}\nfn d() {}\n"),
            [1, 2, 3, 4]
        );
        assert_eq!(unshipped("fn a() {\n#[cfg(test)]\nlet b = C { d };\nlet e = 1;\n}\n"), [2, 3]);
    }

    #[test]
    fn a_file_can_hide_itself() {
        assert_eq!(unshipped("#![cfg(test)]\nfn a() {}\n"), [1, 2]);
    }

    #[test]
    fn files_of_test_modules_do_not_ship() {
        let mut sources = [
            Source::new("src/ring/mod.rs", "mod lines;\n#[cfg(all(test, loom))]\nmod models;\n"),
            Source::new("src/ring/lines.rs", "#[cfg(test)]\nmod tests;\n"),
            Source::new("src/ring/models.rs", "mod deep;\n"),
            Source::new("src/ring/models/deep.rs", "fn a() {}\n"),
            Source::new("src/ring/lines/tests.rs", "fn a() {}\n"),
            Source::new("src/ring/tests.rs", "fn a() {}\n"),
        ];
        mark_test_files(&mut sources);
        let ships: Vec<bool> = sources.iter().map(|source| source.ships(1)).collect();
        assert_eq!(ships, [true, false, false, false, false, true]);
    }
}
