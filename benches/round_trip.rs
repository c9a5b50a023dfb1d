//! **Question.** How long does it take to send a message to another process and have its answer, while both are awake,
//! and when the one that waits sleeps?
//!
//! **Method.** Two processes on two cpus; the first sends a message and waits for its copy, the second receives it and
//! sends it back. Both copy in, copy out, and check the sequence number of each message. Both wait as the subject
//! does by default, or as its name says; a pipe, a socket and raw_sync's event always sleep, so a round trip through
//! them is two wake-ups. The processes live as long as a benchmark; criterion's time is that of the first process,
//! from its first message to its last answer, and holds no fork, no command and no meeting of the two. In the groups
//! *asleep* each process computes for 100 µs before it sends, so that the other sleeps by then; that work is taken off
//! the times.
//!
//! **Caveats.** With two cpus to themselves the processes never compete with anyone. On other machines, in other
//! virtual machines, and with more load, a wake-up costs anything from 5 to 100 µs. Subjects are measured one
//! after the other, so a drift of the machine falls on some of them only: compare by `--bench ratios`, which
//! interleaves them.

#[allow(dead_code, reason = "each bench uses its part")]
mod support;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use support::subjects::{ASLEEP, ROUND_TRIPS, subjects};
use support::{Cpus, Shape, criterion_bench, stats};

fn awake(criterion: &mut Criterion) {
    measure(criterion, Shape::RoundTrip, &ROUND_TRIPS);
}

fn asleep(criterion: &mut Criterion) {
    measure(criterion, Shape::Asleep, &ASLEEP);
}

fn measure(criterion: &mut Criterion, shape: Shape, sizes: &[usize]) {
    let cpus = Cpus::choose().expect("the system says which cpus are allowed");
    eprintln!("{cpus}");
    for &size in sizes {
        let mut group = criterion.benchmark_group(format!("{}/{}", shape.name(), stats::bytes(size)));
        group
            .sample_size(20)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2));
        for subject in subjects(shape, size) {
            criterion_bench::measure(&mut group, subject, shape, size, cpus);
        }
    }
}

criterion_group!(benches, awake, asleep);
criterion_main!(benches);
