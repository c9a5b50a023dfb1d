//! What of raw_sync, shared_memory and ptrace is `unsafe` to call.
#![allow(
    unsafe_code,
    reason = "both crates take addresses and hand them out, and so do ptrace and the C library"
)]

use crate::pages::Pages;
use raw_sync::Timeout;
use raw_sync::events::{Event, EventImpl, EventInit, EventState};
use rustix::process::Pid;
use shared_memory::Shmem;
use std::ffi::CStr;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// How many bytes an event may take.
const ROOM: usize = 4096;

/// An event that resets itself, in memory that this process shares with the children that it forks.
pub struct SharedEvent {
    event: Box<dyn EventImpl>,
    pages: Arc<Pages>,
}

impl SharedEvent {
    pub fn new() -> Self {
        let pages = Pages::new(ROOM).unwrap();
        assert!(Event::size_of(None) <= ROOM);
        // SAFETY: the place is zeroed, aligned, long enough, and used for nothing else; the pages are kept for as long
        // as the event.
        let (event, _) = unsafe { Event::new(pages.at(0, ROOM), true) }.unwrap();
        Self { event, pages }
    }

    pub fn wait(&self, timeout: Timeout) -> Result<(), String> {
        self.event.wait(timeout).map_err(|error| error.to_string())
    }

    pub fn set(&self) {
        self.event.set(EventState::Signaled).unwrap();
    }

    /// Whether anyone holds the mutex: the event begins with it, and it begins with the word that says so.
    pub fn is_locked(&self) -> bool {
        self.pages.half_word(0).load(Relaxed) != 0
    }
}

/// The first byte of a segment, read from the memory itself.
pub fn first_byte(segment: &Shmem) -> u8 {
    // SAFETY: the segment is mapped, and a byte whoever else writes it; what a peer has done to the file behind it is
    // a signal that ends the process.
    unsafe { segment.as_ptr().read_volatile() }
}

/// The parent traces this process from now on.
pub fn be_traced() {
    // SAFETY: takes no address.
    assert_eq!(unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, null_mut::<u8>(), null_mut::<u8>()) }, 0);
}

/// Lets a traced process that is stopped execute one instruction.
pub fn step(process: Pid) {
    let pid = process.as_raw_nonzero().get();
    // SAFETY: the only addresses are null: where it stands, and no signal.
    assert_eq!(unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, pid, null_mut::<u8>(), null_mut::<u8>()) }, 0);
}

/// The version of the C library, whose mutexes and conditions an event consists of.
pub fn glibc() -> String {
    // SAFETY: a static text that ends with 0.
    unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) }.to_string_lossy().into_owned()
}
