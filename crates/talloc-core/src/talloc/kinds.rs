//! Memory of several kinds.
//!
//! The quick lists hold only blocks of the first arena's kind. A request for another kind never gets a cached block,
//! and a plain request gets memory of the kind that was claimed first.

use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;

use talloc_span::{Align, Span};

use super::{ArenasMut, Inspect, SOURCE_TRIES, Talloc};
use crate::arena::Arena;
use crate::config::Config;
use crate::error::{AllocError, ArenaError};
use crate::kind::{Kind, Kinds};
use crate::memory::Memory;
use crate::misuse::Call;
use crate::quick::Lists;
use crate::source::Source;

impl<C: Config, S> Inspect<'_, C, S> {
    /// Returns the kind of the arena that contains an address, or `None` if no arena does. Takes constant time. See
    /// [`OfKinds`] for an example.
    pub fn kind_at(self, addr: usize) -> Option<Kind> {
        self.heap.arenas.spanning(addr).map(|arena| arena.kind)
    }
}

impl<C: Config, S> Talloc<C, S> {
    /// Whether all blocks may be put on the quick lists, as they are of one kind: those of a single arena, or of a heap
    /// with [peers](Lists::HAS_PEERS), which has no others.
    #[inline(always)]
    pub(super) fn lists_all(&self) -> bool {
        C::Quick::HAS_PEERS || self.arenas.is_single()
    }

    /// Whether the quick lists may hold blocks of any of these kinds.
    #[inline(always)]
    fn may_list(&self, kinds: Kinds) -> bool {
        C::Quick::HAS_PEERS || kinds.contains(self.arenas.first.kind)
    }

    /// Whether a block of this heap is of the kind that the quick lists hold.
    #[inline(always)]
    pub(super) fn is_listed(&self, block: NonNull<u8>) -> bool {
        self.lists_all() || self.is_of_first_kind(block)
    }

    #[cold]
    #[inline(never)]
    fn is_of_first_kind(&self, block: NonNull<u8>) -> bool {
        self.arenas.peek(self.arenas.place_of(block)).kind == self.arenas.first.kind
    }

    /// Whether blocks of the arena where requests begin may be put on the quick lists.
    #[inline(always)]
    pub(super) fn is_recent_listed(&self) -> bool {
        if C::SINGLE_ARENA || C::Quick::HAS_PEERS {
            return true;
        }
        let Some(recent) = self.arenas.recent else { return true };
        self.arenas.peek(Some(recent)).kind == self.arenas.first.kind
    }
}

impl<C: Config, S: Source<C>> ArenasMut<'_, C, S> {
    /// [`claim_as`](Self::claim_as), of memory of a certain kind.
    ///
    /// Memory that is claimed without a kind has [`Kind::DEFAULT`]. An arena keeps its kind when it is extended.
    ///
    /// # Errors
    ///
    /// As for [`Talloc::claim`]. In a heap with [peers](crate::Peers), [`ArenaError::OtherKind`] if the kind is not
    /// [`Kind::DEFAULT`]. The quick lists of such a heap also hold blocks of other heaps.
    ///
    /// # Safety
    ///
    /// As for [`claim_as`](Self::claim_as).
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Kind, Kinds, Memory, Span, Talloc};
    ///
    /// const INTERNAL: Kind = Kind::DEFAULT;
    /// const EXTERNAL: Kind = Kind::new(1);
    ///
    /// let (mut internal, mut external) = ([0_u8; 4096], vec![0_u8; 65536]);
    /// let mut heap = Talloc::new();
    /// let layout = Layout::new::<[u8; 1000]>();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// unsafe {
    ///     heap.claim(Span::from(&mut internal)).unwrap();
    ///     let memory = Span::from(external.as_mut_slice());
    ///     heap.arenas_mut().claim_of_kind(EXTERNAL, memory, Memory::empty()).unwrap();
    ///     // Memory that was claimed first is used first, unless a request says otherwise.
    ///     let hot = heap.malloc(layout)?;
    ///     let frame = heap.of_kinds(Kinds::prefer(EXTERNAL)).malloc(layout)?;
    ///     assert_eq!(heap.inspect().kind_at(hot.addr().get()), Some(INTERNAL));
    ///     assert_eq!(heap.inspect().kind_at(frame.addr().get()), Some(EXTERNAL));
    ///     // There is no room for four of them.
    ///     while heap.of_kinds(Kinds::only(INTERNAL)).malloc(layout).is_ok() {}
    ///     let block = heap.malloc(layout)?;
    ///     assert_eq!(heap.inspect().kind_at(block.addr().get()), Some(EXTERNAL));
    /// }
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    pub unsafe fn claim_of_kind(
        &mut self,
        kind: Kind,
        arena: Span,
        memory: Memory,
    ) -> Result<(), ArenaError> {
        if C::Quick::HAS_PEERS && kind != Kind::DEFAULT {
            return Err(ArenaError::OtherKind);
        }
        // SAFETY: The caller keeps to the conditions of `claim_as`.
        unsafe { self.heap.claim_pieces(kind, arena, memory) }
    }
}

