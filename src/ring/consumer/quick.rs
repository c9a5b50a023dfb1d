//! The short ways to take a message.

use super::Consumer;
use crate::ring::copy;
use crate::ring::lines::AWAKE;
use crate::ring::memory::Memory;
use crate::ring::record::{CACHE_LINE, Header, IN_LINE};
use crate::sync::{AtomicU64, Ordering};
use std::hint::black_box;
use std::marker::PhantomData;
use std::num::NonZero;

/// How many bytes must have been taken since the ring was empty for what lies ahead to be fetched: so many that the
/// producer is far ahead, and nothing is taken from under its hands.
const BACKLOG: u64 = 32 * 1024;

/// How far ahead that is. On Intel's Sapphire Rapids 512 bytes gained a quarter of 64-byte messages a second, 1024 and 2048
/// more than a third.
const AHEAD: u64 = 1024;

/// The length of a message that was taken, or that none was, in one register: a function that ends in a call of another which
/// says so can jump there, and so has fewer registers to save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Taken(usize);

impl Taken {
    /// There is anything to look at first, and nothing was taken.
    pub const NOTHING: Self = Self(usize::MAX);

    /// The length, if one was.
    #[inline(always)]
    #[must_use]
    pub const fn length(self) -> Option<usize> {
        if self.0 == usize::MAX { None } else { Some(self.0) }
    }
}

/// Where the next header will stand.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a>(&'a AtomicU64);

/// A header that a look has found, unchecked.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a>(NonZero<u64>, PhantomData<&'a AtomicU64>);

impl<'a> Look<'a> {
    /// The header, if there is one by now.
    #[inline(always)]
    pub fn now(self) -> Option<Seen<'a>> {
        // R1, acquire side: a header that is not 0 makes the payload behind it visible.
        NonZero::new(self.0.load(Ordering::Acquire)).map(|word| Seen(word, PhantomData))
    }
}

impl<M: Memory> Consumer<M> {
    /// The short way to [`Consumer::pop_into`]. The shortest is that of a message of whole words that is not
    /// [long](copy::LONG_FROM): there is little else in it, so it has few registers to save.
    #[inline(always)]
    pub fn pop_fast(&mut self, buffer: &mut [u8]) -> Taken {
        // Loaded before the header. Of two values that are equal the compiler uses the one that it had first, and below that
        // must be this one.
        let stride = self.stride;
        let from = self.geometry.word(self.position);
        let Some([header, payload @ ..]) = self.memory.words().get(from..) else { return Taken::NOTHING };
        // R1, acquire side: a header that is not 0 makes the payload behind it visible.
        let word = header.load(Ordering::Acquire);
        let Some((len, bytes)) = self.plain(word) else { return Taken::NOTHING };
        let Some(count) = copy::few_words(len) else { return self.pop_other(len, bytes, buffer) };
        let Some(words) = payload.get(..count) else { return Taken::NOTHING };
        let Some(target) = buffer.get_mut(..count * 8) else { return Taken::NOTHING };
        copy::load(words, target);
        self.fetch_ahead(bytes);
        // Each header comes from the other core's cache. Where the next one lies hangs on this one only if it is not like
        // the last: the processor guesses that and goes on. Otherwise it waits for one header after the other.
        if bytes == stride { self.took(stride, count * 8) } else { self.took_other(bytes, count * 8) }
    }

    /// Length and extent of the record at r whose header is this word, if it is nothing but a message and may be taken without
    /// a look.
    #[inline(always)]
    fn plain(&self, word: u64) -> Option<(usize, u64)> {
        let (len, bytes) = Header::plain(word, self.position)?;
        // The room is less than a quarter of the ring and ends at the wrap, so this is the check of the length too.
        if bytes <= self.room { Some((len as usize, bytes)) } else { None }
    }

