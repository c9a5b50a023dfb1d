//! The address of something that is made once for a process and never freed.
//!
//! It is found without a lock, because a forked child may inherit any lock in a locked state.

#![allow(unsafe_code)]

use super::{AtomicU64, Ordering};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// Nothing, or the address of a `T` that lasts as long as the process.
pub(crate) struct Published<T: 'static> {
    address: AtomicU64,
    what: PhantomData<&'static T>,
}

impl<T: Sync> Published<T> {
    /// Nothing yet.
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self { address: AtomicU64::new(0), what: PhantomData }
    }

    /// Nothing yet: loom's words are not made at compile time.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self { address: AtomicU64::new(0), what: PhantomData }
    }

    /// What was published last.
    pub(crate) fn get(&self) -> Option<&'static T> {
        // R8, acquire side: it is whole before its address is known.
        match self.address.load(Ordering::Acquire) {
            0 => None,
            // SAFETY: it was published, and acquired just now.
            address => Some(unsafe { published(address) }),
        }
    }

    /// Puts `new` in the place of `known`, or drops it if another thread was faster. Returns what stands there now.
    pub(crate) fn replace(&self, known: Option<&'static T>, new: Box<T>) -> &'static T {
        let new = NonNull::from(Box::leak(new));
        // SAFETY: it is leaked, and taken back only where this fails.
        unsafe { self.replace_with(known, new) }.unwrap_or_else(|theirs| {
            // SAFETY: it comes from a box, and nobody has been told of it.
            drop(unsafe { Box::from_raw(new.as_ptr()) });
            theirs
        })
    }

    /// [`Published::replace`], by what the caller takes away again if another thread was faster.
    ///
    /// # Errors
    /// What another thread put there meanwhile; `new` was not published then.
    ///
    /// # Safety
    /// Once this has succeeded, what `new` points to must never be moved, freed or borrowed exclusively.
    pub(crate) unsafe fn replace_with(
        &self,
        known: Option<&'static T>,
        new: NonNull<T>,
    ) -> Result<&'static T, &'static T> {
        let known = known.map_or(0, |known| std::ptr::from_ref(known).addr() as u64);
        let address = new.as_ptr().expose_provenance() as u64;
        // R8, release side; and acquire, for what the other thread published.
        match self.address.compare_exchange(known, address, Ordering::Release, Ordering::Acquire) {
            // SAFETY: the caller promises that it lasts.
            Ok(_) => Ok(unsafe { published(address) }),
            // SAFETY: another thread published it, for nothing ever puts 0 back; it was acquired just now.
            Err(theirs) => Err(unsafe { published(theirs) }),
        }
    }
}

/// # Safety
/// The exposed address of a `T` that was published, and the caller has acquired it.
unsafe fn published<T>(address: u64) -> &'static T {
    // SAFETY: what was published lasts, and is only shared; a forked child has a copy of it at the same address.
    unsafe { &*std::ptr::with_exposed_provenance(address as usize) }
}
