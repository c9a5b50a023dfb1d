//! Which two cpus the processes are pinned to.

use std::{fmt, fs, io};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cpus of the two processes, out of those that this process may use. They are the same one if there is no other.
#[derive(Clone, Copy, Debug)]
pub struct Cpus {
    pub first: usize,
    pub second: usize,
}

impl Cpus {
    /// Takes the first cpu allowed and the next that is not its hyper-thread, if there is one.
    pub fn choose() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cpus = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu));
        let first = cpus.next().ok_or_else(|| io::Error::other("no cpu is allowed to this process"))?;
        let others: Vec<usize> = cpus.collect();
        let threads = hyper_threads(first);
        let apart = others.iter().find(|cpu| !threads.contains(cpu));
        let second = apart.or(others.first()).copied().unwrap_or(first);
        Ok(Self { first, second })
    }

    /// Whether the processes run at the same time.
    pub fn two(self) -> bool {
        self.first != self.second
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.two() {
            write!(f, "cpus {} and {}", self.first, self.second)
        } else {
            write!(f, "one cpu only ({}): what spins is not measured", self.first)
        }
    }
}

/// Keeps the calling thread on one cpu.
pub fn pin(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

/// The processor's name, as the kernel gives it.
pub fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or("unknown processor", |(_, name)| name.trim()).to_owned()
}

/// The cpus that share a core with `cpu`, itself included; none if the system does not say.
fn hyper_threads(cpu: usize) -> Vec<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    fs::read_to_string(path).map(|list| parse_list(list.trim())).unwrap_or_default()
}

/// Parses `0-1,8` as the kernel writes it.
fn parse_list(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.parse::<usize>().ok()?..=to.parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}
