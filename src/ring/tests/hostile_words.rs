//! Every word that a peer writes, set to every value worth trying, at every step.

use super::ring;
use crate::ring::fuzzing::Numbers;
use crate::ring::lines::{CLOSED, FUTEX};
use crate::ring::{Corrupt, Field, HeapMemory, Memory, PopError, Producer, PushError, Stream};
use crate::sync::Ordering;

const CAPACITIES: [usize; 3] = [64, 128, 1024];

/// What a liar writes: the round numbers, and what lies around `near`.
fn lies(capacity: usize, near: &[u64]) -> Vec<u64> {
    let mut numbers = Numbers::new(capacity as u64);
    let capacity = capacity as u64;
    let mut lies = vec![
        0,
        1 << 31,
        u64::from(u32::MAX),
        1 << 32,
        1 << 63,
        u64::MAX,
        numbers.next(),
        numbers.next() & !7,
    ];
    for near in near {
        for step in [0, 1, 8, capacity - 8, capacity - 1, capacity, capacity + 1, capacity + 8, 2 * capacity]
        {
            lies.extend([near.wrapping_add(step), near.wrapping_sub(step)]);
        }
    }
    lies
}

type Step = fn(&mut Producer<HeapMemory>, &mut Stream) -> Result<(), PushError>;

/// One lap of everything that a producer does.
const STEPS: [Step; 9] = [
    |producer, _| producer.push(b"8 bytes."),
    |producer, _| producer.push(b""),
    |producer, _| {
        let mut claim = producer.claim(8)?;
        claim.put(b"claimed").map(|()| claim.commit()).map_err(|_| PushError::Full)
    },
    |producer, _| {
        let mut batch = producer.batch();
        batch.push(b"one")?;
        batch.push(b"two")?;
        batch.commit();
        Ok(())
    },
    |producer, stream| producer.push_stream(stream, &[5; 2000]),
    |producer, _| {
        producer.cancel_stream();
        Ok(())
    },
    |producer, _| producer.has_space().map(drop).map_err(PushError::from),
    |producer, _| {
        producer.arm(FUTEX);
        producer.demote();
        producer.disarm();
        Ok(())
    },
    |producer, _| producer.push(b"the end"),
];

/// Lets a producer run into the lie that `tell` writes before step `told`, and returns its answers and itself.
fn run(
    capacity: usize,
    born: u64,
    told: usize,
    tell: impl Fn(&HeapMemory),
) -> (Producer<HeapMemory>, Vec<Result<(), PushError>>) {
    let (mut producer, mut consumer) = ring(capacity, born);
    let mut stream = Stream::new();
    let mut answers = Vec::new();
    for (i, step) in STEPS.iter().cycle().take(2 * STEPS.len()).enumerate() {
        if i < told {
            // An honest lap first, so that the lie meets a ring in use.
            while consumer.pop().is_ok() {}
        } else if i == told {
            tell(producer.memory());
        }
        answers.push(step(&mut producer, &mut stream));
        let position = producer.position();
        let next =
            producer.memory().words()[(position % capacity as u64 / 8) as usize].load(Ordering::Relaxed);
        assert_eq!(next, 0, "the next header place");
    }
    (producer, answers)
}

#[test]
fn a_head_that_lies_is_refused_or_lies_in_bounds() {
    let mut refused = 0;
    for (capacity, told) in
        CAPACITIES.into_iter().flat_map(|c| (0..2 * STEPS.len()).map(move |told| (c, told)))
    {
        let born = 0u64.wrapping_sub(capacity as u64);
        let (honest, _) = run(capacity, born, told, |_| {});
        for lie in lies(capacity, &[born, honest.position()]) {
            let (mut producer, answers) = run(capacity, born, told, |memory| {
                memory.head().head.store(lie, Ordering::Relaxed);
            });
            let corrupt = PushError::Corrupt(Corrupt { field: Field::Head, value: lie });
            let first = answers.iter().position(|answer| *answer == Err(corrupt)).unwrap_or(answers.len());
            let honest = [Ok(()), Err(PushError::Full)];
            assert!(answers[..first].iter().all(|answer| honest.contains(answer)), "{lie:#x}: {answers:?}");
            // Only what asks nothing of the consumer goes on after that.
            assert!(answers[first..].iter().all(|answer| *answer == Err(corrupt) || answer.is_ok()));
            let in_bounds = lie % 8 == 0 && producer.position().wrapping_sub(lie) <= capacity as u64 - 8;
            let found = first < answers.len();
            assert!(in_bounds || producer.is_released().is_err(), "{lie:#x} was believed");
            assert_eq!(found && in_bounds, found && producer.is_released().is_err() && in_bounds);
            refused += usize::from(found);
        }
    }
    assert!(refused > 1000);
}

