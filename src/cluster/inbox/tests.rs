//! The inbox with fake links.

mod endless;
mod fairness;
mod links;

use super::Inbox;
use crate::cluster::error::{NextEventError, SendError};
use crate::cluster::event::{DisconnectReason, Event, ExitCause};
use crate::cluster::fake::{self, FakeReceiver, FakeSender, FakeWorker};
use crate::cluster::id::WorkerId;
use crate::cluster::link_port::SendHalf;
use crate::cluster::message::Undelivered;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const ONE: WorkerId = WorkerId::first(1);
const TWO: WorkerId = WorkerId::first(2);

type TestInbox = Inbox<FakeReceiver>;

/// Long enough for any machine: it ends a test that hangs.
fn watchdog() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(20))
}

fn inbox() -> Arc<TestInbox> {
    Arc::new(Inbox::new().unwrap())
}

fn online(inbox: &TestInbox, id: WorkerId) -> (FakeSender, FakeWorker) {
    let (link, worker) = fake::link(2);
    inbox.watch(id, &link.receiver).unwrap();
    inbox.online(id, link.receiver);
    (link.sender, worker)
}

fn exit(id: WorkerId) -> Event {
    Event::Exited { id, cause: ExitCause::Code(0), undelivered: Undelivered::none() }
}

/// An event in a word: `online 1`, `1: text`, `exited 1` and so on.
fn told(event: Option<Event>) -> String {
    match event {
        None => "nothing more".into(),
        Some(Event::Forked { id, .. }) => format!("forked {id}"),
        Some(Event::Online { id }) => format!("online {id}"),
        Some(Event::Message { from, message }) => format!("{from}: {}", message.escape_ascii()),
        Some(Event::Disconnected { id, reason }) => format!("disconnected {id}: {reason}"),
        Some(Event::Exited { id, .. }) => format!("exited {id}"),
    }
}

fn next(inbox: &TestInbox) -> String {
    let deadline = watchdog();
    let event = inbox.next_event(deadline).unwrap();
    assert!(deadline > Some(Instant::now()), "only the watchdog woke it for {event:?}");
    told(event)
}

fn is_idle(inbox: &TestInbox) -> bool {
    matches!(inbox.next_event(Some(Instant::now())), Err(NextEventError::TimedOut))
}

#[test]
fn a_worker_is_told_in_order_whatever_comes_first() {
    let inbox = inbox();
    inbox.forked(ONE, 7);
    let (_sender, worker) = online(&inbox, ONE);
    worker.send(b"a");
    worker.send(b"b");
    inbox.disconnected(ONE);
    inbox.exited(ONE, exit(ONE));
    inbox.finish(true);
    let events: Vec<_> = (0..7).map(|_| next(&inbox)).collect();
    let expected =
        ["forked 1", "online 1", "1: a", "1: b", "disconnected 1: hung up", "exited 1", "nothing more"];
    assert_eq!(events, expected);
    assert!(worker.shared().marked_dead);
    assert_eq!(next(&inbox), "nothing more");
}

#[test]
fn a_worker_that_was_never_online_only_exits() {
    let inbox = inbox();
    inbox.forked(ONE, 7);
    inbox.exited(ONE, exit(ONE));
    assert_eq!([next(&inbox), next(&inbox)], ["forked 1", "exited 1"]);
}

#[test]
fn the_last_event_of_a_worker_is_waited_for_unless_it_cannot_come() {
    let inbox = inbox();
    let (_sender, _worker) = online(&inbox, ONE);
    inbox.disconnected(ONE);
    inbox.finish(true);
    assert_eq!([next(&inbox), next(&inbox)], ["online 1", "disconnected 1: hung up"]);
    assert!(is_idle(&inbox));
    inbox.finish(false);
    assert_eq!(next(&inbox), "nothing more");
}

#[test]
fn how_the_link_ended_is_told() {
    let inbox = inbox();
    let (_sender, worker) = online(&inbox, ONE);
    worker.send(b"last");
    worker.close();
    assert_eq!([next(&inbox), next(&inbox)], ["online 1", "1: last"]);
    assert!(is_idle(&inbox), "the supervisor says when a link has ended");
    inbox.disconnected(ONE);
    assert_eq!(next(&inbox), "disconnected 1: closed by the worker");
}

#[test]
fn a_corrupt_link_is_told_at_once_and_once() {
    let inbox = inbox();
    let (_sender, worker) = online(&inbox, ONE);
    worker.send(b"good");
    worker.corrupt();
    assert_eq!([next(&inbox), next(&inbox)], ["online 1", "1: good"]);
    let Some(Event::Disconnected { reason, .. }) = inbox.next_event(watchdog()).unwrap() else { panic!() };
    assert_eq!(reason, DisconnectReason::Corrupt { field: "test" });
    inbox.disconnected(ONE);
    inbox.exited(ONE, exit(ONE));
    assert_eq!(next(&inbox), "exited 1");
}

