//! What a channel can be asked for.

use ringway::channel::handshake::Refusal;
use ringway::channel::{
    Channel, ConnectError, Limits, Options, Pending, Receiver, Sender, Undelivered, pair,
};
use std::time::Duration;

#[test]
fn a_capacity_out_of_range_says_what_would_do() {
    for bytes in [0, 1, 4095, 4097, 5000, (1 << 30) + 1, 1 << 31, u64::MAX] {
        let error = Options::new().capacity(bytes).unwrap_err().to_string();
        for part in [&format!("{bytes} bytes"), "power of two", "use "] {
            assert!(error.contains(part), "{error}");
        }
    }
    for bits in 12..=30 {
        Options::new().capacity(1 << bits).unwrap();
    }
}

#[test]
fn a_handshake_that_nobody_answers_times_out() {
    crate::alone!(|| {
        let options = Options::new().handshake_timeout(Duration::from_millis(1));
        let (ours, theirs) = pair(&options).unwrap();
        let error = ours.connect().unwrap_err().to_string();
        assert!(error.starts_with("the handshake failed: "), "{error}");
        let error = theirs.connect().unwrap_err().to_string();
        assert!(error.starts_with("the handshake failed: "), "{error}");
    });
}

#[test]
fn an_end_whose_other_end_was_dropped_does_not_connect() {
    crate::alone!(|| {
        for offers in [true, false] {
            let (ours, theirs) = pair(&Options::new()).unwrap();
            let (left, dropped) = if offers { (ours, theirs) } else { (theirs, ours) };
            drop(dropped);
            let error = left.connect().unwrap_err().to_string();
            assert!(error.starts_with("the handshake failed: "), "{error}");
        }
    });
}

/// Connects both ends of a pair, which the options do not allow, and returns why the one that offers and the other do not.
fn refused(options: &Options, limits: Limits) -> [Refusal; 2] {
    let (ours, theirs) = pair(options).unwrap();
    let why = |end: Pending| match end.connect() {
        Err(ConnectError::Refused(why)) => why,
        other => panic!("{other:?}"),
    };
    std::thread::scope(|scope| {
        let accepting = scope.spawn(|| why(theirs.limits(limits)));
        [why(ours), accepting.join().unwrap()]
    })
}

#[test]
fn an_accepting_end_refuses_what_is_over_its_limits_and_both_are_told_which() {
    crate::alone!(|| {
        for &link in crate::support::LINKS {
            let options = Options::new().link(link).capacity(64 << 10).unwrap().max_message(1000);
            let limits = Limits::NONE.capacity(64 << 10).unwrap().max_message(1000);
            let (ours, theirs) = pair(&options.clone().limits(limits)).unwrap();
            let accepted = std::thread::scope(|scope| {
                let accepting = scope.spawn(|| theirs.connect().is_ok());
                (ours.connect().is_ok(), accepting.join().unwrap())
            });
            assert_eq!(accepted, (true, true), "what is just allowed");

            let [told, why] = refused(&options, limits.max_message(999));
            assert_eq!(why, Refusal::MaxMessage { proposed: 1000, limit: 999 });
            assert!(told.to_string().ends_with("max_message is over the limit of 999 bytes"), "{told}");
            let [told, why] = refused(&options, limits.capacity(32 << 10).unwrap());
            assert!(why.to_string().contains("a capacity of 65536 bytes"), "{why}");
            assert!(why.to_string().ends_with("the limit is 32768"), "{why}");
            assert!(told.to_string().ends_with("the capacity is over the limit of 32768 bytes"), "{told}");
        }
    });
}

#[test]
fn a_limit_that_is_no_capacity_says_what_would_do() {
    let error = Limits::NONE.capacity(5000).unwrap_err().to_string();
    assert!(error.contains("5000 bytes") && error.contains("power of two"), "{error}");
}

#[test]
fn ends_move_between_threads_and_a_whole_channel_is_shared() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<Pending>();
    is_send::<Channel>();
    is_sync::<Channel>();
    is_send::<Sender>();
    is_send::<Receiver>();
    is_send::<Undelivered>();
}
