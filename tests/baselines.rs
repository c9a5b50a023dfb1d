//! What README says of raw_sync and shared_memory, counted. Each test also counts what happens when only the cause is
//! left out. `cargo test --test baselines -- --nocapture` prints the counts.

#[path = "../benches/support/pages.rs"]
#[allow(dead_code, reason = "the benchmarks use the rest")]
mod pages;
#[path = "support/mod.rs"]
mod support;
mod baselines {
    pub mod raw;
}

use baselines::raw::{self as calls, SharedEvent};
use raw_sync::Timeout;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, Resource, Rlimit, Signal, WaitOptions};
use rustix::process::{getpid, getrlimit, kill_process, pidfd_open, setrlimit, waitpid};
use shared_memory::{Shmem, ShmemConf, ShmemError};
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};
use support::child::{self, Child, Exit};
use support::{PATIENCE, cue, raw, thread, until};

/// How often each thing is tried.
const TRIES: usize = 20;
const ALL: usize = TRIES;

/// For how long a process must not have ended to count as hung. It sleeps then as well.
const HUNG: Duration = Duration::from_secs(2);

/// The C library whose condition variables were measured; another may count its waiters in another way.
const GLIBC: &str = "2.36";

/// The version of a crate that `Cargo.lock` has.
fn version(name: &str) -> &'static str {
    let entry = include_str!("../Cargo.lock").split_once(&format!("name = \"{name}\"\nversion = \""));
    entry.and_then(|(_, rest)| rest.split_once('"')).expect("a locked crate").0
}

/// Says how often it happened with the cause and without.
fn say(name: &str, what: &str, [with, without]: [usize; 2]) {
    let (version, glibc) = (version(name), calls::glibc());
    eprintln!(
        "{name} {version}, glibc {glibc}: {what}: {with} of {TRIES}, without the cause {without} of {TRIES}"
    );
}

fn count(one: impl FnMut(usize) -> bool) -> usize {
    (0..TRIES).map(one).filter(|happened| *happened).count()
}

fn number(child: &Child) -> u32 {
    child.pid().as_raw_nonzero().get().unsigned_abs()
}

fn is_asleep(child: &Child) -> bool {
    thread::is_asleep(number(child))
}

/// How many of the children sleep and do not end, all given the same time.
fn hung<'a>(children: impl Iterator<Item = &'a Child>, patience: Duration) -> usize {
    let end = Instant::now() + patience;
    let hangs = |child: &&Child| {
        let process = pidfd_open(child.pid(), PidfdFlags::empty()).unwrap();
        let ends_by = |end: Instant| {
            let left = Timespec::try_from(end.saturating_duration_since(Instant::now())).unwrap();
            poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&left)).unwrap() != 0
        };
        if ends_by(end) {
            return false;
        }
        // One that has not been let run yet is no sign of either.
        until(|| is_asleep(child) || ends_by(Instant::now()));
        is_asleep(child)
    };
    children.filter(hangs).count()
}

/// A process that sets the event once.
fn setter(event: &SharedEvent) -> Child {
    child::fork(|| event.set())
}

/// A process that waits in the event again and again, and how often it was woken.
struct Listener {
    child: Child,
    heard: &'static AtomicU64,
}

impl Listener {
    fn new(event: &SharedEvent) -> Self {
        let heard = raw::shared_word();
        let listen = || loop {
            event.wait(Timeout::Infinite).unwrap();
            heard.fetch_add(1, Relaxed);
        };
        let listener = Self { child: child::fork(listen), heard };
        listener.sleeps_after(0);
        listener
    }

    fn sleeps_after(&self, heard: u64) {
        until(|| self.heard.load(Relaxed) == heard && is_asleep(&self.child));
    }

    /// How often it was woken when it has come to rest.
    fn heard_at_rest(&self) -> u64 {
        until(|| is_asleep(&self.child));
        self.heard.load(Relaxed)
    }
}

