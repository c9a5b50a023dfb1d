//! A cluster that has nothing to do.

use crate::alone;
use crate::diary::Diary;
use crate::program::{self, LEISURE, cast, echo, over_each_link};
use crate::support::{PATIENCE, thread};
use ringway::cluster::NextEventError;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long one wait for an event is that does not come.
const WAIT: Duration = Duration::from_millis(300);
/// How many such waits in a row nothing must run in: what runs more often than that is found.
const QUIET: usize = 4;
const WORKERS: usize = 2;

/// What a thread does, and how often it has stopped doing something.
type Activity = (String, [String; 2]);

/// The threads of this process, but for the calling one, and of the others.
fn activity(processes: &[String]) -> BTreeMap<String, Activity> {
    let own = format!("/proc/self/task/{}", thread::id());
    let tasks = processes.iter().flat_map(|process| thread::all(process)).filter(|task| *task != own);
    let of = |task: String| {
        let field = |name| thread::find(&format!("{task}/status"), name);
        let switches = [field("voluntary_ctxt_switches")?, field("nonvoluntary_ctxt_switches")?];
        let activity = (field("State")?, switches);
        Some((task, activity))
    };
    tasks.filter_map(of).collect()
}

#[test]
fn nothing_runs_in_a_cluster_that_has_nothing_to_do() {
    alone!(|| program::run(echo, || over_each_link(|link| {
        let (cluster, mut diary) = (cast(WORKERS, link, ""), Diary::default());
        for id in cluster.ids() {
            cluster.send(id, b"awake?").unwrap();
            diary.next_message(&cluster);
        }
        let workers = diary.lives().map(|(_, life)| life.pid.to_string());
        let processes: Vec<_> = ["self".to_owned()].into_iter().chain(workers).collect();
        let (mut before, mut quiet, end) = (activity(&processes), 0, Instant::now() + PATIENCE);
        // What was done last comes to its end first: a hang-up stays in doubt for half a second.
        while quiet < QUIET {
            assert!(Instant::now() < end, "something runs again and again: {before:#?}");
            let event = cluster.next_event_timeout(WAIT);
            assert!(matches!(event, Err(NextEventError::TimedOut)), "{event:?}");
            let last = std::mem::replace(&mut before, activity(&processes));
            // A thread that sleeps before and after, and was not switched between the two, did not run.
            let asleep = before.values().all(|(state, _)| state.starts_with('S'));
            quiet = if asleep && last == before { quiet + 1 } else { 0 };
        }
        assert!(before.len() > WORKERS, "{before:#?}");
        cluster.stop(LEISURE).unwrap();
        diary.read_on(&cluster, |_, _| {});
        diary.ends_well();
    })));
}
