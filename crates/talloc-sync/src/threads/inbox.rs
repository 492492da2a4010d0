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

    /// Adds a linked list of blocks.
    ///
    /// # Safety
    ///
    /// The caller owns the blocks from `first` to `last`, each of which links to the next, and passes them on to the
    /// thread that takes them. `last` has room for a link, and is aligned for one.
    pub(super) unsafe fn push(&self, first: NonNull<u8>, last: NonNull<u8>) {
        let mut old = self.first.load(Relaxed);
        loop {
            // SAFETY: The caller owns the last block until the exchange succeeds. It has room for a link.
            unsafe { last.cast::<Option<NonNull<u8>>>().write(NonNull::new(old)) };
            // Release: the thread that takes the blocks sees the links, and earlier accesses to the blocks.
            match self.first.compare_exchange(old, first.as_ptr(), Release, Relaxed) {
                Ok(_) => return,
                Err(other) => old = other,
            }
        }
    }

    /// Whether the inbox looks empty to the caller.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.first.load(Relaxed).is_null()
    }

    /// Takes all blocks. Each links to the next one.
    pub(super) fn take(&self) -> Option<NonNull<u8>> {
        NonNull::new(self.first.swap(ptr::null_mut(), Acquire))
    }
}
