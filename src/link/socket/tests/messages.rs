use super::{CAPACITY, End, MAX_MESSAGE, ends, ends_with, numbered, recv};
use crate::link::error::{BatchError, RxError, TxError};
use crate::link::grant::GrantFull;
use crate::link::socket::MAX_PACKET;
use crate::link::socket::packet::MAX_PAYLOAD;
use crate::sys::socket;

#[test]
fn messages_of_every_length_arrive_in_order() {
    let ((mut tx, _keep), (_alive, mut rx)) = ends();
    let lengths = (0..70).chain([4095, 4096, MAX_PAYLOAD - 1, MAX_PAYLOAD]);
    for (number, len) in lengths.enumerate() {
        let message: Vec<u8> = (0..len).map(|place| (place * 7 + number) as u8).collect();
        tx.try_send(&message).unwrap();
        assert_eq!(rx.try_recv(), Ok(message));
    }
    assert_eq!(rx.try_recv(), Err(RxError::Empty));
}

#[test]
fn two_threads_pass_many_messages_both_ways() {
    const COUNT: u32 = 20_000;
    fn run((mut tx, mut rx): End) {
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for number in 0..COUNT {
                    tx.send(&numbered(number, number as usize % 300), None, None).unwrap();
                }
                tx
            });
            for number in 0..COUNT {
                assert_eq!(recv(&mut rx).unwrap(), numbered(number, number as usize % 300));
            }
        });
    }
    let (a, b) = ends();
    std::thread::scope(|scope| {
        scope.spawn(|| run(a));
        run(b);
    });
}

#[test]
fn a_message_longer_than_the_buffer_stays_in_the_kernel() {
    let ((mut tx, _keep), (_alive, mut rx)) = ends();
    tx.try_send(b"twelve bytes").unwrap();
    tx.send(&[7; MAX_PACKET], None, None).unwrap();
    for room in [0, 11] {
        assert_eq!(rx.try_recv_into(&mut vec![0; room]), Err(RxError::TooSmall { needed: 12 }));
    }
    assert!(!rx.has_kept() && socket::peek(rx.peer().wake_fd(), &mut []) == Ok(20));
    let mut buffer = [0; 12];
    assert_eq!(rx.try_recv_into(&mut buffer), Ok(12));
    assert_eq!(&buffer, b"twelve bytes");
    assert_eq!(rx.try_recv_into(&mut buffer), Err(RxError::TooSmall { needed: MAX_PACKET as u64 }));
    assert_eq!(rx.partial(), None);
    let mut buffer = vec![0; MAX_PACKET - 1];
    assert_eq!(rx.try_recv_into(&mut buffer), Err(RxError::TooSmall { needed: MAX_PACKET as u64 }));
    let mut buffer = vec![0; MAX_PACKET + 1];
    assert_eq!(rx.try_recv_into(&mut buffer), Ok(MAX_PACKET));
    assert!(buffer[..MAX_PACKET].iter().all(|byte| *byte == 7) && buffer[MAX_PACKET] == 0);
}

#[test]
fn what_is_too_long_is_refused_with_the_limit_that_holds() {
    let ((mut tx, _keep), (_alive, mut rx)) = ends_with(CAPACITY, 100_000);
    let packet = MAX_PAYLOAD as u64;
    assert_eq!((tx.max_atomic(), tx.max_grant(), tx.max_message()), (packet, packet, 100_000));
    let too_long = |len, max| Err(TxError::TooLong { len, max });
    assert_eq!(tx.try_send(&[0; MAX_PAYLOAD + 1]), too_long(packet + 1, packet));
    assert_eq!(tx.try_send(&vec![0; 100_001]), too_long(100_001, 100_000));
    assert_eq!(tx.send(&vec![0; 100_001], None, None), too_long(100_001, 100_000));
    assert_eq!(tx.probe(MAX_PAYLOAD + 1), too_long(packet + 1, packet));
    assert_eq!(rx.try_recv(), Err(RxError::Empty));
    let ((tx, _keep), _alive) = ends_with(CAPACITY, 100);
    assert_eq!((tx.max_atomic(), tx.max_grant()), (100, 100));
}

