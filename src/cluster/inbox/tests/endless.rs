//! A worker that streams and streams, so that there is always something and never a message.

use super::*;

/// Two workers that are online and have been told; the first one streams without end.
fn endless_and_another(inbox: &TestInbox) -> [(FakeSender, FakeWorker); 2] {
    let workers = [online(inbox, ONE), online(inbox, TWO)];
    assert_eq!([next(inbox), next(inbox)], ["online 1", "online 2"]);
    workers[0].1.shared().endless = true;
    inbox.nudge(ONE);
    workers[0].1.ring();
    workers
}

fn in_a_while() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(30))
}

#[test]
fn who_waits_for_events_beside_an_endless_stream_is_told_of_the_others_and_of_the_deadline() {
    let inbox = inbox();
    let [(_, endless), (_, other)] = endless_and_another(&inbox);
    assert!(matches!(inbox.next_event(in_a_while()), Err(NextEventError::TimedOut)));
    // Those who lead, follow and look at what is ready take turns.
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || next(&inbox))
        })
        .collect();
    for message in [b"a", b"b"] {
        other.send(message);
    }
    // Whoever posts news has the lock in between.
    inbox.exited(TWO, exit(TWO));
    let mut told: Vec<_> = waiting.into_iter().map(|waiting| waiting.join().unwrap()).collect();
    told.sort();
    assert_eq!(told, ["2: a", "2: b", "disconnected 2: hung up"]);
    assert_eq!(next(&inbox), "exited 2");
    endless.shared().endless = false;
    endless.send(b"at last");
    assert_eq!(next(&inbox), "1: at last");
}

#[test]
fn a_sender_beside_an_endless_stream_waits_until_its_deadline_or_for_space() {
    let inbox = inbox();
    let [(mut sender, endless), _] = endless_and_another(&inbox);
    let mut send = |deadline| {
        let mut wait = inbox.space_wait(ONE);
        sender.send(b"m", &mut |armed| inbox.wait_for_space(ONE, &mut wait, armed, deadline))
    };
    assert!(send(watchdog()).is_ok() && send(watchdog()).is_ok());
    assert!(matches!(send(in_a_while()), Err(SendError::TimedOut)));
    thread::scope(|scope| {
        let sending = scope.spawn(|| send(watchdog()));
        assert_eq!(endless.recv().as_deref(), Some(&b"m"[..]));
        assert!(sending.join().unwrap().is_ok());
    });
}

#[test]
fn a_thread_whose_deadline_passes_while_another_looks_at_an_endless_stream_is_told() {
    let inbox = inbox();
    let [(_, endless), _] = endless_and_another(&inbox);
    let looking = {
        let inbox = Arc::clone(&inbox);
        thread::spawn(move || next(&inbox))
    };
    for _ in 0..3 {
        assert!(matches!(inbox.next_event(in_a_while()), Err(NextEventError::TimedOut)));
    }
    endless.send(b"end");
    assert_eq!(looking.join().unwrap(), "1: end");
}
