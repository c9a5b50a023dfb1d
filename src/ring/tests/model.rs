//! Any sequence of operations on two correct ends, against the naive model.

use super::rounds;
use crate::ring::Geometry;
use crate::ring::fuzzing::{ClaimEnd, Model, Op, borders, fragments, max_atomic, max_payload, place};
use proptest::prelude::*;

const CAPACITIES: [usize; 7] = [64, 128, 256, 512, 1024, 2048, 4096];

/// Lengths, most of them at a border, some of them anything.
fn len(capacity: usize) -> impl Strategy<Value = usize> + Clone {
    prop_oneof![0..16usize, prop::sample::select(borders(capacity).to_vec()), 0..capacity * 2]
}

fn op(capacity: usize) -> impl Strategy<Value = Op> {
    let len = len(capacity);
    let end = prop_oneof![
        Just(ClaimEnd::Commit),
        len.clone().prop_map(ClaimEnd::CommitFirst),
        Just(ClaimEnd::Drop)
    ];
    let claim =
        (0..capacity / 4, prop::collection::vec(0..capacity / 6, 0..4), (0..64usize, 0..64usize), end);
    let lens = prop::collection::vec(prop_oneof![0..16usize, 0..capacity / 3], 0..6);
    prop_oneof![
        4 => len.clone().prop_map(Op::Push),
        6 => prop_oneof![3 => 0..64usize, 1 => len.clone()].prop_map(Op::Turn),
        3 => len.clone().prop_map(Op::Message),
        3 => claim.prop_map(|(max, puts, patch, end)| Op::Claim { max, puts, patch, end }),
        3 => (lens, any::<bool>()).prop_map(|(lens, commit)| Op::Batch { lens, commit }),
        5 => (0..2usize, capacity / 2..capacity * 3).prop_map(|(slot, len)| Op::Stream { slot, len }),
        1 => Just(Op::Cancel),
        8 => Just(Op::Pop),
        5 => len.prop_map(Op::PopInto),
        2 => Just(Op::Publish),
        1 => Just(Op::ArmData),
        1 => Just(Op::ArmSpace),
        1 => Just(Op::Look),
    ]
}

/// A capacity, and a position in the last four laps before positions wrap, or in the first.
fn birth() -> impl Strategy<Value = (usize, u64)> {
    prop::sample::select(CAPACITIES.to_vec()).prop_flat_map(|capacity| {
        let words = prop_oneof![Just(4 * capacity as u64 / 8), 0..4 * capacity as u64 / 8];
        (Just(capacity), words.prop_map(|words| 0u64.wrapping_sub(words * 8)))
    })
}

fn run() -> impl Strategy<Value = (usize, u64, Vec<Op>, Option<Op>)> {
    birth().prop_flat_map(|(capacity, position)| {
        let ops = prop::collection::vec(op(capacity), 0..120);
        let close = prop_oneof![Just(None), Just(Some(Op::CloseProducer)), Just(Some(Op::CloseConsumer))];
        (Just(capacity), Just(position), ops, close)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: rounds(1000, 1_000_000), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_of_operations_equals_the_model((capacity, position, ops, close) in run()) {
        let mut model = Model::new(capacity, position);
        let (open, closed) = ops.split_at(ops.len() * 3 / 4);
        open.iter().chain(&close).chain(closed).for_each(|op| model.apply(op));
        model.finish();
    }
}

#[test]
fn what_fits_at_once_is_what_a_plain_count_says() {
    for capacity in CAPACITIES {
        let geometry = Geometry::of_words(capacity / 8).unwrap();
        assert_eq!(geometry.max_atomic(), max_atomic(capacity) as u64, "{capacity}");
    }
}

#[test]
fn a_message_in_fragments_ends_where_a_plain_walk_says() {
    for capacity in CAPACITIES {
        let geometry = Geometry::of_words(capacity / 8).unwrap();
        for total in max_payload(capacity) + 1..=max_atomic(capacity) {
            for start in (0..2 * capacity as u64).step_by(8).map(|words| words.wrapping_sub(capacity as u64))
            {
                let (first, _) = place(capacity, start, max_payload(capacity));
                let walk = fragments(capacity, total).fold(first, |from, len| place(capacity, from, len).1);
                assert_eq!(
                    geometry.fragments_end(first, total as u64),
                    walk,
                    "{capacity}: {total} at {first}"
                );
            }
        }
    }
}
