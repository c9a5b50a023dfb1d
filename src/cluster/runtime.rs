//! The thread that runs the supervisor.
//!
//! It sleeps in an epoll of its own on pidfds, control sockets and a bell, tells the [`Supervisor`] what happened,
//! and does what that answers. No message passes through it, and it waits for nobody: not for a worker (handshakes
//! advance by what has arrived; a worker that says that it made named memory and has not costs a tenth of a second), not for a user (a sender that is in use is left a note, see `outlet`).
//!
//! It starts the workers itself, because a worker is to die with the thread that started it: this one lives as long
//! as the cluster, and ends only after the last worker.

use super::error::{HandshakeError, SpawnError, StartError};
use super::event::{Event, ExitCause};
use super::id::WorkerId;
use super::inbox::Inbox;
use super::link_port::{Handshake, Link, Port, Progress, ReceiverOf, SendHalf, SenderOf};
use super::message::Undelivered;
use super::outlet::Directory;
use super::spawn::{Process, Program};
use super::supervisor::{Action, End, Input, Signal, Supervisor};
use crate::sys::epoll::{Epoll, Interest, Ready};
use crate::sys::eventfd::Bell;
use crate::sys::pidfd;
use crate::sys::process::SignalMask;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the thread and the users of the cluster share.
pub(crate) struct Shared<P: Port> {
    pub(crate) inbox: Inbox<ReceiverOf<P>>,
    pub(crate) outlets: Directory<SenderOf<P>>,
    stop: Mutex<StopRequest>,
    bell: Bell,
}

/// What users have asked for.
#[derive(Debug, Default)]
struct StopRequest {
    asked: bool,
    /// The shortest time to stop within that the thread has not heard of.
    news: Option<Duration>,
}

impl<P: Port> Shared<P> {
    pub(crate) fn new() -> io::Result<Self> {
        let (inbox, outlets) = (Inbox::new()?, Directory::new());
        Ok(Shared { inbox, outlets, stop: Mutex::default(), bell: Bell::new()? })
    }

    /// Asks for the end of all workers.
    pub(crate) fn stop(&self, within: Duration) {
        let mut stop = self.stop_request();
        stop.asked = true;
        stop.news = Some(stop.news.map_or(within, |other| other.min(within)));
        drop(stop);
        self.bell.ring();
    }

    /// Whether anybody has asked for it.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop_request().asked
    }

    fn take_stop(&self) -> Option<Duration> {
        self.bell.silence();
        self.stop_request().news.take()
    }

    fn stop_request(&self) -> MutexGuard<'_, StopRequest> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Port> fmt::Debug for Shared<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Ends the wait for events when the thread ends, however it does.
struct Finish<P: Port>(Arc<Shared<P>>);

impl<P: Port> Drop for Finish<P> {
    fn drop(&mut self) {
        let orderly = !std::thread::panicking();
        self.0.inbox.finish(orderly);
    }
}

/// One worker's process, as the thread keeps it.
struct Worker<P: Port> {
    process: Process,
    control: Arc<OwnedFd>,
    /// Whether the control socket is watched.
    watched: bool,
    link: Stage<P>,
}

/// How far the link has come.
enum Stage<P: Port> {
    Handshaking(P::Handshake),
    /// Given up. What it has made has its end when the process has: that may still be about to make something for it.
    GivenUp(P::Handshake),
    /// Up, but not yet put to use.
    Ready(Link<SenderOf<P>, ReceiverOf<P>>),
    /// In use, or never to be.
    Over,
}

/// The thread's own state.
pub(crate) struct Runtime<P: Port> {
    supervisor: Supervisor,
    port: P,
    program: Program,
    shared: Arc<Shared<P>>,
    epoll: Epoll,
    workers: BTreeMap<WorkerId, Worker<P>>,
    failure: Option<StartError>,
    /// What the thread that started the cluster blocks, and so its workers.
    mask: SignalMask,
}

