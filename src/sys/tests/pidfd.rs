use super::raw::{pause, quit};
use super::{DENIALS, alone, deny, fork_child, in_fork, is_cloexec, watchdog};
use crate::sys::pidfd::{Exit, Pid, Signal, exited, open, reap, signal};
use crate::sys::socket::wait_readable;
use crate::sys::{Errno, process};
use std::os::fd::AsFd;

fn wait_until_exited(fd: impl AsFd) {
    let mut ready = Vec::new();
    wait_readable(&[fd.as_fd()], &mut ready, Some(watchdog())).unwrap();
    assert_eq!(ready.len(), 1);
}

#[test]
fn an_exit_status_is_told_once() {
    alone(|| {
        let fd = open(fork_child(|| quit(7))).unwrap();
        assert!(is_cloexec(&fd));
        wait_until_exited(&fd);
        assert_eq!(exited(&fd), Ok(true));
        assert_eq!(reap(&fd), Ok(Some(Exit::Code(7))));
        assert_eq!(reap(&fd), Err(Errno::CHILD));
        assert_eq!(exited(&fd), Ok(true));
        assert_eq!(signal(&fd, Signal::KILL), Err(Errno::SRCH));
    });
}

#[test]
fn a_signal_that_ended_a_child_is_named() {
    alone(|| {
        let fd = open(fork_child(|| pause())).unwrap();
        assert_eq!(exited(&fd), Ok(false));
        assert_eq!(reap(&fd), Ok(None));
        signal(&fd, Signal::KILL).unwrap();
        wait_until_exited(&fd);
        assert_eq!(reap(&fd), Ok(Some(Exit::Signal(libc::SIGKILL))));
    });
}

#[test]
fn a_stopped_child_has_not_ended() {
    alone(|| {
        let fd = open(fork_child(|| pause())).unwrap();
        signal(&fd, Signal::STOP).unwrap();
        assert_eq!(exited(&fd), Ok(false));
        assert_eq!(reap(&fd), Ok(None));
        signal(&fd, Signal::KILL).unwrap();
        wait_until_exited(&fd);
        assert_eq!(reap(&fd), Ok(Some(Exit::Signal(libc::SIGKILL))));
    });
}

#[test]
fn reaping_one_child_leaves_the_others() {
    alone(|| {
        let [a, b] = [3, 4].map(|code| fork_child(move || quit(code)));
        let (a, b) = (open(a).unwrap(), open(b).unwrap());
        wait_until_exited(&a);
        wait_until_exited(&b);
        assert_eq!(reap(&b), Ok(Some(Exit::Code(4))));
        assert_eq!(reap(&a), Ok(Some(Exit::Code(3))));
    });
}

#[test]
fn a_process_that_is_no_child_can_be_watched_but_not_reaped() {
    let fd = open(process::id()).unwrap();
    assert_eq!(exited(&fd), Ok(false));
    assert_eq!(reap(&fd), Err(Errno::CHILD));
}

#[test]
fn nobody_has_no_pidfd() {
    assert_eq!(open(Pid::from_raw(i32::MAX).unwrap()).unwrap_err(), Errno::SRCH);
}

#[test]
fn without_pidfds_a_child_is_reaped_by_its_pid() {
    alone(|| {
        for errno in DENIALS {
            let exit = in_fork(|| {
                deny(libc::SYS_pidfd_open, errno);
                let child = fork_child(|| pause());
                assert_eq!(open(child).unwrap_err(), errno);
                assert_eq!(process::reap(child), Ok(None));
                process::signal(child, Signal::KILL).unwrap();
                let end = watchdog();
                let exit = loop {
                    assert!(std::time::Instant::now() < end);
                    if let Some(exit) = process::reap(child).unwrap() {
                        break exit;
                    }
                    std::thread::yield_now();
                };
                assert_eq!(exit, Exit::Signal(libc::SIGKILL));
            });
            assert_eq!(exit, Exit::Code(0));
        }
    });
}
