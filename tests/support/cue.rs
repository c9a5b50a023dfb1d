//! Numbers passed between the two ends of a test, beside the channel that is tested.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

/// One end of a pair. A wait that takes longer than [`super::PATIENCE`] has failed.
#[derive(Debug)]
pub struct Cue(UnixStream);

/// Two connected ends, for two threads or, each dropping the other's, two processes.
pub fn pair() -> (Cue, Cue) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    for end in [&ours, &theirs] {
        end.set_read_timeout(Some(super::PATIENCE)).unwrap();
    }
    (Cue(ours), Cue(theirs))
}

impl Cue {
    pub fn tell(&self, number: u64) {
        (&self.0).write_all(&number.to_le_bytes()).unwrap();
    }

    pub fn hear(&self) -> u64 {
        let mut bytes = [0; 8];
        (&self.0).read_exact(&mut bytes).expect("the other end gives its cue");
        u64::from_le_bytes(bytes)
    }

    /// It is the other end's turn.
    pub fn give(&self) {
        self.tell(0);
    }

    /// Waits for this end's turn.
    pub fn wait(&self) {
        self.hear();
    }

    /// Meets the other end: what each did before, the other finds done.
    pub fn meet(&self) {
        self.give();
        self.wait();
    }
}
