//! What a link costs: no allocation a message, and no memory but its rings.

#[path = "../support/mod.rs"]
mod support;

mod cluster;
mod counting;

use ringway::channel::{Channel, LinkChoice, Options, Receiver, Sender, Wait, pair};
use support::child::{self, Child};
use support::cue::{self, Cue};
use support::{LINKS, payload, thread, until};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const MESSAGES: usize = 100_000;
/// How many messages are under way at once.
const BURST: usize = 100;

fn connected(options: &Options, theirs: impl FnOnce(Channel, &Cue)) -> (Child, Channel, Cue) {
    let (our_end, their_end) = pair(options).unwrap();
    let (our_cue, their_cue) = cue::pair();
    let mut ours = Some((our_end, our_cue));
    let child = child::fork(|| {
        drop(ours.take());
        theirs(their_end.connect().unwrap(), &their_cue);
    });
    let (end, cue) = ours.unwrap();
    (child, end.connect().unwrap(), cue)
}

/// A way to send the messages of one burst.
type Send = fn(&mut Sender, &[Vec<u8>]);

fn plainly(sender: &mut Sender, messages: &[Vec<u8>]) {
    messages.iter().for_each(|message| sender.send(message).unwrap());
}

fn in_grants(sender: &mut Sender, messages: &[Vec<u8>]) {
    for message in messages {
        if message.len() as u64 > sender.max_grant() {
            sender.send(message).unwrap();
            continue;
        }
        let mut grant = sender.grant(message.len()).unwrap();
        let (first, second) = message.split_at(message.len() / 2);
        grant.put(first).unwrap();
        grant.put(second).unwrap();
        grant.commit().unwrap();
    }
}

fn in_batches(sender: &mut Sender, messages: &[Vec<u8>]) {
    let mut rest = messages;
    while !rest.is_empty() {
        let mut batch = sender.batch();
        let pushed = rest.iter().take_while(|message| batch.push(message).is_ok()).count();
        batch.commit().unwrap();
        rest = &rest[pushed..];
        // A batch does not wait for space.
        if let (0, Some((first, after))) = (pushed, rest.split_first()) {
            sender.send(first).unwrap();
            rest = after;
        }
    }
}

/// One burst: of every length that is not streamed, and mostly short.
fn burst(sender: &Sender) -> Vec<Vec<u8>> {
    let lengths = [0, 8, 47, 48, 300, 5000, sender.max_grant() as usize, sender.max_atomic() as usize];
    (0..BURST).map(|i| payload::bytes(i as u64, if i % 10 == 0 { lengths[i / 10 % 8] } else { 48 })).collect()
}

/// Sends bursts there and back; the other end does the same in the opposite order.
fn exchange(ends: &mut (Sender, Receiver), send: Send, begins: bool, bursts: usize) -> u64 {
    let (sender, receiver) = ends;
    let messages = burst(sender);
    let mut buffer = vec![0; sender.max_atomic() as usize];
    let mut turn = |sending: bool| {
        if sending {
            send(sender, &messages);
            return;
        }
        for message in &messages {
            let len = receiver.recv_into(&mut buffer).unwrap();
            assert!(buffer[..len] == message[..]);
        }
    };
    let before = counting::calls();
    for _ in 0..bursts {
        turn(begins);
        turn(!begins);
    }
    counting::calls() - before
}

fn allocates_nothing(link: LinkChoice, wait: Wait, send: Send) {
    let options = Options::new().link(link).wait(wait).capacity(256 << 10).unwrap();
    let both = move |channel: Channel, begins, is_watched: bool| {
        let mut ends = channel.split();
        // The first lap makes the memory ready, and a thread's first sleep may allocate. So may the watch thread, as it
        // starts: it has come to rest before anything is counted.
        exchange(&mut ends, send, begins, 20);
        let watches = || thread::names().contains(&"ringway-watch".into());
        until(|| thread::others_sleep() && (!is_watched || watches()));
        let allocations = exchange(&mut ends, send, begins, MESSAGES / BURST / 2);
        (ends, allocations)
    };
    let (child, channel, cue) = connected(&options, |channel, cue| {
        // It did not make the pair.
        let (_ends, allocations) = both(channel, false, link != LinkChoice::Socket);
        cue.tell(allocations);
        cue.wait();
    });
    let (_ends, allocations) = both(channel, true, true);
    assert_eq!((allocations, cue.hear()), (0, 0), "allocations here and in the child");
    cue.give();
    child.succeeds();
}

#[test]
fn the_count_sees_an_allocation_and_its_end() {
    alone!(|| {
        let before = (counting::calls(), counting::live());
        let bytes = std::hint::black_box(vec![1_u8; 1000]);
        assert_eq!((counting::calls(), counting::live()), (before.0 + 1, before.1 + 1000));
        drop(bytes);
        assert_eq!((counting::calls(), counting::live()), (before.0 + 1, before.1));
    });
}

#[test]
fn sending_and_receiving_allocate_nothing() {
    alone!(|| {
        allocates_nothing(LinkChoice::Shm, Wait::Adaptive, plainly);
        allocates_nothing(LinkChoice::Shm, Wait::Park, plainly);
        allocates_nothing(LinkChoice::Socket, Wait::Park, plainly);
    });
}

#[test]
fn grants_allocate_nothing() {
    alone!(|| LINKS.iter().for_each(|link| allocates_nothing(*link, Wait::Adaptive, in_grants)));
}

#[test]
fn batches_allocate_nothing() {
    alone!(|| LINKS.iter().for_each(|link| allocates_nothing(*link, Wait::Adaptive, in_batches)));
}

/// Bytes of shared memory that this process has mapped, by the kernel's word.
fn mapped() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let memfds = maps.lines().filter(|line| line.contains("/memfd:"));
    memfds
        .map(|line| {
            let (begin, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
            number(end) - number(begin)
        })
        .sum()
}

#[test]
fn a_link_costs_its_rings_and_at_most_16_kib() {
    alone!(|| {
        for capacity in [4 << 10, 1 << 20, 16 << 20] {
            let options = Options::new().link(LinkChoice::Shm).capacity(capacity).unwrap();
            let idle = |_, cue: &Cue| cue.wait();
            // What a process has once: the thread that watches, and its tables.
            let (first_child, _first, first_cue) = connected(&options, idle);
            let before = (mapped(), counting::live());
            let (child, _channel, cue) = connected(&options, idle);
            let (mapped, heap) = (mapped() - before.0, counting::live() - before.1);
            assert!(mapped > 2 * capacity, "the mappings were not found: {mapped}");
            let beside = mapped - 2 * capacity + heap.unsigned_abs();
            assert!(beside <= 16 << 10, "{beside} bytes beside the rings, {heap} of them on the heap");
            for (child, cue) in [(first_child, first_cue), (child, cue)] {
                cue.give();
                child.succeeds();
            }
        }
    });
}
