//! The supervisor: what happens to workers, as rules without a system.
//!
//! [`Supervisor::step`] takes one [`Input`] (what the kernel, a worker or the user did) and the time, and answers
//! with the [`Action`]s that follow from it. It makes no system call, reads no clock and starts no thread, so every
//! order of events can be tried on a fake clock. The thread that runs it stands in `runtime`.
//!
//! ```text
//!              Spawned            Attached            HungUp
//!   Spawning ──────────▶ Handshaking ─────▶ Online ─────────▶ Disconnected
//!      │ SpawnFailed          │ Refused, time limit: killed        │
//!      ▼                      ▼                 ▼                  ▼
//!    (gone) ◀───────────────── Died ────────────────────────── (Exited)
//! ```
//!
//! # Guarantees
//! - For each worker: Forked, then Online at most once, then Disconnected if and only if it was Online, then Exited:
//!   each once, in this order, whatever the order of the inputs.
//! - A stop ends: senders are closed at once (a worker finishes what it has), SIGTERM goes out when three quarters of
//!   the time have passed, SIGKILL at its end. A worker whose end the kernel does not report even then is given up as
//!   [`ExitCause::Unkillable`].
//! - `Finish` comes once, after the last Exited.

use super::error::HandshakeError;
use super::event::ExitCause;
use super::id::WorkerId;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The process runs.
    Spawned { id: WorkerId, pid: u32 },
    /// There is no process: the start of the cluster has failed.
    SpawnFailed { id: WorkerId },
    /// The handshake is over: the link is up.
    Attached { id: WorkerId },
    /// The worker said something that ends the handshake.
    Refused { id: WorkerId, why: HandshakeError },
    /// The worker's end of the control socket is closed. It may live on.
    HungUp { id: WorkerId },
    /// The kernel reported the end of the process.
    Died { id: WorkerId, end: End },
    /// The user wants the end of all workers within this time.
    Stop { within: Duration },
    /// Time has passed.
    Tick,
}

/// How the kernel says that a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Code(i32),
    Signal(i32),
    /// Someone else in this process has taken the status.
    Unknown,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start this worker and report `Spawned` or `SpawnFailed`.
    Spawn(WorkerId),
    /// Report `Event::Forked`.
    Forked { id: WorkerId, pid: u32 },
    /// Put the link to use and report `Event::Online`.
    Online(WorkerId),
    /// Take no more messages for it, and report `Event::Disconnected` after its last message.
    Disconnected(WorkerId),
    /// Hand back what it had not taken, and report `Event::Exited` after its last message.
    Exited { id: WorkerId, cause: ExitCause },
    /// Close the sender: the worker is to finish what it has and leave.
    Close(WorkerId),
    /// Send a signal. A handshake that is under way when SIGKILL goes out is dropped: it may not end well any more.
    Signal { id: WorkerId, signal: Signal },
    /// No worker is left and none will come.
    Finish,
}

/// The signals that end a worker. Their order is that of escalation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signal {
    Term,
    Kill,
}

impl Signal {
    /// Linux gives these two the same numbers on every architecture.
    pub(crate) const fn number(self) -> i32 {
        match self {
            Signal::Term => 15,
            Signal::Kill => 9,
        }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From the start of the process to the end of its handshake.
    pub handshake: Duration,
    /// From SIGKILL to the kernel's report, before the process is given up.
    pub death: Duration,
}

/// Where a worker stands.
#[derive(Debug)]
enum Stage {
    Spawning,
    Handshaking { until: Option<Instant>, hung_up: bool },
    Online,
    Disconnected,
}

/// One living worker.
#[derive(Debug)]
struct Life {
    stage: Stage,
    /// Why we are killing it, if it is not for a stop.
    verdict: Option<ExitCause>,
    /// The strongest signal that was sent.
    signalled: Option<Signal>,
    /// When to give up waiting for a killed process.
    give_up: Option<Instant>,
}

/// The two instants of a stop; `None` is never.
#[derive(Clone, Copy, Debug)]
struct Stop {
    term: Option<Instant>,
    kill: Option<Instant>,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct Supervisor {
    limits: Limits,
    to_spawn: VecDeque<WorkerId>,
    lives: BTreeMap<WorkerId, Life>,
    stop: Option<Stop>,
    finished: bool,
}

impl Supervisor {
    /// A cluster of `workers` slots, none started.
    pub(crate) fn new(workers: u32, limits: Limits) -> Self {
        let to_spawn = (1..=workers).map(WorkerId::first).collect();
        Supervisor { limits, to_spawn, lives: BTreeMap::new(), stop: None, finished: false }
    }

