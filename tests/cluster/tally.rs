//! Numbers that a worker leaves where its death does not take them: a file without a name, in the master's hands.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// One number for each place; 0 at first.
#[derive(Debug)]
pub struct Tally(File);

impl Tally {
    /// The master's.
    pub fn new() -> Tally {
        // Not a memfd: there are tests to which these are denied.
        let path = std::env::temp_dir().join(format!("ringway-tally-{}", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        Tally(file)
    }

    /// By what a worker finds it.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// The worker's view of the master's.
    pub fn open(path: &str) -> Tally {
        Tally(OpenOptions::new().read(true).write(true).open(path).unwrap())
    }

    pub fn set(&self, place: u64, number: u64) {
        self.0.write_all_at(&number.to_le_bytes(), place * 8).unwrap();
    }

    pub fn get(&self, place: u64) -> u64 {
        let mut bytes = [0; 8];
        // The file ends at the last place that was set.
        let _ = self.0.read_exact_at(&mut bytes, place * 8);
        u64::from_le_bytes(bytes)
    }
}
