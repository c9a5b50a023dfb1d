use super::alone;
use crate::sys::pidfd::Signal;
use crate::sys::process::{cpus, cpus_online, id, open_max, parent, set_parent_death_signal};
use rustix::process::Resource;

#[test]
fn no_thread_may_run_on_more_processors_than_are_online() {
    assert!(cpus() >= 1);
    assert!(cpus_online() >= cpus());
}

#[test]
fn a_pinned_process_has_one_processor() {
    assert!(cpus() >= 1);
    alone(|| {
        let all = rustix::thread::sched_getaffinity(None).unwrap();
        let mut one = rustix::thread::CpuSet::new();
        one.set((0..).find(|cpu| all.is_set(*cpu)).unwrap());
        rustix::thread::sched_setaffinity(None, &one).unwrap();
        assert_eq!(cpus(), 1);
    });
}

#[test]
fn ids_are_those_of_the_kernel() {
    assert_eq!(id().as_raw_nonzero().get().unsigned_abs(), std::process::id());
    let parent = parent().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    assert_eq!(parent, std::os::unix::process::parent_id());
}

#[test]
fn the_parent_death_signal_is_set_and_cleared() {
    alone(|| {
        let current = || rustix::process::parent_process_death_signal().unwrap();
        set_parent_death_signal(Some(Signal::KILL)).unwrap();
        assert_eq!(current(), Some(Signal::KILL));
        set_parent_death_signal(None).unwrap();
        assert_eq!(current(), None);
    });
}

#[test]
fn the_limit_of_descriptors_is_the_soft_one() {
    alone(|| {
        super::limit(Resource::Nofile, 77);
        assert_eq!(open_max(), Some(77));
    });
}
