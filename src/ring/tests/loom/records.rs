//! What is committed arrives, whole and in order; what is not leaves no trace.

use super::link::Link;
use super::{Plain, drain, explore, full_ring, ring, take, try_push, used_ring};
use crate::ring::lines::FUTEX;
use crate::ring::{Consumer, Fences, Memory, PopError, Producer, Stream};
use crate::sync::Ordering;
use ::loom::thread;
use std::rc::Rc;

#[test]
fn a_record_arrives_with_its_payload() {
    explore("send_recv", None, || {
        let (producer, consumer) = ring(64, 0);
        send_recv(producer, consumer);
    });
}

#[test]
fn a_record_arrives_by_the_short_ways_with_its_payload() {
    explore("send_recv_fast", None, || {
        let (mut producer, mut consumer) = ring(512, 0);
        // The first of each finds out what the next ones may do without a look.
        producer.push(&[9; 8]).unwrap();
        assert_eq!(consumer.pop_into(&mut [0; 8]), Ok(8));
        send_recv(producer, consumer);
    });
}

#[test]
fn an_end_that_takes_turns_writes_the_zero_behind_a_record_before_its_turn() {
    explore("turns", None, || {
        let (mut producer, mut consumer) = used_ring(1024, 0);
        assert!(producer.push_turn(&[1; 16]));
        let sender = thread::spawn(move || {
            assert!(producer.push_turn(&[2; 16]));
            assert!(producer.push_turn(&[3; 16]));
            producer.position()
        });
        let mut taken = Vec::new();
        take(&mut consumer, 4, &mut taken);
        // The second one takes the rest of its line.
        assert_eq!(sender.join().unwrap(), 1024 + 64 + 24);
        drain(&mut consumer, &mut taken);
        assert_eq!(taken, (1..4).map(|n| vec![n; 16]).collect::<Vec<_>>());
    });
}

#[test]
fn an_answer_arrives_by_the_shortest_ways_with_its_payload() {
    explore("answers", None, || {
        let (mut producer, mut consumer) = used_ring(2048, 0);
        // The first of each finds out what the next ones may do without a look.
        producer.push(&[9; 8]).unwrap();
        assert_eq!(consumer.pop_into(&mut [0; 8]), Ok(8));
        assert!(producer.push_turn(&[1; 32]));
        let sender = thread::spawn(move || {
            // Fills up its line, and says so; as does what is taken at sight.
            assert!(producer.push_again(&[2; 32]));
            // As long as none before.
            assert!(producer.push_turn(&[3; 8]));
        });
        let mut taken = Vec::new();
        let mut buffer = [0; 32];
        for _ in 0..6 {
            if let Some(len) = consumer.pop_line(&mut buffer, |_, look| look.now()).length() {
                taken.push(buffer[..len].to_vec());
            }
        }
        sender.join().unwrap();
        drain(&mut consumer, &mut taken);
        assert_eq!(taken, [vec![1; 32], vec![2; 32], vec![3; 8]]);
    });
}

fn send_recv(mut producer: Producer<Link>, mut consumer: Consumer<Link>) {
    let sender = thread::spawn(move || {
        producer.push(&[1; 8]).unwrap();
        producer.push(&[2; 5]).unwrap();
    });
    let mut taken = Vec::new();
    let mut buffer = [0; 8];
    for _ in 0..4 {
        match consumer.pop_into(&mut buffer) {
            Ok(len) => taken.push(buffer[..len].to_vec()),
            Err(error) => assert_eq!(error, PopError::Empty),
        }
    }
    sender.join().unwrap();
    drain(&mut consumer, &mut taken);
    assert_eq!(taken, [vec![1; 8], vec![2; 5]]);
}

#[test]
fn a_record_that_overwrites_an_older_one_waits_until_that_was_taken() {
    explore("wrap", None, || {
        let (mut producer, mut consumer) = ring(64, 0);
        for n in 0..3 {
            producer.push(&[n; 8]).unwrap();
        }
        let sender = thread::spawn(move || {
            let sent = (3..5).take_while(|n| try_push(&mut producer, &[*n; 8], 2)).count();
            (producer, sent)
        });
        let mut taken = Vec::new();
        take(&mut consumer, 4, &mut taken);
        let (mut producer, sent) = sender.join().unwrap();
        drain(&mut consumer, &mut taken);
        for n in 3 + sent as u8..5 {
            producer.push(&[n; 8]).unwrap();
        }
        drain(&mut consumer, &mut taken);
        assert_eq!(taken, (0..5).map(|n| vec![n; 8]).collect::<Vec<_>>());
    });
}

#[test]
fn a_payload_is_never_read_and_written_at_once() {
    explore("plain_bytes", None, || {
        let (mut producer, mut consumer) = ring(64, 0);
        let plain = Rc::new(Plain::new(8));
        for n in 0..4 {
            plain.write(producer.position());
            producer.push(&[n; 8]).unwrap();
            if n == 0 {
                consumer.pop().unwrap();
            }
        }
        let written = Rc::clone(&plain);
        let sender = thread::spawn(move || {
            for n in 4..6 {
                let at = producer.position();
                let Ok(mut claim) = producer.claim(8) else { return };
                written.write(at);
                claim.put(&[n; 8]).unwrap();
                claim.commit();
            }
        });
        let mut expected = 1;
        for _ in 0..5 {
            if consumer.poll() {
                plain.read(consumer.position());
                assert_eq!(consumer.pop(), Ok(vec![expected; 8]));
                expected += 1;
            }
        }
        sender.join().unwrap();
    });
}

