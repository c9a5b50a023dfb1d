use super::{MAX_MESSAGE, end_and_sockets, ends, numbered, recv};
use crate::link::error::{Cause, RxError, TxError};
use crate::link::rx::Rx;
use crate::link::socket::MAX_PACKET;
use crate::link::socket::packet::{MAX_PAYLOAD, Packet, pieces};
use crate::link::tx::Relief;
use crate::ring::{Flags, Header, Kind};
use crate::sys::socket;
use crate::sys::tests::watchdog;
use std::os::fd::OwnedFd;
use std::time::Instant;

#[test]
fn a_message_is_cut_into_full_pieces_and_a_rest() {
    let message: Vec<u8> = (0..100).collect();
    for (len, full, kinds) in [
        (0, 16, &[Kind::Data][..]),
        (16, 16, &[Kind::Data]),
        (17, 16, &[Kind::First, Kind::Last]),
        (24, 16, &[Kind::First, Kind::Last]),
        (25, 16, &[Kind::First, Kind::Middle, Kind::Last]),
        (40, 16, &[Kind::First, Kind::Middle, Kind::Last]),
        (41, 16, &[Kind::First, Kind::Middle, Kind::Middle, Kind::Last]),
    ] {
        let cut: Vec<_> = pieces(&message[..len], full).collect();
        assert_eq!(cut.iter().map(|piece| piece.kind).collect::<Vec<_>>(), kinds, "{len}");
        assert_eq!(cut.iter().flat_map(|piece| piece.bytes.to_vec()).collect::<Vec<_>>(), message[..len]);
        for piece in &cut {
            let payload = piece.bytes.len() + piece.total.map_or(0, |total| total.len());
            assert!(payload == full || matches!(piece.kind, Kind::Data | Kind::Last));
            assert_eq!(piece.total, (piece.kind == Kind::First).then(|| (len as u64).to_le_bytes()));
        }
    }
}

#[test]
fn long_messages_of_every_kind_of_length_arrive_among_short_ones() {
    let ((mut tx, _keep), (_alive, mut rx)) = ends();
    let full = MAX_PAYLOAD;
    let lengths = [full + 1, 2 * full - 9, 2 * full - 8, 2 * full - 7, 3 * full - 8, MAX_MESSAGE as usize];
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for (number, len) in (0..).zip(lengths) {
                tx.send(&numbered(number, len), None, None).unwrap();
                tx.send(b"between", Some(watchdog()), None).unwrap();
            }
            tx
        });
        for (number, len) in (0..).zip(lengths) {
            assert_eq!(recv(&mut rx).unwrap(), numbered(number, len));
            assert_eq!(recv(&mut rx).unwrap(), b"between");
        }
    });
}

#[test]
fn a_message_given_up_at_its_deadline_is_forgotten_by_the_next() {
    let ((mut tx, _keep), (_alive, mut rx)) = ends();
    let long = numbered(1, MAX_MESSAGE as usize);
    // Two in a row: the first cannot even say that it was given up.
    for _ in 0..2 {
        assert_eq!(tx.send(&long, Some(Instant::now()), None), Err(TxError::TimedOut));
    }
    while rx.try_recv() != Err(RxError::Empty) {}
    assert!(rx.partial().is_some_and(|bytes| 0 < bytes && bytes < MAX_MESSAGE));
    tx.try_send(b"next").unwrap();
    assert_eq!(rx.try_recv().unwrap(), b"next");
    assert_eq!(rx.partial(), None);
    tx.try_send(b"one more").unwrap();
    assert_eq!(rx.try_recv().unwrap(), b"one more");
}

