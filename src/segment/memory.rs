//! One direction of a link, over the two segments and the wait page.
//!
//! | | of an end's outgoing direction | of its incoming direction |
//! |---|---|---|
//! | words, producer's line | own, read-write | peer's, read-only |
//! | head, cursor | peer's, read-only | own, read-write |
//! | armed for data | peer's word | own word |
//! | armed for space | own word | peer's word |
//!
//! The ring stores only to what its role writes, so the read-only half is only ever loaded from.

#![allow(unsafe_code)]

use super::layout::Side;
use super::owned::OwnedSegment;
use super::peer::PeerSegment;
use super::wait_page::WaitPage;
use crate::ring::lines::{AWAKE, CursorLine, DOORBELL, FENCE_LOST, HeadLine, ProducerLine, SPACE, WaitLine};
use crate::ring::{Memory, NoSpace, prefetch_for_write};
use crate::sync::{AtomicU64, Ordering};
use crate::sys::{Errno, futex, socket};
use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::{Arc, Weak};

/// The memory of one direction of a link, for one of its ends.
///
/// Every place is looked up once, at construction: an access costs what a pointer costs. It must not be used in
/// a forked child, where there is nothing behind the pointers; dropping it there is harmless.
#[derive(Clone, Debug)]
pub(crate) struct ShmMemory {
    words: NonNull<[AtomicU64]>,
    producer: NonNull<ProducerLine>,
    head: NonNull<HeadLine>,
    cursor: NonNull<CursorLine>,
    armed_data: NonNull<WaitLine>,
    armed_space: NonNull<WaitLine>,
    /// The word by which the consumer's end waits for space in its other direction.
    consumer_sends: NonNull<WaitLine>,
    /// How many bytes of the data area this end has populated; all of them, if that is not its to do.
    populated: Cell<u64>,
    bell: Option<Bell>,
    /// Who is told that a wake-up was denied.
    mute: Option<Weak<dyn Mute>>,
    // Every pointer above leads into one of these.
    own: Arc<OwnedSegment>,
    _peer: Arc<PeerSegment>,
    _wait: Arc<WaitPage>,
}

/// How a peer that sleeps on its control socket is woken.
#[derive(Clone, Debug)]
struct Bell {
    socket: Arc<OwnedFd>,
    packet: &'static [u8],
}

/// An end that may find that it can wake its peer no more.
pub(crate) trait Mute: std::fmt::Debug + Send + Sync {
    /// It could not, where it owed that. Must not block.
    fn cannot_wake(&self);
}

// SAFETY: the pointers lead to atomics in mappings that the `Arc`s keep, which are not bound to a thread.
unsafe impl Send for ShmMemory {}

impl ShmMemory {
    /// The direction in which this end, `side`, produces.
    pub(crate) fn outgoing(
        own: Arc<OwnedSegment>,
        peer: Arc<PeerSegment>,
        wait: Arc<WaitPage>,
        side: Side,
    ) -> Self {
        let consumer = side.other();
        Self {
            words: own.view.words().into(),
            producer: own.view.producer().into(),
            head: peer.view.head().into(),
            cursor: peer.view.cursor().into(),
            armed_data: wait.data(consumer).into(),
            armed_space: wait.space(side).into(),
            consumer_sends: wait.space(consumer).into(),
            populated: Cell::new(0),
            bell: None,
            mute: None,
            own,
            _peer: peer,
            _wait: wait,
        }
    }

    /// The direction in which this end, `side`, consumes.
    pub(crate) fn incoming(
        own: Arc<OwnedSegment>,
        peer: Arc<PeerSegment>,
        wait: Arc<WaitPage>,
        side: Side,
    ) -> Self {
        let producer = side.other();
        Self {
            words: peer.view.words().into(),
            producer: peer.view.producer().into(),
            head: own.view.head().into(),
            cursor: own.view.cursor().into(),
            armed_data: wait.data(side).into(),
            armed_space: wait.space(producer).into(),
            consumer_sends: wait.space(side).into(),
            populated: Cell::new(u64::MAX),
            bell: None,
            mute: None,
            own,
            _peer: peer,
            _wait: wait,
        }
    }

