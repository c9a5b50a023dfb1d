//! Clusters whose workers, or whose master, are killed.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, io};

use ringway::{Cluster, Event, Worker};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, set_child_subreaper, waitpid,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How many workers a cluster has.
pub const WORKERS: usize = 4;

/// The argument that makes the bench's program a master that waits to be killed.
pub const BE_MASTER: &str = "--be-master";

/// How long anything may take before it counts as hung.
const WATCHDOG: Duration = Duration::from_secs(60);

/// What a worker does: nothing, until it is told to finish or has lost its master.
pub fn work(worker: &Worker) {
    while let Ok(Some(_)) = worker.recv() {}
}

/// Starts a cluster, kills its workers one after the other, and tells how long after each kill its exit was told.
pub fn kill_workers() -> Result<Vec<Duration>> {
    let (cluster, pids) = start()?;
    let mut times = Vec::with_capacity(WORKERS);
    for pid in pids {
        let killed = Instant::now();
        kill_process(pid, Signal::KILL)?;
        loop {
            match cluster.next_event_timeout(WATCHDOG)? {
                Some(Event::Exited { .. }) => break,
                Some(_) => {}
                None => return Err("the cluster has ended before its last worker".into()),
            }
        }
        times.push(killed.elapsed());
    }
    Ok(times)
}

/// A cluster of workers that are all online, and their processes.
fn start() -> Result<(Cluster, Vec<Pid>)> {
    let nothing: [&str; 0] = [];
    let cluster = Cluster::builder().workers(WORKERS).command(env::current_exe()?, nothing).start()?;
    let mut pids = Vec::with_capacity(WORKERS);
    let mut online = 0;
    while online < WORKERS {
        match cluster.next_event_timeout(WATCHDOG)? {
            Some(Event::Forked { pid, .. }) => pids.push(process(pid)?),
            Some(Event::Online { .. }) => online += 1,
            other => return Err(format!("a worker did not start: {other:?}").into()),
        }
    }
    Ok((cluster, pids))
}

fn process(pid: u32) -> Result<Pid> {
    Ok(i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or("no process has this id")?)
}

/// Starts a cluster, says which processes its workers are, and waits to be killed.
pub fn be_master() -> Result<()> {
    let (cluster, pids) = start()?;
    let pids: Vec<String> = pids.iter().map(|pid| pid.as_raw_nonzero().to_string()).collect();
    println!("{}", pids.join(" "));
    io::stdout().flush()?;
    while cluster.next_event()?.is_some() {}
    Ok(())
}

/// Kills the master of a fresh cluster, and tells how long after that the last of its workers was gone.
pub fn kill_master() -> Result<Duration> {
    // Orphans come to this process, which reaps them.
    set_child_subreaper(Some(rustix::process::getpid()))?;
    let mut master = Command::new(env::current_exe()?)
        .arg(BE_MASTER)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let measured = kill_and_watch(&mut master);
    let _ = master.kill();
    master.wait()?;
    measured
}

fn kill_and_watch(master: &mut Child) -> Result<Duration> {
    let mut line = String::new();
    let said = master.stdout.take().ok_or("the master says nothing")?;
    BufReader::new(said).read_line(&mut line)?;
    let pids = line.split_whitespace().map(|pid| process(pid.parse()?)).collect::<Result<Vec<Pid>>>()?;
    if pids.len() != WORKERS {
        return Err(format!("the master has told of {} workers", pids.len()).into());
    }
    let workers = pids.iter().map(|&pid| pidfd_open(pid, PidfdFlags::empty()));
    let workers = workers.collect::<std::result::Result<Vec<OwnedFd>, _>>()?;
    let killed = Instant::now();
    master.kill()?;
    wait_for_all(workers)?;
    let elapsed = killed.elapsed();
    master.wait()?;
    for pid in pids {
        waitpid(Some(pid), WaitOptions::empty())?;
    }
    Ok(elapsed)
}

/// Returns when all these processes have ended.
fn wait_for_all(mut processes: Vec<OwnedFd>) -> Result<()> {
    let deadline = Instant::now() + WATCHDOG;
    while !processes.is_empty() {
        let mut polled: Vec<PollFd<'_>> =
            processes.iter().map(|process| PollFd::new(process, PollFlags::IN)).collect();
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now()))?;
        if poll(&mut polled, Some(&left))? == 0 {
            return Err(format!("{} workers outlive their master", processes.len()).into());
        }
        let mut ended =
            polled.iter().map(|polled| !polled.revents().is_empty()).collect::<Vec<_>>().into_iter();
        processes.retain(|_| !ended.next().unwrap_or(false));
    }
    Ok(())
}
