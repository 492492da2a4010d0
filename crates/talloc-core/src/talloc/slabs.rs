//! Small blocks in slabs: see [`slab`](crate::quick::slab).

use core::ptr::NonNull;

use talloc_span::{Align, Span};

use super::Talloc;
use crate::chunk::{Chunk, ChunkKind};
use crate::config::{Config, QuickOf};
use crate::granule::GRANULE;
use crate::quick::slab::{Freed, SLAB, SLAB_CLASSES, SLAB_LEN, Slab, is_in_slab};
use crate::quick::{Lists, with_provenance_of_all};
use crate::report::{Report, Violation};
use crate::source::Source;

/// A heap is small with less than `SMALL` times as many bytes in use as a size must have for slabs. A small heap has no
/// slabs: it fits in the processor's caches, so coalescing is fast, and its slabs would mostly be empty. `cargo xtask bench
/// threads` has such heaps.
const SMALL: usize = 64;

const SLAB_ALIGN: Align = Align::new(SLAB).unwrap();

/// Allocating.
impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Allocates a block of `len` granules in a slab, if this size has slabs. If not, `asked` granules are to be taken from the
    /// arenas. The list of the size is empty.
    #[inline(always)]
    pub(super) fn allocate_from_slab(&mut self, len: usize, asked: usize) -> Option<NonNull<u8>> {
        let has_list = len < SLAB_CLASSES && len < C::Quick::CLASSES;
        match C::Quick::SLABS_FROM {
            Some(enough) if has_list && self.may_have_slabs(enough) => {
                self.allocate_from_slab_after(len, asked, enough)
            }
            _ => None,
        }
    }

    /// [`allocate_from_slab`](Self::allocate_from_slab), of an aligned block, if all blocks of the size are aligned in a slab.
    #[inline(always)]
    pub(super) fn allocate_aligned_from_slab(
        &mut self,
        len: usize,
        align: Align,
    ) -> Option<NonNull<u8>> {
        C::Quick::SLABS_FROM?;
        // A slab is aligned to its size, so its blocks are aligned to any power of two that divides theirs.
        let are_aligned = len * GRANULE % align.get() == 0;
        if are_aligned && self.quick.first(len).is_none() {
            self.allocate_from_slab(len, len)
        } else {
            None
        }
    }

    /// Whether the heap has slabs, or is not too small for them.
    #[inline(always)]
    fn may_have_slabs(&self, enough: u16) -> bool {
        let is_small = self.arenas.used() < usize::from(enough) * GRANULE * SMALL;
        !is_small || self.quick.slabs().is_some_and(|slabs| slabs.count() > 0)
    }

    /// [`allocate_from_slab`](Self::allocate_from_slab), of a size that gets slabs when the arenas have been asked for
    /// `enough` granules.
    #[inline(never)]
    fn allocate_from_slab_after(
        &mut self,
        len: usize,
        asked: usize,
        enough: u16,
    ) -> Option<NonNull<u8>> {
        if let Some(block) = self.refill_from_slab(len) {
            return Some(block);
        }
        if !self.quick.slabs_mut()?.note_asked(len, asked, enough) {
            return None;
        }
        let memory = match self.take_for_slab() {
            Some(memory) => memory,
            None => {
                self.recycle_for(SLAB_LEN);
                self.allocate_surely(SLAB_LEN, SLAB_ALIGN)?
            }
        };
        // SAFETY: The memory is a block of this heap, as large and as aligned as a slab, which nobody has been given.
        unsafe { self.quick.slabs_mut()?.add(C::Quick::whole(), memory, len) };
        self.refill_from_slab(len)
    }

    /// Allocates a free block of a slab for a request that no arena can serve. The block may be larger than the request.
    /// Returns the same as [`allocate_knowing`](Self::allocate_knowing): none of its bytes is known to be zero.
    #[inline(always)]
    pub(super) fn allocate_spare(
        &mut self,
        len: usize,
        align: Align,
    ) -> Option<(NonNull<u8>, usize)> {
        if len >= SLAB_CLASSES {
            return None;
        }
        let block = self.quick.slabs_mut()?.take_any(C::Quick::whole(), len, align.get() - 1)?;
        Some((block, block.addr().get() + len * GRANULE))
    }

    /// Fills the empty list of a size from a slab, and allocates a block.
    fn refill_from_slab(&mut self, len: usize) -> Option<NonNull<u8>> {
        // SAFETY: The lists are borrowed mutably.
        unsafe { QuickOf::<C>::refill_at(&raw mut self.quick, len) };
        self.quick.pop(len)
    }

    /// Allocates memory for a slab from the bins of the arena where requests begin.
    fn take_for_slab(&mut self) -> Option<NonNull<u8>> {
        let arena = self.arenas.recent();
        let at = arena.allocate_from_heads(SLAB_LEN, SLAB_ALIGN)?;
        let memory = arena.hand_out(at, SLAB_LEN);
        self.arenas.count_taken(SLAB);
        Some(memory)
    }
}

