//! An array that a heap may have.

use core::cell::UnsafeCell;
use core::fmt;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};

use super::{Memory, Region};

/// `N` bytes for a heap, in a `static` of their own.
///
/// They are not in the program's file: the system provides them when the program is loaded.
///
/// That the memory is a `static`, apart from the heap, is what makes it safe: a heap with its
/// memory inside could be moved, away from what is allocated.
///
/// `StaticTalloc` is the heap to go with it; [`region`](Self::region) makes others.
#[repr(C, align(16))]
pub struct StaticArena<const N: usize> {
    memory: UnsafeCell<MaybeUninit<[u8; N]>>,
    claim: Claim,
}

// SAFETY: Nobody uses the memory but who has the claim.
unsafe impl<const N: usize> Sync for StaticArena<N> {}

impl<const N: usize> StaticArena<N> {
    /// The memory, for whichever heap asks first.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            memory: UnsafeCell::new(MaybeUninit::uninit()),
            claim: Claim(AtomicBool::new(false)),
        }
    }

    /// The memory as a heap's source.
    ///
    /// If there are several for the same memory, the heap that is used first has it, and the
    /// others have none.
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

/// Whether somebody has the memory.
pub(super) struct Claim(AtomicBool);

impl Claim {
    /// Whether the caller has it now, as nobody had before.
    pub(super) fn is_first(&self) -> bool {
        // What is to be agreed upon is this flag and nothing else: the memory has no contents yet.
        !self.0.swap(true, Ordering::Relaxed)
    }
}
