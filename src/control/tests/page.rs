//! The page about the wire says what the code does.

use super::super::decode::decode;
use super::super::fallback::ERRNO_MAX;
use super::super::message::{
    ATTACH_LEN, BORROW_LEN, CLOSED_RECEIVING, CLOSED_SENDING, DOORBELL, FRAME_MAX, GO_LEN, HEADER_LEN,
    HELLO_LEN, Instead, Kind, LEND_LEN, MAGIC, REFUSE_LEN, VERSION,
};
use super::*;
use crate::ring::{self, lines};
use crate::segment::{LAYOUT_HASH, Name};
use crate::sys::socket::MAX_FDS;

const PAGE: &str = include_str!("../../../docs/wire.md");

/// The rows of the table below a heading, without the table's own head.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let mut sections = PAGE.split("\n#").map(|section| section.trim_start_matches('#').trim());
    let section = sections.find(|section| section.lines().next() == Some(heading));
    let section = section.unwrap_or_else(|| panic!("no section `{heading}`"));
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.skip(1).map(|row| row.split(" | ").map(str::trim).collect()).collect()
}

fn number(text: &str) -> u64 {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.unwrap_or_else(|_| panic!("`{text}` is no number"))
}

/// The first two columns: a number and a name.
fn named(heading: &str) -> Vec<(u64, &'static str)> {
    table(heading).iter().map(|row| (number(row[0]), row[1])).collect()
}

/// The first and the second column of a table of values.
fn values(heading: &str) -> Vec<(&'static str, u64)> {
    table(heading).iter().map(|row| (row[0], number(row[1]))).collect()
}

