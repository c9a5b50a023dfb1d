use super::{DENIALS, alone, deny, in_fork, is_cloexec, limit, open_fds, raw, watchdog};
use crate::sys::epoll::{Interest, Ready};
use crate::sys::pidfd::Exit;
use crate::sys::socket::{
    MAX_FDS, Received, inode, pair, peek, recv, recv_with_fds, send, send_vectored, send_with_fds,
    set_send_buffer, shut_receiving, shut_sending, wait_any, wait_readable,
};
use crate::sys::{Errno, memfd};
use rustix::process::Resource;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

const WHOLE: Received = Received { len: 1, truncated: false, fds_truncated: false, no_room: None };

#[test]
fn packets_keep_their_bounds_and_order() {
    let (a, b) = pair().unwrap();
    assert!(is_cloexec(&a) && is_cloexec(&b));
    send(&a, b"first").unwrap();
    send_vectored(&a, &[IoSlice::new(b"sec"), IoSlice::new(b""), IoSlice::new(b"ond")]).unwrap();
    send_with_fds(&a, b"third", &[]).unwrap();
    let mut buffer = [0; 64];
    for expected in [&b"first"[..], b"second", b"third"] {
        let len = recv(&b, &mut buffer).unwrap();
        assert_eq!(&buffer[..len], expected);
    }
    assert_eq!(recv(&b, &mut buffer), Err(Errno::AGAIN));
}

#[test]
fn an_empty_packet_is_refused_because_it_would_read_as_the_end() {
    let (a, b) = pair().unwrap();
    assert_eq!(send(&a, b""), Err(Errno::INVAL));
    assert_eq!(send_vectored(&a, &[IoSlice::new(b""), IoSlice::new(b"")]), Err(Errno::INVAL));
    assert_eq!(send_vectored(&a, &[]), Err(Errno::INVAL));
    assert_eq!(send_with_fds(&a, b"", &[b.as_fd()]), Err(Errno::INVAL));
    assert_eq!(recv(&b, &mut [0; 8]), Err(Errno::AGAIN));
    drop(a);
    assert_eq!(recv(&b, &mut [0; 8]), Ok(0));
    assert_eq!(recv_with_fds(&b, &mut [0; 8], &mut Vec::new()), Ok(Received { len: 0, ..WHOLE }));
}

#[test]
fn a_full_socket_says_so_at_once() {
    let (a, b) = pair().unwrap();
    while send(&a, &[7; 4096]).is_ok() {}
    assert_eq!(send(&a, &[7; 4096]), Err(Errno::AGAIN));
    assert_eq!(send_vectored(&a, &[IoSlice::new(&[7; 4096])]), Err(Errno::AGAIN));
    assert_eq!(send_with_fds(&a, &[7; 4096], &[b.as_fd()]), Err(Errno::AGAIN));
    assert_eq!(send(&a, &vec![7; 16 << 20]), Err(Errno::MSGSIZE));
}

#[test]
fn a_packet_longer_than_the_buffer_is_told_and_lost() {
    let (a, b) = pair().unwrap();
    send(&a, &[1; 9]).unwrap();
    send(&a, &[2; 9]).unwrap();
    send(&a, &[3; 8]).unwrap();
    assert_eq!(recv(&b, &mut [0; 8]), Err(Errno::MSGSIZE));
    let cut = Received { len: 8, truncated: true, fds_truncated: false, no_room: None };
    assert_eq!(recv_with_fds(&b, &mut [0; 8], &mut Vec::new()), Ok(cut));
    assert_eq!(recv(&b, &mut [0; 8]), Ok(8));
}

#[test]
fn a_peer_that_is_gone_is_an_error_and_not_a_signal() {
    alone(|| {
        raw::restore_sigpipe();
        let (a, b) = pair().unwrap();
        drop(b);
        assert_eq!(send(&a, b"x"), Err(Errno::PIPE));
        assert_eq!(send_vectored(&a, &[IoSlice::new(b"x")]), Err(Errno::PIPE));
        assert_eq!(send_with_fds(&a, b"x", &[a.as_fd()]), Err(Errno::PIPE));
    });
}

#[test]
fn descriptors_arrive_in_order_and_close_on_exec() {
    let (a, b) = pair().unwrap();
    for count in [0, 1, 2, MAX_FDS] {
        let files: Vec<_> = (0..count).map(|_| memfd::create(4096).unwrap()).collect();
        let sent: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        send_with_fds(&a, b"x", &sent).unwrap();
        let mut fds = Vec::new();
        assert_eq!(recv_with_fds(&b, &mut [0; 8], &mut fds), Ok(WHOLE));
        assert!(fds.iter().all(is_cloexec));
        let inodes = |fds: &[OwnedFd]| fds.iter().map(|fd| inode(fd).unwrap()).collect::<Vec<_>>();
        assert_eq!(inodes(&fds), inodes(&files));
    }
}

