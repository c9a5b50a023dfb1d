//! The copy of the tree that mutations are made in.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::Outcome;

/// Folders that a copy does without.
const NOT_COPIED: [&str; 4] = ["target", ".git", "corpus", "artifacts"];

/// Makes the folder `to` like `from`. A file that is the same already is left alone, so that cargo builds nothing anew.
pub fn mirror(from: &Path, to: &Path) -> Outcome<()> {
    fs::create_dir_all(to)?;
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if NOT_COPIED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        let (source, target) = (entry.path(), to.join(&name));
        if entry.file_type()?.is_dir() {
            mirror(&source, &target)?;
        } else {
            copy(&source, &target)?;
        }
        names.insert(name);
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        let name = entry.file_name();
        if names.contains(&name) || NOT_COPIED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Outcome<()> {
    let wanted = fs::read(from)?;
    match fs::read(to) {
        Ok(found) if found == wanted => return Ok(()),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    Ok(fs::write(to, wanted)?)
}
