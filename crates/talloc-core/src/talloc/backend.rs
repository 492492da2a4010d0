//! A view of a heap for caches and locks in front of it.

use core::fmt;

use super::Talloc;
use crate::config::Config;
use crate::source::Source;

/// A heap as the backend of a cache or a lock, returned by [`Talloc::backend`].
///
/// A cache in front of a heap allocates and frees many blocks of one size at a time, as a [`Batch`](crate::Batch). A
/// lock in front of a heap is held for a shorter time if the caller clears a block after releasing it, with
/// [`malloc_dirty`](Self::malloc_dirty). [`Inspect`](super::Inspect) has the numbers that a cache needs.
///
/// # Examples
///
/// ```
/// use talloc_core::{Span, Talloc};
///
/// let mut memory = [0_u8; 10_000];
/// let mut heap = Talloc::new();
/// // SAFETY: The memory is the heap's until neither is used any more, and the blocks are freed once, with the size
/// // that they were allocated with.
/// unsafe {
///     heap.init(Span::from(&mut memory));
///     let batch = heap.backend().malloc_batch(40, 10);
///     assert_eq!((batch.len(), heap.inspect().used_bytes()), (10, 400));
///     heap.backend().free_batch(40, batch);
/// }
/// assert_eq!(heap.inspect().used_bytes(), 0);
/// ```
pub struct Backend<'h, C: Config, S> {
    pub(super) heap: &'h mut Talloc<C, S>,
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Returns a view for a cache or a lock in front of the heap. Costs nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Memory, Span, Talloc};
    ///
    /// let mut memory = vec![0_u8; 1 << 20];
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is zero, and it is the heap's until neither is used any more.
    /// let (block, dirty) = unsafe {
    ///     heap.arenas_mut().claim_as(Span::from(memory.as_mut_slice()), Memory::ZEROED).unwrap();
    ///     heap.backend().malloc_dirty(Layout::new::<[u8; 1 << 19]>())?
    /// };
    /// // Almost all of it is known to be zero.
    /// assert!(dirty <= 4096);
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    #[inline(always)]
    pub const fn backend(&mut self) -> Backend<'_, C, S> {
        Backend { heap: self }
    }
}

/// Prints the heap's [`Outline`](crate::Outline).
impl<C: Config, S> fmt::Debug for Backend<'_, C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.heap, f)
    }
}