#[test]
fn more_descriptors_than_allowed_are_neither_sent_nor_taken() {
    alone(|| {
        let (a, b) = pair().unwrap();
        let before = open_fds();
        let many = vec![a.as_fd(); MAX_FDS + 1];
        assert_eq!(send_with_fds(&a, b"x", &many), Err(Errno::INVAL));
        for count in [MAX_FDS + 1, MAX_FDS + 2, 100, 253] {
            raw::send_many(&a, a.as_fd(), count);
            let mut fds = Vec::new();
            let cut = Received { fds_truncated: true, ..WHOLE };
            assert_eq!(recv_with_fds(&b, &mut [0; 8], &mut fds), Ok(cut), "{count}");
            assert!(fds.is_empty());
            assert_eq!(open_fds(), before);
        }
    });
}

#[test]
fn descriptors_of_a_packet_that_was_cut_or_not_asked_for_are_closed() {
    alone(|| {
        let (a, b) = pair().unwrap();
        let before = open_fds();
        let mut fds = Vec::new();
        send_with_fds(&a, &[0; 9], &[a.as_fd(); 3]).unwrap();
        let cut = Received { len: 8, truncated: true, fds_truncated: false, no_room: None };
        assert_eq!(recv_with_fds(&b, &mut [0; 8], &mut fds), Ok(cut));
        send_with_fds(&a, b"x", &[a.as_fd(); 3]).unwrap();
        assert_eq!(recv(&b, &mut [0; 8]), Ok(1));
        assert!(fds.is_empty());
        assert_eq!(open_fds(), before);
    });
}

#[test]
fn a_receiver_at_its_limit_of_descriptors_takes_none() {
    alone(|| {
        let (a, b) = pair().unwrap();
        let before = open_fds();
        let highest = a.as_raw_fd().max(b.as_raw_fd()) as u64;
        send_with_fds(&a, b"x", &[a.as_fd(); 4]).unwrap();
        let unlimited = crate::sys::process::open_max().unwrap();
        limit(Resource::Nofile, highest + 3);
        let mut fds = Vec::new();
        let cut = Received { fds_truncated: true, no_room: Some(Errno::MFILE), ..WHOLE };
        assert_eq!(recv_with_fds(&b, &mut [0; 8], &mut fds), Ok(cut));
        limit(Resource::Nofile, unlimited);
        assert!(fds.is_empty());
        assert_eq!(open_fds(), before);
    });
}

#[test]
fn packets_pass_where_descriptors_may_not() {
    alone(|| {
        for errno in DENIALS {
            let exit = in_fork(|| {
                let (a, b) = pair().unwrap();
                deny(libc::SYS_sendmsg, errno);
                assert_eq!(send_with_fds(&a, b"x", &[a.as_fd()]), Err(errno));
                assert_eq!(send_vectored(&a, &[IoSlice::new(b"x")]), Err(errno));
                send(&a, b"x").unwrap();
                assert_eq!(recv(&b, &mut [0; 8]), Ok(1));
                deny(libc::SYS_recvmsg, errno);
                assert_eq!(recv_with_fds(&b, &mut [0; 8], &mut Vec::new()), Err(errno));
                assert_eq!(recv(&b, &mut [0; 8]), Err(Errno::AGAIN));
            });
            assert_eq!(exit, Exit::Code(0));
        }
    });
}

#[test]
fn waiting_tells_which_and_why() {
    let (a, b) = pair().unwrap();
    let (c, d) = pair().unwrap();
    let mut ready = Vec::new();
    let until = Instant::now() + Duration::from_millis(20);
    wait_readable(&[a.as_fd(), c.as_fd()], &mut ready, Some(until)).unwrap();
    assert!(ready.is_empty() && Instant::now() >= until);
    send(&d, b"x").unwrap();
    wait_readable(&[a.as_fd(), c.as_fd()], &mut ready, Some(watchdog())).unwrap();
    assert_eq!(ready, [Ready { token: 1, readable: true, writable: false, hangup: false }]);
    drop(b);
    wait_readable(&[a.as_fd(), c.as_fd()], &mut ready, Some(watchdog())).unwrap();
    assert_eq!(
        ready.iter().map(|ready| (ready.token, ready.hangup)).collect::<Vec<_>>(),
        [(0, true), (1, false)]
    );
    wait_any(&[(c.as_fd(), Interest::Writable)], &mut ready, Some(watchdog())).unwrap();
    assert_eq!(ready, [Ready { token: 0, readable: false, writable: true, hangup: false }]);
}

