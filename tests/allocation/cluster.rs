//! The same through a cluster: what a message and a worker cost its two ends.

use super::{BURST, MESSAGES, counting, mapped};
use crate::alone;
use crate::support::{payload, raw};
use ringway::channel::Channel;
use ringway::cluster::{Event, WorkerId};
use ringway::{Cluster, LinkChoice, Worker};
use std::time::Duration;

const CAPACITY: u64 = 256 << 10;
/// How many messages come before those that count: more than the rings hold, so that their memory is ready.
const WARM_UP: usize = 20_000;

/// Runs `work` in a worker and `master` elsewhere.
fn run(work: impl FnOnce(Channel, u64), master: impl FnOnce()) {
    let before = mapped();
    match Worker::from_env().expect("a worker, or none") {
        Some(worker) => {
            let linked = mapped() - before;
            work(worker.into_channel(), linked);
            raw::quit(0)
        }
        None => master(),
    }
}

fn started(workers: usize) -> (Cluster, Vec<WorkerId>) {
    let builder = Cluster::builder().workers(workers).link(LinkChoice::Shm).capacity(CAPACITY);
    let cluster = builder.start().expect("a cluster");
    let mut online = 0;
    while online < workers {
        match cluster.next_event().expect("an event").expect("workers") {
            Event::Forked { .. } => {}
            Event::Online { .. } => online += 1,
            other => panic!("{other:?}"),
        }
    }
    let ids = cluster.ids();
    (cluster, ids)
}

fn message(cluster: &Cluster) -> (WorkerId, Vec<u8>) {
    match cluster.next_event().expect("an event").expect("workers") {
        Event::Message { from: id, message } => (id, message.to_vec()),
        other => panic!("{other:?}"),
    }
}

fn ended(cluster: &Cluster) {
    cluster.stop(Duration::from_secs(20)).expect("to be stopped");
    while cluster.next_event().expect("an event").is_some() {}
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("a number"))
}

/// Answers each message by a grant, and tells how many allocations that took after the warm-up.
fn answer(channel: Channel, _linked: u64) {
    let (mut sender, mut receiver) = channel.split();
    let mut buffer = [0; 64];
    let mut before = 0;
    for done in 0..WARM_UP + MESSAGES {
        if done == WARM_UP {
            before = counting::calls();
        }
        let len = receiver.recv_into(&mut buffer).expect("a message");
        let mut grant = sender.grant(len).expect("room");
        grant.put(&buffer[..len]).expect("room");
        grant.commit().expect("a master");
    }
    let allocations = counting::calls() - before;
    sender.send(&allocations.to_le_bytes()).expect("a master");
    receiver.recv_into(&mut buffer).expect_err("the end");
}

#[test]
fn what_a_master_sends_and_what_a_worker_takes_and_sends_allocates_nothing() {
    alone!(|| run(answer, || {
        let (cluster, ids) = started(1);
        let messages: Vec<_> = (0..BURST as u64).map(|number| payload::bytes(number, 48)).collect();
        let mut sending = 0;
        for burst in 0..(WARM_UP + MESSAGES) / BURST {
            if burst == WARM_UP / BURST {
                sending = 0;
            }
            let before = counting::calls();
            messages.iter().for_each(|message| cluster.send(ids[0], message).expect("a worker"));
            sending += counting::calls() - before;
            for expected in &messages {
                assert!(message(&cluster).1 == *expected);
            }
        }
        assert_eq!(
            (sending, number(&message(&cluster).1)),
            (0, 0),
            "allocations of the master's sends, and of the worker"
        );
        ended(&cluster);
    }));
}

/// Tells what its link cost, when it is asked.
fn tell(channel: Channel, linked: u64) {
    channel.recv().expect("a question");
    channel.send(&linked.to_le_bytes()).expect("a master");
    channel.recv().expect_err("the end");
}

/// What the link cost the worker.
fn ask(cluster: &Cluster, id: WorkerId) -> u64 {
    cluster.send(id, &[]).expect("a worker");
    number(&message(cluster).1)
}

#[test]
fn a_worker_costs_both_ends_its_rings_and_at_most_16_kib() {
    alone!(|| run(tell, || {
        let rings = 2 * CAPACITY;
        // What a process, and a cluster, has once.
        let (first, ids) = started(1);
        assert!(ask(&first, ids[0]) > rings, "the mappings were not found");
        let before = (mapped(), counting::live());
        let (second, ids) = started(1);
        assert!(ask(&second, ids[0]) > rings);
        let between = (mapped(), counting::live());
        let (third, ids) = started(5);
        for id in ids {
            let beside = ask(&third, id) - rings;
            assert!(beside <= 16 << 10, "{beside} bytes beside the rings in {id:?}");
        }
        let after = (mapped(), counting::live());
        let cost = |from: (u64, i64), to: (u64, i64)| to.0 as i64 - from.0 as i64 + to.1 - from.1;
        let one_more = (cost(between, after) - cost(before, between)) / 4;
        let beside = one_more - rings as i64;
        assert!((1..=16 << 10).contains(&beside), "{beside} bytes beside the rings for each worker more");
        [first, second, third].iter().for_each(ended);
    }));
}