    /// The same for a message of any other length, whose header was checked.
    #[inline(never)]
    fn pop_other(&mut self, len: usize, bytes: u64, buffer: &mut [u8]) -> Taken {
        let Some(target) = buffer.get_mut(..len) else { return Taken::NOTHING };
        copy::load(self.payload_words(self.position), target);
        self.fetch_ahead(bytes);
        self.took_other(bytes, len)
    }

    /// A plain record that takes another number of bytes than the one before was copied out.
    #[inline(never)]
    fn took_other(&mut self, bytes: u64, len: usize) -> Taken {
        self.stride = bytes;
        self.took(bytes, len)
    }

    /// Asks for what will be read soon, if the producer is far ahead. With short records, of which many share a line, the
    /// processor keeps up by itself.
    #[inline(always)]
    fn fetch_ahead(&self, bytes: u64) {
        if bytes > CACHE_LINE / 2 && self.position.wrapping_sub(self.caught_up) >= BACKLOG {
            let index = self.geometry.word(self.position.wrapping_add(AHEAD));
            copy::prefetch_for_read(self.memory.words(), index);
        }
    }

    /// The same for who waits: `wait` looks for the next header until it is there, or gives up. Only a record that lies in
    /// one line is taken. What can be asked before it is there is asked before.
    #[inline(always)]
    pub fn pop_line(
        &mut self,
        buffer: &mut [u8],
        wait: impl for<'a> FnOnce(&M, Look<'a>) -> Option<Seen<'a>>,
    ) -> Taken {
        let record = self.memory.words().get(self.geometry.word(self.position)..);
        let Some([header, line @ ..]) = record.and_then(<[_]>::first_chunk::<{ copy::LINE_WORDS + 1 }>)
        else {
            return Taken::NOTHING;
        };
        // Answers of 25 to 48 bytes have a line of their own, and say so. How many lengths one may have that begins here and is
        // taken at sight: it takes 64 bytes whatever it is. Hidden from the compiler, which would keep the conditions for later.
        let lined = self.position % CACHE_LINE == 0 && self.room >= CACHE_LINE;
        let lengths = black_box(if lined { IN_LINE.min(buffer.len() as u64) + 1 } else { 0 });
        let Some(Seen(word, _)) = wait(&self.memory, Look(header)) else { return Taken::NOTHING };
        let len = word.get().wrapping_sub(Header::LINED_WORD);
        if len >= lengths {
            return self.pop_other_line(word.get(), buffer);
        }
        let Some(target) = buffer.get_mut(..len as usize) else { return Taken::NOTHING };
        copy::load_line(line, target);
        self.took(CACHE_LINE, len as usize)
    }

    /// A record whose header is this word, wherever in a line it lies, if it can be taken in a short way at all.
    #[inline(never)]
    fn pop_other_line(&mut self, word: u64, buffer: &mut [u8]) -> Taken {
        let Some((len, bytes)) = self.plain(word) else { return Taken::NOTHING };
        let record = self.memory.words().get(self.geometry.word(self.position)..);
        let line = record.and_then(<[_]>::first_chunk::<{ copy::LINE_WORDS + 1 }>);
        let (Some([_, line @ ..]), Some(target)) = (line, buffer.get_mut(..len)) else {
            return Taken::NOTHING;
        };
        if len as u64 > IN_LINE {
            return Taken::NOTHING;
        }
        copy::load_line(line, target);
        self.took(bytes, len)
    }

    /// A plain record of `bytes` bytes was copied out: the `len` of its payload.
    #[inline(always)]
    fn took(&mut self, bytes: u64, len: usize) -> Taken {
        self.room -= bytes;
        self.move_on(self.position.wrapping_add(bytes));
        if self.memory.armed_space().armed.load(Ordering::Relaxed) != AWAKE {
            return self.took_from_waiting(len);
        }
        Taken(len)
    }

    #[cold]
    #[inline(never)]
    fn took_from_waiting(&mut self, len: usize) -> Taken {
        self.serve_waiting_producer();
        Taken(len)
    }
}
