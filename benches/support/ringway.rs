//! The library's own channels, used as a program would use them: a pair made before the fork, an end connected in
//! each process and split, messages received into a buffer that is used again.

use std::io;
use std::ops::Range;

use ringway::channel::{BatchError, LinkChoice, LinkKind, Options, Pending, Receiver, Sender, Wait, pair};

use super::roles::stamp;
use super::{End, Subject};

/// A channel, one call a message, with nothing set but what its name says.
#[derive(Debug)]
pub struct Ringway {
    name: &'static str,
    wait: Wait,
    link: LinkChoice,
}

/// As the defaults are: whoever waits polls first.
pub static DEFAULT: Ringway = Ringway { name: "Ringway", wait: Wait::Adaptive, link: LinkChoice::Auto };

/// Whoever waits is asleep.
pub static PARKED: Ringway = Ringway { name: "Ringway, parked", wait: Wait::Park, link: LinkChoice::Auto };

/// As where there are no memfds, between ends that trust each other: named memory, and sleepers on the control socket.
#[cfg(feature = "portable")]
pub static PORTABLE: Ringway =
    Ringway { name: "Ringway, portable", wait: Wait::Adaptive, link: LinkChoice::Portable };

/// The same, and whoever waits is asleep.
#[cfg(feature = "portable")]
pub static PORTABLE_PARKED: Ringway =
    Ringway { name: "Ringway, portable, parked", wait: Wait::Park, link: LinkChoice::Portable };

/// As where shared memory cannot be had: one packet a message, and whoever waits is asleep.
pub static SOCKET: Ringway =
    Ringway { name: "Ringway, socket", wait: Wait::Adaptive, link: LinkChoice::Socket };

impl Subject for Ringway {
    type Half = Pending;
    type End = RingwayEnd;

    fn name(&self) -> &'static str {
        self.name
    }

    fn spins(&self) -> bool {
        self.wait != Wait::Park && self.link != LinkChoice::Socket
    }

    fn halves(&self, _size: usize) -> io::Result<(Pending, Pending)> {
        pair(&Options::new().wait(self.wait).link(self.link))
    }

    fn connect(&self, half: Pending) -> io::Result<RingwayEnd> {
        let channel = half.connect().map_err(io::Error::other)?;
        let about = channel.about();
        if self.link == LinkChoice::Auto && about.link != LinkKind::Shm {
            return Err(io::Error::other(format!("not over shared memory: {:?}", about.fallback)));
        }
        let (sender, receiver) = channel.split();
        Ok(RingwayEnd { sender, receiver })
    }
}

/// One end of a channel, as its two halves.
#[derive(Debug)]
pub struct RingwayEnd {
    sender: Sender,
    receiver: Receiver,
}

impl End for RingwayEnd {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        self.sender.send(message).expect("the message is sent");
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8]) -> usize {
        self.receiver.recv_into(buffer).expect("a message")
    }
}

/// The default channel, whose messages are written in place: one grant each.
#[derive(Debug)]
pub struct Grants;

impl Subject for Grants {
    type Half = Pending;
    type End = GrantsEnd;

    fn name(&self) -> &'static str {
        "Ringway, grants"
    }

    fn spins(&self) -> bool {
        Subject::spins(&DEFAULT)
    }

    fn halves(&self, size: usize) -> io::Result<(Pending, Pending)> {
        DEFAULT.halves(size)
    }

    fn connect(&self, half: Pending) -> io::Result<GrantsEnd> {
        Ok(GrantsEnd(DEFAULT.connect(half)?))
    }
}

/// One end of a channel that sends by grants.
#[derive(Debug)]
pub struct GrantsEnd(RingwayEnd);

impl End for GrantsEnd {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        let mut grant = self.0.sender.grant(message.len()).expect("room for the message");
        grant.put(message).expect("the message is as long as its grant");
        grant.commit().expect("the message is sent");
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8]) -> usize {
        self.0.recv(buffer)
    }
}

/// How many messages a batch has, if there is room for so many.
const BATCH: u64 = 64;

/// The default channel, one way by batches of 64 messages.
#[derive(Debug)]
pub struct Batches;

impl Subject for Batches {
    type Half = Pending;
    type End = BatchesEnd;

    fn name(&self) -> &'static str {
        "Ringway, batches of 64"
    }

    fn spins(&self) -> bool {
        Subject::spins(&DEFAULT)
    }

    fn halves(&self, size: usize) -> io::Result<(Pending, Pending)> {
        DEFAULT.halves(size)
    }

    fn connect(&self, half: Pending) -> io::Result<BatchesEnd> {
        Ok(BatchesEnd(DEFAULT.connect(half)?))
    }
}

/// One end of a channel that sends by batches.
#[derive(Debug)]
pub struct BatchesEnd(RingwayEnd);

impl End for BatchesEnd {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        self.0.send(message);
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8]) -> usize {
        self.0.recv(buffer)
    }

    #[inline]
    fn send_each(&mut self, message: &mut [u8], numbers: Range<u64>) {
        let mut number = numbers.start;
        while number < numbers.end {
            let end = numbers.end.min(number + BATCH);
            let mut batch = self.0.sender.batch();
            while number < end {
                stamp(message, number);
                match batch.push(message) {
                    Ok(()) => number += 1,
                    Err(BatchError::Full | BatchError::BatchFull) => break,
                    Err(error) => panic!("the message is not added: {error}"),
                }
            }
            let is_empty = batch.is_empty();
            batch.commit().expect("the batch is sent");
            if is_empty {
                // There is no room for even one: `send` waits for it.
                self.0.send(message);
                number += 1;
            }
        }
    }
}
