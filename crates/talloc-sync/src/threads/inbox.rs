//! Blocks on their way home: a stack that anybody pushes to and the owner empties.

use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use talloc_core::Parcel;

use crate::lock::machine::AtomicPtr;

/// Blocks that other threads have freed, on a cache line that the owner's fast path does not touch.
///
/// A parcel is pushed by one compare-and-swap, and all of them are taken by one swap, so that no block is
/// ever taken by two threads and there is no ABA problem (Treiber 1986).
#[repr(align(128))]
pub(super) struct Inbox {
    first: AtomicPtr<u8>,
}

impl Inbox {
    pub(super) const fn new() -> Self {
        Self { first: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Adds the blocks of a parcel.
    pub(super) fn push(&self, parcel: Parcel) {
        let (first, last) = parcel.into_ends();
        let mut old = self.first.load(Relaxed);
        loop {
            // SAFETY: The last block of the parcel is nobody else's before the exchange below, and starts
            // with a link.
            unsafe { last.cast::<Option<NonNull<u8>>>().write(NonNull::new(old)) };
            // Whoever takes the blocks sees the links, and what their owners did with them.
            match self.first.compare_exchange(old, first.as_ptr(), Release, Relaxed) {
                Ok(_) => return,
                Err(other) => old = other,
            }
        }
    }

    /// Whether there are no blocks, as far as the caller can see.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.first.load(Relaxed).is_null()
    }

    /// Takes all blocks. Each links to the next one.
    pub(super) fn take(&self) -> Option<NonNull<u8>> {
        NonNull::new(self.first.swap(ptr::null_mut(), Acquire))
    }
}
