use super::{is_cloexec, watchdog};
use crate::sys::epoll::{Epoll, Interest, Ready};
use crate::sys::socket::{pair, recv, send};
use std::time::{Duration, Instant};

fn wait(epoll: &Epoll) -> Vec<Ready> {
    let mut ready = Vec::new();
    epoll.wait(&mut ready, Some(watchdog())).unwrap();
    ready
}

fn now(epoll: &Epoll) -> Vec<Ready> {
    let mut ready = vec![Ready { token: 0, readable: false, writable: false, hangup: false }];
    epoll.wait(&mut ready, Some(Instant::now())).unwrap();
    ready
}

#[test]
fn a_packet_makes_its_token_ready_until_it_is_taken() {
    let epoll = Epoll::new().unwrap();
    assert!(is_cloexec(&epoll));
    let (a, b) = pair().unwrap();
    epoll.add(&a, u64::MAX, Interest::Readable).unwrap();
    assert_eq!(now(&epoll), []);
    send(&b, b"x").unwrap();
    let expected = [Ready { token: u64::MAX, readable: true, writable: false, hangup: false }];
    assert_eq!(wait(&epoll), expected);
    assert_eq!(now(&epoll), expected);
    assert_eq!(recv(&a, &mut [0; 8]), Ok(1));
    assert_eq!(now(&epoll), []);
}

#[test]
fn a_deadline_ends_the_wait() {
    let until = Instant::now() + Duration::from_millis(20);
    let mut ready = Vec::new();
    Epoll::new().unwrap().wait(&mut ready, Some(until)).unwrap();
    assert!(ready.is_empty() && Instant::now() >= until);
}

#[test]
fn a_hang_up_is_told_whatever_was_asked() {
    for interest in [Interest::Readable, Interest::Writable, Interest::Both, Interest::HangUp] {
        let epoll = Epoll::new().unwrap();
        let (a, b) = pair().unwrap();
        epoll.add(&a, 5, interest).unwrap();
        assert!(now(&epoll).iter().all(|ready| !ready.hangup));
        drop(b);
        let ready = wait(&epoll);
        assert!(ready.len() == 1 && ready[0].hangup && ready[0].token == 5, "{interest:?}: {ready:?}");
    }
}

#[test]
fn interest_decides_between_reading_and_writing() {
    let epoll = Epoll::new().unwrap();
    let (a, b) = pair().unwrap();
    send(&b, b"x").unwrap();
    let mut seen = Vec::new();
    epoll.add(&a, 0, Interest::HangUp).unwrap();
    for interest in [Interest::HangUp, Interest::Readable, Interest::Writable, Interest::Both] {
        epoll.modify(&a, 1, interest).unwrap();
        seen.push(now(&epoll).first().map(|ready| (ready.readable, ready.writable)));
    }
    assert_eq!(seen, [None, Some((true, false)), Some((false, true)), Some((true, true))]);
    epoll.remove(&a).unwrap();
    assert_eq!(now(&epoll), []);
}

#[test]
fn more_than_one_call_can_tell_is_told_by_the_next() {
    let epoll = Epoll::new().unwrap();
    let pairs: Vec<_> = (0..100).map(|_| pair().unwrap()).collect();
    for ((a, b), token) in pairs.iter().zip(0..) {
        epoll.add(a, token, Interest::Readable).unwrap();
        send(b, b"x").unwrap();
    }
    let mut taken = Vec::new();
    while taken.len() < pairs.len() {
        for ready in wait(&epoll) {
            recv(&pairs[ready.token as usize].0, &mut [0; 8]).unwrap();
            taken.push(ready.token);
        }
    }
    taken.sort_unstable();
    assert!(taken.into_iter().eq(0..100));
    assert_eq!(now(&epoll), []);
}
