//! What is written is read; what is spoiled is refused, or is another valid message.

use super::super::decode::decode;
use super::super::identity::IdentityError;
use super::super::message::{
    ATTACH_LEN, BORROW_LEN, DOORBELL, FRAME_MAX, GO_LEN, HELLO_LEN, HELLO_MAX, Kind, LEND_LEN, MAGIC,
    REFUSE_LEN, VERSION,
};
use super::super::message_error::MessageError;
use super::*;

fn assert_valid_or_refused(packet: &[u8]) {
    match decode(packet) {
        Ok(message) => assert_eq!(message.encode(), packet, "{message:?}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

#[test]
fn every_message_is_read_as_it_was_written() {
    for message in messages() {
        let packet = message.encode();
        assert!(packet.len() <= FRAME_MAX);
        assert_eq!(decode(&packet), Ok(message));
    }
}

#[test]
fn the_lengths_are_those_of_the_page() {
    let plain = Message::Hello(Box::new(Hello { identity: Identity::default(), ..hello() }));
    assert_eq!(plain.encode().len(), HELLO_LEN);
    let full = named_hello(full_identity());
    assert_eq!(full.encode().len(), HELLO_MAX);
    // The name of the memory comes last.
    let short = named_hello(Identity::default()).encode();
    assert_eq!((short.len(), &short[HELLO_LEN..]), (HELLO_LEN + 16, &[0xa5; 16][..]));
    assert_eq!(Message::Attach(attach()).encode().len(), ATTACH_LEN);
    assert_eq!(Message::Go(Chosen::Shm).encode().len(), GO_LEN);
    assert_eq!(Message::Refuse(refuse(Reason::TimedOut)).encode().len(), REFUSE_LEN);
    assert_eq!(Message::Borrow.encode().len(), BORROW_LEN);
    assert_eq!(Message::Lend(Chosen::Shm).encode().len(), LEND_LEN);
    assert_eq!(Message::Doorbell.encode(), [DOORBELL]);
}

fn named_hello(identity: Identity) -> Message {
    let chosen = Chosen::Portable(fallback(End::Offerer, Obstacle::MemfdCreate, 1));
    let name = Some(Name::from_bytes([0xa5; Name::LEN]));
    Message::Hello(Box::new(Hello { chosen, fds: FdKinds::NONE, identity, name, ..hello() }))
}

/// A packet written by the page, not by the code.
fn written(len: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut packet = vec![0; len];
    for (at, bytes) in fields {
        packet[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    packet
}

#[test]
fn a_hello_lies_where_the_page_says() {
    let fields: &[(usize, &[u8])] = &[
        (0, b"RWAY\x01\x00\x01"),
        (8, &LAYOUT.to_le_bytes()),
        (16, &(1u64 << 30).to_le_bytes()),
        (24, &(1u64 << 12).to_le_bytes()),
        (32, &(64u64 << 20).to_le_bytes()),
        (40, &[7]),
        (44, &[15]),
        (48, &[3]),
        (52, &[9]),
        (56, &[19, 0, 38, 0, 1]),
        (64, &[0, 4]),
        (68, &[6, 2]),
        (70, b"resize\x04\x01zonea\x04\x00role"),
    ];
    let chosen = socket(End::Offerer, Obstacle::SendFds, 38);
    let hello = Hello { chosen, fds: FdKinds::PIDFD, ..hello() };
    assert_eq!(Message::Hello(Box::new(hello)).encode(), written(89, fields));
}

#[test]
fn the_other_messages_lie_where_the_page_says() {
    let shm: &[(usize, &[u8])] = &[(0, b"RWAY\x01\x00\x02"), (8, &[8]), (12, &[15]), (24, &[0, 5])];
    assert_eq!(Message::Attach(attach()).encode(), written(28, shm));
    let go: &[(usize, &[u8])] = &[(0, b"RWAY\x01\x00\x03"), (8, &[4, 0, 1, 0, 2])];
    let denied = socket(End::Acceptor, Obstacle::MemfdCreate, 1);
    assert_eq!(Message::Go(denied).encode(), written(16, go));
    let none: &[(usize, &[u8])] = &[(0, b"RWAY\x01\x00\x04"), (8, &[7]), (24, &[4, 0, 1, 0, 2])];
    assert_eq!(Message::Refuse(refuse(Reason::NoSharedMemory)).encode(), written(32, none));
    let limit: &[(usize, &[u8])] = &[(0, b"RWAY\x01\x00\x04"), (8, &[8]), (16, &4096u64.to_le_bytes())];
    assert_eq!(Message::Refuse(refuse(Reason::Capacity)).encode(), written(32, limit));
    assert_eq!(Message::Borrow.encode(), b"RWAY\x01\x00\x05\x00");
    let lend: &[(usize, &[u8])] = &[(0, b"RWAY\x01\x00\x06"), (8, &[3, 0, 28, 0, 1])];
    let full = socket(End::Offerer, Obstacle::NoSpace, 28);
    assert_eq!(Message::Lend(full).encode(), written(16, lend));
}

#[test]
fn every_beginning_of_a_message_is_refused() {
    for message in messages() {
        let packet = message.encode();
        for len in 0..packet.len() {
            let error = decode(&packet[..len]).unwrap_err();
            let short = matches!(error, MessageError::Short { have, need } if have == len && need > len);
            assert!(short || (len == 1 && error == MessageError::Doorbell { got: b'R' }), "{error:?}");
        }
        let longer = [&packet[..], &[0]].concat();
        assert!(matches!(
            decode(&longer),
            Err(MessageError::Trailing { extra: 1, .. } | MessageError::Short { need: 4, have: 2 })
        ));
    }
}

#[test]
fn every_changed_byte_is_refused_or_means_something_else() {
    for message in messages() {
        let mut packet = message.encode();
        let full = packet.len() == HELLO_MAX;
        for at in 0..packet.len() {
            let was = packet[at];
            for value in 0..=u8::MAX {
                // The longest message is like the others; single bits are enough there.
                if !full || (value ^ was).is_power_of_two() {
                    packet[at] = value;
                    assert_valid_or_refused(&packet);
                }
            }
            packet[at] = was;
        }
    }
}

#[test]
fn a_packet_longer_than_any_message_is_refused() {
    let mut packet = Message::Go(Chosen::Shm).encode();
    packet.resize(FRAME_MAX, 0);
    assert_eq!(decode(&packet), Err(MessageError::Trailing { kind: Kind::Go, extra: FRAME_MAX - GO_LEN }));
    packet.push(0);
    assert_eq!(decode(&packet), Err(MessageError::TooLong { len: FRAME_MAX + 1 }));
}

#[test]
fn another_version_is_named_whatever_else_is_in_the_packet() {
    let mut packet = [0xff; 8];
    packet[..4].copy_from_slice(&MAGIC.to_le_bytes());
    packet[4..6].copy_from_slice(&(VERSION + 1).to_le_bytes());
    let error = MessageError::Version { ours: VERSION, theirs: VERSION + 1 };
    for len in 6..=8 {
        assert_eq!(decode(&packet[..len]), Err(error));
    }
    let shown = error.to_string();
    assert!(shown.contains("version 2") && shown.contains("process 1"), "{shown}");
}

/// A Hello, an Attach, a Go and a Refuse.
fn four() -> [Vec<u8>; 4] {
    [
        Message::Hello(Box::new(hello())).encode(),
        Message::Attach(attach()).encode(),
        Message::Go(Chosen::Shm).encode(),
        Message::Refuse(refuse(Reason::NoSharedMemory)).encode(),
    ]
}

#[test]
fn each_wrong_field_has_its_own_error() {
    let [hello, attach, go, refuse] = four();
    let cases: &[(&[u8], usize, &[u8], MessageError)] = &[
        (&hello, 0, b"rway", MessageError::Magic { got: u32::from_le_bytes(*b"rway") }),
        (&hello, 6, &[0], MessageError::UnknownKind { got: 0 }),
        (&hello, 6, &[7], MessageError::UnknownKind { got: 7 }),
        (&hello, 6, &[5], MessageError::Trailing { kind: Kind::Borrow, extra: 81 }),
        (&hello, 7, &[1], MessageError::Reserved { at: 7, got: 1 }),
        (&hello, 16, &[1], MessageError::Capacity(Capacity::new((1 << 30) + 1).unwrap_err())),
        (&hello, 24, &2048u64.to_le_bytes(), MessageError::Capacity(Capacity::new(2048).unwrap_err())),
        (
            &hello,
            24,
            &(1u64 << 31).to_le_bytes(),
            MessageError::Capacity(Capacity::new(1 << 31).unwrap_err()),
        ),
        (&hello, 32, &[0; 8], MessageError::MaxMessage),
        (&hello, 44, &[16], MessageError::UnknownFeatures { got: 16 }),
        (&hello, 56, &[1], MessageError::UnknownCode { field: "end", got: 0 }),
        (&hello, 64, &[4], MessageError::UnknownCode { field: "choice", got: 4 }),
        (&hello, 65, &[4], MessageError::FdKinds { got: 4, needed: 3 }),
        (&hello, 65, &[15], MessageError::FdKinds { got: 15, needed: 3 }),
        (&hello, 66, &[0, 9], MessageError::Reserved { at: 67, got: 9 }),
        (&hello, 68, &[65], IdentityError::NameTooLong { len: 65 }.into()),
        (&hello, 69, &[17], IdentityError::TooManyLabels { count: 17 }.into()),
        (&hello, 70, &[0xff], IdentityError::NotUtf8.into()),
        (&hello, 76, &[0], IdentityError::KeyLength { len: 0 }.into()),
        (&hello, 76, &[65], IdentityError::KeyLength { len: 65 }.into()),
        (&hello, 77, &[129], IdentityError::ValueTooLong { len: 129 }.into()),
        (&hello, 85, b"zone", IdentityError::DuplicateKey.into()),
        (&attach, 25, &[3], MessageError::FdKinds { got: 3, needed: 1 }),
        (&attach, 16, &[1, 0, 0, 0, 2], MessageError::FdKinds { got: 5, needed: 0 }),
        (&go, 10, &[0, 16], MessageError::Errno { got: 4096 }),
        (&go, 12, &[3], MessageError::UnknownCode { field: "end", got: 3 }),
        (&go, 12, &[1], MessageError::UnknownCode { field: "obstacle", got: 0 }),
        (&go, 8, &[26, 0, 0, 0, 1], MessageError::UnknownCode { field: "obstacle", got: 26 }),
        (&go, 8, &[1, 0, 0, 0, 1, 2], MessageError::UnknownCode { field: "instead", got: 2 }),
        (&go, 13, &[1], MessageError::UnknownCode { field: "end", got: 0 }),
        (&go, 15, &[1], MessageError::Reserved { at: 15, got: 1 }),
        (&refuse, 8, &[99], MessageError::UnknownCode { field: "reason", got: 99 }),
        (&refuse, 15, &[1], MessageError::Reserved { at: 15, got: 1 }),
        (&refuse, 16, &[1], MessageError::Refuse { reason: Reason::NoSharedMemory }),
        (&refuse, 8, &[6], MessageError::Refuse { reason: Reason::TimedOut }),
        (&refuse, 24, &[0; 5], MessageError::Refuse { reason: Reason::NoSharedMemory }),
        (&refuse, 29, &[1], MessageError::Refuse { reason: Reason::NoSharedMemory }),
    ];
    for (packet, at, bytes, error) in cases {
        let mut packet = packet.to_vec();
        packet[*at..at + bytes.len()].copy_from_slice(bytes);
        assert_eq!(decode(&packet), Err(*error), "{bytes:?} at {at}");
        assert!(!error.to_string().is_empty());
    }
    assert_eq!(decode(&[2]), Err(MessageError::Doorbell { got: 2 }));
}
