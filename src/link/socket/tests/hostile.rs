use super::{end_and_sockets, recv};
use crate::link::error::{Cause, RxError};
use crate::link::socket::MAX_PACKET;
use crate::link::socket::packet::Packet;
use crate::ring::{Corrupt, Field, Flags, Header, Kind};
use crate::sys::tests::{alone, open_fds, watchdog};
use crate::sys::{Errno, socket};
use std::os::fd::AsFd;

/// The longest message in these tests.
const MAX: u64 = 1000;

/// A record with this header, whatever its payload.
fn raw(word: u64, payload: &[u8]) -> Vec<u8> {
    [&word.to_le_bytes(), payload].concat()
}

fn record(kind: Kind, flags: Flags, payload: &[u8]) -> Vec<u8> {
    raw(Header { len: payload.len() as u32, kind, flags }.to_word(), payload)
}

fn first(total: u64, payload: &[u8]) -> Vec<u8> {
    record(Kind::First, Flags::NONE, &[&total.to_le_bytes(), payload].concat())
}

fn plain(kind: Kind, payload: &[u8]) -> Vec<u8> {
    record(kind, Flags::NONE, payload)
}

/// What the link is after these packets, of which only the last is wrong.
fn after(packets: &[Vec<u8>]) -> Field {
    let ((_tx, mut rx), _control, data) = end_and_sockets(MAX);
    for packet in packets {
        socket::send(&data, packet).unwrap();
    }
    let corrupt = loop {
        match rx.try_recv() {
            Ok(_) => {}
            Err(RxError::Disconnected(Cause::Corrupt(corrupt))) => break corrupt,
            other => panic!("{other:?} after {packets:?}"),
        }
    };
    // For good, whatever comes.
    socket::send(&data, &plain(Kind::Data, b"fine")).unwrap();
    for _ in 0..2 {
        assert_eq!(rx.try_recv(), Err(RxError::Disconnected(Cause::Corrupt(corrupt))));
        assert_eq!(rx.try_recv_into(&mut [0; 4]), Err(RxError::Disconnected(Cause::Corrupt(corrupt))));
        assert!(rx.wait(None) && !rx.poll());
    }
    corrupt.field
}

