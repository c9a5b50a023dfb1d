//! **Question.** How many messages a second can one process send to another?
//!
//! **Method.** Two processes on two cpus; the first sends, one call a message, the second receives, one call a message.
//! The sender copies in, the receiver copies out and checks the sequence number of each message. Time runs from
//! before the first message is sent until the last one has been received. The pipe and the stream are read 64 KiB
//! at a time, so that many small messages come by one system call: what such a path can do at its best. *Grants* are
//! messages written in place, *batches* are 64 messages committed at once; both are received one by one.
//!
//! **Caveats.** A stream without answers hides every latency: it says nothing of how soon a message arrives (see
//! `--bench round_trip`). Sender and receiver do nothing else; their data stays in the caches of the two cores. A pipe
//! and a Unix stream know no messages, only bytes. 1 MiB fits neither a seqpacket's packet nor a record of the bare
//! ring. Subjects are measured one after the other; `--bench ratios` interleaves them.

#[allow(dead_code, reason = "each bench uses its part")]
mod support;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::subjects::{ONE_WAYS, subjects};
use support::{Cpus, Shape, criterion_bench, stats};

fn one_way(criterion: &mut Criterion) {
    let cpus = Cpus::choose().expect("the system says which cpus are allowed");
    eprintln!("{cpus}");
    for size in ONE_WAYS {
        let mut group = criterion.benchmark_group(format!("one way/{}", stats::bytes(size)));
        group
            .sample_size(20)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2));
        group.throughput(Throughput::ElementsAndBytes { elements: 1, bytes: size as u64 });
        for subject in subjects(Shape::OneWay, size) {
            criterion_bench::measure(&mut group, subject, Shape::OneWay, size, cpus);
        }
    }
}

criterion_group!(benches, one_way);
criterion_main!(benches);
