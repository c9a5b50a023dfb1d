//! No doorbell is lost: a master that sleeps until one of many workers answers, and workers that sleep until they are asked.

use crate::alone;
use crate::diary::Diary;
use crate::program::{LEISURE, LINKS, echo, leaves_nothing, run};
use crate::support::is_long;
use crate::support::progress::Progress;
use crate::support::thread::sleeps;
use ringway::Cluster;

const WORKERS: usize = 3;

#[test]
fn a_master_that_sleeps_until_one_of_many_workers_answers_never_stops() {
    alone!(|| run(echo, || {
        let rounds: u32 = if is_long() { 10_000_000 } else { 20_000 };
        for &link in LINKS {
            leaves_nothing(|| {
                let builder = Cluster::builder().workers(WORKERS).link(link);
                let (cluster, mut diary) = (builder.start().unwrap(), Diary::default());
                diary.all_online(&cluster, WORKERS);
                let (ids, progress, before) = (cluster.ids(), Progress::watch(), sleeps());
                let slept = || sleeps() - before >= u64::from(rounds / 10);
                // As many more as it takes where other work on the machine keeps the master from sleeping.
                for round in (0u32..).take_while(|round| *round < rounds || round % 256 != 0 || !slept()) {
                    let id = ids[round as usize % WORKERS];
                    cluster.send(id, &round.to_le_bytes()).unwrap();
                    let (from, message) = diary.next_message(&cluster);
                    assert_eq!((from, &*message), (id, &round.to_le_bytes()[..]));
                    progress.step();
                }
                cluster.stop(LEISURE).unwrap();
                diary.read_on(&cluster, |_, _| {});
                diary.ends_well();
            });
        }
    }));
}
