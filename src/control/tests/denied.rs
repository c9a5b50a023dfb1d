//! Handshakes of a process that may not pass descriptors, or may open no more. Each runs alone.

use std::os::fd::{AsFd, AsRawFd};

use super::super::drive;
use super::super::message::{FRAME_MAX, Kind};
use super::super::message_error::MessageError;
use super::super::refusal::Refusal;
use super::host::{Host, accept_from, both_after, greet, soon};
use super::*;
use crate::sys::tests::{DENIALS, alone, deny, limit, open_fds};
use crate::sys::{Errno, process, socket as sockets};
use rustix::process::Resource;

/// Each end in turn may not make a call.
fn assert_a_socket_without(call: i64, obstacle: Obstacle) {
    for errno in DENIALS {
        for at in End::ALL {
            let before = open_fds();
            let deny_at = |end| {
                if end == *at {
                    deny(call, errno);
                }
            };
            for end in both_after(&mut Host::new(Ok(())), &mut Host::new(Ok(())), deny_at) {
                let chosen = end.unwrap().agreed.chosen;
                assert_eq!(chosen, socket(*at, obstacle, errno.raw_os_error()));
            }
            assert_eq!(open_fds(), before);
        }
    }
}

#[test]
fn without_sendmsg_the_link_is_a_socket() {
    alone(|| assert_a_socket_without(libc::SYS_sendmsg, Obstacle::SendFds));
}

#[test]
fn without_recvmsg_the_link_is_a_socket() {
    alone(|| assert_a_socket_without(libc::SYS_recvmsg, Obstacle::ReceiveFds));
}

#[test]
fn without_recvmsg_a_packet_that_is_too_long_is_still_refused() {
    alone(|| {
        let (a, b) = sockets::pair().unwrap();
        sockets::send(&a, &[1; 2 * FRAME_MAX]).unwrap();
        deny(libc::SYS_recvmsg, Errno::PERM);
        let too_long = MessageError::TooLong { len: FRAME_MAX + 1 };
        assert_eq!(accept_from(b.as_fd()).unwrap_err(), Refusal::Malformed(too_long));
    });
}

#[test]
fn a_process_at_its_limit_of_descriptors_says_so_leaks_nothing_and_can_try_again() {
    alone(|| {
        let (a, b) = sockets::pair().unwrap();
        let mut host = Host::new(Ok(()));
        let before = open_fds();
        greet(a.as_fd());
        let unlimited = process::open_max().unwrap();
        let highest = a.as_raw_fd().max(b.as_raw_fd()) as u64;
        limit(Resource::Nofile, highest + 3);
        let end = drive::accept(b.as_fd(), None, acceptance(), &mut host, soon());
        limit(Resource::Nofile, unlimited);
        let refusal = end.unwrap_err();
        let errno = libc::EMFILE;
        assert_eq!(refusal, Refusal::DescriptorsTruncated { kind: Kind::Hello, expected: 3, errno });
        assert_eq!(refusal.errno(), Some(errno));
        assert_eq!(open_fds(), before);

        for end in both_after(&mut host, &mut Host::new(Ok(())), |_| ()) {
            assert_eq!(end.unwrap().agreed.chosen, Chosen::Shm);
        }
    });
}
