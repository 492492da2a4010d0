//! An array as the memory of a heap.

use core::cell::UnsafeCell;
use core::fmt;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};

use super::{Memory, Region};

/// `N` bytes of memory for a heap, in a `static`.
///
/// The bytes take no room in the program's file: the system provides them when it loads the program.
///
/// The memory is a `static` apart from the heap for safety. A heap that contained its memory could be moved, and its
/// blocks would be left behind.
///
/// `StaticTalloc` is the usual heap for it. Other heaps take [`region`](Self::region) as their source.
#[repr(C, align(16))]
pub struct StaticArena<const N: usize> {
    memory: UnsafeCell<MaybeUninit<[u8; N]>>,
    claim: Claim,
}

// SAFETY: Only the region that holds the claim uses the memory.
unsafe impl<const N: usize> Sync for StaticArena<N> {}

impl<const N: usize> StaticArena<N> {
    /// Makes an arena that the first heap to ask for memory gets.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            memory: UnsafeCell::new(MaybeUninit::uninit()),
            claim: Claim(AtomicBool::new(false)),
        }
    }

    /// Returns the memory as a source for a heap.
    ///
    /// If several heaps have such a source, the heap that is used first gets the memory, and the others get none.
    #[must_use]
    pub const fn region(&'static self) -> Region {
        let start = self.memory.get().cast::<u8>();
        let bounds = start..start.wrapping_add(N);
        Region { memory: Some(Memory { bounds, claim: Some(&self.claim) }) }
    }
}

impl<const N: usize> Default for StaticArena<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for StaticArena<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticArena").field("size", &N).finish_non_exhaustive()
    }
}

/// Whether a region has taken the memory.
pub(super) struct Claim(AtomicBool);

impl Claim {
    /// Takes the memory for the caller. Returns false if another region has it.
    pub(super) fn is_first(&self) -> bool {
        // Relaxed: the memory has no contents yet, so threads need to agree only on this flag.
        !self.0.swap(true, Ordering::Relaxed)
    }
}
