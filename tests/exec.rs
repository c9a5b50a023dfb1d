//! Ends of channels that cross an `exec`, with real programs: this one again, playing a role.

#[path = "support/mod.rs"]
mod support;

use ringway::channel::error::{Cause, RecvError, SalvageError, SendError};
use ringway::channel::handshake::{Reason, Refusal};
use ringway::channel::{
    Channel, ConnectError, FromEnvError, Limits, LinkChoice, LinkKind, Options, Pending, SpawnError, pair,
    spawn,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::held::{after_first_link, comes_to, descriptors, has_children};
use support::{LINKS, child, payload, raw, until};

/// The variable by which a program is told what it is to do.
const ROLE: &str = "RINGWAY_TEST_ROLE";

/// What this process is to do; empty for the one that starts the others.
fn role() -> String {
    std::env::var(ROLE).unwrap_or_default()
}

/// This program and this test, in a role.
fn this_program(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(std::env::args_os().skip(1)).env(ROLE, role);
    command
}

/// What a program was started with.
fn given(name: &str) -> Channel {
    Pending::from_env(name).unwrap().expect("an end of this name").connect().unwrap()
}

/// The program ran to the end of its role, without a panic.
fn succeeds(mut child: Child) {
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{status}");
}

/// Runs the role of this process, if it has one, and else `parent`, of which nothing may be left.
fn cast(roles: &[(&str, fn())], parent: impl FnOnce()) {
    match roles.iter().find(|(name, _)| *name == role()) {
        Some((_, act)) => {
            act();
            raw::quit(0)
        }
        None => {
            assert_eq!(role(), "");
            let before = after_first_link(&Options::new());
            parent();
            comes_to(&before, descriptors, "descriptors");
            assert!(!has_children(), "a process is left");
        }
    }
}

/// The program of a role with an end of this name, and the other end.
fn start(role: &str, name: &str, options: &Options) -> (Child, Channel) {
    let (ours, theirs) = pair(options).unwrap();
    let child = spawn(this_program(role), [(name, theirs)]).unwrap();
    (child, ours.connect().unwrap())
}

fn echo() {
    let channel = given("echo");
    while let Ok(message) = channel.recv() {
        channel.send(&message).unwrap();
    }
    assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Closed)));
}

#[test]
fn a_program_talks_both_ways_over_each_link_whichever_end_it_has() {
    const MAX: usize = 300_000;
    alone!(|| cast(&[("echo", echo)], || {
        for &link in LINKS {
            for offers in [false, true] {
                let options = Options::new().link(link).capacity(64 << 10).unwrap().max_message(MAX as u64);
                let (first, second) = pair(&options).unwrap();
                let (ours, theirs) = if offers { (second, first) } else { (first, second) };
                let child = spawn(this_program("echo"), [("echo", theirs)]).unwrap();
                let channel = ours.connect().unwrap();
                assert_eq!(channel.about().peer_pid, child.id());
                assert_eq!(channel.about().fallback.is_some(), link != LinkChoice::Shm);
                // The options went with the end, whichever it was.
                assert_eq!(channel.about().terms.max_message, MAX as u64);
                assert_eq!(channel.about().terms.to_acceptor.bytes(), 64 << 10);
                for (seed, len) in [(1, 0), (2, 1), (3, 48), (4, 1000), (5, 30_000), (6, MAX)] {
                    let message = payload::bytes(seed, len);
                    channel.send(&message).unwrap();
                    assert!(*channel.recv().unwrap() == message, "{len}");
                }
                drop(channel);
                succeeds(child);
            }
        }
    }));
}

