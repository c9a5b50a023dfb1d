//! What this process holds: descriptors and children.

use rustix::process::WaitOptions;

/// What the open descriptors of this process refer to, in order.
pub fn descriptors() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    let mut targets: Vec<_> = targets.map(|target| target.to_string_lossy().into_owned()).collect();
    // The listing itself.
    targets.retain(|target| !target.starts_with("/proc/"));
    targets.sort();
    targets
}

/// Whether this process has a child, be it a zombie.
pub fn has_children() -> bool {
    !matches!(rustix::process::wait(WaitOptions::NOHANG), Err(rustix::io::Errno::CHILD))
}
