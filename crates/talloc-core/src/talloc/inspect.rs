//! A view of a heap for inspection.

use core::fmt;

use super::Talloc;
use crate::config::Config;

/// A read-only view of a heap, returned by [`Talloc::inspect`].
///
/// Its methods count, list and check, and change nothing. The view is a reference, so it can be copied. The iterators
/// that it returns borrow the heap, not the view.
///
/// | question | methods | takes |
/// |---|---|---|
/// | How much is used, free, cached? | [`used_bytes`](Self::used_bytes), [`free_bytes`](Self::free_bytes), [`statistics`](Self::statistics) and others | constant time, or a few steps per arena |
/// | Is the heap fragmented? | [`largest_free_bytes`](Self::largest_free_bytes), [`size_classes`](Self::size_classes), [`free_chunks`](Self::free_chunks) | time proportional to the free chunks |
/// | What lies where? | [`memory_map`](Self::memory_map), [`kind_at`](Self::kind_at) | the same; constant time |
/// | Which blocks are allocated, and is this one of them? | [`leaks`](Self::leaks), [`chunks`](Self::chunks), [`check`](Self::check), [`size_of_block`](Self::size_of_block) of a [`Checked`](crate::Checked) heap | each says |
/// | What must a cache in front of the heap know? | [`usable_size`](Self::usable_size), [`reach_of`](Self::reach_of), [`cacheable`](Self::cacheable), [`verify_batch`](Self::verify_batch) | each says |
///
/// # Examples
///
/// ```
/// use core::alloc::Layout;
/// use talloc_core::{Span, Talloc};
///
/// let mut memory = [0_u8; 10_000];
/// let mut heap = Talloc::new();
/// // SAFETY: The memory is the heap's until neither is used any more.
/// unsafe {
///     heap.init(Span::from(&mut memory));
///     heap.malloc(Layout::new::<[u64; 100]>())?;
/// }
/// let view = heap.inspect();
/// assert_eq!((view.used_bytes(), view.cached_bytes()), (800, 0));
/// assert_eq!(view.largest_free_bytes(), view.free_bytes());
/// # Ok::<(), talloc_core::AllocError>(())
/// ```
pub struct Inspect<'h, C: Config, S> {
    pub(crate) heap: &'h Talloc<C, S>,
}

impl<C: Config, S> Talloc<C, S> {
    /// Returns a view for inspection: counters, chunks, fragmentation, and the blocks of a [`Checked`](crate::Checked)
    /// heap. Costs nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// unsafe { heap.init(Span::from(&mut memory)) };
    /// assert_eq!(heap.inspect().used_bytes(), 0);
    /// println!("{}", heap.inspect().statistics());
    /// ```
    #[inline(always)]
    #[must_use]
    pub const fn inspect(&self) -> Inspect<'_, C, S> {
        Inspect { heap: self }
    }
}

impl<C: Config, S> Clone for Inspect<'_, C, S> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Config, S> Copy for Inspect<'_, C, S> {}

/// Prints the heap's [`Outline`](crate::Outline).
impl<C: Config, S> fmt::Debug for Inspect<'_, C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.heap, f)
    }
}