#[test]
fn an_idle_inbox_sleeps_until_a_doorbell() {
    let inbox = inbox();
    let (_sender, worker) = online(&inbox, ONE);
    assert_eq!(next(&inbox), "online 1");
    let waiting = {
        let inbox = Arc::clone(&inbox);
        thread::spawn(move || next(&inbox))
    };
    worker.send(b"hello");
    assert_eq!(waiting.join().unwrap(), "1: hello");
    assert!(is_idle(&inbox));
}

#[test]
fn news_of_the_supervisor_wakes_all_who_sleep() {
    let inbox = inbox();
    let sleepers: Vec<_> = (0..2)
        .map(|_| {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || next(&inbox))
        })
        .collect();
    while !inbox.lock().led {
        thread::yield_now();
    }
    inbox.forked(ONE, 7);
    inbox.forked(TWO, 8);
    let mut woken: Vec<_> = sleepers.into_iter().map(|sleeper| sleeper.join().unwrap()).collect();
    woken.sort();
    assert_eq!(woken, ["forked 1", "forked 2"]);
    assert!(is_idle(&inbox));
    let mut ready = Vec::new();
    inbox.epoll.wait(&mut ready, Some(Instant::now())).unwrap();
    assert_eq!(ready, [], "the bell is silent again");
}

#[test]
fn a_look_takes_what_was_rung_for() {
    let inbox = inbox();
    let (_sender, worker) = online(&inbox, ONE);
    assert_eq!(next(&inbox), "online 1");
    assert!(is_idle(&inbox), "armed now");
    worker.send(b"x");
    assert_eq!(told(inbox.try_next_event().unwrap()), "1: x");
    assert!(matches!(inbox.try_next_event(), Err(NextEventError::TimedOut)));
    inbox.finish(false);
    assert!(matches!(inbox.try_next_event(), Ok(None)));
}

#[test]
fn a_hang_up_alone_wakes_nobody_twice() {
    let inbox = inbox();
    let (_sender, worker) = online(&inbox, ONE);
    worker.send(b"x");
    drop(worker);
    assert_eq!([next(&inbox), next(&inbox)], ["online 1", "1: x"]);
    let until = Instant::now() + Duration::from_millis(50);
    assert!(matches!(inbox.next_event(Some(until)), Err(NextEventError::TimedOut)));
    assert_eq!(inbox.lock().lanes[&ONE].watched_for(), None);
    inbox.disconnected(ONE);
    assert_eq!(next(&inbox), "disconnected 1: hung up");
}

#[test]
fn without_doorbells_short_sleeps_do() {
    let inbox = inbox();
    let (mut sender, worker) = online(&inbox, ONE);
    worker.shared().deaf = true;
    assert_eq!(next(&inbox), "online 1");
    let soon = Some(Instant::now() + Duration::from_millis(10));
    assert!(matches!(inbox.next_event(soon), Err(NextEventError::TimedOut)));
    let waiting = {
        let inbox = Arc::clone(&inbox);
        thread::spawn(move || next(&inbox))
    };
    worker.send(b"hello");
    assert_eq!(waiting.join().unwrap(), "1: hello");
    sender.try_send(b"1").unwrap();
    sender.try_send(b"2").unwrap();
    worker.send(b"not heard, but taken");
    let sending = {
        let inbox = Arc::clone(&inbox);
        thread::spawn(move || send(&inbox, &mut sender, b"3"))
    };
    while worker.unread() > 0 {
        thread::yield_now();
    }
    worker.recv();
    sending.join().unwrap().unwrap();
}

#[test]
fn a_lane_that_is_idle_among_busy_ones_is_armed() {
    let inbox = inbox();
    let (_sender, busy) = online(&inbox, ONE);
    let (_sender, idle) = online(&inbox, TWO);
    assert_eq!([next(&inbox), next(&inbox)], ["online 1", "online 2"]);
    for n in 0..200 {
        busy.send(format!("{n}").as_bytes());
        while next(&inbox) != format!("1: {n}") {}
        assert!(matches!(inbox.try_next_event(), Err(NextEventError::TimedOut)));
    }
    assert!(!inbox.lock().lanes[&TWO].listed);
    idle.send(b"awake");
    assert_eq!(next(&inbox), "2: awake");
}

#[test]
fn every_message_of_many_threads_is_handed_out_once() {
    let inbox = inbox();
    let (_sender, worker) = online(&inbox, ONE);
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || {
                let next = || inbox.next_event(watchdog()).unwrap();
                std::iter::from_fn(next).map(|event| told(Some(event))).collect::<Vec<_>>()
            })
        })
        .collect();
    for n in 0..2000 {
        worker.send(format!("{n}").as_bytes());
        if n % 100 == 0 {
            thread::yield_now();
        }
    }
    inbox.disconnected(ONE);
    inbox.exited(ONE, exit(ONE));
    inbox.finish(true);
    let mut all: Vec<_> = readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 2000 + 3);
}

#[test]
fn one_doorbell_wakes_as_many_as_there_are_messages() {
    for _ in 0..50 {
        let inbox = inbox();
        let (_sender, worker) = online(&inbox, ONE);
        assert_eq!(next(&inbox), "online 1");
        let one_message_each: Vec<_> = (0..3)
            .map(|_| {
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || next(&inbox))
            })
            .collect();
        while !inbox.lock().led {
            thread::yield_now();
        }
        for message in [b"a", b"b", b"c"] {
            worker.send(message);
        }
        let mut got: Vec<_> = one_message_each.into_iter().map(|reader| reader.join().unwrap()).collect();
        got.sort();
        assert_eq!(got, ["1: a", "1: b", "1: c"]);
    }
}

