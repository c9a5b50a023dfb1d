//! Cluster after cluster in one process.

use crate::alone;
use crate::diary::Diary;
use crate::program::{self, LEISURE, LINKS, cast, comes_to, descriptors, echo, has_children, over_each_link};
use crate::support::thread;

/// Clusters over each link.
const ROUNDS: usize = 10;

/// What a process holds.
#[derive(Debug, PartialEq)]
struct Held {
    descriptors: Vec<String>,
    threads: usize,
    /// Mappings of memory that is shared.
    shared: usize,
}

fn held() -> Held {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let is_shared = |line: &&str| line.split(' ').nth(1).is_some_and(|access| access.ends_with('s'));
    let shared = maps.lines().filter(is_shared).count();
    Held { descriptors: descriptors(), threads: tasks.count(), shared }
}

#[test]
fn clusters_that_came_and_went_leave_nothing() {
    alone!(|| program::run(echo, || {
        let run = || {
            for &link in LINKS {
                let (cluster, mut diary) = (cast(2, link, ""), Diary::default());
                for id in cluster.ids() {
                    cluster.send(id, &[3; 100_000]).unwrap();
                    diary.next_message(&cluster);
                }
                cluster.stop(LEISURE).unwrap();
                diary.read_on(&cluster, |_, _| {});
                diary.ends_well();
            }
        };
        // What the library keeps for good comes with the first.
        run();
        let first = held();
        (1..ROUNDS).for_each(|_| run());
        comes_to(&first, held, "after so many clusters");
        assert!(!has_children());
    }));
}

#[test]
fn a_master_has_no_thread_for_each_worker() {
    alone!(|| program::run(echo, || over_each_link(|link| {
        let mut of_one = None;
        for workers in [1, 8] {
            let (cluster, mut diary) = (cast(workers, link, ""), Diary::default());
            diary.all_online(&cluster, workers);
            // All of them were used, so what is started late is there.
            for id in cluster.ids() {
                cluster.send(id, b"there?").unwrap();
                diary.next_message(&cluster);
            }
            let of_one = of_one.get_or_insert_with(thread::names);
            assert!(of_one.contains(&"ringway-cluster".into()), "{of_one:?}");
            comes_to(of_one, thread::names, &format!("threads with {workers} workers"));
            cluster.stop(LEISURE).unwrap();
            diary.read_on(&cluster, |_, _| {});
            diary.ends_well();
        }
    })));
}