#[test]
fn wait_words_and_the_closed_word_of_a_liar_change_no_answer_but_closed() {
    let words = [AWAKE_WORDS, &[CLOSED]].concat();
    for (capacity, told) in
        CAPACITIES.into_iter().flat_map(|c| (0..2 * STEPS.len()).map(move |told| (c, told)))
    {
        let (_, honest) = run(capacity, 0, told, |_| {});
        for &lie in &words {
            let (_, answers) = run(capacity, 0, told, |memory| {
                memory.armed_data().armed.store(lie, Ordering::Relaxed);
                memory.armed_space().armed.store(lie, Ordering::Relaxed);
            });
            assert_eq!(answers, honest);
            let (_, answers) = run(capacity, 0, told, |memory| {
                memory.head().closed.store(lie, Ordering::Relaxed);
                memory.armed_data().armed.store(CLOSED, Ordering::Relaxed);
            });
            let closed = answers.iter().filter(|answer| **answer == Err(PushError::Closed)).count();
            assert_eq!(closed > 0, lie != 0, "{lie} at {told}: {answers:?}");
        }
    }
}

const AWAKE_WORDS: &[u32] = &[0, 1, 2, 3, 5, 9, 10, 11, 1 << 31, u32::MAX];

#[test]
fn want_and_wait_words_of_a_liar_change_nothing_that_a_consumer_takes() {
    for capacity in CAPACITIES {
        let born = 0u64.wrapping_sub(2 * capacity as u64);
        for lie in lies(capacity, &[born, 0]) {
            for armed in AWAKE_WORDS {
                let (mut producer, mut consumer) = ring(capacity, born);
                for i in 0..60u8 {
                    producer.push(&[i; 5]).unwrap();
                    consumer.memory().producer().want.store(lie, Ordering::Relaxed);
                    consumer.memory().armed_space().armed.store(*armed, Ordering::Relaxed);
                    consumer.memory().armed_data().armed.store(*armed, Ordering::Relaxed);
                    assert_eq!(consumer.pop(), Ok(vec![i; 5]));
                }
                consumer.memory().producer().closed.store((lie >> 8) as u32, Ordering::Relaxed);
                let end = if (lie >> 8) as u32 == 0 { PopError::Empty } else { PopError::Closed };
                assert_eq!(consumer.pop(), Err(end));
            }
        }
    }
}

#[test]
fn a_cursor_that_lies_is_refused_or_hands_back_what_follows_it() {
    for capacity in CAPACITIES {
        let born = 0u64.wrapping_sub(capacity as u64);
        let begin = || {
            let (mut producer, mut consumer) = ring(capacity, born);
            let mut starts = Vec::new();
            for i in 0..40 {
                starts.push((producer.position(), i));
                producer.push(&[i; 7]).unwrap();
                if i < 38 {
                    consumer.pop().unwrap();
                }
            }
            assert_eq!(producer.is_released(), Ok(false));
            (producer, starts)
        };
        let (honest, starts) = begin();
        let head = honest.memory().head().head.load(Ordering::Relaxed);
        let every: Vec<_> = (0..=2 * capacity as u64).map(|at| honest.position().wrapping_sub(at)).collect();
        for lie in lies(capacity, &[head, honest.position()]).into_iter().chain(every) {
            let (mut producer, _) = begin();
            producer.memory().cursor().cursor.store(lie, Ordering::Relaxed);
            let in_bounds = producer.position().wrapping_sub(lie) <= producer.position().wrapping_sub(head);
            let from = match starts.iter().find(|(start, _)| *start == lie) {
                _ if lie == producer.position() => Some(40),
                Some((_, first)) if in_bounds => Some(*first),
                _ => None,
            };
            match (producer.salvage(), from) {
                (Ok(left), Some(from)) => assert!(left.eq((from..40).map(|i| vec![i; 7]))),
                (Err(corrupt), None) => assert_eq!(corrupt, Corrupt { field: Field::Cursor, value: lie }),
                (other, from) => panic!("{lie:#x}: {other:?}, {from:?}"),
            }
        }
    }
}
