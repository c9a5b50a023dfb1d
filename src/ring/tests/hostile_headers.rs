//! Every header that a liar can write, where a consumer stands and where it does not yet.

use super::ring;
use crate::ring::fuzzing::{Numbers, to_line};
use crate::ring::{
    Consumer, Corrupt, Fences, Field, Flags, Header, HeapMemory, Kind, Memory, PopError, PushError, Stream,
};
use crate::sync::Ordering;

const KINDS: [Kind; 6] = [Kind::Data, Kind::Padding, Kind::First, Kind::Middle, Kind::Last, Kind::Cancel];

/// Header words: every kind, known or not, with every flag and every length at a border; and words at random.
fn words(capacity: usize, room: u64) -> Vec<u64> {
    let capacity = capacity as u64;
    let mut lens = vec![0, 1, 7, 8, 9, 1 << 16, 1 << 31, u64::from(u32::MAX) - 7, u64::from(u32::MAX)];
    for border in [capacity / 4 - 8, capacity / 2, room - 8, capacity] {
        lens.extend(
            [border.wrapping_sub(8), border.wrapping_sub(1), border, border + 1, border + 8]
                .map(|len| len & 0xffff_ffff),
        );
    }
    let mut words = vec![1, u64::MAX, 1 << 63, 1 << 31, u64::from(u32::MAX)];
    for (kind, flags) in (0..9u64)
        .chain([0x8001, 0xffff])
        .flat_map(|kind| [0u64, 1, 2, 3, 4, 5, 6, 8, 0x8000, 0xffff].map(|flags| (kind, flags)))
    {
        words.extend(lens.iter().map(|len| len | kind << 32 | flags << 48));
    }
    let mut numbers = Numbers::new(capacity);
    words.extend((0..100).map(|_| numbers.next()));
    words
}

/// What a consumer must say to a header at `offset` when it has taken everything before it and published it, and
/// all that follows is 0.
fn judge(word: u64, capacity: u64, offset: u64) -> Result<u64, Option<Field>> {
    let (len, kind, flags) = (word & 0xffff_ffff, word >> 32 & 0xffff, word >> 48);
    let own = 8 + len.div_ceil(8) * 8;
    let lined = flags & 4 != 0;
    let record = own + if lined { to_line(offset + own) as u64 } else { 0 };
    let refuse = |field| Err(Some(field));
    match kind {
        _ if word == 0 => Err(None),
        _ if flags > 7 => refuse(Field::Flags),
        0 | 7.. => refuse(Field::Kind),
        _ if lined && (kind != 1 || record > capacity / 4) => refuse(Field::Flags),
        _ if 8 + len > (capacity / 4).min(capacity - offset) => refuse(Field::Length),
        _ if record + 8 > capacity => refuse(Field::Overrun),
        // Padding at the end has nothing behind it.
        2 => refuse(Field::Padding),
        1 if flags & 3 != 0 => refuse(Field::Flags),
        1 => Ok(len),
        _ if flags & 1 != 0 => refuse(Field::Flags),
        3 if len != (capacity / 4).min(1 << 16) - 8 => refuse(Field::Fragment),
        3 => refuse(Field::Total),
        _ => refuse(Field::Fragment),
    }
}

fn header_place(consumer: &Consumer<HeapMemory>) -> usize {
    (consumer.position() % consumer.geometry().capacity() / 8) as usize
}

