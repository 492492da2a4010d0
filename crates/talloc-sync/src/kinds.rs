//! A reference to a heap that allocates memory of some kinds.

use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;

use talloc_core::{AllocError, Kinds, SharedHeap, Talloc};

/// A reference to a heap that allocates in memory of some [kinds](Kinds): an `Allocator`.
///
/// A block that moves stays in memory of these kinds. Caches in front of the heap are bypassed: they serve no request, and
/// get no freed blocks.
///
/// # Examples
///
#[cfg_attr(all(feature = "spin", feature = "allocator"), doc = "```")]
#[cfg_attr(not(all(feature = "spin", feature = "allocator")), doc = "```ignore")]
/// use allocator_api2::vec::Vec;
/// use talloc_sync::*;
///
/// const DMA: Kind = Kind::new(1);
///
/// static HEAP: Tallock = Talloc::new().spin_lock();
/// static mut FAST: [u8; 4096] = [0; 4096];
/// static mut REACHABLE: [u8; 4096] = [0; 4096];
///
/// // SAFETY: Nothing else uses the arrays.
/// unsafe {
///     let mut heap = HEAP.0.lock();
///     heap.claim((&raw mut FAST).into()).unwrap();
///     heap.arenas_mut().claim_of_kind(DMA, (&raw mut REACHABLE).into(), Memory::empty()).unwrap();
/// }
/// let mut samples = Vec::new_in(InKinds::new(&HEAP, Kinds::only(DMA)));
/// samples.extend(0..500_u16);
/// let kind = HEAP.0.lock().inspect().kind_at(samples.as_ptr().addr());
/// assert_eq!(kind, Some(DMA));
/// ```
pub struct InKinds<'a, H> {
    heap: &'a H,
    kinds: Kinds,
}

impl<'a, H: SharedHeap> InKinds<'a, H> {
    /// A reference to the heap that asks for memory of these kinds.
    #[must_use]
    pub const fn new(heap: &'a H, kinds: Kinds) -> Self {
        Self { heap, kinds }
    }

    /// The kinds.
    #[must_use]
    pub const fn kinds(&self) -> Kinds {
        self.kinds
    }
}

// SAFETY: All blocks come from the heap within, to whose contract `H` keeps, and none is kept apart from it.
unsafe impl<H: SharedHeap> SharedHeap for InKinds<'_, H> {
    type Config = H::Config;
    type Source = H::Source;

    #[inline]
    fn with<T>(&self, f: impl FnOnce(&mut Talloc<H::Config, H::Source>) -> T) -> T {
        self.heap.with(f)
    }

    #[inline]
    fn malloc(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: `OfKinds::malloc` has no preconditions.
        unsafe { self.heap.with_reports(|heap| heap.of_kinds(self.kinds).malloc(layout)) }
    }

    #[inline]
    fn malloc_dirty(&self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        Ok((self.malloc(layout)?, layout.size()))
    }

    fn trim(&self) {
        self.heap.trim();
    }
}

// SAFETY: All copies refer to the same heap, which they borrow.
talloc_core::allocator!(unsafe impl[H: SharedHeap] for InKinds<'_, H>, |heap| heap);

impl<H> Clone for InKinds<'_, H> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<H> Copy for InKinds<'_, H> {}

impl<H: fmt::Debug> fmt::Debug for InKinds<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InKinds").field("heap", self.heap).field("kinds", &self.kinds).finish()
    }
}
