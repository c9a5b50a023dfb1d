//! Who is handed out after whom.

use super::*;

/// Messages of one worker in a row while others are ready, as docs/limits.md says.
const BUDGET: usize = 64;

/// More than one look at the doorbells tells of.
const MANY: u32 = 150;

/// Takes `count` messages, and says from whom they were: each visit with its length.
fn visits(inbox: &TestInbox, count: usize) -> Vec<(WorkerId, usize)> {
    let mut visits: Vec<(WorkerId, usize)> = Vec::new();
    for _ in 0..count {
        let Some(Event::Message { from, .. }) = inbox.next_event(watchdog()).unwrap() else { panic!() };
        match visits.last_mut() {
            Some((last, count)) if *last == from => *count += 1,
            _ => visits.push((from, 1)),
        }
    }
    visits
}

fn all_online(inbox: &TestInbox, workers: u32) -> Vec<(WorkerId, FakeSender, FakeWorker)> {
    let online = |slot| {
        let (sender, worker) = online(inbox, WorkerId::first(slot));
        assert_eq!(next(inbox), format!("online {slot}"));
        (WorkerId::first(slot), sender, worker)
    };
    (1..=workers).map(online).collect()
}

/// Two workers, of whom the first has begun to send two shares, and the second is armed.
fn one_floods(inbox: &TestInbox) -> Vec<(WorkerId, FakeSender, FakeWorker)> {
    let workers = all_online(inbox, 2);
    assert!(is_idle(inbox), "both are armed now");
    (0..2 * BUDGET).for_each(|_| workers[0].2.send(b"f"));
    assert_eq!(visits(inbox, 1), [(ONE, 1)], "it alone is listed");
    workers
}

#[test]
fn a_flood_leaves_the_others_their_turn() {
    let inbox = inbox();
    let workers = all_online(&inbox, 2);
    (0..1000).for_each(|_| workers[0].2.send(b"f"));
    workers[1].2.send(b"q");
    let first = visits(&inbox, BUDGET + 1);
    assert!(first == [(ONE, BUDGET), (TWO, 1)] || first == [(TWO, 1), (ONE, BUDGET)], "{first:?}");
}

#[test]
fn a_flood_leaves_all_their_turn_that_were_armed_and_ring_meanwhile() {
    let inbox = inbox();
    let workers = all_online(&inbox, MANY);
    assert!(is_idle(&inbox), "all are armed now");
    let (_, _, flood) = &workers[0];
    (0..10 * BUDGET).for_each(|_| flood.send(b"f"));
    assert_eq!(visits(&inbox, 1), [(ONE, 1)], "it alone is listed");
    for (_, _, quiet) in &workers[1..] {
        (0..2 * BUDGET).for_each(|_| quiet.send(b"q"));
    }
    for round in 0..2 {
        let left = BUDGET - usize::from(round == 0);
        let mut round = visits(&inbox, left + (MANY as usize - 1) * BUDGET);
        assert_eq!(round[0], (ONE, left));
        round.sort();
        let shares: Vec<_> = workers[1..].iter().map(|(id, ..)| (*id, BUDGET)).collect();
        assert_eq!(round[1..], shares, "each comes once, with all of its share");
    }
}

#[test]
fn a_look_at_the_doorbells_leaves_the_bell_to_the_leader_and_tells_all_who_wait() {
    let inbox = inbox();
    let workers = one_floods(&inbox);
    // As if another thread slept in the epoll.
    inbox.lock().led = true;
    workers[1].2.send(b"q");
    assert_eq!(visits(&inbox, BUDGET), [(ONE, BUDGET - 1), (TWO, 1)]);
    let mut ready = Vec::new();
    inbox.epoll.poll(&mut ready).unwrap();
    let tokens: Vec<_> = ready.iter().map(|ready| ready.token).collect();
    assert_eq!(tokens, [super::super::BELL], "rung because a lane was listed, and not silenced");
    (0..2 * BUDGET).for_each(|_| workers[0].2.send(b"f"));
    visits(&inbox, 2 * BUDGET);
    inbox.epoll.poll(&mut ready).unwrap();
    assert_eq!(ready.len(), 1, "later looks leave it, too");
    inbox.lock().led = false;
}

#[test]
fn a_look_at_the_doorbells_is_made_only_where_one_may_have_rung() {
    let inbox = inbox();
    let workers = all_online(&inbox, 1);
    (0..2 * BUDGET).for_each(|_| workers[0].2.send(b"f"));
    workers[0].2.ring();
    visits(&inbox, BUDGET + 1);
    let mut ready = Vec::new();
    inbox.epoll.poll(&mut ready).unwrap();
    assert_eq!(ready.len(), 1, "nobody has looked");
}

/// A bell may have been rung for a thread that waits for space and sleeps in the epoll. Whoever silences it tells that one.
#[test]
fn a_look_at_the_doorbells_tells_the_leader_of_a_lane_that_was_listed_already() {
    let inbox = inbox();
    let workers = one_floods(&inbox);
    // As if another thread waited for the first worker and slept in the epoll.
    inbox.lock().led = true;
    workers[0].2.ring();
    visits(&inbox, BUDGET);
    let mut ready = Vec::new();
    inbox.epoll.poll(&mut ready).unwrap();
    let tokens: Vec<_> = ready.iter().map(|ready| ready.token).collect();
    assert_eq!(tokens, [super::super::BELL]);
    inbox.lock().led = false;
}

#[test]
fn workers_that_ring_though_they_are_listed_hide_no_other() {
    let inbox = inbox();
    let workers = all_online(&inbox, MANY);
    assert!(is_idle(&inbox), "all are armed now");
    let (quiet, noisy) = workers.split_last().unwrap();
    for (_, _, noisy) in noisy {
        (0..3 * BUDGET).for_each(|_| noisy.send(b"f"));
    }
    visits(&inbox, 1);
    quiet.2.send(b"q");
    let mut before = 0;
    loop {
        noisy.iter().for_each(|(_, _, noisy)| noisy.ring());
        let Some(Event::Message { from, .. }) = inbox.next_event(watchdog()).unwrap() else { panic!() };
        if from == quiet.0 {
            break;
        }
        before += 1;
    }
    assert!(before <= noisy.len() * BUDGET, "{before} messages of others came before");
}
