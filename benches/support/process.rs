//! A forked child, the wire to it, and what it has used of its cpu.
#![allow(unsafe_code, reason = "fork, _exit and getrusage")]

use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use std::{fs, io, mem};

use rustix::process::{
    Pid, Signal, WaitOptions, getppid, kill_process, set_parent_process_death_signal, waitpid,
};

/// Which process returned from [`fork`], and its end of the wire between the two.
#[derive(Debug)]
pub enum Forked {
    Parent(Child),
    Child(UnixStream),
}

/// A child process. Dropped, it is killed and reaped.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    reaped: bool,
    pub wire: UnixStream,
}

/// Forks this process. The child is killed by the kernel when this process ends.
///
/// The benches start no threads before they fork, so the child's copy of the heap and of every lock is whole.
pub fn fork() -> io::Result<Forked> {
    let parent = rustix::process::getpid();
    let (ours, theirs) = UnixStream::pair()?;
    // SAFETY: the process has one thread (see above), so the child may do whatever the parent may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(ours);
            let bound = set_parent_process_death_signal(Some(Signal::KILL));
            if bound.is_err() || getppid() != Some(parent) {
                leave(|| panic!("the child cannot follow the bench into its end: {bound:?}"));
            }
            Ok(Forked::Child(theirs))
        }
        pid => {
            let pid = Pid::from_raw(pid).ok_or_else(|| io::Error::other("fork gave no pid"))?;
            Ok(Forked::Parent(Child { pid, reaped: false, wire: ours }))
        }
    }
}

/// Runs `work` and ends this process: neither the bench's destructors nor its exit handlers are the child's to run.
pub fn leave(work: impl FnOnce()) -> ! {
    let code = i32::from(catch_unwind(AssertUnwindSafe(work)).is_err());
    // SAFETY: `_exit` has no precondition; it ends the process here.
    unsafe { libc::_exit(code) }
}

impl Child {
    /// Kills the child and does not wait for its end.
    pub fn kill(&self) -> io::Result<()> {
        Ok(kill_process(self.pid, Signal::KILL)?)
    }

    /// Whether the child's first thread sleeps.
    pub fn is_asleep(&self) -> io::Result<bool> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid.as_raw_nonzero()))?;
        // The state follows the name, which stands in parentheses and may hold anything.
        Ok(stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('S')))
    }

    /// Kills the child unless it has ended, and tells how it ended.
    ///
    /// A child keeps its wire to the very end, so one whose wire has hung up has its exit status by now, and the
    /// kill changes nothing of it.
    pub fn end(&mut self) -> String {
        let _ = kill_process(self.pid, Signal::KILL);
        let waited = waitpid(Some(self.pid), WaitOptions::empty());
        self.reaped = true;
        let Ok(Some((_, status))) = waited else {
            return format!("could not be waited for: {waited:?}");
        };
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => format!("ended with code {code}"),
            (_, Some(signal)) => format!("was killed by signal {signal}"),
            _ => format!("ended with {status:?}"),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            self.end();
        }
    }
}

/// What this process has used so far.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Time on a cpu, in user and kernel mode together.
    pub cpu: Duration,
    /// How often it gave up its cpu to wait.
    pub sleeps: u64,
}

impl Usage {
    /// Asks the kernel.
    pub fn now() -> io::Result<Self> {
        // SAFETY: `rusage` is integers only, so zeroes are a value of it.
        let mut usage: libc::rusage = unsafe { mem::zeroed() };
        // SAFETY: `usage` is a live `rusage` that nothing else refers to.
        if unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let duration = |time: libc::timeval| {
            Duration::from_secs(time.tv_sec.unsigned_abs())
                + Duration::from_micros(time.tv_usec.unsigned_abs())
        };
        Ok(Self {
            cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
            sleeps: usage.ru_nvcsw.unsigned_abs(),
        })
    }
}