#[test]
fn what_a_killed_program_had_committed_arrives_and_then_its_death() {
    const MESSAGES: u32 = 100;
    let victim = || {
        let (channel, cue) = (given("work"), given("cue"));
        (0..MESSAGES).for_each(|number| channel.send(&payload::numbered(0, number, 200)).unwrap());
        cue.send(b"all of them").unwrap();
        raw::pause()
    };
    alone!(move || cast(&[("victim", victim)], || {
        for &link in LINKS {
            let options = Options::new().link(link).capacity(64 << 10).unwrap();
            let ((ours, theirs), (our_cue, their_cue)) = (pair(&options).unwrap(), pair(&options).unwrap());
            let ends = [("work", theirs), ("cue", their_cue)];
            let mut child = spawn(this_program("victim"), ends).unwrap();
            let (channel, cue) = (ours.connect().unwrap(), our_cue.connect().unwrap());
            cue.recv().unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            for number in 0..MESSAGES {
                assert_eq!(payload::check(&channel.recv().unwrap()), (0, number));
            }
            until(|| channel.recv() == Err(RecvError::Disconnected(Cause::Died)));
            assert_eq!(channel.send(b"x"), Err(SendError::Disconnected(Cause::Died)));
        }
    }));
}

/// Whoever started it has a duplicate of its socket, and it has none of theirs.
#[test]
fn what_a_killed_program_had_not_taken_is_handed_back_over_each_link() {
    let victim = || {
        let channel = given("work");
        assert_eq!(&*channel.recv().unwrap(), b"taken");
        let refused = channel.salvage().unwrap_err();
        let by_socket = channel.about().link == LinkKind::Socket;
        assert_eq!(refused, if by_socket { SalvageError::NotHeld } else { SalvageError::NotDead });
        channel.send(b"one was taken").unwrap();
        raw::pause()
    };
    alone!(move || cast(&[("victim", victim)], || {
        for &link in LINKS {
            for offers in [false, true] {
                let (first, second) = pair(&Options::new().link(link)).unwrap();
                let (ours, theirs) = if offers { (second, first) } else { (first, second) };
                let mut child = spawn(this_program("victim"), [("work", theirs)]).unwrap();
                let channel = ours.connect().unwrap();
                for message in [b"taken".as_slice(), b"left", &[7; 50_000], b""] {
                    channel.send(message).unwrap();
                }
                assert_eq!(&*channel.recv().unwrap(), b"one was taken");
                child.kill().unwrap();
                child.wait().unwrap();
                let undelivered: Vec<Vec<u8>> = channel.salvage().unwrap().collect();
                assert_eq!(undelivered, [b"left".to_vec(), vec![7; 50_000], Vec::new()], "{link:?} {offers}");
            }
        }
    }));
}

/// As whoever made the pair says, or as the program does.
#[test]
fn a_program_refuses_what_is_over_its_limits() {
    fn refuses(end: Pending) {
        let error = end.connect().unwrap_err();
        let ConnectError::Refused(why) = &error else { panic!("{error}") };
        assert_eq!(*why, Refusal::MaxMessage { proposed: 64 << 20, limit: 1000 });
    }
    let told = || refuses(Pending::from_env("it").unwrap().expect("an end"));
    let says = || {
        refuses(Pending::from_env("it").unwrap().expect("an end").limits(Limits::NONE.max_message(1000)));
    };
    alone!(move || cast(&[("told", told), ("says", says)], || {
        let limits = Limits::NONE.max_message(1000);
        for (role, limits) in [("told", limits), ("says", Limits::NONE)] {
            for offers in [false, true] {
                let (first, second) = pair(&Options::new().limits(limits)).unwrap();
                let (ours, theirs) = if offers { (second, first) } else { (first, second) };
                let child = spawn(this_program(role), [("it", theirs)]).unwrap();
                let error = ours.limits(Limits::NONE).connect().unwrap_err();
                let ConnectError::Refused(Refusal::Peer(told)) = &error else { panic!("{error}") };
                assert_eq!((told.reason, told.limit), (Reason::MaxMessage, 1000), "{role} {offers}");
                succeeds(child);
            }
        }
    }));
}

