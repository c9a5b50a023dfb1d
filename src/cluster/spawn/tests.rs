//! Real processes, by the shell and other programs that every system has.

use super::{Process, Program};
use crate::cluster::mark::Sockets;
use crate::sys::pidfd::{Exit, Signal};
use crate::sys::process::SignalMask;
use crate::sys::{Errno, socket};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// The master's ends: control, data.
fn pairs() -> ((OwnedFd, OwnedFd), Sockets) {
    let (control, theirs) = socket::pair().unwrap();
    let (data, their_data) = socket::pair().unwrap();
    ((control, data), Sockets { control: theirs, data: their_data })
}

fn shell(script: &str) -> Program {
    Program::named("/bin/sh", vec!["-c".into(), script.into()])
}

fn spawn(program: &Program, sockets: Sockets) -> io::Result<Process> {
    Process::spawn(program, sockets, SignalMask::current())
}

/// Waits for the end by the pidfd.
fn end(process: &Process) -> Result<Option<Exit>, Errno> {
    let mut ready = Vec::new();
    let watchdog = Instant::now() + Duration::from_secs(20);
    socket::wait_readable(&[process.ended()], &mut ready, Some(watchdog)).unwrap();
    assert_eq!(ready.len(), 1, "it ends");
    process.reap()
}

fn run(program: &Program) -> Exit {
    let (_ours, theirs) = pairs();
    let process = spawn(program, theirs).unwrap();
    end(&process).unwrap().unwrap()
}

#[test]
fn the_end_of_a_process_is_told_once() {
    let (_ours, theirs) = pairs();
    let process = spawn(&shell("exit 3"), theirs).unwrap();
    assert_eq!(end(&process), Ok(Some(Exit::Code(3))));
    assert_eq!(process.reap(), Err(Errno::CHILD));
    process.signal(Signal::KILL);
}

#[test]
fn a_running_process_is_signalled() {
    let (_ours, theirs) = pairs();
    let process = spawn(&shell("exec sleep 1000"), theirs).unwrap();
    assert_eq!(process.reap(), Ok(None));
    process.signal(Signal::KILL);
    assert_eq!(end(&process), Ok(Some(Exit::Signal(9))));
}

#[test]
fn the_child_has_two_sockets_more_than_the_standard_descriptors() {
    let (ours, theirs) = pairs();
    let script = r#"sockets=0
        for fd in /proc/$$/fd/*; do
            case "${fd##*/} $(readlink $fd)" in [0-2]\ *) ;; *socket:*) sockets=$((sockets + 1));; esac
        done
        case "$RINGWAY_WORKER" in 1,*:*,*:*,$PPID) ;; *) exit 99;; esac
        exit $sockets"#;
    let mut program = shell(script);
    program.env.push(("PATH".into(), "/usr/bin:/bin".into()));
    let _another = socket::pair().unwrap();
    let process = spawn(&program, theirs).unwrap();
    assert_eq!(end(&process), Ok(Some(Exit::Code(2))));
    // Nobody holds the other ends any more.
    assert_eq!(socket::recv(&ours.0, &mut [0; 8]), Ok(0));
    assert_eq!(socket::recv(&ours.1, &mut [0; 8]), Ok(0));
}

#[test]
fn it_dies_with_its_parent() {
    let (_ours, theirs) = pairs();
    let parent = std::thread::spawn(|| spawn(&shell("exec sleep 1000"), theirs).unwrap());
    let process = parent.join().unwrap();
    assert_eq!(end(&process), Ok(Some(Exit::Signal(9))), "the thread that started it has ended");
}

#[test]
fn arguments_and_variables_arrive() {
    let args: Vec<OsString> =
        vec!["-c".into(), r#"test "$0 $1 $KEY" = "a b c""#.into(), "a".into(), "b".into()];
    let mut program = Program::named("sh", args);
    program.env.push(("KEY".into(), "c".into()));
    assert_eq!(run(&program), Exit::Code(0));
}

#[test]
fn what_cannot_be_executed_is_an_error_and_leaves_nothing() {
    let refused = |path: &Path| {
        let (ours, theirs) = pairs();
        let error = spawn(&Program::named(path, Vec::new()), theirs).unwrap_err();
        assert_eq!(socket::recv(&ours.0, &mut [0; 8]), Ok(0), "the worker's end is closed");
        error.kind()
    };
    assert_eq!(refused(Path::new("/nonexistent/program")), io::ErrorKind::NotFound);
    assert_eq!(refused(Path::new("/dev/null")), io::ErrorKind::PermissionDenied);
    assert_eq!(refused(Path::new("/")), io::ErrorKind::PermissionDenied);
}

#[test]
fn the_own_program_is_found() {
    let own = Program::own().unwrap();
    assert_eq!(own.path(), std::env::current_exe().unwrap());
    assert_eq!(own.name, std::env::args_os().next());
}
