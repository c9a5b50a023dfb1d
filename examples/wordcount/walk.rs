//! From the paths of the command line to the input in memory. What is left out is named, and the rest goes on.

use crate::count;
use crate::progress::Progress;
use crate::text::Shown;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The longest message in bytes; a longer line becomes several messages.
pub const LONGEST_MESSAGE: usize = 16 << 20;
/// The most bytes that the input may have in all, because it is held in memory.
const MOST_BYTES: u64 = 1 << 30;
/// A file with a NUL in so many bytes from its start is binary.
const LOOKED_AT: u64 = 8 << 10;

/// The files that were read. They are kept apart, so that no line goes on in another file.
#[derive(Debug, Default)]
pub struct Input {
    files: Vec<Vec<u8>>,
    bytes: u64,
    /// Binary files of one directory that were found one after the other, not yet named.
    binaries: Vec<PathBuf>,
}

impl Input {
    /// Reads all that the paths lead to.
    pub fn read(paths: &[PathBuf], progress: &mut Progress) -> Self {
        let mut input = Self::default();
        progress.begin("reading", 0);
        for path in paths {
            input.read_named(path, progress);
            input.name_binaries(progress);
        }
        progress.clear();
        input
    }

    pub fn files(&self) -> usize {
        self.files.len()
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// One message a line, of all files.
    pub fn messages(&self) -> impl Iterator<Item = &[u8]> {
        self.files.iter().flat_map(|file| count::messages(file, LONGEST_MESSAGE))
    }

    /// A path that the user named: a link is followed, a hidden name is no reason to leave it out.
    fn read_named(&mut self, path: &Path, progress: &mut Progress) {
        match fs::metadata(path) {
            Ok(about) if about.is_dir() => self.walk(path, progress),
            Ok(about) if about.is_file() => self.read_file(path, progress),
            Ok(_) => leave_out(path, &NOT_A_FILE, progress),
            Err(error) => leave_out(path, &error, progress),
        }
    }

    /// A directory, in the order of the names. A list instead of recursion: a tree can be deeper than the stack.
    fn walk(&mut self, root: &Path, progress: &mut Progress) {
        let mut found = vec![(root.to_path_buf(), true)];
        while let Some((path, is_directory)) = found.pop() {
            if is_directory {
                match entries(&path, progress) {
                    Ok(entries) if entries.is_empty() && path == root => {
                        leave_out(&path, &NO_FILES, progress);
                    }
                    Ok(entries) => found.extend(entries),
                    Err(error) => leave_out(&path, &error, progress),
                }
            } else {
                self.read_file(&path, progress);
            }
        }
    }

    fn read_file(&mut self, path: &Path, progress: &mut Progress) {
        if self.binaries.last().is_some_and(|last| last.parent() != path.parent()) {
            self.name_binaries(progress);
        }
        match read_text(path, MOST_BYTES - self.bytes) {
            Ok(Text::Binary) => self.binaries.push(path.into()),
            Ok(Text::Whole(file)) => {
                progress.add(file.len());
                self.bytes += file.len() as u64;
                self.files.push(file);
            }
            Err(error) => leave_out(path, &error, progress),
        }
    }

    /// One by its path; several by their directory and their names, on one line.
    fn name_binaries(&mut self, progress: &mut Progress) {
        match &std::mem::take(&mut self.binaries)[..] {
            [] => {}
            [one] => leave_out(one, &BINARY, progress),
            several => {
                let directory = several[0].parent().unwrap_or(Path::new(""));
                let names = several.iter().filter_map(|path| path.file_name());
                let names: Vec<_> = names.map(|name| Shown(name.as_encoded_bytes()).to_string()).collect();
                let why = format!("{} files, {BINARY}: {}", names.len(), names.join(", "));
                leave_out(directory, &why, progress);
            }
        }
    }
}

const BINARY: &str = "binary (a NUL in its first 8 KiB)";
const NO_FILES: &str = "it has no file or directory that is not hidden";
const NOT_A_FILE: &str = "neither a regular file nor a directory";

fn leave_out(path: &Path, why: &dyn std::fmt::Display, progress: &mut Progress) {
    let path = Shown(if path.as_os_str().is_empty() { b"\"\"" } else { path.as_os_str().as_encoded_bytes() });
    progress.say(format_args!("left out {path}: {why}"));
}

/// What a walk goes on with, last name first, so that a stack gives the first name first.
fn entries(directory: &Path, progress: &mut Progress) -> io::Result<Vec<(PathBuf, bool)>> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        match entry.file_type() {
            _ if name.as_encoded_bytes().starts_with(b".") => {}
            Ok(kind) if kind.is_symlink() || (kind.is_dir() && name == "target") => {}
            Ok(kind) if kind.is_dir() || kind.is_file() => kept.push((path, kind.is_dir())),
            Ok(_) => leave_out(&path, &NOT_A_FILE, progress),
            Err(error) => leave_out(&path, &error, progress),
        }
    }
    kept.sort_unstable_by(|a, b| b.cmp(a));
    Ok(kept)
}

/// What a file is.
enum Text {
    Whole(Vec<u8>),
    Binary,
}

/// Reads a file that is text and has at most `most` bytes.
fn read_text(path: &Path, most: u64) -> io::Result<Text> {
    let mut file = File::open(path)?;
    let mut text = Vec::new();
    file.by_ref().take(LOOKED_AT).read_to_end(&mut text)?;
    if text.contains(&0) {
        return Ok(Text::Binary);
    }
    // One byte more than allowed tells a file that is too long from one that just fits.
    file.take((most + 1).saturating_sub(text.len() as u64)).read_to_end(&mut text)?;
    if text.len() as u64 > most {
        return Err(io::Error::other("too much: the input is held in memory, which ends at 1 GiB"));
    }
    let longest = count::longest_word(LONGEST_MESSAGE);
    if text.len() > longest && count::words(&text).any(|word| word.len() > longest) {
        return Err(io::Error::other("it has a word of more than 16 MiB, which no message can carry"));
    }
    Ok(Text::Whole(text))
}