#[test]
fn what_is_seen_as_released_was_handed_out() {
    explore("head_behind_cursor", None, || {
        let (mut producer, mut consumer) = ring(128, 0);
        producer.push(&[]).unwrap();
        producer.push(&[1]).unwrap();
        let receiver = thread::spawn(move || {
            assert_eq!(consumer.pop(), Ok(vec![]));
            consumer.publish();
            assert_eq!(consumer.pop(), Ok(vec![1]));
        });
        for _ in 0..3 {
            if producer.is_released().unwrap() {
                // R3: the head that was just acquired stands for every cursor before it.
                let cursor = producer.memory().cursor().cursor.load(Ordering::Relaxed);
                assert_eq!(cursor, producer.position());
            }
            producer.claim(8).unwrap();
        }
        receiver.join().unwrap();
        assert_eq!(producer.is_released(), Ok(true));
    });
}

#[test]
fn a_hidden_release_that_a_waiting_producer_is_served_with_is_a_release() {
    explore("head_served", None, || {
        let (mut producer, mut consumer) = full_ring(Fences::Membarrier);
        producer.arm(FUTEX);
        let receiver = thread::spawn(move || {
            assert_eq!(consumer.pop(), Ok(vec![8; 8]));
            assert_eq!(consumer.pop(), Ok(vec![56; 56]));
        });
        for _ in 0..4 {
            if producer.has_space().unwrap() {
                let cursor = producer.memory().cursor().cursor.load(Ordering::Relaxed);
                assert!(cursor >= 16, "released before it was handed out");
            }
        }
        receiver.join().unwrap();
    });
}

#[test]
fn a_batch_appears_all_at_once() {
    // In the larger ring the second record goes the short way.
    for (name, capacity, offset) in [("batch", 64, 0), ("batch_padded", 64, 56), ("batch_fast", 1024, 0)] {
        explore(name, None, move || {
            let (mut producer, mut consumer) = used_ring(capacity, offset);
            let sender = thread::spawn(move || {
                let mut batch = producer.batch();
                batch.push(&[1; 8]).unwrap();
                batch.push(&[2; 3]).unwrap();
                batch.commit();
            });
            let mut taken = Vec::new();
            for _ in 0..4 {
                take(&mut consumer, 1, &mut taken);
                if taken.len() == 1 {
                    assert_eq!(consumer.pop(), Ok(vec![2; 3]), "the second with the first");
                    taken.push(vec![2; 3]);
                }
            }
            sender.join().unwrap();
            drain(&mut consumer, &mut taken);
            assert_eq!(taken, [vec![1; 8], vec![2; 3]]);
        });
    }
}

#[test]
fn padding_never_appears_without_its_record() {
    explore("padding", None, || {
        let (mut producer, mut consumer) = used_ring(64, 56);
        let sender = thread::spawn(move || {
            producer.push(&[1; 8]).unwrap();
            producer.push(&[2; 1]).unwrap();
        });
        let mut taken = Vec::new();
        take(&mut consumer, 3, &mut taken);
        sender.join().unwrap();
        drain(&mut consumer, &mut taken);
        assert_eq!(taken, [vec![1; 8], vec![2; 1]]);
    });
}

#[test]
fn a_dropped_claim_and_a_dropped_batch_leave_no_trace() {
    explore("abort", None, || {
        let (mut producer, mut consumer) = used_ring(64, 40);
        let sender = thread::spawn(move || {
            producer.claim(8).unwrap().put(&[0xAA; 8]).unwrap();
            {
                let mut batch = producer.batch();
                batch.push(&[0xBB; 8]).unwrap();
                batch.push(&[0xCC; 8]).unwrap();
            }
            producer.push(&[1; 8]).unwrap();
            producer.push(&[]).unwrap();
        });
        let mut taken = Vec::new();
        take(&mut consumer, 3, &mut taken);
        sender.join().unwrap();
        drain(&mut consumer, &mut taken);
        assert_eq!(taken, [vec![1; 8], vec![]]);
    });
}

#[test]
fn the_fragments_of_a_message_arrive_together() {
    explore("fragments", None, || {
        let (mut producer, mut consumer) = used_ring(128, 112);
        let message: Vec<u8> = (1..=40).collect();
        let sent = message.clone();
        let sender = thread::spawn(move || producer.push_message(&sent).unwrap());
        let mut taken = Vec::new();
        take(&mut consumer, 4, &mut taken);
        sender.join().unwrap();
        drain(&mut consumer, &mut taken);
        assert_eq!(taken, [message]);
    });
}

#[test]
fn a_streamed_message_is_put_together_while_it_is_sent() {
    explore("stream", None, || {
        let (mut producer, mut consumer) = used_ring(64, 48);
        let message: Vec<u8> = (1..=12).collect();
        let sent = message.clone();
        let sender = thread::spawn(move || {
            let mut stream = Stream::new();
            let done = producer.push_stream(&mut stream, &sent);
            (producer, stream, done)
        });
        let mut taken = Vec::new();
        take(&mut consumer, 2, &mut taken);
        let (mut producer, mut stream, done) = sender.join().unwrap();
        drain(&mut consumer, &mut taken);
        if done.is_err() {
            producer.push_stream(&mut stream, &message).unwrap();
            drain(&mut consumer, &mut taken);
        }
        assert_eq!(taken, [message]);
    });
}