#[test]
fn a_small_link_sends_small_packets() {
    let ((mut tx, _keep), (_alive, mut rx)) = ends_with(4096, MAX_MESSAGE);
    let max = tx.max_atomic();
    assert!((2000..MAX_PAYLOAD as u64).contains(&max), "{max}");
    tx.try_send(&vec![1; max as usize]).unwrap();
    assert_eq!(rx.try_recv().unwrap().len() as u64, max);
    let message = numbered(5, 100_000);
    std::thread::scope(|scope| {
        scope.spawn(|| tx.send(&message, None, None).unwrap());
        assert_eq!(recv(&mut rx).unwrap(), message);
    });
}

#[test]
fn a_grant_is_sent_at_its_commit_and_leaves_no_trace_without() {
    let ((mut tx, _keep), (_alive, mut rx)) = ends();
    let mut grant = tx.grant(10).unwrap();
    grant.put(b"hello").unwrap();
    assert_eq!((grant.len(), grant.room(), grant.is_empty()), (5, 5, false));
    assert_eq!(grant.put(b"worlds"), Err(GrantFull { room: 5 }));
    grant.write_at(1, b"ipp").unwrap();
    assert_eq!(grant.write_at(3, b"xyz"), Err(GrantFull { room: 2 }));
    assert_eq!(grant.write_at(6, b""), Err(GrantFull { room: 0 }));
    assert_eq!(rx.try_recv(), Err(RxError::Empty));
    grant.commit().unwrap();
    tx.grant(3).unwrap().put(b"abc").unwrap();
    let mut grant = tx.grant(MAX_PAYLOAD).unwrap();
    grant.put(b"first").unwrap();
    grant.commit_first(2).unwrap();
    tx.grant(0).unwrap().commit().unwrap();
    for expected in [&b"hippo"[..], b"fi", b""] {
        assert_eq!(rx.try_recv().unwrap(), expected);
    }
    assert_eq!(rx.try_recv(), Err(RxError::Empty));
}

#[test]
fn a_batch_appears_at_once_or_not_at_all() {
    let ((mut tx, _keep), (_alive, mut rx)) = ends();
    tx.batch().push(b"never").unwrap();
    tx.batch().commit().unwrap();
    let mut batch = tx.batch();
    assert!(batch.is_empty());
    for number in 0..100 {
        batch.push(&numbered(number, number as usize)).unwrap();
    }
    batch.push(b"").unwrap();
    assert!(!batch.is_empty());
    assert_eq!(rx.try_recv(), Err(RxError::Empty));
    batch.commit().unwrap();
    tx.try_send(b"after").unwrap();
    for number in 0..100 {
        assert_eq!(rx.try_recv().unwrap(), numbered(number, number as usize));
        assert!(rx.poll() && rx.wait(None), "the rest is told of though the socket may be empty");
    }
    assert_eq!(rx.try_recv().unwrap(), b"");
    assert_eq!(rx.try_recv().unwrap(), b"after");
    assert_eq!(rx.try_recv(), Err(RxError::Empty));
}

#[test]
fn a_batch_ends_where_a_packet_does() {
    let ((mut tx, _keep), (_alive, mut rx)) = ends();
    let mut batch = tx.batch();
    batch.push(&[1; MAX_PACKET / 2 - 8]).unwrap();
    assert_eq!(batch.push(&[2; MAX_PACKET / 2 - 7]), Err(BatchError::BatchFull));
    let (len, max) = (MAX_PAYLOAD as u64 + 1, MAX_PAYLOAD as u64);
    assert_eq!(batch.push(&[2; MAX_PAYLOAD + 1]), Err(BatchError::TooLong { len, max }));
    batch.push(&[3; MAX_PACKET / 2 - 8]).unwrap();
    assert_eq!(batch.push(b""), Err(BatchError::BatchFull));
    batch.commit().unwrap();
    assert_eq!(rx.try_recv().unwrap(), [1; MAX_PACKET / 2 - 8]);
    assert_eq!(rx.try_recv_into(&mut [0; 9]), Err(RxError::TooSmall { needed: MAX_PACKET as u64 / 2 - 8 }));
    assert_eq!(rx.try_recv().unwrap(), [3; MAX_PACKET / 2 - 8]);
}
