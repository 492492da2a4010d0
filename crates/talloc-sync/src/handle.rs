//! References to heaps, for which `Allocator` is implemented.

use core::alloc::Layout;

use talloc_core::{AllocError, SharedHeap};

/// What refers to a heap that blocks can be allocated from.
pub(crate) trait Handle {
    /// What is referred to.
    type Heap: SharedHeap;

    /// The heap, which all copies of the handle refer to.
    fn heap(&self) -> &Self::Heap;

    /// Calls `attempt`, and may call it again if it fails and there is more memory now.
    ///
    /// `layout` is what `attempt` wants. Its failure has no effects.
    #[inline(always)]
    fn try_with<T>(
        &self,
        _layout: Layout,
        attempt: impl Fn(&Self::Heap) -> Result<T, AllocError>,
    ) -> Result<T, AllocError> {
        attempt(self.heap())
    }
}