/// A view of a heap that allocates in memory of some kinds, returned by [`Talloc::of_kinds`].
///
/// The methods of [`Talloc`] free such a block, and change its size in place.
///
/// # Examples
///
/// ```
/// use core::alloc::Layout;
/// use talloc_core::{Kind, Kinds, Memory, Span, Talloc};
///
/// const DMA: Kind = Kind::new(1);
///
/// let mut reachable = vec![0_u8; 10_000];
/// let mut heap = Talloc::new();
/// let layout = Layout::new::<[u8; 512]>();
/// // SAFETY: The memory is the heap's until neither is used any more, and the block is freed once, with the size that
/// // it was reallocated with.
/// unsafe {
///     let memory = Span::from(reachable.as_mut_slice());
///     heap.arenas_mut().claim_of_kind(DMA, memory, Memory::empty()).unwrap();
///     let block = heap.of_kinds(Kinds::only(DMA)).malloc(layout)?;
///     let block = heap.of_kinds(Kinds::only(DMA)).realloc(block, layout, 1024)?;
///     assert_eq!(heap.inspect().kind_at(block.addr().get()), Some(DMA));
///     heap.free(block, Layout::new::<[u8; 1024]>());
/// }
/// # Ok::<(), talloc_core::AllocError>(())
/// ```
pub struct OfKinds<'h, C: Config, S> {
    heap: &'h mut Talloc<C, S>,
    kinds: Kinds,
}

impl<C: Config, S> fmt::Debug for OfKinds<'_, C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfKinds").field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Returns a view that allocates in memory of some kinds. Costs nothing.
    ///
    /// # Examples
    ///
    /// See [`ArenasMut::claim_of_kind`].
    #[inline(always)]
    pub const fn of_kinds(&mut self, kinds: Kinds) -> OfKinds<'_, C, S> {
        OfKinds { heap: self, kinds }
    }
}