#[test]
fn a_packet_that_no_correct_peer_sends_makes_the_link_corrupt() {
    let word = |len, kind: u64, flags: u64| len | kind << 32 | flags << 48;
    let data = |payload: &[u8]| plain(Kind::Data, payload);
    let long = [7; 100];
    for (expected, packets) in [
        // Shorter than a header, or than the header says.
        (Field::Length, vec![vec![1]]),
        (Field::Length, vec![data(b"")[..7].to_vec()]),
        (Field::Length, vec![data(b"four")[..11].to_vec()]),
        (Field::Length, vec![raw(word(u32::MAX.into(), 1, 0), &[0; 64])]),
        (Field::Length, vec![raw(word(1, 1, 0), b"")]),
        // Longer.
        (Field::Length, vec![[data(b"four"), vec![0]].concat()]),
        (Field::Length, vec![data(b"fine"), vec![1; MAX_PACKET + 1]]),
        // No kinds and flags.
        (Field::Kind, vec![raw(word(0, 0, 0), b"")]),
        (Field::Kind, vec![raw(word(0, 7, 0), b"")]),
        (Field::Kind, vec![raw(word(0, 0xffff, 0), b"")]),
        (Field::Kind, vec![[data(b"four"), vec![0; 8]].concat()]),
        (Field::Flags, vec![raw(word(0, 1, 4), b"")]),
        (Field::Flags, vec![raw(word(0, 1, 0x8000), b"")]),
        (Field::Padding, vec![raw(word(8, 2, 0), &[0; 8])]),
        (Field::Flags, vec![record(Kind::Data, Flags::ATOMIC, b"x")]),
        (
            Field::Flags,
            vec![record(Kind::First, Flags::ATOMIC, &[&500u64.to_le_bytes()[..], &long].concat())],
        ),
        // Flags that do not fit what came before.
        (Field::Flags, vec![record(Kind::Data, Flags::RESTART, b"x")]),
        (Field::Flags, vec![first(500, &long), data(b"x")]),
        (Field::Flags, vec![first(500, &long), first(500, &long)]),
        (Field::Flags, vec![first(500, &long), record(Kind::Middle, Flags::RESTART, &[0; 108])]),
        (Field::Flags, vec![[data(b"one"), record(Kind::Data, Flags::RESTART, b"two")].concat()]),
        // Fragments.
        (Field::Fragment, vec![plain(Kind::Middle, &long)]),
        (Field::Fragment, vec![plain(Kind::Last, &long)]),
        (Field::Fragment, vec![plain(Kind::Cancel, b"")]),
        (Field::Fragment, vec![first(500, &long), plain(Kind::Middle, &[0; 107])]),
        (Field::Fragment, vec![first(500, &long), plain(Kind::Middle, &[0; 109])]),
        (Field::Fragment, vec![first(500, &long), plain(Kind::Last, &[0; 108])]),
        (Field::Fragment, vec![first(500, &long), plain(Kind::Last, &[0; 400])]),
        (Field::Fragment, vec![first(150, &long), plain(Kind::Middle, &[0; 108])]),
        (Field::Fragment, vec![first(150, &long), plain(Kind::Last, &[0; 49])]),
        (Field::Fragment, vec![first(150, &long), plain(Kind::Last, &[0; 51])]),
        (Field::Fragment, vec![first(500, &long), plain(Kind::Cancel, b"x")]),
        (Field::Fragment, vec![first(500, &long), plain(Kind::Cancel, b""), plain(Kind::Cancel, b"")]),
        (Field::Fragment, vec![plain(Kind::First, &[0; 7])]),
        (Field::Fragment, vec![plain(Kind::First, b"")]),
        // Totals.
        (Field::Total, vec![first(0, b"")]),
        (Field::Total, vec![first(108, &long)]),
        (Field::Total, vec![first(MAX + 1, &long)]),
        (Field::Total, vec![first(u64::MAX, &long)]),
        // More than one record, of which not all are messages.
        (Field::Kind, vec![[first(500, &long), data(b"x")].concat()]),
        (Field::Kind, vec![[data(b"x"), plain(Kind::Cancel, b"")].concat()]),
        (Field::Kind, vec![first(150, &long), [plain(Kind::Last, &[0; 50]), data(b"x")].concat()]),
    ] {
        assert_eq!(after(&packets), expected, "{packets:02x?}");
    }
}

#[test]
fn a_message_that_is_too_long_for_the_link_is_not_blamed_on_the_buffer() {
    let ((_tx, mut rx), _control, data) = end_and_sockets(MAX);
    socket::send(&data, &first(MAX + 1, &[7; 100])).unwrap();
    let corrupt = Corrupt { field: Field::Total, value: MAX + 1 };
    assert_eq!(rx.try_recv_into(&mut [0; 4]), Err(RxError::Disconnected(Cause::Corrupt(corrupt))));
}

#[test]
fn nothing_of_a_batch_is_handed_out_if_any_of_it_is_wrong() {
    let ((_tx, mut rx), _control, data) = end_and_sockets(MAX);
    let mut batch: Vec<u8> = (0..1000).flat_map(|_| plain(Kind::Data, b"ok")).collect();
    batch.extend(raw(1 << 48, b""));
    socket::send(&data, &batch).unwrap();
    let corrupt = Corrupt { field: Field::Kind, value: 1 << 48 };
    assert_eq!(rx.try_recv(), Err(RxError::Disconnected(Cause::Corrupt(corrupt))));
}

#[test]
fn there_is_nothing_to_hand_out_of_a_packet_that_was_refused() {
    let mut packet = Packet::new(64);
    let bytes = [plain(Kind::Data, b"fine"), vec![1]].concat();
    packet.room()[..bytes.len()].copy_from_slice(&bytes);
    assert_eq!(packet.received(bytes.len()), Err(Corrupt { field: Field::Length, value: 1 }));
    assert!(packet.is_empty() && packet.front().is_none());
}

