//! What a thread does.

/// The kernel's number of the calling thread.
pub fn id() -> u32 {
    rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()
}

/// Whether the kernel has the thread, of this process or another, asleep.
pub fn is_asleep(thread: u32) -> bool {
    state(thread) == Some('S')
}

/// What the kernel has a thread do: `R` runs, `S` sleeps, `T` is stopped.
pub fn state(thread: u32) -> Option<char> {
    let status = std::fs::read_to_string(format!("/proc/{thread}/stat")).ok()?;
    status.rsplit_once(") ")?.1.chars().next()
}

/// How often the calling thread has gone to sleep of its own will.
pub fn sleeps() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}
