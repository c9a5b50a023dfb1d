//! In which process was this made?
//!
//! A forked child inherits copies of its parent's objects, but neither their mappings nor the right to speak for
//! the parent. It must find that out at every operation, hence for one load: a private page is advised
//! `MADV_WIPEONFORK`, so the kernel itself empties it in every child.
//!
//! The page holds the process's *generation*. A child that makes objects of its own writes the next number,
//! drawn from a counter that it inherited; so along any line of descent no two processes have the same
//! generation, and an object compares the page with the number it was born under:
//!
//! | process | counter | page | what it inherited, born under 1 | its own |
//! |---|---|---|---|---|
//! | parent | 1 | 1 | – | 1 = 1: here |
//! | child, before it uses the library | 1 | 0 | 1 ≠ 0: forked | – |
//! | child, afterwards | 2 | 2 | 1 ≠ 2: forked | 2 = 2: here |
//!
//! Where the advice is denied (a filter, a kernel before Linux 4.14) a process is told by its pid, at the price of a system
//! call an operation. Links over shared memory are not for such a process: they also need `MADV_DONTFORK`.
//!
//! Nothing here locks, because a child may inherit any lock in a locked state. `exec` starts from nothing, and
//! the short life of a `vfork` child between the two (it shares its parent's memory) looks like the parent's.

#![allow(unsafe_code)]

use super::pidfd::Pid;
use super::{Errno, Result, process};
use crate::sync::published::Published;
use crate::sync::{AtomicU64, Ordering};
use rustix::mm::{Advice, MapFlags, ProtFlags};
use std::ffi::c_void;
use std::ptr::NonNull;

/// The page's length. Any will do: the kernel rounds up to a page.
const LEN: usize = size_of::<AtomicU64>();

/// The page, from the first use on.
static PAGE: Published<AtomicU64> = Published::new();

/// The last generation that this process or an ancestor drew. It is raised before the page is written, so at
/// any instant at which a fork may happen it is at least what the page holds.
static DRAWN: AtomicU64 = AtomicU64::new(0);

/// The page of a process that has none: it never holds a generation.
static NO_PAGE: AtomicU64 = AtomicU64::new(0);

/// The process that something was made in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    page: &'static AtomicU64,
    generation: u64,
    unguarded: Option<Unguarded>,
}

/// A process of which the kernel empties no page.
#[derive(Clone, Copy, Debug)]
struct Unguarded {
    pid: Pid,
    why: Errno,
}

impl Origin {
    /// This process, if the kernel guards it.
    ///
    /// # Errors
    /// `ENOMEM`; `EINVAL` on kernels before Linux 4.14; `EPERM`, `ENOSYS`: denied by a filter. Only at the first use in a
    /// program.
    pub(crate) fn guarded() -> Result<Self> {
        let origin = Self::here();
        origin.unguarded.map_or(Ok(origin), |unguarded| Err(unguarded.why))
    }

    /// This process.
    pub(crate) fn here() -> Self {
        let page = match page() {
            Ok(page) => page,
            Err(why) => {
                let unguarded = Some(Unguarded { pid: process::id(), why });
                return Self { page: &NO_PAGE, generation: u64::MAX, unguarded };
            }
        };
        let mut generation = page.load(Ordering::Relaxed);
        if generation == 0 {
            let drawn = DRAWN.fetch_add(1, Ordering::Relaxed) + 1;
            // Of two threads at their first use one wins; the other's number is never used.
            generation = match page.compare_exchange(0, drawn, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => drawn,
                Err(theirs) => theirs,
            };
        }
        Self { page, generation, unguarded: None }
    }

    /// Whether the caller runs in a forked child of that process: then nothing may be touched.
    #[inline(always)]
    pub(crate) fn forked(&self) -> bool {
        self.differs() != 0 && self.is_child()
    }

    /// 0 only in that process, and there unless the kernel does not guard it.
    #[inline(always)]
    pub(crate) fn differs(&self) -> u64 {
        self.page.load(Ordering::Relaxed) ^ self.generation
    }

    #[cold]
    fn is_child(&self) -> bool {
        self.unguarded.is_none_or(|unguarded| process::id() != unguarded.pid)
    }
}

fn page() -> Result<&'static AtomicU64> {
    if let Some(page) = PAGE.get() {
        return Ok(page);
    }
    let mine = map()?;
    // SAFETY: a mapping of at least 8 bytes, page-aligned, readable and writable, which every fork inherits (emptied,
    // which leaves a valid word: 0). Unless this fails, it is never unmapped, and only ever used as this atomic.
    let published = unsafe { PAGE.replace_with(None, mine.cast()) };
    Ok(published.unwrap_or_else(|theirs| {
        unmap(mine);
        theirs
    }))
}

fn map() -> Result<NonNull<c_void>> {
    // SAFETY: a new private mapping at an address of the kernel's choice touches nothing that exists.
    let page = unsafe {
        rustix::mm::mmap_anonymous(
            std::ptr::null_mut(),
            LEN,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE,
        )
    }?;
    // SAFETY: the range is the mapping just made, and nothing refers to it; the advice changes only what a
    // future child finds.
    let advised = unsafe { rustix::mm::madvise(page, LEN, Advice::LinuxWipeOnFork) };
    // The kernel maps nothing at address 0 unless it is asked to.
    let mapped = NonNull::new(page).ok_or(super::Errno::NOMEM)?;
    advised.inspect_err(|_| unmap(mapped))?;
    Ok(mapped)
}

/// Gives back a page that was never published.
fn unmap(page: NonNull<c_void>) {
    // SAFETY: the page came from `map`, whose caller is the only one to know it. A failure leaves it mapped,
    // which harms nobody.
    let _ = unsafe { rustix::mm::munmap(page.as_ptr(), LEN) };
}