#[test]
fn any_header_is_taken_or_refused_by_the_name_of_what_is_wrong_with_it() {
    for capacity in [64, 128, 1024] {
        for offset in (0..capacity as u64).step_by(if capacity > 128 { 56 } else { 8 }) {
            for word in words(capacity, capacity as u64 - offset) {
                for room in [None, Some(0), Some(capacity)] {
                    let (_, mut consumer) = ring(capacity, offset);
                    let place = header_place(&consumer);
                    consumer.memory().words()[place].store(word, Ordering::Relaxed);
                    let got = match room {
                        None => consumer.pop().map(|message| message.len() as u64),
                        Some(room) => consumer.pop_into(&mut vec![0; room]).map(|len| len as u64),
                    };
                    match (got, judge(word, capacity as u64, offset)) {
                        (Ok(len), expected) => assert_eq!(Ok(len), expected, "{word:#x} at {offset}"),
                        (Err(PopError::Empty), Err(None)) => {}
                        (Err(PopError::TooSmall { needed }), Ok(len)) if room == Some(0) => {
                            assert_eq!(needed, len)
                        }
                        (Err(PopError::Corrupt(corrupt)), Err(Some(field))) => {
                            assert_eq!(corrupt.field, field, "{word:#x} at {offset}: {corrupt:?}");
                            consumer.memory().words()[place].store(0, Ordering::Relaxed);
                            assert_eq!(consumer.pop(), Err(PopError::Corrupt(corrupt)), "corrupt for good");
                        }
                        (got, expected) => panic!("{word:#x} at {offset}: {got:?}, not {expected:?}"),
                    }
                }
            }
        }
    }
}

#[test]
fn padding_is_believed_only_from_where_it_stands_to_the_wrap_and_without_flags() {
    for offset in (192..256u64).step_by(8) {
        for (len, flags) in (0..80).flat_map(|len| (0..4u64).map(move |flags| (len, flags))) {
            let (_, mut consumer) = ring(256, offset);
            let words = consumer.memory().words();
            // A record stands wherever padding of this length could end.
            for end in [0, offset + 8, offset + 16, offset + 24] {
                let behind = Header { len: 3, kind: Kind::Data, flags: Flags::NONE };
                words[(end % 256 / 8) as usize].store(behind.to_word(), Ordering::Relaxed);
            }
            let padding = len | 2 << 32 | flags << 48;
            words[(offset / 8) as usize].store(padding, Ordering::Relaxed);
            let field = if len > 56.min(248 - offset) { Field::Length } else { Field::Padding };
            match consumer.pop() {
                Ok(message) => assert!(message.len() == 3 && len == 248 - offset && flags == 0),
                Err(PopError::Corrupt(corrupt)) => {
                    assert_eq!(corrupt.field, field, "{padding:#x} at {offset}");
                    assert!(len != 248 - offset || flags != 0, "{padding:#x} at {offset}");
                }
                Err(other) => panic!("{padding:#x} at {offset}: {other:?}"),
            }
        }
    }
}

#[test]
fn the_length_that_a_first_fragment_names_must_be_one_that_is_cut_that_way() {
    let geometry = ring(1024, 0).0.geometry();
    let (single, atomic, max) = (geometry.max_payload(), geometry.max_atomic(), 1 << 20);
    for total in lies_about(&[0, single, atomic, 1024, max, u64::MAX]) {
        for (flags, fits) in [(Flags::NONE, atomic + 1..=max), (Flags::ATOMIC, single + 1..=atomic)] {
            let (_, mut consumer) = ring(1024, 0);
            let first = Header { len: 248, kind: Kind::First, flags };
            consumer.memory().words()[0].store(first.to_word(), Ordering::Relaxed);
            consumer.memory().words()[1].store(total, Ordering::Relaxed);
            let answer = consumer.pop_into(&mut []);
            match fits.contains(&total) {
                true => assert_eq!(answer, Err(PopError::TooSmall { needed: total })),
                false => assert_eq!(answer, Err(Corrupt { field: Field::Total, value: total }.into())),
            }
        }
    }
}

fn lies_about(borders: &[u64]) -> impl Iterator<Item = u64> + '_ {
    borders.iter().flat_map(|border| [0, 1, 8, 0u64.wrapping_sub(1)].map(|step| border.wrapping_add(step)))
}