/// Tries an event in which a process waited that then left: three sets, for another process that listens. How many
/// listeners heard only the first, and how many third sets do not return.
fn three_sets(leave: impl Fn(&SharedEvent, Child), patience: Duration) -> [usize; 2] {
    let one = |_| {
        let event = SharedEvent::new();
        let first = child::fork(|| event.wait(Timeout::Infinite).unwrap());
        until(|| is_asleep(&first));
        leave(&event, first);
        let listener = Listener::new(&event);
        setter(&event).succeeds();
        listener.sleeps_after(1);
        setter(&event).succeeds();
        (setter(&event), listener, event)
    };
    let tries: Vec<_> = (0..TRIES).map(one).collect();
    let hung = hung(tries.iter().map(|(setter, ..)| setter), patience);
    let deaf = tries.iter().filter(|(_, listener, _)| listener.heard_at_rest() == 1).count();
    let locked = tries.iter().filter(|(.., event)| event.is_locked()).count();
    assert_eq!(locked, hung, "who hangs has the mutex");
    [deaf, hung]
}

#[test]
fn a_process_killed_asleep_in_raw_syncs_event_costs_a_set_and_hangs_the_next() {
    alone!(|| {
        let killed = |_: &SharedEvent, waiter: Child| {
            waiter.kill();
            assert_eq!(waiter.wait(), Exit::Signal(libc::SIGKILL));
        };
        let woken = |event: &SharedEvent, waiter: Child| {
            setter(event).succeeds();
            waiter.succeeds();
        };
        let (with, without) = (three_sets(killed, HUNG), three_sets(woken, PATIENCE));
        say("raw_sync", "killed asleep, the second set wakes nobody", [with[0], without[0]]);
        say("raw_sync", "killed asleep, the third set hangs", [with[1], without[1]]);
        assert_eq!(without, [0, 0]);
        assert!(with == [ALL, ALL] || calls::glibc() != GLIBC, "{with:?}");
    });
}

/// A process that begins to wait in the event, killed after the instruction that locks its mutex or, if not `locked`,
/// after the one that unlocks it again.
fn kill_in_wait(event: &SharedEvent, locked: bool) {
    let waiter = child::fork(|| {
        calls::be_traced();
        kill_process(getpid(), Signal::STOP).unwrap();
        event.wait(Timeout::Infinite).unwrap();
    });
    let stops = || {
        let (_, status) = waitpid(Some(waiter.pid()), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "{status:?}");
    };
    let step_until = |locked| {
        while event.is_locked() != locked {
            calls::step(waiter.pid());
            stops();
        }
    };
    stops();
    step_until(true);
    step_until(locked);
    waiter.kill();
    assert_eq!(waiter.wait(), Exit::Signal(libc::SIGKILL));
}

#[test]
fn a_process_killed_with_the_mutex_of_raw_syncs_event_hangs_every_set() {
    alone!(|| {
        let sets = |locked, patience| {
            let one = |_| {
                let event = SharedEvent::new();
                kill_in_wait(&event, locked);
                setter(&event)
            };
            let setters: Vec<_> = (0..TRIES).map(one).collect();
            hung(setters.iter(), patience)
        };
        let hung = [sets(true, HUNG), sets(false, PATIENCE)];
        say("raw_sync", "killed with the mutex, the first set hangs", hung);
        assert_eq!(hung, [ALL, 0]);
    });
}

/// The time-out that is tried, far beyond what a slow machine takes to return at once.
const LONG: Duration = Duration::from_millis(20_500);

/// What a process exits with whose wait fails.
const FAILED: i32 = 3;

/// Whether a wait for [`LONG`] that begins at these milliseconds of a second fails before its end: the event is set as
/// soon as the process sleeps in it. `None`: it may have begun later than that.
fn try_to_wait(begin: Range<u32>, timed_out: &str) -> Option<bool> {
    let event = SharedEvent::new();
    let millis = || SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_millis();
    let waiter = child::fork(|| {
        until(|| begin.contains(&millis()));
        let began = Instant::now();
        if let Err(error) = event.wait(Timeout::Val(LONG)) {
            assert!(began.elapsed() < LONG && error == timed_out, "{error}");
            raw::quit(FAILED);
        }
    });
    until(|| matches!(thread::state(number(&waiter)), Some('S' | 'Z')));
    let in_time = (begin.start..begin.start + 500).contains(&millis());
    event.set();
    match waiter.wait() {
        Exit::Code(0) => in_time.then_some(false),
        Exit::Code(FAILED) => in_time.then_some(true),
        exit => panic!("{exit:?}"),
    }
}