/// Sends through the inbox's wait, as the cluster does.
fn send(inbox: &TestInbox, sender: &mut FakeSender, message: &[u8]) -> Result<(), SendError> {
    let mut wait = inbox.space_wait(ONE);
    sender.send(message, &mut |armed| inbox.wait_for_space(ONE, &mut wait, armed, watchdog()))
}

#[test]
fn a_sender_waits_for_space() {
    let inbox = inbox();
    let (mut sender, worker) = online(&inbox, ONE);
    let sending = {
        let inbox = Arc::clone(&inbox);
        thread::spawn(move || (0..1000u32).try_for_each(|n| send(&inbox, &mut sender, &n.to_le_bytes())))
    };
    for n in 0..1000u32 {
        let message = std::iter::repeat_with(|| worker.recv()).find_map(|message| message).unwrap();
        assert_eq!(message, n.to_le_bytes());
    }
    sending.join().unwrap().unwrap();
}

#[test]
fn a_waiting_sender_takes_what_the_worker_sends() {
    let inbox = inbox();
    let (mut sender, worker) = online(&inbox, ONE);
    let sending = {
        let inbox = Arc::clone(&inbox);
        thread::spawn(move || (0..3).try_for_each(|_| send(&inbox, &mut sender, b"m")))
    };
    // The worker makes room only after the master has taken all of its messages.
    for n in 0..100 {
        worker.send(format!("{n}").as_bytes());
        while worker.unread() > 0 {
            thread::yield_now();
        }
    }
    worker.recv();
    sending.join().unwrap().unwrap();
    assert_eq!(next(&inbox), "online 1");
    for n in 0..100 {
        assert_eq!(next(&inbox), format!("1: {n}"));
    }
}

#[test]
fn what_a_waiting_sender_takes_reaches_one_who_waits_for_events() {
    let inbox = inbox();
    let (mut sender, worker) = online(&inbox, ONE);
    assert_eq!(next(&inbox), "online 1");
    let reading = {
        let inbox = Arc::clone(&inbox);
        thread::spawn(move || (0..100).map(|_| next(&inbox)).collect::<Vec<_>>())
    };
    let sending = {
        let inbox = Arc::clone(&inbox);
        thread::spawn(move || (0..3).try_for_each(|_| send(&inbox, &mut sender, b"m")))
    };
    for n in 0..100 {
        worker.send(format!("{n}").as_bytes());
        thread::yield_now();
    }
    assert_eq!(reading.join().unwrap().last().unwrap(), "1: 99");
    while worker.untaken() < 2 {
        thread::yield_now();
    }
    worker.recv();
    sending.join().unwrap().unwrap();
}

#[test]
fn a_stash_is_bounded_and_then_the_answer_is_full() {
    let inbox = inbox();
    let (mut sender, worker) = online(&inbox, ONE);
    sender.try_send(b"1").unwrap();
    sender.try_send(b"2").unwrap();
    for _ in 0..70 {
        worker.send(&vec![0; 1 << 20]);
    }
    assert!(matches!(send(&inbox, &mut sender, b"3"), Err(SendError::Full)));
    assert!((1..=7).contains(&worker.unread()), "{}", worker.unread());
    assert_eq!(next(&inbox), "online 1");
    for _ in 0..70 {
        let Some(Event::Message { message, .. }) = inbox.next_event(watchdog()).unwrap() else { panic!() };
        assert_eq!(message.len(), 1 << 20);
    }
    worker.recv();
    send(&inbox, &mut sender, b"3").unwrap();
}

#[test]
fn a_waiting_sender_hears_that_the_worker_is_out_of_reach() {
    let ways: [fn(&TestInbox, FakeWorker); 3] = [
        |inbox, worker| {
            drop(worker);
            inbox.disconnected(ONE);
        },
        |inbox, _worker| inbox.exited(ONE, exit(ONE)),
        |_inbox, worker| worker.corrupt(),
    ];
    for way in ways {
        let inbox = inbox();
        let (mut sender, worker) = online(&inbox, ONE);
        let sending = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || (0..3).try_for_each(|_| send(&inbox, &mut sender, b"m")))
        };
        way(&inbox, worker);
        assert!(matches!(sending.join().unwrap(), Err(SendError::Gone)));
    }
}

#[test]
fn a_sender_does_not_wait_beyond_its_deadline() {
    let inbox = inbox();
    let (mut sender, _worker) = online(&inbox, ONE);
    let mut wait = inbox.space_wait(ONE);
    let soon = Some(Instant::now() + Duration::from_millis(20));
    let mut send = || sender.send(b"m", &mut |armed| inbox.wait_for_space(ONE, &mut wait, armed, soon));
    assert!(send().is_ok() && send().is_ok());
    assert!(matches!(send(), Err(SendError::TimedOut)));
}
