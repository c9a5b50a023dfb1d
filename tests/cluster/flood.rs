//! More messages than any link holds, before anybody listens.

use crate::alone;
use crate::diary::Diary;
use crate::program::{self, LEISURE, cast, leaves_nothing};
use crate::support::is_long;
use ringway::LinkChoice;

/// The socket takes two system calls a message, and a debug build has no haste.
fn over(link: LinkChoice) -> u64 {
    match link {
        LinkChoice::Socket if !is_long() => 100_000,
        _ => 1_000_000,
    }
}

fn send_all_then_listen(link: LinkChoice) {
    leaves_nothing(|| {
        let cluster = cast(1, link, "");
        let id = cluster.ids()[0];
        for number in 0..over(link) {
            cluster.send(id, &number.to_le_bytes()).unwrap();
        }
        cluster.stop(LEISURE).unwrap();
        let mut back = 0u64;
        let diary = Diary::of(&cluster, |_, message| {
            assert_eq!(**message, back.to_le_bytes());
            back += 1;
        });
        assert_eq!(back, over(link));
        diary.ends_well();
    });
}

#[test]
fn a_million_messages_that_echo_before_the_first_event_do_not_hang_over_shared_memory() {
    alone!(|| program::run(program::echo, || send_all_then_listen(LinkChoice::Shm)));
}

#[test]
fn many_messages_that_echo_before_the_first_event_do_not_hang_over_a_socket() {
    alone!(|| program::run(program::echo, || send_all_then_listen(LinkChoice::Socket)));
}
