//! Two processes that carry messages through a subject whenever they are told to.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::cpus::{self, Cpus};
use super::pages::Pages;
use super::process::{self, Child, Forked, Usage};
use super::roles::{self, Role};
use super::{Start, Subject};

/// How long a run may take before it counts as hung. Runs are planned to take less than a second.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Which way the messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The first process sends, the second answers, one message at a time.
    RoundTrip,
    /// The same, but each process works before it sends, so that the other one is asleep by then.
    Asleep,
    /// The first process sends, the second receives.
    OneWay,
}

impl Shape {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundTrip => "round trip",
            Self::Asleep => "asleep",
            Self::OneWay => "one way",
        }
    }
}

/// What one run has taken, without the work of [`Shape::Asleep`].
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// How many messages, or round trips, it was.
    pub messages: u64,
    /// From before the first message is sent until the last one has been received.
    pub elapsed: Duration,
    /// How long the processes have worked in that time, one after the other.
    pub worked: Duration,
    /// Cpu time of both processes together.
    pub cpu: Duration,
    /// How often the two processes went to sleep, together.
    pub sleeps: u64,
}

/// Why there is no result.
#[derive(Debug)]
pub struct Failure {
    what: String,
    why: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl std::error::Error for Failure {}

/// The two processes. Dropped, it ends them.
#[derive(Debug)]
pub struct Pair {
    what: String,
    shape: Shape,
    processes: [Child; 2],
}

impl Pair {
    /// Forks the two processes and connects them. They sleep between two runs.
    pub fn start<S: Subject>(subject: &S, shape: Shape, size: usize, cpus: Cpus) -> Result<Self, Failure> {
        let what = format!("{}, {shape:?}, {size} B", Start::name(subject));
        match fork_both(subject, shape, size, cpus) {
            Ok(processes) => Ok(Self { what, shape, processes }),
            Err(error) => Err(Failure { what, why: format!("cannot start: {error}") }),
        }
    }

    /// Has the processes carry so many messages.
    pub fn run(&mut self, messages: u64) -> Result<Run, Failure> {
        for index in 0..2 {
            if let Err(error) = self.processes[index].wire.write_all(&messages.to_le_bytes()) {
                return Err(self.failure(&format!("process {index} takes no command: {error}")));
            }
        }
        let [first, second] = match self.reports() {
            Ok(reports) => reports,
            Err(why) => return Err(self.failure(&why)),
        };
        let last = if self.shape == Shape::OneWay { second.ended } else { first.ended };
        let worked = match self.shape {
            Shape::Asleep => roles::WORK.as_nanos() as u64 * 2 * messages,
            Shape::RoundTrip | Shape::OneWay => 0,
        };
        Ok(Run {
            messages,
            elapsed: Duration::from_nanos(last.saturating_sub(first.began + worked)),
            worked: Duration::from_nanos(worked),
            cpu: Duration::from_nanos((first.cpu + second.cpu).saturating_sub(worked)),
            sleeps: first.sleeps + second.sleeps,
        })
    }

    /// Waits until both have reported.
    fn reports(&mut self) -> Result<[Report; 2], String> {
        let deadline = Instant::now() + WATCHDOG;
        let mut reports = [None, None];
        loop {
            if let [Some(first), Some(second)] = reports {
                return Ok([first, second]);
            }
            for index in self.readable(reports.map(|report| report.is_none()), deadline)? {
                let report = Report::read(&mut self.processes[index].wire);
                reports[index] = Some(report.map_err(|error| match error.kind() {
                    ErrorKind::UnexpectedEof => format!("process {index} has gone"),
                    _ => format!("process {index}: {error}"),
                })?);
            }
        }
    }