/// Freeing.
impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Frees a block of `len` granules to its slab, if it is in one. Returns the granules of the free chunk that this makes,
    /// if any, or `None` if the block remains the caller's.
    ///
    /// # Safety
    ///
    /// It is a block of this heap that nobody uses.
    #[inline(always)]
    pub(super) unsafe fn free_to_slab(&mut self, block: NonNull<u8>, len: usize) -> Option<usize> {
        if C::Quick::SLABS_FROM.is_none() || len >= SLAB_CLASSES {
            return None;
        }
        let block = with_provenance_of_all(C::Quick::whole(), block);
        // SAFETY: The caller gives up the block, which is one of this heap. The pointer is valid for all of it.
        let freed = unsafe { self.quick.slabs_mut()?.free(C::Quick::whole(), block) };
        self.settle_slab(freed)
    }

    /// Whether a block is another heap's.
    #[inline(always)]
    pub(super) fn is_stray(&self, block: NonNull<u8>) -> bool {
        let is_own = self.quick.slabs().is_some_and(|slabs| slabs.is_own(block));
        !is_own && self.quick.is_stray(block)
    }

    /// Gives back the memory of a slab that is one no longer.
    #[inline(always)]
    fn settle_slab(&mut self, freed: Freed) -> Option<usize> {
        match freed {
            Freed::NoSlab => None,
            Freed::ToSlab => Some(0),
            // SAFETY: It is an allocated block of this heap that nobody uses.
            Freed::Slab(memory) => Some(unsafe { self.release(memory, SLAB_LEN) }),
        }
    }

    /// Gives back the memory of all slabs without blocks in use. Returns whether there were any.
    pub(super) fn release_empty_slabs(&mut self) -> bool {
        let (mut len, mut are_any) = (0, false);
        loop {
            let Some(slabs) = self.quick.slabs_mut() else { return false };
            let memory = slabs.remove_empty(C::Quick::whole(), &mut len);
            let Some(memory) = memory else { return are_any };
            // SAFETY: It is an allocated block of this heap that nobody uses.
            unsafe { self.release(memory, SLAB_LEN) };
            are_any = true;
        }
    }

    /// Notes that an arena loses memory, which may become a peer's.
    pub(super) fn lose(&mut self, arena: Span) {
        if let (Some(slabs), Some((base, acme))) = (self.quick.slabs_mut(), arena.get_base_acme()) {
            slabs.lose(base..acme);
        }
    }
}

/// Looking.
impl<C: Config, S> Talloc<C, S> {
    /// Bytes of slabs that are not blocks in use or on quick lists.
    pub(super) fn spare_bytes(&self) -> usize {
        // SAFETY: The lists are borrowed.
        unsafe { QuickOf::<C>::spare_at(&raw const self.quick) * GRANULE }
    }

    /// All slabs, with their memory.
    fn slabs(&self) -> impl Iterator<Item = (NonNull<u8>, &Slab)> + '_ {
        let slabs = self.quick.slabs();
        let ranges = self.arenas.places().map(|place| self.arenas.peek(place).below_top());
        ranges.flat_map(move |range| {
            // SAFETY: It is memory of this heap.
            let slabs = slabs.map(|slabs| unsafe { slabs.within(C::Quick::whole(), range) });
            slabs.into_iter().flatten()
        })
    }

    /// The free memory of slabs: free blocks, and what is no block.
    pub(super) fn spare_chunks(&self) -> impl Iterator<Item = Chunk> + '_ {
        self.slabs().flat_map(|(memory, slab)| {
            let rest = slab.rest_bytes();
            let end = memory.as_ptr().wrapping_add(SLAB - rest);
            let blocks = slab.free_blocks();
            let blocks =
                blocks.map(|block| Span::from_ptr_size(block.as_ptr(), slab.block_bytes()));
            let spans = blocks.chain((rest > 0).then(|| Span::from_ptr_size(end, rest)));
            spans.map(|span| Chunk { kind: ChunkKind::Cached, span })
        })
    }

    /// Whether a block lies in a slab. It then keeps the size of that slab's blocks, and may have any smaller one.
    ///
    /// # Safety
    ///
    /// It is an allocated block of this heap or of a peer.
    pub(super) unsafe fn is_in_slab(&self, block: NonNull<u8>) -> bool {
        // SAFETY: The caller has the block.
        C::Quick::SLABS_FROM.is_some() && unsafe { is_in_slab(C::Quick::whole(), block) }
    }

    /// Whether memory is that of a slab of this heap.
    fn is_slab_of_heap(&self, memory: NonNull<u8>) -> bool {
        // SAFETY: If it is memory of an arena that is in use, the table has an entry for it, which only this heap writes to.
        self.is_cached_block(memory, SLAB_LEN) && unsafe { self.is_in_slab(memory) }
    }

    /// Checks invariant I15, and counts the free memory of slabs.
    pub(super) fn check_slabs(&self, report: &mut Report) -> Result<(), Violation> {
        let Some(slabs) = self.quick.slabs() else { return Ok(()) };
        let (mut spare, mut listed, mut count) = (0, 0, 0);
        for (memory, slab) in self.slabs() {
            if !self.is_cached_block(memory, SLAB_LEN) || !slab.is_sound(memory) {
                return Err(Violation::Slab { addr: memory.addr().get() });
            }
            count += 1;
            spare += slab.spare_bytes();
            listed += usize::from(slab.is_listed());
        }
        if count != slabs.count()
            || !slabs
                .are_lists_sound(C::Quick::whole(), listed, |memory| self.is_slab_of_heap(memory))
        {
            return Err(Violation::SlabLists);
        }
        for chunk in self.spare_chunks() {
            report.count_cached(chunk.span.size());
        }
        if spare == self.spare_bytes() { Ok(()) } else { Err(Violation::CachedCount) }
    }
}
