//! Cluster after cluster in one process.

use crate::alone;
use crate::diary::Diary;
use crate::program::{self, LEISURE, LINKS, cast, comes_to, descriptors, echo, has_children};

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
            for link in LINKS {
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