    /// The first actions. Workers are started one after the other: when one cannot be, the others are not tried.
    pub(crate) fn begin(&mut self) -> Vec<Action> {
        let mut out = Vec::new();
        self.spawn_next(&mut out);
        self.finish(&mut out);
        out
    }

    /// Whether every worker has been started, or none will be any more.
    #[cfg(test)]
    pub(crate) fn started(&self) -> bool {
        self.to_spawn.is_empty() && !self.lives.values().any(|life| matches!(life.stage, Stage::Spawning))
    }

    /// When [`Input::Tick`] is due at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.lives.values().filter_map(|life| life.due(self.stop)).min()
    }

    /// Takes one input. What cannot be (an unknown worker, a second death) is ignored.
    pub(crate) fn step(&mut self, input: Input, now: Instant) -> Vec<Action> {
        let mut out = Vec::new();
        match input {
            Input::Spawned { id, pid } => self.spawned(id, pid, now, &mut out),
            Input::SpawnFailed { id } => self.spawn_failed(id, now),
            Input::Attached { id } => self.attached(id, &mut out),
            Input::Refused { id, why } => self.refused(id, why, now, &mut out),
            Input::HungUp { id } => self.hung_up(id, &mut out),
            Input::Died { id, end } => self.died(id, end, &mut out),
            Input::Stop { within } => self.stop(within, now, &mut out),
            Input::Tick => {}
        }
        self.tick(now, &mut out);
        self.finish(&mut out);
        out
    }

    fn spawn_next(&mut self, out: &mut Vec<Action>) {
        if let Some(id) = self.to_spawn.pop_front() {
            self.lives.insert(id, Life::new());
            out.push(Action::Spawn(id));
        }
    }

    fn spawned(&mut self, id: WorkerId, pid: u32, now: Instant, out: &mut Vec<Action>) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        if !matches!(life.stage, Stage::Spawning) {
            return;
        }
        let until = now.checked_add(self.limits.handshake);
        life.stage = Stage::Handshaking { until, hung_up: false };
        out.push(Action::Forked { id, pid });
        if self.stop.is_some() {
            out.push(Action::Close(id));
        }
        self.spawn_next(out);
    }

    /// A cluster starts whole or not at all: the others are killed at once.
    fn spawn_failed(&mut self, id: WorkerId, now: Instant) {
        if matches!(self.lives.get(&id), Some(Life { stage: Stage::Spawning, .. })) {
            self.lives.remove(&id);
            self.to_spawn.clear();
            self.stop = Some(Stop { term: Some(now), kill: Some(now) });
        }
    }

