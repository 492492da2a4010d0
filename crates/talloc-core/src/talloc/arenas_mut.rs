//! A view of a heap for adding and changing arenas.

use core::fmt;

use super::Talloc;
use crate::config::Config;
use crate::source::Source;

/// A mutable view of a heap's arenas, returned by [`Talloc::arenas_mut`].
///
/// [`Talloc::claim`] gives a heap memory, and [`Talloc::arena`] changes one arena. This view has the other operations:
///
/// * claim memory that is [known to be zero](Self::claim_as), of [a certain kind](Self::claim_of_kind), or
///   [not yet committed](Self::claim_part),
/// * initialise, extend and truncate the first arena, with an error [instead of a panic](Self::try_init),
/// * [purge](Self::discard) free memory, and [take back](Self::reclaim_arena) free arenas.
///
/// # Examples
///
/// ```
/// use talloc_core::{ArenaError, Memory, Span, Talloc};
///
/// let mut memory = vec![0_u8; 20_000];
/// let memory = Span::from(memory.as_mut_slice());
/// let mut heap = Talloc::new();
/// // SAFETY: The memory is zero, and it is the heap's until neither is used any more.
/// unsafe {
///     heap.arenas_mut().claim_as(memory, Memory::ZEROED | Memory::RECLAIMABLE)?;
///     assert_eq!(heap.arenas_mut().claim_as(memory, Memory::ZEROED), Err(ArenaError::Overlap));
/// }
/// // Nothing is allocated in it.
/// assert_eq!(heap.arenas_mut().reclaim_arena(Span::empty()), Some(memory));
/// # Ok::<(), ArenaError>(())
/// ```
pub struct ArenasMut<'h, C: Config, S> {
    pub(super) heap: &'h mut Talloc<C, S>,
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Returns a view by which arenas can be claimed, purged and taken back. Costs nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{Memory, Span, Talloc};
    ///
    /// let mut memory = vec![0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is zero, and it is the heap's until neither is used any more.
    /// unsafe { heap.arenas_mut().claim_as(Span::from(memory.as_mut_slice()), Memory::ZEROED) }?;
    /// # Ok::<(), talloc_core::ArenaError>(())
    /// ```
    #[inline(always)]
    pub const fn arenas_mut(&mut self) -> ArenasMut<'_, C, S> {
        ArenasMut { heap: self }
    }
}

impl<C: Config, S> fmt::Debug for ArenasMut<'_, C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.heap.arenas()).finish()
    }
}
