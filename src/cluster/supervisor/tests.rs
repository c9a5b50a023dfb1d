//! The supervisor on a fake clock.

use super::{Action, End, Input, Limits, Signal, Supervisor};
use crate::cluster::error::HandshakeError;
use crate::cluster::event::ExitCause;
use crate::cluster::id::WorkerId;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits { handshake: Duration::from_secs(10), death: Duration::from_secs(5) };
const ONE: WorkerId = WorkerId::first(1);
const TWO: WorkerId = WorkerId::first(2);

/// A supervisor and its clock, which moves only when told to.
struct World {
    supervisor: Supervisor,
    now: Instant,
}

impl World {
    fn new(workers: u32) -> (World, Vec<Action>) {
        let mut supervisor = Supervisor::new(workers, LIMITS);
        let first = supervisor.begin();
        (World { supervisor, now: Instant::now() }, first)
    }

    /// One worker, online.
    fn online() -> World {
        let (mut world, _) = World::new(1);
        world.does(Input::Spawned { id: ONE, pid: 7 });
        world.does(Input::Attached { id: ONE });
        world
    }

    fn does(&mut self, input: Input) -> Vec<Action> {
        self.supervisor.step(input, self.now)
    }

    /// Lets the time pass until the next deadline.
    fn sleeps(&mut self) -> Vec<Action> {
        let due = self.supervisor.next_deadline().expect("a deadline");
        assert!(due > self.now, "a deadline that has passed must have been handled");
        self.now = due;
        self.does(Input::Tick)
    }

    fn seconds(&self, from: Instant) -> u64 {
        (self.now - from).as_secs()
    }
}

fn died(id: WorkerId, end: End) -> Input {
    Input::Died { id, end }
}

fn exited(id: WorkerId, cause: ExitCause) -> Action {
    Action::Exited { id, cause }
}

fn kill(id: WorkerId) -> Action {
    Action::Signal { id, signal: Signal::Kill }
}

#[test]
fn a_worker_lives_and_leaves() {
    let (mut world, first) = World::new(1);
    assert_eq!(first, [Action::Spawn(ONE)]);
    assert_eq!(world.does(Input::Spawned { id: ONE, pid: 7 }), [Action::Forked { id: ONE, pid: 7 }]);
    assert_eq!(world.does(Input::Attached { id: ONE }), [Action::Online(ONE)]);
    assert_eq!(world.supervisor.next_deadline(), None);
    assert_eq!(world.does(Input::HungUp { id: ONE }), [Action::Disconnected(ONE)]);
    let last = world.does(died(ONE, End::Code(3)));
    assert_eq!(last, [exited(ONE, ExitCause::Code(3)), Action::Finish]);
}

#[test]
fn a_death_without_a_hang_up_disconnects_first() {
    let mut world = World::online();
    let last = world.does(died(ONE, End::Signal(9)));
    assert_eq!(last, [Action::Disconnected(ONE), exited(ONE, ExitCause::Signal(9)), Action::Finish]);
}

#[test]
fn workers_are_started_one_after_the_other() {
    let (mut world, first) = World::new(2);
    assert_eq!(first, [Action::Spawn(ONE)]);
    assert!(!world.supervisor.started());
    let second = world.does(Input::Spawned { id: ONE, pid: 7 });
    assert_eq!(second, [Action::Forked { id: ONE, pid: 7 }, Action::Spawn(TWO)]);
    assert!(!world.supervisor.started());
    world.does(Input::Spawned { id: TWO, pid: 8 });
    assert!(world.supervisor.started());
}

#[test]
fn a_worker_that_cannot_be_started_takes_the_others_with_it() {
    let (mut world, _) = World::new(3);
    world.does(Input::Spawned { id: ONE, pid: 7 });
    assert_eq!(world.does(Input::SpawnFailed { id: TWO }), [kill(ONE)]);
    assert!(world.supervisor.started());
    let last = world.does(died(ONE, End::Signal(9)));
    assert_eq!(last, [exited(ONE, ExitCause::KilledByUs { signal: 9 }), Action::Finish]);
}

#[test]
fn when_the_first_cannot_be_started_it_is_over() {
    let (mut world, _) = World::new(2);
    assert_eq!(world.does(Input::SpawnFailed { id: ONE }), [Action::Finish]);
}

#[test]
fn a_worker_that_never_speaks_is_killed() {
    let (mut world, _) = World::new(1);
    let start = world.now;
    world.does(Input::Spawned { id: ONE, pid: 7 });
    assert_eq!(world.does(Input::HungUp { id: ONE }), []);
    assert_eq!(world.sleeps(), [kill(ONE)]);
    assert_eq!(world.seconds(start), 10);
    assert_eq!(world.does(Input::Attached { id: ONE }), [], "too late");
    let last = world.does(died(ONE, End::Signal(9)));
    assert_eq!(last, [exited(ONE, ExitCause::NeverSpoke { limit: LIMITS.handshake }), Action::Finish]);
}