#[test]
fn whatever_comes_after_a_message_that_was_given_up_says_so() {
    for next in 0..4 {
        let ((mut tx, _keep), (_alive, mut rx)) = ends();
        let long = numbered(1, MAX_MESSAGE as usize);
        assert_eq!(tx.send(&long, Some(Instant::now()), None), Err(TxError::TimedOut));
        while rx.try_recv() != Err(RxError::Empty) {}
        let second = numbered(2, if next == 0 { 2 * MAX_PAYLOAD } else { 9 });
        match next {
            0 | 1 => tx.send(&second, None, None).unwrap(),
            2 => {
                let mut grant = tx.grant(9).unwrap();
                grant.put(&second).unwrap();
                grant.commit().unwrap();
            }
            _ => {
                let mut batch = tx.batch();
                batch.push(&second).unwrap();
                batch.push(b"and another").unwrap();
                batch.commit().unwrap();
            }
        }
        assert_eq!(recv(&mut rx).unwrap(), second);
        tx.try_send(b"one more").unwrap();
        while recv(&mut rx).unwrap() != b"one more" {}
    }
}

/// Makes space at the last moment, and says that it cannot help.
struct TooLate<'a>(&'a OwnedFd);

impl Relief for TooLate<'_> {
    fn is_full(&self) -> bool {
        for _ in 0..2 {
            socket::recv(self.0, &mut [0; MAX_PACKET]).unwrap();
        }
        true
    }
    fn borrow(&mut self) -> Option<Rx> {
        None
    }
    fn is_back(&self) -> bool {
        false
    }
    fn give_back(&mut self, _: Rx) {}
}

#[test]
fn a_cancel_is_sent_where_there_is_space_for_it() {
    let ((mut tx, _rx), _control, data) = end_and_sockets(MAX_MESSAGE);
    let long = numbered(1, MAX_MESSAGE as usize);
    assert_eq!(tx.send(&long, None, Some(&mut TooLate(&data))), Err(TxError::Full));
    tx.try_send(b"next").unwrap();
    let mut packet = vec![0; MAX_PACKET];
    let mut headers = Vec::new();
    while let Ok(len) = socket::recv(&data, &mut packet) {
        assert!(len >= 8);
        headers.push(Header::from_word(u64::from_le_bytes(packet[..8].try_into().unwrap())).unwrap());
    }
    let header = |len, kind| Header { len, kind, flags: Flags::NONE };
    assert_eq!(headers[headers.len() - 2..], [header(0, Kind::Cancel), header(4, Kind::Data)]);
}

#[test]
fn a_message_without_its_end_is_never_delivered_but_told() {
    let ((mut tx, _keep), (_alive, mut rx)) = ends();
    assert_eq!(
        tx.send(&numbered(1, MAX_MESSAGE as usize), Some(Instant::now()), None),
        Err(TxError::TimedOut)
    );
    drop(tx);
    assert_eq!(recv(&mut rx), Err(RxError::Disconnected(Cause::Closed)));
    assert!(rx.partial().is_some_and(|bytes| bytes > 0));
}

#[test]
fn no_more_is_taken_of_a_message_that_will_not_fit() {
    let ((_tx, mut rx), _control, data) = end_and_sockets(MAX_MESSAGE);
    let message = numbered(1, 3 * MAX_PAYLOAD);
    let mut packets = pieces(&message, MAX_PAYLOAD).map(|piece| {
        let mut packet = Packet::new(MAX_PACKET);
        let total: &[u8] = piece.total.as_ref().map_or(&[], |total| total);
        assert!(packet.push(piece.kind, Flags::NONE, total, piece.bytes));
        packet.written().to_vec()
    });
    socket::send(&data, &packets.next().unwrap()).unwrap();
    socket::send(&data, &packets.next().unwrap()).unwrap();
    let mut buffer = vec![0; message.len() - 1];
    let too_small = Err(RxError::TooSmall { needed: message.len() as u64 });
    assert_eq!((rx.try_recv_into(&mut buffer), rx.partial()), (too_small, Some(MAX_PAYLOAD as u64 - 8)));
    assert_eq!((rx.try_recv_into(&mut []), rx.partial()), (too_small, Some(MAX_PAYLOAD as u64 - 8)));
    packets.for_each(|packet| socket::send(&data, &packet).unwrap());
    buffer.push(0);
    assert_eq!(rx.try_recv_into(&mut buffer), Ok(message.len()));
    assert_eq!(buffer, message);
}