    /// Which of the wanted wires can be read, as soon as one can.
    fn readable(&self, wanted: [bool; 2], deadline: Instant) -> Result<Vec<usize>, String> {
        let indices: Vec<usize> = (0..2).filter(|&index| wanted[index]).collect();
        let wire = |&index: &usize| PollFd::new(&self.processes[index].wire, PollFlags::IN);
        let mut wires: Vec<PollFd<'_>> = indices.iter().map(wire).collect();
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|error| error.to_string())?;
        match poll(&mut wires, Some(&timeout)) {
            Ok(0) => Err(format!("no result after {} s", WATCHDOG.as_secs())),
            Ok(_) => Ok((indices.iter().zip(&wires))
                .filter(|(_, wire)| !wire.revents().is_empty())
                .map(|(&index, _)| index)
                .collect()),
            Err(rustix::io::Errno::INTR) => Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Ends both processes and says how they ended.
    fn failure(&mut self, why: &str) -> Failure {
        let [first, second] = self.processes.each_mut().map(Child::end);
        let why = format!("{why} (process 0 {first}, process 1 {second})");
        Failure { what: self.what.clone(), why }
    }
}

fn fork_both<S: Subject>(subject: &S, shape: Shape, size: usize, cpus: Cpus) -> io::Result<[Child; 2]> {
    let meeting = Meeting { clock: Instant::now(), arrived: Pages::new(8)? };
    let (ask, answer) = subject.halves(size)?;
    let first = match process::fork()? {
        Forked::Parent(child) => child,
        Forked::Child(mut wire) => process::leave(|| {
            drop(answer);
            let mut role = enter(subject, ask, size, cpus.first);
            serve(&mut wire, &meeting, |messages| match shape {
                Shape::RoundTrip => role.ask(messages, || ()),
                Shape::Asleep => role.ask(messages, roles::work),
                Shape::OneWay => role.pour(messages),
            });
        }),
    };
    drop(ask);
    let second = match process::fork()? {
        Forked::Parent(child) => child,
        Forked::Child(mut wire) => process::leave(|| {
            let mut role = enter(subject, answer, size, cpus.second);
            serve(&mut wire, &meeting, |messages| match shape {
                Shape::RoundTrip => role.answer(messages, || ()),
                Shape::Asleep => role.answer(messages, roles::work),
                Shape::OneWay => role.drain(messages),
            });
        }),
    };
    Ok([first, second])
}

/// Makes this process's end, and pins the process.
///
/// In this order, because an end that finds one cpu only would think that its peer has no other, and never poll.
fn enter<S: Subject>(subject: &S, half: S::Half, size: usize, cpu: usize) -> Role<S::End> {
    let end = subject.connect(half).expect("the other process connects too");
    cpus::pin(cpu).expect("a cpu that this process may use");
    Role::new(end, size)
}

/// Carries messages by command until the bench hangs up.
fn serve(wire: &mut UnixStream, meeting: &Meeting, mut carry: impl FnMut(u64)) {
    let mut command = [0; 8];
    for run in 1.. {
        match wire.read_exact(&mut command) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return,
            read => read.expect("a command from the bench"),
        }
        meeting.wait(run);
        let before = Usage::now().expect("what this process has used");
        let began = meeting.now();
        carry(u64::from_le_bytes(command));
        let ended = meeting.now();
        let after = Usage::now().expect("what this process has used");
        let cpu = (after.cpu - before.cpu).as_nanos() as u64;
        let report = Report { began, ended, cpu, sleeps: after.sleeps - before.sleeps };
        report.write(wire).expect("the bench takes the report");
    }
}

/// Where the processes meet before each run, and the clock that they share.
struct Meeting {
    clock: Instant,
    arrived: Arc<Pages>,
}

impl Meeting {
    /// Returns when both processes have come to this run, counted from 1.
    fn wait(&self, run: u32) {
        let arrived = self.arrived.half_word(0);
        arrived.fetch_add(1, AcqRel);
        while arrived.load(Acquire) < 2 * run {
            yield_now();
        }
    }

    fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }
}

/// What a process tells the bench after a run; times in nanoseconds of the shared clock.
#[derive(Clone, Copy, Debug)]
struct Report {
    began: u64,
    ended: u64,
    cpu: u64,
    sleeps: u64,
}

impl Report {
    fn write(self, wire: &mut UnixStream) -> io::Result<()> {
        let mut bytes = [0; 32];
        for (place, value) in bytes.chunks_exact_mut(8).zip([self.began, self.ended, self.cpu, self.sleeps]) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        wire.write_all(&bytes)
    }

    fn read(wire: &mut UnixStream) -> io::Result<Self> {
        let mut values = [0; 4];
        for value in &mut values {
            let mut bytes = [0; 8];
            wire.read_exact(&mut bytes)?;
            *value = u64::from_le_bytes(bytes);
        }
        let [began, ended, cpu, sleeps] = values;
        Ok(Self { began, ended, cpu, sleeps })
    }
}
