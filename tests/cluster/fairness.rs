//! One worker that never stops talking, and others that want to be heard.

use crate::alone;
use crate::diary::Diary;
use crate::program::{self, LEISURE, over_each_link, role};
use crate::support::until;
use crate::tally::Tally;
use ringway::channel::SendTimeoutError;
use ringway::{Cluster, LinkChoice, Worker};
use std::time::Duration;

/// Messages of one worker in a row while others are ready, as docs/limits.md says.
const BUDGET: usize = 64;

/// How much each quiet worker has to say: the last visit is not a whole one.
const QUIET: usize = 3 * BUDGET + 8;

const WORKERS: usize = 4;

/// Which worker is noisy: one in the middle of the order.
const NOISY: u32 = 2;

#[test]
fn a_worker_that_floods_gets_its_share_and_no_more() {
    alone!(|| program::run(talk, || over_each_link(listen)));
}

fn talk(worker: Worker) {
    worker.recv().unwrap().expect("the word to begin");
    let tally = Tally::open(&role());
    let slot = worker.id().slot();
    for number in 1..=QUIET as u64 {
        worker.send(b"").unwrap();
        tally.set(slot.into(), number);
    }
    while slot == NOISY && !matches!(worker.try_recv(), Ok(None)) {
        match worker.send_timeout(b"", Duration::from_millis(50)) {
            Ok(()) | Err(SendTimeoutError::Timeout) => {}
            Err(error) => panic!("{error}"),
        }
    }
    while let Ok(Some(_)) = worker.recv() {}
}

fn listen(link: LinkChoice) {
    let tally = Tally::new();
    let builder = Cluster::builder().workers(WORKERS).link(link);
    let cluster = builder.env(program::ROLE, tally.path()).start().unwrap();
    let mut diary = Diary::default();
    // By now the master has armed the doorbells of some, and looks at others without: both have the same right.
    diary.all_online(&cluster, WORKERS);
    cluster.ids().into_iter().for_each(|id| cluster.send(id, b"begin").unwrap());
    // All that is to come from the quiet ones is there, and of the noisy one as much.
    until(|| (1..=WORKERS as u64).all(|slot| tally.get(slot) == QUIET as u64));
    let mut visits: Vec<(u32, usize)> = Vec::new();
    let mut left = (WORKERS - 1) * QUIET;
    while left > 0 {
        let (from, _) = diary.next_message(&cluster);
        left -= usize::from(from.slot() != NOISY);
        match visits.last_mut() {
            Some((slot, count)) if *slot == from.slot() => *count += 1,
            _ => visits.push((from.slot(), 1)),
        }
    }
    assert!(visits.iter().all(|(_, count)| *count <= BUDGET), "{visits:?}");
    let quiet: Vec<_> = visits.iter().map(|(slot, _)| *slot).filter(|slot| *slot != NOISY).collect();
    assert_eq!(quiet.len(), (WORKERS - 1) * QUIET.div_ceil(BUDGET), "{visits:?}");
    for round in quiet.chunks(WORKERS - 1) {
        assert_eq!(round, &quiet[..WORKERS - 1], "one came twice before the others came once: {visits:?}");
    }
    for between in visits.split(|(slot, _)| *slot == NOISY).skip(1) {
        let is_last = between.last() == visits.last();
        assert!(is_last || between.len() == WORKERS - 1, "the noisy one came too early: {visits:?}");
    }
    cluster.stop(LEISURE).unwrap();
    diary.read_on(&cluster, |from, _| assert_eq!(from.slot(), NOISY));
    diary.ends_well();
}