fn number_at(packet: &[u8], at: usize, size: usize) -> u64 {
    packet[at..at + size].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Compares a table of fields with a packet in which each field has a value of its own.
fn assert_fields(heading: &str, packet: &[u8], start: usize, end: usize, expected: &[(&str, u64)]) {
    let mut at = start;
    let mut expected = expected.iter();
    for row in table(heading) {
        let size = number(row[1]) as usize;
        assert_eq!(number(row[0]) as usize, at, "{heading}: {}", row[2]);
        let found = number_at(packet, at, size);
        if row[2] == "zero" {
            assert_eq!(found, 0, "{heading}: zero at {at}");
        } else {
            let (field, value) = expected.next().unwrap();
            assert!(row[2].starts_with(field), "{heading}: {} is not {field}", row[2]);
            assert_eq!(found, *value, "{heading}: {field}");
        }
        at += size;
    }
    assert_eq!((at, expected.next()), (end, None), "{heading}");
}

#[test]
fn versions_and_bounds() {
    let versions = [("wire version", VERSION.into()), ("magic", MAGIC.into())];
    assert_eq!(values("Versions"), versions);
    let bounds = [
        ("packet", FRAME_MAX as u64),
        ("name", NAME_MAX as u64),
        ("labels (their number)", LABELS_MAX as u64),
        ("key of a label", KEY_MAX as u64),
        ("value of a label", VALUE_MAX as u64),
        ("smallest capacity", Capacity::MIN.bytes()),
        ("largest capacity", Capacity::MAX.bytes()),
        ("descriptors in a packet (their number)", MAX_FDS as u64),
    ];
    assert_eq!(values("Bounds"), bounds);
    assert!(PAGE.contains(&format!("one byte, {DOORBELL:#04x}")));
    assert!(PAGE.contains(&format!("one byte, {CLOSED_SENDING:#04x} or {CLOSED_RECEIVING:#04x}")));
    assert!(PAGE.contains(&format!("at most {ERRNO_MAX};")));
}

#[test]
fn numbers_of_kinds_obstacles_ends_choices_and_reasons() {
    macro_rules! assert_codes {
        ($($heading:literal: $coded:ident,)*) => {$(
            let codes: Vec<_> = $coded::ALL.iter().map(|value| (value.code().into(), value.name())).collect();
            assert_eq!(named($heading), codes);
        )*};
    }
    assert_codes! { "Obstacles": Obstacle, "Ends": End, "Choices": LinkChoice, "Reasons": Reason, "Instead": Instead, }
    // The doorbell has no header, so its number is not on the wire.
    let kinds: Vec<_> = Kind::ALL[1..].iter().map(|kind| (kind.code().into(), kind.name())).collect();
    assert_eq!(named("Kinds"), kinds);
}

#[test]
fn bits_of_features_and_descriptors() {
    let features: Vec<_> = Features::NAMED.iter().map(|(name, bit)| (bit.bits().into(), *name)).collect();
    assert_eq!(named("Features"), features);
    let fds: Vec<_> = FdKinds::NAMED.iter().map(|(name, bit)| (bit.bits().into(), *name)).collect();
    assert_eq!(named("Descriptors"), fds);
}

#[test]
fn the_fields_of_each_message() {
    let link = socket(End::Acceptor, Obstacle::SendFds, 38);
    let link_number = u64::from(Obstacle::SendFds.code()) | 38 << 16 | 2 << 32;
    let hello = Hello {
        chosen: link,
        choice: LinkChoice::Socket,
        fds: FdKinds::PIDFD,
        features: Features::MEMFD,
        ..hello()
    };
    let packet = Message::Hello(Box::new(hello)).encode();
    let header = [("magic", MAGIC.into()), ("wire version", VERSION.into()), ("kind", 1)];
    assert_fields("Header", &packet, 0, HEADER_LEN, &header);
    let fields = [
        ("layout hash", LAYOUT),
        ("capacity of the ring to the acceptor", Capacity::MAX.bytes()),
        ("capacity of the ring to the offerer", Capacity::MIN.bytes()),
        ("max_message", 64 << 20),
        ("pid", 7),
        ("features", 8),
        ("slot", 3),
        ("generation", 9),
        ("link", link_number),
        ("choice", 2),
        ("descriptors", 4),
        ("length of the name", 6),
        ("number of labels", 2),
    ];
    assert_fields("Hello", &packet, HEADER_LEN, HELLO_LEN, &fields);
    let parts =
        [("obstacle", Obstacle::SendFds.code().into()), ("error number", 38), ("the end", 2), ("what", 0)];
    assert_fields("Link", &packet[56..64], 0, 8, &parts);
    let named = Chosen::Portable(fallback(End::Acceptor, Obstacle::SendFds, 38));
    let parts = [parts[0], parts[1], parts[2], ("what", 1)];
    assert_fields("Link", &Message::Go(named).encode()[HEADER_LEN..], 0, 8, &parts);

    let attach = Attach { features: Features::FD_PASSING, choice: LinkChoice::Shm, ..attach() };
    let packet = Message::Attach(attach).encode();
    let fields = [("pid", 8), ("features", 4), ("link", 0), ("choice", 1), ("descriptors", 5)];
    assert_fields("Attach", &packet, HEADER_LEN, ATTACH_LEN, &fields);

    assert_fields("Go", &Message::Go(link).encode(), HEADER_LEN, GO_LEN, &[("link", link_number)]);

    assert_fields("Borrow", &Message::Borrow.encode(), HEADER_LEN, BORROW_LEN, &[]);
    assert_fields("Lend", &Message::Lend(link).encode(), HEADER_LEN, LEND_LEN, &[("link", link_number)]);

    let refuse = Refuse { reason: Reason::Capacity, limit: 5, fallback: link.fallback() };
    let packet = Message::Refuse(refuse).encode();
    let fields = [("reason", 8), ("the limit", 5), ("link", link_number)];
    assert_fields("Refuse", &packet, HEADER_LEN, REFUSE_LEN, &fields);
    assert!(decode(&packet).is_err(), "only one of limit and link can belong to a reason");
}

#[test]
fn records() {
    let flags = ring::Flags::RESTART.with(ring::Flags::ATOMIC);
    let header = ring::Header { len: 77, kind: ring::Kind::Middle, flags };
    let fields = [("length", 77), ("kind", 4), ("flags", 3)];
    assert_fields("Record header", &header.to_word().to_le_bytes(), 0, ring::HEADER as usize, &fields);
    for (number, name) in named("Record kinds") {
        let header = ring::Header::from_word(number << 32).unwrap();
        assert_eq!(format!("{:?}", header.kind), name);
    }
    assert!(ring::Header::from_word((named("Record kinds").len() as u64 + 1) << 32).is_err());
    let word = |flags| ring::Header { len: 0, kind: ring::Kind::Data, flags }.to_word() >> 48;
    let flags = [
        (word(ring::Flags::RESTART), "RESTART"),
        (word(ring::Flags::ATOMIC), "ATOMIC"),
        (word(ring::Flags::LINED), "LINED"),
    ];
    assert_eq!(named("Record flags"), flags);
}

#[test]
fn the_name_of_named_memory() {
    let digits = PAGE.split_once("`/rw-` and 26 digits of").unwrap().1.split('`').nth(1).unwrap();
    assert!(PAGE.contains("the 16 bytes of the Hello as one number, 5 bits a digit, the lowest first."));
    let bytes: [u8; 16] = std::array::from_fn(|place| 13 * place as u8 + 60);
    let digit = |place: usize| (u128::from_le_bytes(bytes) >> (5 * place) & 31_u128) as usize;
    let text: String = (0..26).map(|place| char::from(digits.as_bytes()[digit(place)])).collect();
    assert_eq!(Name::from_bytes(bytes).to_string(), format!("/rw-{text}"));
}

#[cfg(all(feature = "portable", target_endian = "little"))]
mod named_memory {
    use super::*;
    use crate::ring::Memory;
    use crate::segment::named::{Capacities, LIMIT, Named};
    use crate::segment::{Parts, ShmMemory, Side};
    use crate::sync::Ordering;
    use std::fs::{File, read};
    use std::os::unix::fs::{FileExt, MetadataExt};

    fn capacities() -> Capacities {
        [Capacity::MIN, Capacity::new(8192).unwrap()]
    }

    /// What the accepting end makes, and where it can be read.
    fn create() -> (Parts, Named, String) {
        let (parts, name) = Parts::create(Name::random().unwrap(), capacities()).unwrap();
        let path = format!("/dev/shm{}", name.name());
        (parts, name, path)
    }

    #[test]
    fn the_label() {
        let (_b, name, path) = create();
        let memory = File::open(&path).unwrap();
        let mode = memory.metadata().unwrap().mode() & 0o777;
        assert!(PAGE.contains(&format!("with mode {mode:04o},")));
        let [a, b] = capacities().map(Capacity::bytes);
        let words = [
            ("magic, the bytes `RINGWAY1`", u64::from_le_bytes(*b"RINGWAY1")),
            ("version 1 of", 1),
            ("layout hash", LAYOUT_HASH),
            ("A's capacity", a),
            ("B's capacity", b),
            ("opened", 0),
        ];
        assert_fields("The label", &read(path).unwrap(), 512, 560, &words);

        let _a = Parts::open(name.name(), capacities(), LIMIT).unwrap();
        let mut opened = [0; 8];
        memory.read_exact_at(&mut opened, number(table("The label")[5][0])).unwrap();
        assert_eq!(u64::from_le_bytes(opened), 1);
    }

    /// Each part has a mark where the page says that it begins.
    #[test]
    fn its_parts() {
        let (b, name, path) = create();
        let memory = File::open(path).unwrap();
        let a = Parts::open(name.name(), capacities(), LIMIT).unwrap();
        a.page.data(Side::A).armed.store(1, Ordering::Relaxed);
        for (end, side, mark) in [(a, Side::A, 2), (b, Side::B, 3)] {
            let outgoing = ShmMemory::outgoing(end.own, end.peer, end.page, side);
            outgoing.words()[0].store(mark, Ordering::Relaxed);
        }
        let capacities = capacities().map(Capacity::bytes);
        let bytes = |text: &str| match text.split_once(" and ") {
            Some((fixed, "A's capacity")) => number(fixed) + capacities[0],
            Some((fixed, "B's capacity")) => number(fixed) + capacities[1],
            _ => number(text),
        };
        let (wait, data) = (number(table("Wait page")[0][0]), number(table("Segment")[7][0]));
        let (mut next, marks) = (0, [(wait, 1), (data, 2), (data, 3)]);
        assert_eq!(table("Named memory").len(), marks.len());
        for (row, (place, mark)) in table("Named memory").iter().zip(marks) {
            assert_eq!(bytes(row[0]), next, "{}", row[2]);
            let mut found = [0; 8];
            memory.read_exact_at(&mut found, next + place).unwrap();
            assert_eq!(u64::from_le_bytes(found), mark, "{}", row[2]);
            next += bytes(row[1]);
        }
        assert_eq!(memory.metadata().unwrap().len(), next);
    }
}

/// The hash, computed from the page: that it comes out right says that every number of the layout is.
#[test]
#[cfg(target_endian = "little")]
fn the_layout_of_the_shared_memory() {
    let at = |heading: &str| -> Vec<u64> { table(heading).iter().map(|row| number(row[0])).collect() };
    let [want, closed, fenced, head, head_closed, head_fenced, cursor, data] = at("Segment")[..] else {
        panic!("eight words")
    };
    let line = lines::LINE as u64;
    let places = [line, 4096, want, head, cursor, data];
    let words = [want, closed, fenced, head, head_closed, head_fenced, cursor, 0].map(|place| place % line);
    let mut numbers = vec![8, 0x0403_0201];
    numbers.extend(places.into_iter().chain(words).chain(at("Wait page")).chain(at("Values of a wait word")));
    let bytes = numbers.into_iter().flat_map(u64::to_le_bytes);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    assert_eq!(hash, LAYOUT_HASH);
    assert!(PAGE.contains(&format!("`{LAYOUT_HASH:#018x}`")));
    assert!(PAGE.contains("(0, 128, 256, 4096)") && PAGE.contains("want 0, closed 8, fenced 12; head 0"));
}