impl<C: Config, S: Source<C>> OfKinds<'_, C, S> {
    /// Allocates a block in memory of these kinds, as [`Talloc::malloc`] does in memory of any kind.
    ///
    /// Tries arenas of the preferred kinds first, in the order of claiming, and then those of the other kinds. Takes
    /// constant time, or as long as the source takes if it is called.
    ///
    /// # Errors
    ///
    /// If no arena of these kinds has the memory, and the source does not [provide it](Source::acquire_in).
    ///
    /// # Safety
    ///
    /// As for [`Talloc::malloc`].
    pub unsafe fn malloc(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let kinds = self.kinds;
        let allocate =
            |heap: &mut Talloc<C, S>| Ok((heap.malloc_of_kinds(kinds, layout)?, layout.size()));
        // SAFETY: The block is allocated for as many bytes.
        unsafe { self.heap.guarded(layout.size(), allocate) }.map(|(block, _)| block)
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// [`OfKinds::malloc`], without the measures of a hardened heap.
    #[inline(always)]
    fn malloc_of_kinds(&mut self, kinds: Kinds, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let heap = self;
        let (len, align) = (Arena::<C>::block_len(layout.size()), Align::of_layout(layout));
        let listed = heap.arenas.first.kind;
        if !C::Quick::HAS_PEERS && kinds.sets()[0] & listed.bit() != 0 {
            if let Some(block) = heap.pop_aligned(len, align) {
                return Ok(block);
            }
        }
        if layout.size() > Talloc::<C, S>::MAX_BLOCK || heap.is_broken() {
            return Err(AllocError);
        }
        heap.note_demand();
        heap.tend();
        let attempt = |heap: &mut Talloc<C, S>| heap.allocate_of_kinds(kinds, len, align);
        let mut found = attempt(heap);
        for _ in 0..SOURCE_TRIES {
            // The source may have changed which kind is the first.
            if found.is_none() && heap.may_list(kinds) {
                found = heap.coalesce_for(layout, attempt);
            } else if found.is_none() && heap.tidy() {
                found = attempt(heap);
            }
            if found.is_some() {
                break;
            }
            S::acquire_in(heap, kinds, layout)?;
            found = attempt(heap);
        }
        found.ok_or(AllocError)
    }
}

impl<C: Config, S: Source<C>> OfKinds<'_, C, S> {
    /// [`Talloc::realloc`]. If the block has to move, it moves to memory of these kinds.
    ///
    /// A block that has room stays where it is, whatever kind of memory that is.
    ///
    /// # Errors
    ///
    /// As for [`Talloc::realloc`].
    ///
    /// # Panics
    ///
    /// As [`Talloc::free`] does.
    ///
    /// # Safety
    ///
    /// As for [`Talloc::realloc`].
    #[track_caller]
    pub unsafe fn realloc(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        let call = Call::resize(layout.size(), new_size);
        if !self.heap.knows(call, ptr, layout) {
            self.heap.report(call, ptr, layout);
            return Err(AllocError);
        }
        let new = Layout::from_size_align(new_size, layout.align()).map_err(|_| AllocError)?;
        // SAFETY: It is the caller's block. Both blocks have as many bytes. The new one was free, so they do not
        // overlap. The old one is not used any more.
        unsafe {
            if let Ok(block) = self.heap.resize_own(ptr, layout, new) {
                return Ok(block);
            }
            let block = self.malloc(new)?;
            block.copy_from_nonoverlapping(ptr, layout.size().min(new_size));
            self.heap.free_moved(ptr, Arena::<C>::block_len(layout.size()));
            Ok(block)
        }
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Allocates from the arenas of some kinds.
    fn allocate_of_kinds(&mut self, kinds: Kinds, len: usize, align: Align) -> Option<NonNull<u8>> {
        let mut sets = kinds.sets().into_iter().filter(|kinds| *kinds != 0);
        sets.find_map(|kinds| self.allocate_among(kinds, len, align))
    }

    /// Adds an arena. If that changes which kind the quick lists are for, they are emptied.
    pub(super) fn add_arena(&mut self, arena: Arena<C>) {
        if arena.kind != self.arenas.first.kind && arena.is_controlled_outside() {
            self.flush();
        }
        self.arm();
        self.arenas.add(arena);
        self.limit_quick();
    }

    /// The same block, by a pointer that is valid for all of it. `None` if the quick lists hold another kind.
    #[inline(always)]
    pub(super) fn listed_block(&mut self, ptr: NonNull<u8>) -> Option<NonNull<u8>> {
        let arena = self.arenas.peek(self.arenas.place_of(ptr));
        (arena.kind == self.arenas.first.kind).then(|| arena.block(ptr))
    }
}
