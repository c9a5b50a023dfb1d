//! More messages than any link holds, before anybody listens.

use crate::alone;
use crate::diary::Diary;
use crate::program::{self, LEISURE, cast, leaves_nothing, role};
use crate::support::is_long;
use ringway::{LinkChoice, Worker};

const MANY: u64 = 1_000_000;

/// A socket takes two system calls a message: a million of them once, and the long form twice.
const FEWER: u64 = 100_000;

/// A worker whose two halves do not take in messages for each other: while it waits for space it receives nothing.
const HALVES: &str = "halves";

fn echo(worker: Worker) {
    if role() != HALVES {
        return program::echo(worker);
    }
    let (mut sender, mut receiver) = worker.into_channel().split();
    while let Ok(message) = receiver.recv() {
        sender.send(&message).expect("a living master");
    }
}

fn send_all_then_listen(link: LinkChoice, role: &str, messages: u64) {
    leaves_nothing(|| {
        let cluster = cast(1, link, role);
        let id = cluster.ids()[0];
        for number in 0..messages {
            cluster.send(id, &number.to_le_bytes()).unwrap();
        }
        cluster.stop(LEISURE).unwrap();
        let mut back = 0u64;
        let diary = Diary::of(&cluster, |_, message| {
            assert_eq!(**message, back.to_le_bytes());
            back += 1;
        });
        assert_eq!(back, messages);
        diary.ends_well();
    });
}

#[test]
fn a_million_messages_that_echo_before_the_first_event_do_not_hang_over_shared_memory() {
    alone!(|| program::run(echo, || {
        send_all_then_listen(LinkChoice::Shm, "", MANY);
        send_all_then_listen(LinkChoice::Shm, HALVES, MANY);
    }));
}

#[test]
fn a_million_messages_that_echo_before_the_first_event_do_not_hang_over_a_socket() {
    alone!(|| program::run(echo, || {
        send_all_then_listen(LinkChoice::Socket, "", MANY);
        send_all_then_listen(LinkChoice::Socket, HALVES, if is_long() { MANY } else { FEWER });
    }));
}
