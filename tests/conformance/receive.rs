//! What a receive call takes, and what it leaves.

use crate::setting::Setting;
use crate::support::payload;
use ringway::channel::error::{RecvIntoError, RecvTimeoutError, TryRecvError, TryRecvIntoError};
use std::time::{Duration, Instant};

pub fn a_buffer_too_small_leaves_the_message(setting: &Setting) {
    // One record, a batch of records, a stream.
    const LENGTHS: [usize; 3] = [1000, 20_000, 200_000];
    setting.ends(
        |channel, _| LENGTHS.iter().for_each(|len| channel.send(&payload::bytes(1, *len)).unwrap()),
        |channel, _| {
            let (_sender, mut receiver) = channel.split();
            let mut buffer = vec![0; 200_000];
            for len in LENGTHS {
                let needed = len as u64;
                for room in [0, 1, len - 1] {
                    let refused = receiver.recv_into(&mut buffer[..room]);
                    assert_eq!(refused, Err(RecvIntoError::TooSmall { needed }));
                    let refused = receiver.try_recv_into(&mut buffer[..room]);
                    assert_eq!(refused, Err(TryRecvIntoError::TooSmall { needed }));
                }
                assert_eq!(receiver.recv_into(&mut buffer[..len]), Ok(len));
                assert!(buffer[..len] == payload::bytes(1, len));
            }
        },
    );
}

pub fn a_receive_that_timed_out_takes_nothing(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            cue.wait();
            channel.send(b"late").unwrap();
            cue.wait();
        },
        |channel, cue| {
            let short = Duration::from_millis(1);
            assert_eq!(channel.recv_timeout(short), Err(RecvTimeoutError::Timeout));
            assert_eq!(channel.recv_deadline(Instant::now() + short), Err(RecvTimeoutError::Timeout));
            let (_sender, mut receiver) = channel.split();
            assert_eq!(receiver.recv_timeout(short), Err(RecvTimeoutError::Timeout));
            cue.give();
            assert_eq!(&*receiver.recv_timeout(Duration::MAX).unwrap(), b"late");
            cue.give();
        },
    );
}

pub fn a_receive_with_a_deadline_in_the_past_still_takes_what_is_there(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            (0..4_u8).for_each(|number| channel.send(&[number]).unwrap());
            cue.meet();
        },
        |channel, cue| {
            cue.wait();
            let now = Instant::now();
            assert_eq!(*channel.recv_deadline(now).unwrap(), [0]);
            assert_eq!(*channel.recv_timeout(Duration::ZERO).unwrap(), [1]);
            let (_sender, mut receiver) = channel.split();
            assert_eq!(*receiver.recv_deadline(now).unwrap(), [2]);
            assert_eq!(*receiver.recv_timeout(Duration::ZERO).unwrap(), [3]);
            assert_eq!(receiver.recv_deadline(now), Err(RecvTimeoutError::Timeout));
            cue.give();
        },
    );
}

pub fn a_tried_receive_does_not_wait(setting: &Setting) {
    setting.ends(
        |channel, cue| {
            cue.wait();
            channel.send(b"now").unwrap();
            channel.send(b"and again").unwrap();
            cue.meet();
        },
        |channel, cue| {
            assert_eq!(channel.try_recv(), Err(TryRecvError::Empty));
            let (_sender, mut receiver) = channel.split();
            let mut buffer = [0; 16];
            assert_eq!(receiver.try_recv_into(&mut buffer), Err(TryRecvIntoError::Empty));
            cue.meet();
            assert_eq!(&*receiver.try_recv().unwrap(), b"now");
            assert_eq!(receiver.try_recv_into(&mut buffer), Ok(9));
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
            cue.give();
        },
    );
}