#[test]
fn an_empty_packet_is_not_the_end() {
    let ((_tx, mut rx), _control, data) = end_and_sockets(MAX);
    rustix::net::send(&data, &[], rustix::net::SendFlags::empty()).unwrap();
    let corrupt = Corrupt { field: Field::Length, value: 0 };
    assert_eq!(recv(&mut rx), Err(RxError::Disconnected(Cause::Corrupt(corrupt))));
}

#[test]
fn the_shortest_fragments_are_taken_in_bounded_steps() {
    let ((_tx, mut rx), _control, data) = end_and_sockets(MAX);
    socket::send(&data, &first(MAX, b"")).unwrap();
    let mut empty = 0;
    for place in 1..=125 {
        let kind = if place == 125 { Kind::Last } else { Kind::Middle };
        socket::send(&data, &plain(kind, &[place; 8])).unwrap();
    }
    let message = loop {
        match rx.try_recv() {
            Err(RxError::Empty) => {
                empty += 1;
                assert!(rx.poll() && rx.wait(None));
            }
            other => break other.unwrap(),
        }
    };
    assert_eq!((message.len() as u64, empty), (MAX, 1));
    assert!(message.chunks(8).zip(1..).all(|(piece, place)| piece == [place; 8]));
}

#[test]
fn descriptors_that_nobody_asked_for_are_closed() {
    alone(|| {
        let ((_tx, mut rx), control, data) = end_and_sockets(MAX);
        let before = open_fds();
        socket::send_with_fds(&data, &plain(Kind::Data, b"x"), &[data.as_fd(); 5]).unwrap();
        socket::send_with_fds(&data, &plain(Kind::Data, b"y"), &[data.as_fd(); 5]).unwrap();
        socket::send_with_fds(&control, &[1], &[data.as_fd(); 5]).unwrap();
        assert_eq!(rx.try_recv_into(&mut [0; 1]), Ok(1));
        assert_eq!(rx.try_recv().unwrap(), b"y");
        let _ = rx.peer().drain_doorbells();
        assert_eq!(open_fds(), before);
    });
}

#[test]
fn noise_on_the_control_socket_is_no_news() {
    let ((mut tx, mut rx), control, data) = end_and_sockets(MAX);
    for packet in [&[0][..], &[1], &[3], &[6], &[2, 4], &[4, 0], &[0xff; 100]] {
        socket::send(&control, packet).unwrap();
    }
    assert_eq!(rx.try_recv(), Err(RxError::Empty));
    tx.try_send(b"x").unwrap();
    assert_eq!(socket::recv(&data, &mut [0; 64]), Ok(9));
    while tx.try_send(&[0; 900]).is_ok() {}
    while socket::send(&control, &[1]) != Err(Errno::AGAIN) {}
    std::thread::scope(|scope| {
        scope.spawn(|| tx.send(b"last", Some(watchdog()), None).unwrap());
        let mut packet = [0; 2000];
        loop {
            match socket::recv(&data, &mut packet) {
                Ok(12) => break,
                Ok(_) => {}
                Err(Errno::AGAIN) => {
                    socket::wait_readable(&[data.as_fd()], &mut Vec::new(), Some(watchdog())).unwrap();
                }
                Err(errno) => panic!("{errno}"),
            }
        }
    });
}

#[test]
fn a_peer_that_says_it_closed_and_sends_on_is_taken_at_its_packets() {
    let ((mut tx, mut rx), control, data) = end_and_sockets(MAX);
    socket::send(&control, &[2]).unwrap();
    socket::send(&control, &[4]).unwrap();
    socket::send(&data, &plain(Kind::Data, b"still here")).unwrap();
    assert_eq!(rx.try_recv().unwrap(), b"still here");
    assert_eq!(rx.try_recv(), Err(RxError::Empty));
    assert_eq!(tx.try_send(b"x"), Err(crate::link::error::TxError::Disconnected(Cause::Closed)));
}