fn fails_early(begin: Range<u32>, timed_out: &str) -> bool {
    std::iter::repeat_with(|| try_to_wait(begin.clone(), timed_out)).find_map(|tried| tried).unwrap()
}

#[test]
fn a_timed_wait_of_raw_sync_fails_at_once_if_its_milliseconds_pass_a_second() {
    alone!(|| {
        let timed_out = SharedEvent::new().wait(Timeout::Val(Duration::ZERO)).unwrap_err();
        let failed = [500..600, 0..100].map(|begin| count(|_| fails_early(begin.clone(), &timed_out)));
        say("raw_sync", "begun at .5 of a second, a wait of 20.5 s fails at once", failed);
        assert_eq!(failed, [ALL, 0]);
    });
}

/// The name of a segment of shared_memory, of which nothing is left when it goes.
struct Name(String);

impl Name {
    fn new(number: usize) -> Self {
        Self(format!("/ringway-baselines-{}-{number}", std::process::id()))
    }

    fn path(&self) -> String {
        format!("/dev/shm{}", self.0)
    }

    fn create(&self) -> Shmem {
        ShmemConf::new().os_id(&self.0).size(4096).create().unwrap()
    }

    /// Whether a process that comes by the name finds the segment.
    fn is_found(&self) -> bool {
        match ShmemConf::new().os_id(&self.0).open() {
            Ok(_) => true,
            Err(ShmemError::MapOpenFailed(errno)) if errno == libc::ENOENT as u32 => false,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
    }
}

#[test]
fn a_forked_childs_drop_takes_the_name_of_its_parents_segment_of_shared_memory() {
    alone!(|| {
        let gone = [true, false].map(|drops| {
            count(|number| {
                let name = Name::new(number);
                let mut segment = Some(name.create());
                let child = child::fork(|| {
                    if drops {
                        drop(segment.take());
                    }
                });
                child.succeeds();
                !name.is_found()
            })
        });
        say("shared_memory", "dropped by a forked child, the living owner's segment has no name", gone);
        assert_eq!(gone, [ALL, 0]);
    });
}

#[test]
fn a_killed_owner_of_a_segment_of_shared_memory_leaves_its_name() {
    alone!(|| {
        let left = [true, false].map(|killed| {
            count(|number| {
                let name = Name::new(number);
                let (ours, theirs) = cue::pair();
                let owner = child::fork(|| {
                    let _segment = name.create();
                    theirs.meet();
                });
                ours.wait();
                assert!(name.is_found());
                if killed {
                    owner.kill();
                    assert_eq!(owner.wait(), Exit::Signal(libc::SIGKILL));
                } else {
                    ours.give();
                    owner.succeeds();
                }
                name.is_found()
            })
        });
        say("shared_memory", "killed, the owner leaves the name", left);
        assert_eq!(left, [ALL, 0]);
    });
}

#[test]
fn a_peer_that_shrinks_a_segment_of_shared_memory_kills_its_reader() {
    alone!(|| {
        setrlimit(Resource::Core, Rlimit { current: Some(0), ..getrlimit(Resource::Core) }).unwrap();
        let killed = [true, false].map(|shrinks| {
            count(|number| {
                let name = Name::new(number);
                let segment = name.create();
                let peer = child::fork(|| {
                    let file = File::options().write(true).open(name.path()).unwrap();
                    file.set_len(if shrinks { 0 } else { 4096 }).unwrap();
                });
                peer.succeeds();
                match child::fork(|| assert_eq!(calls::first_byte(&segment), 0)).wait() {
                    Exit::Signal(libc::SIGBUS) => true,
                    exit => {
                        assert_eq!(exit, Exit::Code(0));
                        false
                    }
                }
            })
        });
        say("shared_memory", "shrunk by a peer, it kills its reader by SIGBUS", killed);
        assert_eq!(killed, [ALL, 0]);
    });
}

#[test]
fn readme_names_the_versions_that_are_tried() {
    let readme = include_str!("../README.md");
    for name in ["raw_sync", "shared_memory"] {
        let named = format!("{name} {}", version(name));
        assert!(readme.contains(&named), "README does not say {named}");
    }
}