#[test]
fn an_inode_tells_sockets_apart_and_duplicates_alike() {
    let (a, b) = pair().unwrap();
    assert_eq!(inode(&a), inode(a.try_clone().unwrap()));
    assert_ne!(inode(&a), inode(&b));
}

#[test]
fn what_a_peer_does_to_its_blocking_mode_is_its_own_affair() {
    let (a, b) = pair().unwrap();
    for nonblocking in [true, false] {
        rustix::io::ioctl_fionbio(&b, nonblocking).unwrap();
        assert_eq!(recv(&a, &mut [0; 8]), Err(Errno::AGAIN));
        assert_eq!(recv(&b, &mut [0; 8]), Err(Errno::AGAIN));
        while send(&a, &[7; 4096]).is_ok() {}
        assert_eq!(send(&a, &[7; 4096]), Err(Errno::AGAIN));
        while recv(&b, &mut [0; 4096]).is_ok() {}
    }
}

#[test]
fn a_packet_that_is_peeked_at_stays() {
    let (a, b) = pair().unwrap();
    let mut beginning = [0; 4];
    assert_eq!(peek(&b, &mut beginning), Err(Errno::AGAIN));
    send(&a, b"long enough").unwrap();
    for _ in 0..2 {
        assert_eq!(peek(&b, &mut beginning), Ok(11));
        assert_eq!(&beginning, b"long");
    }
    assert_eq!(recv(&b, &mut [0; 64]), Ok(11));
    assert_eq!(peek(&b, &mut beginning), Err(Errno::AGAIN));
    drop(a);
    assert_eq!(peek(&b, &mut beginning), Ok(0));
}

#[test]
fn a_half_that_is_shut_ends_after_what_is_under_way() {
    let (a, b) = pair().unwrap();
    let duplicate = b.try_clone().unwrap();
    send(&a, b"x").unwrap();
    send(&a, b"y").unwrap();
    shut_sending(&a).unwrap();
    assert_eq!(send(&a, b"z"), Err(Errno::PIPE));
    assert_eq!((recv(&b, &mut [0; 8]), recv(&duplicate, &mut [0; 8])), (Ok(1), Ok(1)));
    assert_eq!((recv(&b, &mut [0; 8]), recv(&duplicate, &mut [0; 8])), (Ok(0), Ok(0)));
    send(&b, b"back").unwrap();
    shut_receiving(&a).unwrap();
    assert_eq!(send(&duplicate, b"no more"), Err(Errno::PIPE));
    assert_eq!((recv(&a, &mut [0; 8]), recv(&a, &mut [0; 8])), (Ok(4), Ok(0)));
}

#[test]
fn a_full_socket_is_not_told_that_its_peer_takes_no_more() {
    let (a, b) = pair().unwrap();
    while send(&a, &[7; 4096]).is_ok() {}
    shut_receiving(&b).unwrap();
    let mut ready = Vec::new();
    wait_any(&[(a.as_fd(), Interest::Writable)], &mut ready, Some(Instant::now())).unwrap();
    assert!(ready.is_empty());
    shut_sending(&b).unwrap();
    wait_any(&[(a.as_fd(), Interest::Writable)], &mut ready, Some(watchdog())).unwrap();
    assert!(ready[0].hangup && !ready[0].writable);
}

#[test]
fn a_peer_that_sends_no_more_is_not_taken_for_space() {
    let (a, b) = pair().unwrap();
    while send(&a, &[7; 4096]).is_ok() {}
    shut_sending(&b).unwrap();
    let mut ready = Vec::new();
    wait_any(&[(a.as_fd(), Interest::Writable)], &mut ready, Some(Instant::now())).unwrap();
    assert!(ready.is_empty());
}

#[test]
fn a_send_buffer_is_granted_in_full_up_to_the_systems_limit() {
    let (a, b) = pair().unwrap();
    let max: usize = std::fs::read_to_string("/proc/sys/net/core/wmem_max").unwrap().trim().parse().unwrap();
    for asked in [8 << 10, 64 << 10, max, 2 * max, 1 << 30, usize::MAX] {
        let granted = set_send_buffer(&a, asked as u64).unwrap();
        assert_eq!(granted, 2 * asked.min(max), "{asked}");
        let longest = granted.min(64 << 10) - 32;
        send(&a, &vec![0; longest]).unwrap();
        assert_eq!(recv(&b, &mut vec![0; longest]), Ok(longest));
    }
}