#[test]
fn a_worker_whose_handshake_fails_is_killed() {
    let (mut world, _) = World::new(1);
    let why = HandshakeError::new("garbage", None);
    world.does(Input::Spawned { id: ONE, pid: 7 });
    assert_eq!(world.does(Input::Refused { id: ONE, why: why.clone() }), [kill(ONE)]);
    let last = world.does(died(ONE, End::Code(0)));
    assert_eq!(last, [exited(ONE, ExitCause::Handshake(why)), Action::Finish]);
}

#[test]
fn a_worker_that_exits_before_it_attaches_left_by_itself() {
    let (mut world, _) = World::new(1);
    world.does(Input::Spawned { id: ONE, pid: 7 });
    world.does(Input::HungUp { id: ONE });
    let last = world.does(died(ONE, End::Code(3)));
    assert_eq!(last, [exited(ONE, ExitCause::Code(3)), Action::Finish]);
}

#[test]
fn one_that_attached_and_hung_up_at_once_was_online() {
    let (mut world, _) = World::new(1);
    world.does(Input::Spawned { id: ONE, pid: 7 });
    world.does(Input::HungUp { id: ONE });
    let both = world.does(Input::Attached { id: ONE });
    assert_eq!(both, [Action::Online(ONE), Action::Disconnected(ONE)]);
}

#[test]
fn a_stop_closes_then_asks_then_kills() {
    let mut world = World::online();
    let start = world.now;
    assert_eq!(world.does(Input::Stop { within: Duration::from_secs(20) }), [Action::Close(ONE)]);
    assert_eq!(world.sleeps(), [Action::Signal { id: ONE, signal: Signal::Term }]);
    assert_eq!(world.seconds(start), 15);
    assert_eq!(world.sleeps(), [kill(ONE)]);
    assert_eq!(world.seconds(start), 20);
    let last = world.does(died(ONE, End::Signal(9)));
    assert_eq!(last[1..], [exited(ONE, ExitCause::KilledByUs { signal: 9 }), Action::Finish]);
}

#[test]
fn a_stop_without_time_kills_at_once() {
    let mut world = World::online();
    assert_eq!(world.does(Input::Stop { within: Duration::ZERO }), [Action::Close(ONE), kill(ONE)]);
}

#[test]
fn a_second_stop_can_only_be_sooner() {
    let mut world = World::online();
    let start = world.now;
    world.does(Input::Stop { within: Duration::from_secs(20) });
    assert_eq!(world.does(Input::Stop { within: Duration::MAX }), []);
    assert_eq!(world.does(Input::Stop { within: Duration::from_secs(4) }), []);
    assert_eq!(world.sleeps(), [Action::Signal { id: ONE, signal: Signal::Term }]);
    assert_eq!(world.seconds(start), 3);
    assert_eq!(world.does(Input::Stop { within: Duration::ZERO }), [kill(ONE)]);
}

#[test]
fn a_stop_without_end_never_signals() {
    let mut world = World::online();
    world.does(Input::Stop { within: Duration::MAX });
    assert_eq!(world.supervisor.next_deadline(), None);
}

#[test]
fn who_leaves_with_a_code_after_sigterm_left_by_itself() {
    let mut world = World::online();
    world.does(Input::Stop { within: Duration::from_secs(20) });
    world.sleeps();
    let last = world.does(died(ONE, End::Code(0)));
    assert_eq!(last[1], exited(ONE, ExitCause::Code(0)));
}

#[test]
fn only_signals_that_were_sent_are_ours() {
    let causes = |sleeps: usize, signal| {
        let mut world = World::online();
        world.does(Input::Stop { within: Duration::from_secs(20) });
        for _ in 0..sleeps {
            world.sleeps();
        }
        world.does(died(ONE, End::Signal(signal))).swap_remove(1)
    };
    assert_eq!(causes(0, 15), exited(ONE, ExitCause::Signal(15)));
    assert_eq!(causes(1, 15), exited(ONE, ExitCause::KilledByUs { signal: 15 }));
    assert_eq!(causes(1, 9), exited(ONE, ExitCause::Signal(9)));
    assert_eq!(causes(2, 15), exited(ONE, ExitCause::KilledByUs { signal: 15 }));
    assert_eq!(causes(2, 11), exited(ONE, ExitCause::Signal(11)));
}

#[test]
fn a_process_that_cannot_be_killed_is_given_up() {
    let mut world = World::online();
    world.does(Input::Stop { within: Duration::ZERO });
    let last = world.sleeps();
    assert_eq!(last, [Action::Disconnected(ONE), exited(ONE, ExitCause::Unkillable), Action::Finish]);
    assert_eq!(world.does(died(ONE, End::Signal(9))), []);
}

