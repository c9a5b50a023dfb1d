//! The fuzzers' drivers on bytes that look random: short runs that Miri can follow as well.

use crate::ring::fuzzing::{Numbers, consumer_hostile, producer_hostile, ring_model};

#[test]
fn bytes_that_look_random_stand_for_runs_that_hold_what_is_promised() {
    let mut numbers = Numbers::new(11);
    for round in 0..if cfg!(miri) { 12u32 } else { 3000 } {
        let mut bytes: Vec<u8> = (0..24 + numbers.below(100)).map(|_| numbers.next() as u8).collect();
        // Small rings, which wrap soon; every fourth one has a second thread that scribbles.
        bytes[0] = (round % 3) as u8;
        ring_model(&bytes);
        bytes[3..11].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, u8::from(round % 4 == 3)]);
        consumer_hostile(&bytes);
        bytes[2..10].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, u8::from(round % 4 == 3)]);
        producer_hostile(&bytes);
    }
}