/// The sockets do not hang up here, so that it must be the program's own pidfd that tells.
#[test]
fn a_program_is_dead_though_a_copy_of_it_holds_its_end_open() {
    let victim = || {
        let channel = given("work");
        if raw::fork() == 0 {
            let _ended = io::stdin().read(&mut [0]);
            raw::quit(0);
        }
        channel.send(b"the last one").unwrap();
        raw::pause()
    };
    alone!(move || cast(&[("victim", victim)], || {
        for &link in LINKS {
            let (ours, theirs) = pair(&Options::new().link(link)).unwrap();
            let mut command = this_program("victim");
            command.stdin(Stdio::piped());
            let mut child = spawn(command, [("work", theirs)]).unwrap();
            let channel = ours.connect().unwrap();
            assert_eq!(&*channel.recv().unwrap(), b"the last one");
            let hold = child.stdin.take();
            child.kill().unwrap();
            assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Died)));
            child.wait().unwrap();
            drop(hold);
        }
    }));
}

/// Nobody would wait so long: what ends the wait is that this process does not hold the program's end any more.
#[test]
fn a_program_that_ends_before_it_connects_is_told_at_once() {
    alone!(|| cast(&[], || {
        let options = Options::new().handshake_timeout(Duration::MAX);
        for offers in [false, true] {
            let (first, second) = pair(&options).unwrap();
            let (ours, theirs) = if offers { (second, first) } else { (first, second) };
            let mut child = spawn(Command::new("true"), [("unused", theirs)]).unwrap();
            let error = ours.connect().unwrap_err();
            assert!(matches!(error, ConnectError::Refused(Refusal::HungUp { .. })), "{error}");
            child.wait().unwrap();
        }
    }));
}

#[test]
fn an_end_is_taken_once() {
    let taker = || {
        let end = Pending::from_env("it").unwrap().expect("an end");
        let taken = || {
            let error = Pending::from_env("it").unwrap_err();
            assert!(matches!(&error, FromEnvError::Taken { name } if name == "it"), "{error}");
        };
        taken();
        child::fork(taken).succeeds();
        let channel = end.connect().unwrap();
        taken();
        drop(channel);
        taken();
        assert!(Pending::from_env("another").unwrap().is_none());
    };
    alone!(move || cast(&[("taker", taker)], || {
        assert!(Pending::from_env("it").unwrap().is_none());
        let (child, channel) = start("taker", "it", &Options::new());
        assert_eq!(channel.recv(), Err(RecvError::Disconnected(Cause::Closed)));
        succeeds(child);
    }));
}

#[test]
fn of_many_threads_that_ask_for_an_end_one_gets_it() {
    let taker = || {
        let ends = std::thread::scope(|scope| {
            let threads = [(); 8].map(|()| scope.spawn(|| Pending::from_env("it")));
            threads.map(|thread| thread.join().unwrap())
        });
        assert!(ends.iter().all(|end| matches!(end, Ok(Some(_)) | Err(FromEnvError::Taken { .. }))));
        assert_eq!(ends.iter().filter(|end| end.is_ok()).count(), 1);
        for end in ends.into_iter().flatten().flatten() {
            end.connect().unwrap().send(b"hello").unwrap();
        }
    };
    alone!(move || cast(&[("taker", taker)], || {
        let (child, channel) = start("taker", "it", &Options::new());
        assert_eq!(&*channel.recv().unwrap(), b"hello");
        succeeds(child);
    }));
}

#[test]
fn a_programs_own_children_have_no_end() {
    let grandchild = || {
        assert!(std::env::var("RINGWAY_CHANNEL_it").is_ok(), "what marks the end is inherited");
        assert!(Pending::from_env("it").unwrap().is_none());
        // Other sockets have the numbers by now.
        let _others: Vec<_> = (0..50).map(|_| pair(&Options::new()).unwrap()).collect();
        assert!(Pending::from_env("it").unwrap().is_none());
    };
    let program = || {
        let channel = given("it");
        succeeds(this_program("grandchild").spawn().unwrap());
        channel.send(b"still mine").unwrap();
    };
    alone!(move || cast(&[("program", program), ("grandchild", grandchild)], || {
        let (child, channel) = start("program", "it", &Options::new());
        assert_eq!(&*channel.recv().unwrap(), b"still mine");
        succeeds(child);
    }));
}

