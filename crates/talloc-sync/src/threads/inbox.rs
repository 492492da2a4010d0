//! Blocks on their way home: a stack that anybody pushes to and the owner empties.

use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::lock::machine::AtomicPtr;

/// Blocks that other threads have freed, on a cache line that the owner's fast path does not touch.
///
/// A list is pushed by one compare-and-swap, and all of them are taken by one swap, so that no block is
/// ever taken by two threads and there is no ABA problem (Treiber 1986).
#[repr(align(128))]
pub(super) struct Inbox {
    first: AtomicPtr<u8>,
}

impl Inbox {
    pub(super) const fn new() -> Self {
        Self { first: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Adds a list of blocks, from `first` to `last`, each of which links to the next one.
    ///
    /// # Safety
    ///
    /// The caller gives up the blocks, to whoever takes them: nobody else knows of them. The last one has room for a
    /// link, and is aligned for it.
    pub(super) unsafe fn push(&self, first: NonNull<u8>, last: NonNull<u8>) {
        let mut old = self.first.load(Relaxed);
        loop {
            // SAFETY: The last block is the caller's alone before the exchange below, and has room for a link.
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