    /// Wakes a peer that sleeps on its end of `socket` by sending it `packet`.
    pub(crate) fn with_bell(mut self, socket: Arc<OwnedFd>, packet: &'static [u8]) -> Self {
        self.bell = Some(Bell { socket, packet });
        self
    }

    /// Tells `end` when a wake-up is denied.
    pub(crate) fn with_mute(mut self, end: Weak<dyn Mute>) -> Self {
        self.mute = Some(end);
        self
    }

    #[cold]
    fn wake(&self, line: &WaitLine, armed: u32) {
        match (armed & !FENCE_LOST, &self.bell) {
            // R5: it was not armed any more. The sleeper has seen for itself what it waited for, or was woken.
            (AWAKE, _) => {}
            (DOORBELL, Some(bell)) => match socket::send(&*bell.socket, bell.packet) {
                // A full socket has been rung before; a peer that is gone needs no bell.
                Ok(()) | Err(Errno::AGAIN | Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => {}
                // Denied since the link was made, or no memory for a byte: the peer would sleep for good.
                Err(_) => self.mute(),
            },
            // Whatever else a peer may have armed: a wake-up that nobody waits for is harmless.
            _ => match futex::wake(&line.armed) {
                // Whoever waits there in a way that this cannot end does so by intent.
                Ok(()) | Err(Errno::INVAL) => {}
                // Denied since the link was made: the peer would sleep for good.
                Err(_) => self.mute(),
            },
        }
    }

    fn mute(&self) {
        let end = self.mute.as_ref().and_then(Weak::upgrade);
        end.iter().for_each(|end| end.cannot_wake());
    }
}

impl ShmMemory {
    /// Of a direction in which this end consumes: the word of its own ring with which its next message will begin, at
    /// `position`.
    #[inline(always)]
    pub(crate) fn next_outgoing(&self, position: u64) -> &AtomicU64 {
        let words = self.own.view.words();
        words.get((position / 8) as usize & words.len().wrapping_sub(1)).unwrap_or(&self.head().head)
    }

    /// Asks for the line of that word. A hint.
    #[inline(always)]
    pub(crate) fn fetch(word: &AtomicU64) {
        prefetch_for_write(std::slice::from_ref(word), 0);
    }
}

impl Memory for ShmMemory {
    #[inline(always)]
    fn words(&self) -> &[AtomicU64] {
        // SAFETY: taken from a reference into a mapping that `self` keeps; so for the lines below.
        unsafe { self.words.as_ref() }
    }

    #[inline(always)]
    fn producer(&self) -> &ProducerLine {
        // SAFETY: as for `words`.
        unsafe { self.producer.as_ref() }
    }

    #[inline(always)]
    fn head(&self) -> &HeadLine {
        // SAFETY: as for `words`.
        unsafe { self.head.as_ref() }
    }

    #[inline(always)]
    fn cursor(&self) -> &CursorLine {
        // SAFETY: as for `words`.
        unsafe { self.cursor.as_ref() }
    }

    #[inline(always)]
    fn armed_data(&self) -> &WaitLine {
        // SAFETY: as for `words`.
        unsafe { self.armed_data.as_ref() }
    }

    #[inline(always)]
    fn armed_space(&self) -> &WaitLine {
        // SAFETY: as for `words`.
        unsafe { self.armed_space.as_ref() }
    }

    fn populate(&self, bytes: u64) -> Result<(), NoSpace> {
        let populated = self.populated.get();
        self.own.populate(populated, bytes)?;
        self.populated.set(populated.max(bytes));
        Ok(())
    }

    fn wake_consumer(&self, armed: u32) {
        if armed != SPACE {
            return self.wake(self.armed_data(), armed);
        }
        // The consumer's end sleeps as a sender, on the word of its other direction.
        // SAFETY: as for `words`.
        let line = unsafe { self.consumer_sends.as_ref() };
        // R5: whoever takes the armed value owes the wake-up.
        let armed = line.armed.swap(AWAKE, Ordering::AcqRel);
        self.wake(line, armed);
    }

    fn wake_producer(&self, armed: u32) {
        self.wake(self.armed_space(), armed);
    }
}