#[test]
fn a_program_that_wraps_another_passes_the_end_on() {
    alone!(|| cast(&[("echo", echo)], || {
        let (ours, theirs) = pair(&Options::new()).unwrap();
        let inner = this_program("echo");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", r#""$0" "$@"; exit $?"#]).arg(inner.get_program()).args(inner.get_args());
        shell.env(ROLE, "echo");
        let child = spawn(shell, [("echo", theirs)]).unwrap();
        let channel = ours.connect().unwrap();
        assert_ne!(channel.about().peer_pid, child.id());
        channel.send(b"hello").unwrap();
        assert_eq!(&*channel.recv().unwrap(), b"hello");
        drop(channel);
        succeeds(child);
    }));
}

#[test]
fn what_ringway_did_not_write_is_an_error() {
    let reader = || {
        let error = Pending::from_env("it").unwrap_err();
        assert!(error.to_string().contains("RINGWAY_CHANNEL_it"), "{error}");
        let FromEnvError::Mark { variable, value } = error else { panic!("{error}") };
        assert_eq!(std::env::var_os(&variable).unwrap().to_string_lossy(), value);
    };
    alone!(move || cast(&[("reader", reader)], || {
        use std::os::unix::ffi::OsStringExt;
        let garbage: [&[u8]; 6] = [b"", b"1", b"yes", b"1,3:4,5:6", b"2,3:4,5:6,offers", b"\xff\xfe"];
        for value in garbage {
            let value = std::ffi::OsString::from_vec(value.into());
            succeeds(this_program("reader").env("RINGWAY_CHANNEL_it", value).spawn().unwrap());
        }
    }));
}

#[test]
fn what_cannot_be_started_is_an_error_and_leaves_nothing() {
    alone!(|| cast(&[], || {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let refused = |program: &Path, names: [&'static str; 2]| {
            let ((ours, theirs), (others, another)) =
                (pair(&Options::new()).unwrap(), pair(&Options::new()).unwrap());
            let ends = names.into_iter().zip([theirs, another]);
            let error = spawn(Command::new(program), ends).unwrap_err();
            assert!(!has_children());
            for end in [ours, others] {
                assert!(matches!(end.connect(), Err(ConnectError::Refused(Refusal::HungUp { .. }))));
            }
            error
        };
        for (program, kind) in [
            (root.join("missing"), ErrorKind::NotFound),
            (root.join("Cargo.toml"), ErrorKind::PermissionDenied),
            (root.join("src"), ErrorKind::PermissionDenied),
            ("a\0b".into(), ErrorKind::InvalidInput),
        ] {
            let error = refused(&program, ["one", "two"]);
            let SpawnError::System { source, .. } = error else { panic!("{error}") };
            assert_eq!(source.kind(), kind, "{program:?}: {source}");
        }
        let error = refused(Path::new("true"), ["same", "same"]);
        assert!(matches!(&error, SpawnError::Twice { name } if name == "same"), "{error}");
        let error = refused(Path::new("true"), ["good", "no good"]);
        assert!(matches!(&error, SpawnError::Name { name } if name == "no good"), "{error}");
    }));
}

