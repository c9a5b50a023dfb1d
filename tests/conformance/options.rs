//! What a channel can be asked for.

use ringway::channel::{Channel, Options, Pending, Receiver, Sender, Undelivered, pair};
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