impl<P: Port> Runtime<P> {
    /// To be called by the thread that starts the cluster.
    pub(crate) fn new(
        supervisor: Supervisor,
        port: P,
        program: Program,
        shared: Arc<Shared<P>>,
    ) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        epoll.add(&shared.bell, BELL, Interest::Readable)?;
        let (workers, mask) = (BTreeMap::new(), SignalMask::current());
        Ok(Runtime { supervisor, port, program, shared, epoll, workers, failure: None, mask })
    }

    /// Runs until the last worker is gone. Says whether the cluster has started as soon as that is known; if it has
    /// not, nothing of it is left then.
    pub(crate) fn run(mut self, started: &mpsc::Sender<Result<(), StartError>>) {
        let finish = Finish(Arc::clone(&self.shared));
        let first = self.supervisor.begin();
        let mut finished = self.perform(first);
        if self.failure.is_none() {
            // Whoever started us waits for this.
            let _ = started.send(Ok(()));
        }
        let mut ready = Vec::new();
        while !finished {
            // Only a broken epoll fails, and then nothing is left to do but to end: the workers die with this thread.
            if self.epoll.wait(&mut ready, self.supervisor.next_deadline()).is_err() {
                break;
            }
            finished = self.handle(&ready);
        }
        drop(finish);
        if let Some(failure) = self.failure.take() {
            self.workers.clear();
            let _ = started.send(Err(failure));
        }
    }

    /// True when the supervisor has finished.
    fn handle(&mut self, ready: &[Ready]) -> bool {
        let mut finished = false;
        // What a worker said before it died comes before its death.
        for ready in ready.iter().filter(|ready| ready.token & PIDFD == 0) {
            finished |= self.control_ready(*ready);
        }
        for ready in ready.iter().filter(|ready| ready.token & PIDFD != 0 && ready.token != BELL) {
            finished |= self.process_ended(worker(ready.token));
        }
        if let Some(within) = self.shared.take_stop() {
            finished |= self.tell(Input::Stop { within });
        }
        finished | self.tell(Input::Tick)
    }

    fn tell(&mut self, input: Input) -> bool {
        let actions = self.supervisor.step(input, Instant::now());
        self.perform(actions)
    }

    /// Does all that is to be done, and what follows from that. True when the supervisor has finished.
    fn perform(&mut self, actions: Vec<Action>) -> bool {
        let mut actions = VecDeque::from(actions);
        let mut finished = false;
        while let Some(action) = actions.pop_front() {
            let input = match action {
                Action::Finish => {
                    finished = true;
                    None
                }
                Action::Spawn(id) => Some(self.spawn(id)),
                other => {
                    self.act(other);
                    None
                }
            };
            if let Some(input) = input {
                actions.extend(self.supervisor.step(input, Instant::now()));
            }
        }
        finished
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Forked { id, pid } => self.shared.inbox.forked(id, pid),
            Action::Online(id) => self.online(id),
            Action::Disconnected(id) => {
                self.shared.outlets.of(id).inspect(|outlet| outlet.cut());
                self.shared.inbox.disconnected(id);
            }
            Action::Exited { id, cause } => self.exited(id, cause),
            Action::Close(id) => {
                self.shared.outlets.of(id).inspect(|outlet| outlet.close());
                self.shared.inbox.nudge(id);
            }
            Action::Signal { id, signal } => self.signal(id, signal),
            Action::Spawn(_) | Action::Finish => {}
        }
    }

    fn spawn(&mut self, id: WorkerId) -> Input {
        match self.try_spawn(id) {
            Ok(pid) => Input::Spawned { id, pid },
            Err(error) => {
                let program = self.program.path().to_owned();
                self.failure = Some(match error {
                    SpawnError::Link(source) => StartError::Link { id, source },
                    SpawnError::Os(source) => StartError::Spawn { id, program, source },
                });
                Input::SpawnFailed { id }
            }
        }
    }

    fn try_spawn(&mut self, id: WorkerId) -> Result<u32, SpawnError> {
        let (handshake, sockets) = self.port.offer(id)?;
        let control = Arc::clone(handshake.control());
        self.epoll.add(&*control, token(id), Interest::Readable)?;
        let spawned = Process::spawn(&self.program, sockets, self.mask).and_then(|process| {
            // Its end could not be seen otherwise, so such a process cannot be kept.
            match self.epoll.add(process.ended(), token(id) | PIDFD, Interest::Readable) {
                Ok(()) => Ok(process),
                Err(errno) => {
                    process.end();
                    Err(errno.into())
                }
            }
        });
        let process = spawned.inspect_err(|_| {
            let _ = self.epoll.remove(&*control);
        })?;
        let pid = process.pid();
        self.shared.outlets.add(id);
        self.workers
            .insert(id, Worker { process, control, watched: true, link: Stage::Handshaking(handshake) });
        Ok(pid)
    }

    /// The worker said something, or hung up.
    fn control_ready(&mut self, ready: Ready) -> bool {
        let id = worker(ready.token);
        let mut finished = self.advance(id);
        if ready.hangup {
            self.unwatch(id);
            finished |= self.tell(Input::HungUp { id });
        }
        finished
    }

    /// Takes the handshake further, if there is one.
    fn advance(&mut self, id: WorkerId) -> bool {
        let Some(worker) = self.workers.get_mut(&id) else { return false };
        let Stage::Handshaking(handshake) = &mut worker.link else { return false };
        let input = match handshake.step() {
            Ok(Progress::Waiting) => return false,
            Ok(Progress::HungUp) => Input::HungUp { id },
            Ok(Progress::Up(link)) => match self.put_up(id, link) {
                Ok(()) => Input::Attached { id },
                Err(why) => Input::Refused { id, why },
            },
            Err(why) => Input::Refused { id, why },
        };
        if matches!(input, Input::HungUp { .. }) {
            self.unwatch(id);
            self.drop_link(id);
        }
        self.tell(input)
    }

    fn put_up(&mut self, id: WorkerId, link: Link<SenderOf<P>, ReceiverOf<P>>) -> Result<(), HandshakeError> {
        let Some(worker) = self.workers.get_mut(&id) else { return Ok(()) };
        // From here on the socket carries doorbells, which are the inbox's; the hang-up is still ours.
        let watched =
            self.epoll.modify(&*worker.control, token(id), Interest::HangUp).map_err(io::Error::from);
        watched.and_then(|()| self.shared.inbox.watch(id, &link.receiver)).map_err(|error| {
            let what = format!("the link could not be watched: {error}");
            HandshakeError::new(what, error.raw_os_error())
        })?;
        worker.link = Stage::Ready(link);
        Ok(())
    }

    fn online(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if let Stage::Ready(link) = std::mem::replace(&mut worker.link, Stage::Over) {
            // Whoever can send can also receive.
            self.shared.inbox.online(id, link.receiver);
            self.shared.outlets.of(id).inspect(|outlet| outlet.attach(link.sender));
        }
    }

    fn signal(&mut self, id: WorkerId, signal: Signal) {
        if signal == Signal::Kill {
            // A handshake must not end well after the decision, and what else it sends does not matter.
            self.unwatch(id);
            self.drop_link(id);
        }
        let Some(worker) = self.workers.get(&id) else { return };
        worker.process.signal(match signal {
            Signal::Term => pidfd::Signal::TERM,
            Signal::Kill => pidfd::Signal::KILL,
        });
    }

    /// A link that is not in use will not be.
    fn drop_link(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.link = match std::mem::replace(&mut worker.link, Stage::Over) {
            Stage::Handshaking(handshake) | Stage::GivenUp(handshake) => Stage::GivenUp(handshake),
            Stage::Ready(link) => {
                self.shared.inbox.unwatch(&link.receiver);
                Stage::Over
            }
            Stage::Over => Stage::Over,
        };
    }

    fn process_ended(&mut self, id: WorkerId) -> bool {
        let mut finished = self.advance(id);
        let Some(worker) = self.workers.get(&id) else { return finished };
        let end = match worker.process.reap() {
            Ok(None) => return finished,
            Ok(Some(pidfd::Exit::Code(code))) => End::Code(code),
            Ok(Some(pidfd::Exit::Signal(signal))) => End::Signal(signal),
            Err(_) => End::Unknown,
        };
        finished |= self.tell(Input::Died { id, end });
        finished
    }

    fn exited(&mut self, id: WorkerId, cause: ExitCause) {
        self.unwatch(id);
        self.drop_link(id);
        if let Some(worker) = self.workers.remove(&id) {
            let _ = self.epoll.remove(worker.process.ended());
        }
        let Some(outlet) = self.shared.outlets.of(id) else { return };
        let shared = Arc::clone(&self.shared);
        // Of a process that may still run it is not known what it has taken.
        let dead = cause != ExitCause::Unkillable;
        outlet.retire(move |sender| {
            let sender = sender.filter(|_| dead);
            let undelivered = sender.map_or_else(Undelivered::none, SendHalf::undelivered);
            shared.inbox.exited(id, Event::Exited { id, cause, undelivered });
        });
    }

    fn unwatch(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&id) {
            if std::mem::replace(&mut worker.watched, false) {
                let _ = self.epoll.remove(&*worker.control);
            }
        }
    }
}

/// The bell's token; no worker has it.
const BELL: u64 = u64::MAX;

/// Marks the token of a pidfd, as against that of a control socket. Slots stay below it.
const PIDFD: u64 = 1 << 63;

fn token(id: WorkerId) -> u64 {
    u64::from(id.slot()) << 32 | u64::from(id.generation())
}

fn worker(token: u64) -> WorkerId {
    WorkerId::new(((token & !PIDFD) >> 32) as u32, token as u32)
}

#[cfg(test)]
mod tests;