#[test]
fn a_batch_of_fragments_of_which_any_header_is_wrong_is_refused_whole() {
    let message: Vec<u8> = (0..400).map(|i| i as u8).collect();
    // The last fragment, behind the first; or padding behind the first, and the last behind the wrap.
    for (born, places) in [(512, &[96][..]), (712, &[121, 0])] {
        for &place in places {
            let sent = || {
                let (mut producer, consumer) = ring(1024, born);
                producer.push_message(&message).unwrap();
                consumer
            };
            assert_eq!(sent().pop(), Ok(message.clone()));
            let honest = sent().memory().words()[place].load(Ordering::Relaxed);
            let wrong = (0..64).map(|bit| honest ^ 1 << bit).chain([0, u64::MAX]);
            for word in wrong.filter(|word| *word != honest) {
                let mut consumer = sent();
                consumer.memory().words()[place].store(word, Ordering::Relaxed);
                let corrupt = Err(PopError::Corrupt(Corrupt { field: Field::Fragment, value: word }));
                assert_eq!(consumer.pop().map(drop), corrupt, "{place}, born at {born}");
                assert_eq!(consumer.pop_into(&mut [0; 400]).map(drop), corrupt);
                assert_eq!(consumer.memory().cursor().cursor.load(Ordering::Relaxed), born, "handed out");
            }
        }
    }
}

/// Rings in the middle of something: what stands in them, and how many bytes of it a consumer may hand out.
fn in_use(capacity: usize) -> impl Iterator<Item = Consumer<HeapMemory>> {
    let born = 0u64.wrapping_sub(capacity as u64 / 2);
    (0..5).map(move |scene| {
        let (mut producer, mut consumer) = ring(capacity, born);
        let streamed = vec![3; capacity];
        match scene {
            0 => producer.push_message(&vec![1; capacity / 3]).unwrap_or(()),
            1 => producer.push(&vec![2; (capacity / 5) & !7]).unwrap(),
            _ => {
                assert_eq!(producer.push_stream(&mut Stream::new(), &streamed), Err(PushError::Full));
                if scene > 2 {
                    let _ = consumer.pop();
                    assert!(consumer.partial().is_some());
                    let _ = producer.push_stream(&mut Stream::new(), &streamed);
                }
                if scene > 3 {
                    producer.cancel_stream();
                }
            }
        }
        consumer
    })
}

/// Takes what there is, from a producer that is said to be dead or from a living one that may go on for ever; the
/// number of messages, and why it ended.
fn drain(consumer: &mut Consumer<HeapMemory>, dead: bool) -> (usize, Option<PopError>) {
    let (capacity, begin) = (consumer.geometry().capacity(), consumer.position());
    if dead {
        consumer.freeze();
    }
    for taken in 0..capacity as usize {
        match consumer.pop() {
            Ok(message) => assert!(message.len() as u64 <= capacity),
            Err(end) => {
                let corrupt = matches!(end, PopError::Corrupt(_));
                assert!(!corrupt || consumer.pop() == Err(end), "corrupt for good");
                return (taken, Some(end));
            }
        }
        assert!(!dead || consumer.position().wrapping_sub(begin) < capacity, "the dead wrote on");
    }
    assert!(!dead, "the dead had no end");
    (capacity as usize, None)
}

#[test]
fn any_word_in_a_ring_in_use_ends_in_messages_or_in_corrupt() {
    let (mut taken, mut refused, mut empty) = (0, 0, 0);
    for (capacity, dead) in [(64, false), (64, true), (128, true)] {
        for place in 0..capacity / 8 {
            for word in words(capacity, 64) {
                for mut consumer in in_use(capacity) {
                    consumer.memory().words()[place].store(word, Ordering::Relaxed);
                    let (messages, end) = drain(&mut consumer, dead);
                    taken += messages;
                    match end {
                        Some(PopError::Corrupt(_)) => refused += 1,
                        Some(PopError::Empty) => empty += 1,
                        other => assert_eq!(other, None),
                    }
                }
            }
        }
    }
    assert!(taken > 1000 && refused > 1000 && empty > 1000, "{taken}, {refused}, {empty}");
}

