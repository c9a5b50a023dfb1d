use super::{DENIALS, alone, deny, in_fork, is_cloexec, limit, open_fds, raw, watchdog};
use crate::sys::epoll::{Interest, Ready};
use crate::sys::pidfd::Exit;
use crate::sys::socket::{
    MAX_FDS, Received, inode, pair, recv, recv_with_fds, send, send_vectored, send_with_fds, wait_any,
    wait_readable,
};
use crate::sys::{Errno, memfd};
use rustix::process::Resource;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

const WHOLE: Received = Received { len: 1, truncated: false, fds_truncated: false };

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
    let cut = Received { len: 8, truncated: true, fds_truncated: false };
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
        let cut = Received { len: 8, truncated: true, fds_truncated: false };
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
        let cut = Received { fds_truncated: true, ..WHOLE };
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
