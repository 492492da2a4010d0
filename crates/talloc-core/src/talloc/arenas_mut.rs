//! The arenas of a heap, to change.

use core::fmt;

use super::Talloc;
use crate::config::Config;
use crate::source::Source;

/// The arenas of a heap, to change: what [`Talloc::arenas_mut`] returns.
///
/// [`Talloc::claim`] gives a heap memory, and [`Talloc::arena`] changes one arena. This view has what else can be done
/// to arenas: to claim memory of which [something is known](Self::claim_as), of [some kind](Self::claim_of_kind), or
/// that is [still to be committed](Self::claim_part); to change the first arena with an error instead of a panic; and
/// to [purge](Self::discard) and [take back](Self::reclaim_arena) what is free.
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
    /// The heap's arenas, to change. Costs nothing.
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
