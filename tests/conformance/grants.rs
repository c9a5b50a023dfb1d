//! Messages that are written in place.

use crate::setting::Setting;
use crate::support::payload;
use ringway::channel::error::{SendError, TrySendError};
use ringway::channel::{Grant, GrantFull, Sender};
use std::io::Write;

/// What `send` commits arrives, and nothing else does.
fn arrives(setting: &Setting, send: impl FnOnce(&mut Sender), expected: &[&[u8]]) {
    setting.ends(
        |channel, _| {
            let (mut sender, _receiver) = channel.split();
            send(&mut sender);
        },
        |channel, _| {
            for message in expected {
                assert_eq!(&*channel.recv().unwrap(), *message);
            }
            assert!(channel.recv().is_err(), "what was not committed");
        },
    );
}

pub fn what_was_put_is_what_arrives(setting: &Setting) {
    let put_in_pieces = |sender: &mut Sender| {
        let mut grant = sender.grant(100).unwrap();
        assert!(grant.is_empty());
        for piece in [&b"put "[..], b"", b"in", b" pieces of any length"] {
            grant.put(piece).unwrap();
        }
        assert_eq!((grant.len(), grant.room()), (27, 73));
        grant.commit().unwrap();
        let max = sender.max_grant() as usize;
        let mut grant = sender.grant(max).unwrap();
        (0..max).for_each(|i| grant.put(&[i as u8]).unwrap());
        assert_eq!(grant.room(), 0);
        grant.commit().unwrap();
        sender.send(&(max as u64).to_le_bytes()).unwrap();
    };
    setting.ends(
        |channel, _| put_in_pieces(&mut channel.split().0),
        |channel, _| {
            assert_eq!(&*channel.recv().unwrap(), b"put in pieces of any length");
            let longest = channel.recv().unwrap();
            assert!(longest.iter().zip(0..).all(|(byte, i)| *byte == i as u8));
            assert_eq!(*channel.recv().unwrap(), (longest.len() as u64).to_le_bytes());
        },
    );
}

pub fn a_grant_can_be_written_over(setting: &Setting) {
    let send = |sender: &mut Sender| {
        let mut grant = sender.grant(64).unwrap();
        grant.put(b"len=?? and then the rest of it").unwrap();
        grant.write_at(4, b"30").unwrap();
        grant.write_at(29, b"!").unwrap();
        grant.write_at(30, b"").unwrap();
        assert_eq!(grant.write_at(29, b"12").unwrap_err(), GrantFull { room: 1 });
        assert_eq!(grant.write_at(31, b"").unwrap_err(), GrantFull { room: 0 });
        assert_eq!(grant.write_at(usize::MAX, b"1").unwrap_err(), GrantFull { room: 0 });
        grant.commit().unwrap();
    };
    arrives(setting, send, &[b"len=30 and then the rest of i!"]);
}

pub fn a_grant_is_an_io_writer(setting: &Setting) {
    let send = |sender: &mut Sender| {
        let mut grant = sender.grant(16).unwrap();
        write!(grant, "{}+{}={}", 1, 2, 3).unwrap();
        grant.flush().unwrap();
        assert_eq!(grant.write(&[b'x'; 32]).unwrap(), 11);
        assert_eq!(grant.write(b"x").unwrap(), 0);
        assert!(grant.write_all(b"x").is_err());
        grant.commit().unwrap();
    };
    arrives(setting, send, &[b"1+2=3xxxxxxxxxxx"]);
}

pub fn a_commit_can_be_of_the_first_bytes_only(setting: &Setting) {
    let send = |sender: &mut Sender| {
        for len in [5, 0, 8, 1000] {
            let mut grant = sender.grant(1000).unwrap();
            grant.put(b"12345678").unwrap();
            grant.commit_first(len).unwrap();
        }
    };
    arrives(setting, send, &[b"12345", b"", b"12345678", b"12345678"]);
}

pub fn a_grant_that_is_dropped_leaves_no_trace(setting: &Setting) {
    let send = |sender: &mut Sender| {
        for number in 0..200_u8 {
            let mut grant = sender.grant(1000).unwrap();
            grant.put(&[0xee; 900]).unwrap();
            sender.send(&[number]).unwrap();
        }
    };
    let numbers: Vec<[u8; 1]> = (0..200).map(|number| [number]).collect();
    let expected: Vec<&[u8]> = numbers.iter().map(|number| &number[..]).collect();
    arrives(setting, send, &expected);
}

pub fn a_grant_refuses_more_than_it_has_room_for(setting: &Setting) {
    let send = |sender: &mut Sender| {
        let mut grant = sender.grant(10).unwrap();
        grant.put(b"12345678").unwrap();
        assert_eq!(grant.put(b"abc").unwrap_err(), GrantFull { room: 2 });
        grant.put(b"ab").unwrap();
        assert_eq!(grant.put(b"c").unwrap_err(), GrantFull { room: 0 });
        grant.commit().unwrap();
    };
    arrives(setting, send, &[b"12345678ab"]);
}

pub fn a_grant_waits_for_space_and_a_tried_one_does_not(setting: &Setting) {
    let fill = |mut grant: Grant<'_>, number| {
        grant.put(&payload::numbered(0, number, 1000)).unwrap();
        grant.commit().unwrap();
    };
    setting.ends(
        |channel, cue| {
            let (mut sender, _receiver) = channel.split();
            let mut sent = 0;
            let refused = loop {
                match sender.try_grant(1000) {
                    Ok(grant) => fill(grant, sent),
                    Err(error) => break error,
                }
                sent += 1;
            };
            assert_eq!(refused, TrySendError::Full);
            cue.give();
            (sent..sent + 500).for_each(|number| fill(sender.grant(1000).unwrap(), number));
            cue.tell(u64::from(sent) + 500);
        },
        |channel, cue| {
            cue.wait();
            let mut received = 0;
            while let Ok(message) = channel.recv() {
                assert_eq!(payload::check(&message), (0, received));
                received += 1;
            }
            assert_eq!(cue.hear(), u64::from(received));
        },
    );
}

pub fn a_grant_over_the_longest_is_refused(setting: &Setting) {
    let send = |sender: &mut Sender| {
        let max = sender.max_grant();
        let too_long = SendError::TooLong { len: max + 1, max };
        assert_eq!(sender.grant(max as usize + 1).unwrap_err(), too_long);
        assert!(sender.try_grant(max as usize + 1).is_err());
        sender.grant(max as usize).unwrap().commit().unwrap();
    };
    arrives(setting, send, &[b""]);
}
