//! Arenas in ranges of addresses that become memory bit by bit.

use core::alloc::Layout;

use talloc_span::Span;

use super::{ArenasMut, Talloc};
use crate::arena::Arena;
use crate::config::Config;
use crate::error::ArenaError;
use crate::granule::GRANULE;
use crate::memory::Memory;
use crate::quick::Lists;
use crate::source::Source;

impl<C: Config, S: Source<C>> ArenasMut<'_, C, S> {
    /// Claims the lower part of `range`, with room for `bytes` bytes of blocks, as an arena that can be
    /// [raised](super::ArenaMut::raise_part) up to the range's end. Returns the span of the arena.
    ///
    /// `commit` is called with the two pieces that must be memory from then on. It may extend them to whole pages. The
    /// rest of the range is not touched. Raising such an arena moves nothing and flushes nothing.
    ///
    /// Takes constant time, apart from `commit`.
    ///
    /// # Errors
    ///
    /// As for [`Talloc::claim`], [`ArenaError::TooSmall`] if the range has no room for so many bytes, and
    /// [`ArenaError::NoMemory`] if `commit` fails.
    ///
    /// # Safety
    ///
    /// The whole range is the heap's, as [`Talloc::init`] asks, and `memory` is true of it. It need be memory only where
    /// `commit` has succeeded.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{Memory, Span, Talloc};
    ///
    /// let mut range = vec![0_u8; 1 << 20];
    /// let range = Span::from(range.as_mut_slice());
    /// let mut heap = Talloc::new();
    /// let mut committed = 0;
    /// // SAFETY: All of the range is memory, and the heap's until neither is used any more. It is zero.
    /// unsafe {
    ///     let mut commit = |piece: Span| {
    ///         committed += piece.size();
    ///         true
    ///     };
    ///     let lower = heap.arenas_mut().claim_part(range, 10_000, Memory::ZEROED, &mut commit)?;
    ///     heap.arena(lower)?.raise_part(range, 20_000, &mut commit)?;
    /// }
    /// assert!(heap.get_arena().size() > 30_000 && committed < 60_000);
    /// # Ok::<(), talloc_core::ArenaError>(())
    /// ```
    pub unsafe fn claim_part(
        &mut self,
        range: Span,
        bytes: usize,
        memory: Memory,
        commit: impl FnMut(Span) -> bool,
    ) -> Result<Span, ArenaError> {
        if C::SINGLE_ARENA && self.heap.arenas.first.span().is_sized() {
            return Err(ArenaError::SecondArena);
        }
        if self.heap.arenas.overlaps(range, None) {
            return Err(ArenaError::Overlap);
        }
        let control = self.heap.arenas.next_control();
        let (part, parts) = Arena::<C>::part_of(range, control, bytes)?;
        if !parts.into_iter().all(commit) {
            return Err(ArenaError::NoMemory);
        }
        // SAFETY: The caller gives the range, and both parts are memory now.
        let arena = unsafe { Arena::claim_part(part, range, control, memory) }?;
        self.heap.add_arena(arena);
        if let (Some(slabs), Some((base, acme))) =
            (self.heap.quick.slabs_mut(), range.get_base_acme())
        {
            slabs.set_own(base..acme);
        }
        Ok(part)
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Returns how many bytes of blocks an arena must have room for so that it surely meets a request while nothing is
    /// allocated in it. A source passes it to [`ArenasMut::claim_part`].
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::Talloc;
    ///
    /// let page = Layout::from_size_align(4096, 4096).unwrap();
    /// let bytes = <Talloc>::room_for(page);
    /// // The page, and what may lie before it.
    /// assert!((4096..=8192).contains(&bytes));
    /// ```
    #[must_use]
    pub fn room_for(layout: Layout) -> usize {
        let (len, lead) = Arena::<C>::needed_for(layout);
        (len + lead) * GRANULE
    }
}
