use super::{DENIALS, alone, deny, in_fork};
use crate::sys::fork::Origin;
use crate::sys::pidfd::Exit;

#[test]
fn an_object_is_at_home_where_it_was_made() {
    let origin = Origin::here();
    assert!(!origin.forked());
    assert!(!Origin::here().forked());
}

#[test]
fn every_generation_knows_its_own_from_all_before_it() {
    alone(|| {
        let parent = Origin::here();
        let exit = in_fork(|| {
            assert!(parent.forked());
            let child = Origin::here();
            assert!(!child.forked());
            assert!(parent.forked());
            let exit = in_fork(|| {
                assert!(parent.forked() && child.forked());
                let grandchild = Origin::here();
                assert!(!grandchild.forked());
                assert!(parent.forked() && child.forked());
            });
            assert_eq!(exit, Exit::Code(0));
            assert!(!child.forked());
        });
        assert_eq!(exit, Exit::Code(0));
        assert!(!parent.forked());
    });
}

#[test]
fn a_child_of_a_process_that_never_asked_is_at_home() {
    alone(|| {
        let exit = in_fork(|| {
            let child = Origin::here();
            assert!(!child.forked());
            assert_eq!(in_fork(|| assert!(child.forked())), Exit::Code(0));
        });
        assert_eq!(exit, Exit::Code(0));
        assert!(!Origin::here().forked());
    });
}

#[test]
fn threads_that_ask_first_at_once_agree() {
    alone(|| {
        let start = std::sync::Barrier::new(8);
        let origins: Vec<Origin> = std::thread::scope(|scope| {
            let ask = || {
                start.wait();
                Origin::here()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(origins.iter().all(|origin| !origin.forked()));
        assert_eq!(in_fork(|| assert!(origins.iter().all(|origin| origin.forked()))), Exit::Code(0));
    });
}

#[test]
fn without_the_advice_a_process_is_told_by_its_pid() {
    alone(|| DENIALS.into_iter().for_each(assert_told_by_pid_without_advice));
}

/// Each in a child, because a page that was made once stays.
fn assert_told_by_pid_without_advice(errno: crate::sys::Errno) {
    let exit = in_fork(|| {
        deny(libc::SYS_madvise, errno);
        assert_eq!(Origin::guarded().map(drop), Err(errno));
        let parent = Origin::here();
        assert!(!parent.forked());
        let exit = in_fork(|| {
            assert!(parent.forked());
            let child = Origin::here();
            assert!(!child.forked());
            assert_eq!(in_fork(|| assert!(parent.forked() && child.forked())), Exit::Code(0));
        });
        assert_eq!(exit, Exit::Code(0));
        assert!(!parent.forked());
    });
    assert_eq!(exit, Exit::Code(0));
}
