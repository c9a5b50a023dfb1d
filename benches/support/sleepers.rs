//! What a sleep and a wake-up cost with no protocol at all: whole words there and back, each side asleep until the other has
//! counted.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use rustix::thread::futex::{Flags, Wait, WaitFlags, WaitPtr, WaitvFlags};
use rustix::thread::{MembarrierCommand, futex, membarrier};
use rustix::time::ClockId;

use super::pages::{LINE, Pages};
use super::{End, Subject};

/// A futex each way, on which the waiting side sleeps: alone; together with a word of its own, as the library does so that
/// a peer cannot move its sleep away; or like that and after a membarrier, as the library does so that a peer that sends
/// needs no fence.
#[derive(Debug)]
pub struct Futex {
    name: &'static str,
    with_own: bool,
    with_barrier: bool,
}

pub static ONE: Futex = Futex { name: "limit: a futex", with_own: false, with_barrier: false };
pub static TWO: Futex = Futex { name: "limit: two futexes", with_own: true, with_barrier: false };
pub static BARRIER: Futex =
    Futex { name: "limit: membarrier, two futexes", with_own: true, with_barrier: true };

/// One side.
#[derive(Debug)]
pub struct FutexEnd {
    pages: Arc<Pages>,
    to: usize,
    from: usize,
    last: u32,
    own: Option<Box<AtomicU32>>,
    with_barrier: bool,
}

/// The bytes of a word, of which messages are made.
const WORD: usize = 8;
/// Where a message lies, after the counter that announces it; a short one lies in the same line.
const MESSAGE: usize = WORD;

impl Subject for Futex {
    type Half = FutexEnd;
    type End = FutexEnd;

    fn name(&self) -> &'static str {
        self.name
    }

    fn spins(&self) -> bool {
        false
    }

    fn halves(&self, size: usize) -> io::Result<(FutexEnd, FutexEnd)> {
        if size % WORD != 0 {
            return Err(io::Error::other("no whole words"));
        }
        let apart = (MESSAGE + size).next_multiple_of(LINE) + LINE;
        let pages = Pages::new(2 * apart)?;
        let end = |to, from| {
            let own = self.with_own.then(Box::default);
            FutexEnd { pages: pages.clone(), to, from, last: 0, own, with_barrier: self.with_barrier }
        };
        Ok((end(0, apart), end(apart, 0)))
    }

    fn connect(&self, half: FutexEnd) -> io::Result<FutexEnd> {
        if self.with_barrier {
            membarrier(MembarrierCommand::RegisterGlobalExpedited)?;
        }
        Ok(half)
    }
}

impl End for FutexEnd {
    fn send(&mut self, message: &[u8]) {
        let words = self.pages.words(self.to + MESSAGE, message.len() / WORD);
        for (word, bytes) in words.iter().zip(message.chunks_exact(WORD)) {
            let mut value = [0; WORD];
            value.copy_from_slice(bytes);
            word.store(u64::from_ne_bytes(value), Relaxed);
        }
        let counter = self.pages.half_word(self.to);
        counter.fetch_add(1, Release);
        futex::wake(counter, Flags::empty(), 1).expect("the peer is woken");
    }

    fn recv(&mut self, buffer: &mut [u8]) -> usize {
        let counter = self.pages.half_word(self.from);
        while counter.load(Acquire) == self.last {
            if self.with_barrier {
                membarrier(MembarrierCommand::GlobalExpedited).expect("a membarrier");
            }
            // Woken, or the counter has moved on, or a signal came: the loop looks again in any case.
            let _ = match &self.own {
                None => futex::wait(counter, Flags::empty(), self.last, None),
                Some(own) => sleep_on_both(counter, self.last, own),
            };
        }
        self.last = self.last.wrapping_add(1);
        let words = self.pages.words(self.from + MESSAGE, buffer.len() / WORD);
        for (word, bytes) in words.iter().zip(buffer.chunks_exact_mut(WORD)) {
            bytes.copy_from_slice(&word.load(Relaxed).to_ne_bytes());
        }
        buffer.len()
    }
}

fn sleep_on_both(shared: &AtomicU32, expected: u32, own: &AtomicU32) -> rustix::io::Result<()> {
    let waiter = |word: &AtomicU32, expected: u32, flags| {
        let mut waiter = Wait::new();
        waiter.val = expected.into();
        waiter.uaddr = WaitPtr::new(word.as_ptr().cast());
        waiter.flags = flags;
        waiter
    };
    let shared = waiter(shared, expected, WaitFlags::SIZE_U32);
    let own = waiter(own, 0, WaitFlags::SIZE_U32 | WaitFlags::PRIVATE);
    futex::waitv(&[shared, own], WaitvFlags::empty(), None, ClockId::Monotonic).map(drop)
}