#[test]
fn who_attaches_during_a_stop_has_been_closed() {
    let (mut world, _) = World::new(2);
    world.does(Input::Spawned { id: ONE, pid: 7 });
    assert_eq!(world.does(Input::Stop { within: Duration::from_secs(20) }), [Action::Close(ONE)]);
    let late = world.does(Input::Spawned { id: TWO, pid: 8 });
    assert_eq!(late, [Action::Forked { id: TWO, pid: 8 }, Action::Close(TWO)]);
    assert_eq!(world.does(Input::Attached { id: ONE }), [Action::Online(ONE)]);
}

/// An input of the worst possible kernel: anything, about anyone, at any time.
fn any_input() -> impl Strategy<Value = Input> {
    let id = (1u32..5, 1u32..3).prop_map(|(slot, generation)| WorkerId::new(slot, generation));
    let end = prop_oneof![
        (0..3).prop_map(End::Code),
        prop_oneof![Just(9), Just(15), Just(11)].prop_map(End::Signal),
        Just(End::Unknown)
    ];
    prop_oneof![
        6 => id.clone().prop_map(|id| Input::Spawned { id, pid: 7 }),
        1 => id.clone().prop_map(|id| Input::SpawnFailed { id }),
        6 => id.clone().prop_map(|id| Input::Attached { id }),
        1 => id.clone().prop_map(|id| Input::Refused { id, why: HandshakeError::new("garbage", None) }),
        2 => id.clone().prop_map(|id| Input::HungUp { id }),
        2 => (id, end).prop_map(|(id, end)| Input::Died { id, end }),
        1 => (0u64..30).prop_map(|seconds| Input::Stop { within: Duration::from_secs(seconds) }),
        3 => Just(Input::Tick),
    ]
}

/// What an onlooker has seen of one worker: the naive model.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    spawned: bool,
    forked: bool,
    online: bool,
    disconnected: bool,
    exited: bool,
    signals: Vec<Signal>,
}

#[derive(Default)]
struct Onlooker {
    seen: BTreeMap<WorkerId, Seen>,
    finished: bool,
}

impl Onlooker {
    fn sees(&mut self, actions: &[Action]) {
        for action in actions {
            assert!(!self.finished, "{action:?} after Finish");
            self.see(action);
        }
    }

    fn see(&mut self, action: &Action) {
        let id = match action {
            Action::Finish => {
                assert!(self.seen.values().all(|seen| seen.exited || !seen.forked));
                self.finished = true;
                return;
            }
            Action::Spawn(id) | Action::Online(id) | Action::Disconnected(id) | Action::Close(id) => *id,
            Action::Forked { id, .. } | Action::Exited { id, .. } | Action::Signal { id, .. } => *id,
        };
        let seen = self.seen.entry(id).or_default();
        let once = |flag: &mut bool| assert!(!std::mem::replace(flag, true), "{action:?} twice");
        assert!(!seen.exited, "{action:?} after Exited");
        assert_eq!(seen.forked, !matches!(action, Action::Spawn(_) | Action::Forked { .. }), "{action:?}");
        match action {
            Action::Spawn(_) => once(&mut seen.spawned),
            Action::Forked { .. } => once(&mut seen.forked),
            Action::Online(_) => {
                assert!(!seen.disconnected && !seen.signals.contains(&Signal::Kill));
                once(&mut seen.online);
            }
            Action::Disconnected(_) => {
                assert!(seen.online);
                once(&mut seen.disconnected);
            }
            Action::Exited { .. } => {
                assert_eq!(seen.online, seen.disconnected);
                once(&mut seen.exited);
            }
            Action::Signal { signal, .. } => {
                assert!(seen.signals.last() < Some(signal), "signals only escalate");
                seen.signals.push(*signal);
            }
            Action::Close(_) | Action::Finish => {}
        }
    }
}

proptest! {
    /// The order of each worker's events holds for any order of inputs, and a stop always comes to its end, even if
    /// the kernel never reports a death.
    #[test]
    fn every_order_of_events_is_an_order_that_was_promised(
        workers in 1u32..4,
        inputs in prop::collection::vec((any_input(), 0u64..8), 0..80),
    ) {
        let (mut world, first) = World::new(workers);
        let mut onlooker = Onlooker::default();
        onlooker.sees(&first);
        for (input, seconds) in inputs {
            world.now += Duration::from_secs(seconds);
            let actions = world.does(input);
            onlooker.sees(&actions);
        }
        let stopped = world.does(Input::Stop { within: Duration::from_secs(20) });
        onlooker.sees(&stopped);
        let starting = onlooker.seen.iter().find(|(_, seen)| !seen.forked).map(|(id, _)| *id);
        if let Some(id) = starting {
            let failed = world.does(Input::SpawnFailed { id });
            onlooker.sees(&failed);
        }
        for _ in 0..100 {
            if let Some(due) = world.supervisor.next_deadline() {
                world.now = world.now.max(due);
                let actions = world.does(Input::Tick);
                onlooker.sees(&actions);
            }
        }
        prop_assert!(onlooker.finished, "still waiting: {:?}", onlooker.seen);
    }
}