    fn attached(&mut self, id: WorkerId, out: &mut Vec<Action>) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        let Stage::Handshaking { hung_up, .. } = life.stage else { return };
        if life.signalled == Some(Signal::Kill) {
            return;
        }
        life.stage = Stage::Online;
        out.push(Action::Online(id));
        if hung_up {
            self.hung_up(id, out);
        }
    }

    fn refused(&mut self, id: WorkerId, why: HandshakeError, now: Instant, out: &mut Vec<Action>) {
        let give_up = now.checked_add(self.limits.death);
        let Some(life) = self.lives.get_mut(&id) else { return };
        if matches!(life.stage, Stage::Handshaking { .. }) && life.signalled != Some(Signal::Kill) {
            life.verdict = Some(ExitCause::Handshake(why));
            life.signal(id, Signal::Kill, give_up, out);
        }
    }

    /// A process that exits hangs up first, so during the handshake a hang-up says nothing yet: the death, or else
    /// the time limit, follows.
    fn hung_up(&mut self, id: WorkerId, out: &mut Vec<Action>) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        match &mut life.stage {
            Stage::Handshaking { hung_up, .. } => *hung_up = true,
            Stage::Online => {
                life.stage = Stage::Disconnected;
                out.push(Action::Disconnected(id));
            }
            Stage::Spawning | Stage::Disconnected => {}
        }
    }

    fn died(&mut self, id: WorkerId, end: End, out: &mut Vec<Action>) {
        if matches!(self.lives.get(&id), None | Some(Life { stage: Stage::Spawning, .. })) {
            return;
        }
        if let Some(life) = self.lives.remove(&id) {
            let cause = life.cause(end);
            life.leave(id, cause, out);
        }
    }

    /// A second stop can only shorten the first.
    fn stop(&mut self, within: Duration, now: Instant, out: &mut Vec<Action>) {
        let asked = Stop { term: now.checked_add(within / 4 * 3), kill: now.checked_add(within) };
        if let Some(stop) = &mut self.stop {
            stop.term = earlier(stop.term, asked.term);
            stop.kill = earlier(stop.kill, asked.kill);
            return;
        }
        self.stop = Some(asked);
        self.to_spawn.clear();
        let running = |life: &Life| !matches!(life.stage, Stage::Spawning);
        out.extend(self.lives.iter().filter(|(_, life)| running(life)).map(|(id, _)| Action::Close(*id)));
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Action>) {
        let give_up = now.checked_add(self.limits.death);
        let (limits, stop) = (self.limits, self.stop);
        let mut lost = Vec::new();
        for (&id, life) in &mut self.lives {
            if life.due(stop).is_none_or(|due| due > now) {
                continue;
            }
            if life.give_up.is_some() {
                lost.push(id);
            } else if passed(stop.and_then(|stop| stop.kill), now) {
                life.signal(id, Signal::Kill, give_up, out);
            } else if life.overslept(now) {
                life.verdict = Some(ExitCause::NeverSpoke { limit: limits.handshake });
                life.signal(id, Signal::Kill, give_up, out);
            } else {
                life.signal(id, Signal::Term, None, out);
            }
        }
        for id in lost {
            if let Some(life) = self.lives.remove(&id) {
                life.leave(id, ExitCause::Unkillable, out);
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<Action>) {
        if !self.finished && self.lives.is_empty() && self.to_spawn.is_empty() {
            self.finished = true;
            out.push(Action::Finish);
        }
    }
}

impl Life {
    fn new() -> Self {
        Life { stage: Stage::Spawning, verdict: None, signalled: None, give_up: None }
    }

    /// When the passing of time alone changes something for this worker.
    fn due(&self, stop: Option<Stop>) -> Option<Instant> {
        if matches!(self.stage, Stage::Spawning) {
            return None;
        }
        if self.signalled == Some(Signal::Kill) {
            return self.give_up;
        }
        let handshake = match self.stage {
            Stage::Handshaking { until, .. } => until,
            _ => None,
        };
        let term = stop.and_then(|stop| stop.term).filter(|_| self.signalled.is_none());
        earlier(handshake, earlier(term, stop.and_then(|stop| stop.kill)))
    }

    /// Whether the time for the handshake is over.
    fn overslept(&self, now: Instant) -> bool {
        matches!(self.stage, Stage::Handshaking { until, .. } if passed(until, now))
    }

    fn signal(&mut self, id: WorkerId, signal: Signal, give_up: Option<Instant>, out: &mut Vec<Action>) {
        if self.signalled < Some(signal) {
            self.signalled = Some(signal);
            self.give_up = give_up;
            out.push(Action::Signal { id, signal });
        }
    }

    /// A worker that we signalled and that then leaves with a code of its own has left by itself.
    fn cause(&self, end: End) -> ExitCause {
        if let Some(verdict) = &self.verdict {
            return verdict.clone();
        }
        match end {
            End::Code(code) => ExitCause::Code(code),
            End::Signal(signal) if self.sent(signal) => ExitCause::KilledByUs { signal },
            End::Signal(signal) => ExitCause::Signal(signal),
            End::Unknown => ExitCause::Unknown,
        }
    }

    fn sent(&self, number: i32) -> bool {
        let sent = |signal: Signal| self.signalled >= Some(signal) && number == signal.number();
        sent(Signal::Term) || sent(Signal::Kill)
    }

    fn leave(self, id: WorkerId, cause: ExitCause, out: &mut Vec<Action>) {
        if matches!(self.stage, Stage::Online) {
            out.push(Action::Disconnected(id));
        }
        out.push(Action::Exited { id, cause });
    }
}

/// The earlier of two instants, where `None` is never.
fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn passed(instant: Option<Instant>, now: Instant) -> bool {
    instant.is_some_and(|instant| instant <= now)
}

#[cfg(test)]
mod tests;
