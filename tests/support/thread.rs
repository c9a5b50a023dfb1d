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
    field("/proc/thread-self/status", "voluntary_ctxt_switches").parse().unwrap()
}

/// What the kernel says of a thread under this name, in one of its `status` files.
pub fn field(status: &str, name: &str) -> String {
    find(status, name).unwrap_or_else(|| panic!("{status} has no {name}"))
}

/// The same, `None` for a thread that is gone.
pub fn find(status: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(status).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}

/// Whether every thread of this process but the calling one sleeps.
pub fn others_sleep() -> bool {
    let ids = all("self").into_iter().filter_map(|task| task.rsplit('/').next()?.parse().ok());
    ids.filter(|other| *other != id()).all(is_asleep)
}

/// The directories in which the kernel speaks of the threads of a process: a pid, or `self`.
pub fn all(process: &str) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks.map(|task| task.unwrap().path().to_str().unwrap().to_owned()).collect()
}

/// The names of the threads of this process, in order.
pub fn names() -> Vec<String> {
    let names = all("self").into_iter().filter_map(|task| find(&format!("{task}/status"), "Name"));
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}
