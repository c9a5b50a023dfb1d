//! What needs more than the public face; the rest is in `tests/conformance`.

mod hostile;

use super::{Channel, Options, pair};

fn connected(options: &Options) -> (Channel, Channel) {
    let (ours, theirs) = pair(options).unwrap();
    let theirs = std::thread::spawn(|| theirs.connect().unwrap());
    (ours.connect().unwrap(), theirs.join().unwrap())
}

#[test]
fn two_ends_echo() {
    echo(super::LinkChoice::Shm);
    echo(super::LinkChoice::Socket);
}

fn echo(link: super::LinkChoice) {
    let (ours, theirs) = connected(&Options::new().link(link));
    let echo = std::thread::spawn(move || {
        while let Ok(message) = theirs.recv() {
            theirs.send(&message).unwrap();
        }
    });
    for len in [0, 1, 7, 8, 9, 1000, 70_000, 300_000, 600_000, 3_000_000] {
        let message: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        ours.send(&message).unwrap();
        assert_eq!(&*ours.recv().unwrap(), &message[..]);
    }
    ours.close_sending();
    echo.join().unwrap();
}

#[test]
fn two_ends_that_both_only_send_do_not_hang() {
    let (ours, theirs) = connected(&Options::new().capacity(4096).unwrap());
    let sender = std::thread::spawn(move || {
        (0..10_000u32).for_each(|i| theirs.send(&i.to_le_bytes()).unwrap());
        (0..10_000u32).for_each(|i| assert_eq!(&*theirs.recv().unwrap(), i.to_le_bytes()));
    });
    (0..10_000u32).for_each(|i| ours.send(&i.to_le_bytes()).unwrap());
    (0..10_000u32).for_each(|i| assert_eq!(&*ours.recv().unwrap(), i.to_le_bytes()));
    sender.join().unwrap();
}