/// A program has its ends and nothing else of this process, and other programs have nothing.
#[test]
fn only_the_program_that_is_meant_inherits_an_end() {
    const COUNT: &str =
        r#"for fd in /proc/$$/fd/*; do case $(readlink "$fd") in socket:*) exit 1;; esac; done"#;
    let program = || {
        let sockets = descriptors().into_iter().filter(|target| target.starts_with("socket:"));
        assert_eq!(sockets.count(), 4, "two ends");
        let ends = ["one", "two"].map(|name| Pending::from_env(name).unwrap().expect("an end"));
        assert!(Command::new("/bin/sh").args(["-c", COUNT]).status().unwrap().success());
        for end in ends {
            end.connect().unwrap();
        }
    };
    alone!(move || cast(&[("program", program)], || {
        let (_idle, done) = (pair(&Options::new()).unwrap(), std::sync::atomic::AtomicBool::new(false));
        std::thread::scope(|scope| {
            let others = scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    assert!(Command::new("/bin/sh").args(["-c", COUNT]).status().unwrap().success());
                }
            });
            for _ in 0..20 {
                let pairs = [(); 2].map(|()| pair(&Options::new()).unwrap());
                let ([one, two], theirs): ([_; 2], [_; 2]) = {
                    let [(a, b), (c, d)] = pairs;
                    ([a, c], [b, d])
                };
                let child = spawn(this_program("program"), ["one", "two"].into_iter().zip(theirs)).unwrap();
                for ours in [one, two] {
                    ours.connect().unwrap();
                }
                succeeds(child);
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            others.join().unwrap();
        });
    }));
}

#[test]
fn an_end_under_the_number_of_a_standard_stream_arrives() {
    alone!(|| cast(&[("echo", echo)], || {
        // The standard input that this process was given.
        drop(raw::adopt(0));
        // The first socket that is made gets the number.
        let (theirs, ours) = pair(&Options::new()).unwrap();
        let mut command = this_program("echo");
        command.stdin(Stdio::null());
        let child = spawn(command, [("echo", theirs)]).unwrap();
        let channel = ours.connect().unwrap();
        channel.send(b"hello").unwrap();
        assert_eq!(&*channel.recv().unwrap(), b"hello");
        drop(channel);
        succeeds(child);
        let null = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(std::os::fd::IntoRawFd::into_raw_fd(null), 0);
    }));
}

/// How far the limit is raised, one by one; the last ones suffice.
const LIMITS: u64 = 24;

#[test]
fn a_program_for_which_there_are_no_descriptors_is_an_error_and_can_be_tried_again() {
    let echo = || {
        // It has the same limit, under which it may fail.
        if let Ok(Some(end)) = Pending::from_env("echo") {
            if let Ok(channel) = end.connect() {
                while channel.recv().is_ok_and(|message| channel.send(&message).is_ok()) {}
            }
        }
    };
    alone!(move || cast(&[("echo", echo)], || {
        let works: Vec<_> = (0..LIMITS).map(works_with).collect();
        assert!(!works[0]);
        assert!(works[LIMITS as usize - 1]);
    }));
}

/// Whether a program talks while this process may open so many more descriptors than there are.
fn works_with(more: u64) -> bool {
    let (before, unlimited) = (descriptors(), getrlimit(Resource::Nofile));
    setrlimit(Resource::Nofile, Rlimit { current: Some(before.len() as u64 + more), ..unlimited }).unwrap();
    let talks = talks();
    setrlimit(Resource::Nofile, unlimited).unwrap();
    comes_to(&before, descriptors, "descriptors");
    assert!(!has_children());
    if let Err(error) = &talks {
        assert!(
            error.contains("EMFILE") || error.contains("os error 24") || error.contains("cut off"),
            "{error}"
        );
    }
    talks.is_ok()
}

fn talks() -> Result<(), String> {
    let (ours, theirs) = pair(&Options::new()).map_err(|error| error.to_string())?;
    let mut child = spawn(this_program("echo"), [("echo", theirs)]).map_err(|error| error.to_string())?;
    let talks = ours.connect().map_err(|error| error.to_string()).map(|channel| {
        channel.send(b"hello").unwrap();
        assert_eq!(&*channel.recv().unwrap(), b"hello");
    });
    child.wait().unwrap();
    talks
}
