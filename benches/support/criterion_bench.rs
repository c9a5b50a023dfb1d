//! A subject as one of criterion's benchmarks.

use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;

use super::{Cpus, Pair, Shape, Start, measuring};

/// Measures a subject: criterion says how many messages, the two processes carry them and say how long it took.
///
/// The processes are started when criterion first asks, so that a filter leaves out their start too. A failure is a
/// panic: criterion has no other way to end.
pub fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    subject: &dyn Start,
    shape: Shape,
    size: usize,
    cpus: Cpus,
) {
    if measuring() && subject.spins() && !cpus.two() {
        return;
    }
    let start = || subject.start(shape, size, cpus).unwrap_or_else(|why| panic!("{why}"));
    let mut pair: Option<Pair> = None;
    group.bench_function(subject.name(), |bencher| {
        let pair = pair.get_or_insert_with(start);
        bencher.iter_custom(|messages| pair.run(messages).unwrap_or_else(|why| panic!("{why}")).elapsed);
    });
}
