//! What is measured in which shape and at which sizes, in the order of the tables.

use super::bare_ring::BareRing;
use super::ladder;
use super::limits::{HandOver, PingPong, Words};
use super::raw_sync_event::{DIRECT, RINGER};
use super::ringway::{self, Batches, Grants};
use super::seqpacket::Seqpacket;
use super::sleepers;
use super::stream::{Pipe, PolledPipe, UnixStream};
use super::{Shape, Start};

/// The lengths of messages that make a round trip.
pub const ROUND_TRIPS: [usize; 6] = [8, 48, 64, 256, 1024, 64 << 10];
/// The lengths of messages that make a round trip between sleepers. All are whole words.
pub const ASLEEP: [usize; 6] = ROUND_TRIPS;
/// The lengths of messages that go one way.
pub const ONE_WAYS: [usize; 5] = [8, 64, 1024, 64 << 10, 1 << 20];

/// The subjects that carry messages of this length.
pub fn subjects(shape: Shape, size: usize) -> Vec<&'static dyn Start> {
    match shape {
        Shape::RoundTrip => round_trips(size),
        Shape::Asleep => sleepers(size),
        Shape::OneWay => one_ways(size),
    }
}

fn round_trips(size: usize) -> Vec<&'static dyn Start> {
    let mut subjects: Vec<&'static dyn Start> = vec![
        &ringway::DEFAULT,
        &ringway::PARKED,
        &ringway::SOCKET,
        &BareRing,
        &Pipe,
        &PolledPipe,
        &UnixStream,
        &Seqpacket,
    ];
    if size == 8 {
        subjects.extend([&DIRECT as &dyn Start, &PingPong]);
    }
    if size == ladder::MESSAGE {
        subjects.extend(ladder::STEPS);
    }
    subjects.extend(portable());
    subjects
}

/// The portable link, where it was built in.
fn portable() -> Vec<&'static dyn Start> {
    #[cfg(feature = "portable")]
    return vec![&ringway::PORTABLE, &ringway::PORTABLE_PARKED];
    #[cfg(not(feature = "portable"))]
    Vec::new()
}

/// What sleeps, by default or in any case.
fn sleepers(size: usize) -> Vec<&'static dyn Start> {
    let mut subjects: Vec<&'static dyn Start> =
        vec![&ringway::DEFAULT, &ringway::PARKED, &ringway::SOCKET, &Pipe, &UnixStream, &Seqpacket];
    if size == 8 {
        subjects.extend([&DIRECT as &dyn Start, &RINGER]);
        subjects.extend([&sleepers::ONE as &dyn Start, &sleepers::TWO]);
    }
    subjects.push(&sleepers::BARRIER);
    subjects.extend(portable());
    subjects
}

fn one_ways(size: usize) -> Vec<&'static dyn Start> {
    let mut subjects: Vec<&'static dyn Start> = vec![&ringway::DEFAULT, &ringway::PARKED, &ringway::SOCKET];
    if size < 1 << 20 {
        subjects.push(&Grants);
    }
    // Longer messages fill the ring before they fill a batch.
    if size <= 1024 {
        subjects.push(&Batches);
    }
    subjects.extend([&Pipe as &dyn Start, &UnixStream]);
    if size < 1 << 20 {
        subjects.extend([&BareRing as &dyn Start, &Seqpacket]);
    }
    if size <= 64 {
        subjects.push(&Words);
    }
    if size == 64 << 10 {
        subjects.push(&HandOver);
    }
    subjects.extend(portable());
    subjects
}
