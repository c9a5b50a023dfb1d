//! The whole master with real processes and fake links. The workers are this test program again.

use crate::cluster::error::{HandshakeError, NextEventError, SendError, StartError};
use crate::cluster::event::{Event, ExitCause};
use crate::cluster::fake::FakePort;
use crate::cluster::id::WorkerId;
use crate::cluster::mark;
use crate::cluster::master::Master;
use crate::cluster::outlet::Patience;
use crate::cluster::spawn::Program;
use crate::cluster::supervisor::Limits;
use crate::sys::socket;
use std::ffi::OsString;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const ONE: WorkerId = WorkerId::first(1);
const TWO: WorkerId = WorkerId::first(2);
const LIMITS: Limits = Limits { handshake: Duration::from_secs(30), death: Duration::from_secs(30) };

/// What the worker of a test does: words, carried out in turn.
const SCRIPT: &str = "RINGWAY_TEST_SCRIPT";

/// Not a test: a worker's program.
#[test]
fn worker() {
    let Ok(script) = std::env::var(SCRIPT) else { return };
    let (_, sockets) = mark::take().unwrap().expect("a worker");
    for word in script.split(' ') {
        match word {
            "hello" => socket::send(&sockets.control, b"hello").unwrap(),
            "garbage" => socket::send(&sockets.control, b"\xff\0\xff").unwrap(),
            "sleep" => loop {
                thread::park();
            },
            code => std::process::exit(code.parse().unwrap()),
        }
    }
}

fn program(script: &str) -> Program {
    let mut program = Program::own().unwrap();
    let args = ["--exact", "--nocapture", "--quiet", "cluster::runtime::tests::worker"];
    program.args = args.map(Into::into).into();
    program.env.push((SCRIPT.into(), script.into()));
    program
}