#[test]
fn a_length_that_a_peer_names_reserves_no_memory() {
    const HUGE: u64 = 1 << 60;
    let memory = HeapMemory::new(1024, 0);
    let mut consumer = Consumer::new(memory.clone(), Fences::SeqCst, 0, HUGE).unwrap();
    let first = Header { len: 248, kind: Kind::First, flags: Flags::NONE };
    memory.words()[0].store(first.to_word(), Ordering::Relaxed);
    memory.words()[1].store(HUGE, Ordering::Relaxed);
    assert_eq!(consumer.pop_into(&mut [0; 1024]), Err(PopError::TooSmall { needed: HUGE }));
    assert_eq!(consumer.partial(), None);
    assert_eq!(consumer.pop(), Err(PopError::Empty));
    assert_eq!(consumer.partial(), Some(240));
}

#[test]
fn a_header_is_the_word_that_it_was_made_from() {
    for (kind, flags) in KINDS
        .iter()
        .flat_map(|kind| [Flags::NONE, Flags::RESTART, Flags::ATOMIC, Flags::LINED].map(|f| (*kind, f)))
    {
        for len in [0, 1, u32::MAX] {
            let header = Header { len, kind, flags };
            assert_eq!(Header::from_word(header.to_word()), Ok(header));
            assert_ne!(header.to_word(), 0);
        }
    }
}

/// A consumer at `offset` that knows what it may take without a look, where this header stands and something behind it.
fn before_header(offset: u64, word: u64) -> Consumer<HeapMemory> {
    let (mut producer, mut consumer) = ring(1024, offset - 8);
    producer.push(&[]).unwrap();
    assert_eq!(consumer.pop_into(&mut []), Ok(0));
    let place = header_place(&consumer);
    for (index, payload) in consumer.memory().words()[place..].iter().enumerate() {
        payload.store(if index == 0 { word } else { index as u64 * 0x0101 }, Ordering::Relaxed);
    }
    consumer
}

#[test]
fn what_the_short_ways_take_at_sight_of_a_header_is_what_the_long_way_takes() {
    type Way = fn(&mut Consumer<HeapMemory>, &mut [u8]) -> Option<usize>;
    let ways: [Way; 2] = [
        |consumer, buffer| consumer.pop_line(buffer, |_, look| look.now()).length(),
        |consumer, buffer| consumer.pop_fast(buffer).length(),
    ];
    let headers =
        words(1024, 1024).into_iter().chain((0..70).flat_map(|len| [1 << 32 | len, 4 << 48 | 1 << 32 | len]));
    let (mut taken, mut refused) = ([0; 2], [0; 2]);
    for (word, offset) in headers.flat_map(|word| (64..128).step_by(8).map(move |offset| (word, offset))) {
        for room in [0, 31, 48, 1024] {
            for (way, take) in ways.iter().enumerate() {
                let (mut short, mut long) = (before_header(offset, word), before_header(offset, word));
                let (mut got, mut expected) = (vec![0xee; room], vec![0xee; room]);
                match take(&mut short, &mut got) {
                    Some(len) => {
                        assert_eq!(long.pop().map(|message| message.len()), Ok(len), "{word:#x} at {offset}");
                        assert_eq!(before_header(offset, word).pop_into(&mut expected), Ok(len));
                        assert_eq!(
                            (got, short.position()),
                            (expected, long.position()),
                            "{word:#x} at {offset}"
                        );
                        taken[way] += 1;
                    }
                    None => {
                        assert_eq!((got, short.position()), (expected, offset), "{word:#x} at {offset}");
                        refused[way] += 1;
                    }
                }
            }
        }
    }
    assert!(taken.iter().chain(&refused).all(|count| *count > 1000), "{taken:?} taken, {refused:?} refused");
}