/// The same program, deaf to SIGTERM: what a shell ignores, whatever it executes ignores.
fn stubborn(program: Program) -> Program {
    let mut args: Vec<OsString> =
        vec!["-c".into(), r#"trap '' TERM; exec "$0" "$@""#.into(), program.path.into()];
    args.extend(program.args);
    Program { env: program.env, ..Program::named("/bin/sh", args) }
}

fn start_by(workers: u32, limits: Limits, program: Program) -> (Arc<Master<FakePort>>, FakePort) {
    let port = FakePort::default();
    let master = Master::start(workers, limits, port.clone(), program).unwrap();
    (Arc::new(master), port)
}

fn start(workers: u32, script: &str) -> (Arc<Master<FakePort>>, FakePort) {
    start_by(workers, LIMITS, program(script))
}

/// The next event; a test that hangs ends.
fn next(master: &Master<FakePort>) -> Option<Event> {
    let watchdog = Instant::now() + Duration::from_secs(60);
    let event = master.next_event(Patience::Until(watchdog)).unwrap();
    assert!(Instant::now() < watchdog, "only the watchdog woke it for {event:?}");
    event
}

/// All events, in short, except Forked; checks that Forked comes first for each.
fn rest(master: &Master<FakePort>) -> Vec<String> {
    let mut events = Vec::new();
    while let Some(event) = next(master) {
        events.push(match event {
            Event::Forked { id, .. } => {
                assert!(events.iter().all(|told: &String| !told.ends_with(&format!(" {id}"))));
                continue;
            }
            Event::Online { id } => format!("online {id}"),
            Event::Message { from, message } => format!("{} from {from}", message.escape_ascii()),
            Event::Disconnected { id, .. } => format!("disconnected {id}"),
            Event::Exited { id, cause, undelivered } => {
                format!("{cause:?} with {} undelivered: exited {id}", undelivered.count())
            }
        });
    }
    events
}

/// Takes events until the worker is online; gives its pid.
fn until_online(master: &Master<FakePort>) -> u32 {
    let Some(Event::Forked { pid, .. }) = next(master) else { panic!("forked comes first") };
    let Some(Event::Online { .. }) = next(master) else { panic!("then online") };
    pid
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_worker_that_exits_at_once() {
    let (master, _port) = start(1, "3");
    assert_eq!(rest(&master), ["Code(3) with 0 undelivered: exited 1"]);
    assert!(matches!(master.send(ONE, b"m", Patience::Endless), Err(SendError::Gone)));
    assert_eq!(master.ids(), []);
}

#[test]
fn a_worker_that_attaches_and_exits() {
    let (master, _port) = start(1, "hello 0");
    assert_eq!(rest(&master), ["online 1", "disconnected 1", "Code(0) with 0 undelivered: exited 1"]);
}

#[test]
fn a_worker_that_talks_garbage_is_killed() {
    let (master, _port) = start(1, "garbage garbage garbage sleep");
    let why = HandshakeError::new("garbage", None);
    assert_eq!(rest(&master), [format!("{:?} with 0 undelivered: exited 1", ExitCause::Handshake(why))]);
}

#[test]
fn a_worker_that_never_speaks_is_killed() {
    let limit = Duration::from_millis(100);
    let (master, _port) = start_by(1, Limits { handshake: limit, ..LIMITS }, program("sleep"));
    let cause = ExitCause::NeverSpoke { limit };
    assert_eq!(rest(&master), [format!("{cause:?} with 0 undelivered: exited 1")]);
}

#[test]
fn what_a_killed_worker_sent_and_had_not_taken_is_told() {
    let (master, port) = start(1, "hello sleep");
    master.send(ONE, b"1", Patience::Endless).unwrap();
    master.send(ONE, b"2", Patience::None).unwrap();
    assert!(matches!(master.send(ONE, b"3", Patience::None), Err(SendError::Full)));
    let pid = until_online(&master);
    let worker = port.up.lock().unwrap().remove(&ONE).unwrap();
    worker.send(b"a");
    worker.send(b"b");
    kill(pid);
    let events = rest(&master);
    let cause = ExitCause::Signal(9);
    let exited = format!("{cause:?} with 2 undelivered: exited 1");
    assert_eq!(events, ["a from 1", "b from 1", "disconnected 1", exited.as_str()]);
}

#[test]
fn a_sender_that_waits_for_a_worker_that_dies_is_told_and_its_messages_handed_back() {
    let (master, _port) = start(1, "hello sleep");
    let pid = until_online(&master);
    let sending = {
        let master = Arc::clone(&master);
        thread::spawn(move || (0..3).try_for_each(|_| master.send(ONE, b"m", Patience::Endless)))
    };
    while !matches!(master.send(ONE, b"m", Patience::None), Err(SendError::Full)) {
        thread::yield_now();
    }
    kill(pid);
    assert!(matches!(sending.join().unwrap(), Err(SendError::Gone)));
    assert_eq!(rest(&master)[1], "Signal(9) with 2 undelivered: exited 1");
}

#[test]
fn a_stop_ends_waiting_senders_and_escalates() {
    let (master, port) = start_by(2, LIMITS, stubborn(program("hello sleep")));
    let sending = {
        let master = Arc::clone(&master);
        thread::spawn(move || (0..3).try_for_each(|_| master.send(TWO, b"m", Patience::Endless)))
    };
    while !port.up.lock().unwrap().get(&TWO).is_some_and(|worker| worker.shared().armed_space) {
        thread::yield_now();
    }
    master.stop(Duration::from_secs(1000)).unwrap();
    assert!(matches!(sending.join().unwrap(), Err(SendError::Stopping)));
    master.stop(Duration::from_millis(200)).unwrap();
    let events = rest(&master);
    let killed = ExitCause::KilledByUs { signal: 9 };
    for (id, undelivered) in [(1, 0), (2, 2)] {
        let exited = format!("{killed:?} with {undelivered} undelivered: exited {id}");
        assert!(events.contains(&exited), "{events:?}");
    }
    for worker in port.up.lock().unwrap().values() {
        assert!(worker.shared().closed_by_master);
    }
}

#[test]
fn a_stop_asks_before_it_kills() {
    let (master, _port) = start(1, "hello sleep");
    until_online(&master);
    master.stop(Duration::from_secs(2)).unwrap();
    assert_eq!(rest(&master)[1], "KilledByUs { signal: 15 } with 0 undelivered: exited 1");
}

#[test]
fn dropping_a_cluster_ends_it() {
    let (master, port) = start(1, "hello sleep");
    let pid = until_online(&master);
    drop(master);
    assert!(port.up.lock().unwrap()[&ONE].shared().closed_by_master);
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    assert!(rustix::process::test_kill_process(pid).is_err(), "it was killed and reaped");
}

#[test]
fn nobody_waits_for_what_does_not_come() {
    let (master, _port) = start(1, "hello sleep");
    until_online(&master);
    assert!(matches!(master.next_event(Patience::None), Err(NextEventError::TimedOut)));
    let soon = Patience::within(Duration::from_millis(10));
    assert!(matches!(master.next_event(soon), Err(NextEventError::TimedOut)));
    assert!(matches!(master.send(WorkerId::first(9), b"m", soon), Err(SendError::NoSuchWorker)));
}

#[test]
fn a_cluster_starts_whole_or_not_at_all() {
    let port = FakePort { denied: Some(WorkerId::first(3)), ..FakePort::default() };
    let error = Master::start(4, LIMITS, port, program("hello sleep")).unwrap_err();
    assert!(matches!(error, StartError::Spawn { id, .. } if id == WorkerId::first(3)), "{error}");
    let missing = Program::named("/nonexistent/program", Vec::new());
    let error = Master::start(2, LIMITS, FakePort::default(), missing).unwrap_err();
    assert_eq!(
        error.to_string(),
        "worker 1 could not be started from /nonexistent/program: No such file or directory (os error 2)"
    );
}
