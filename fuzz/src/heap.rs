//! The heap as the driver uses it.

use std::alloc::Layout;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use talloc_core::{
    Align, AllocError, ArenaError, Binning, Config, Level, Memory, OwnedTalloc, Report, Span,
    Statistics, Talloc, Violation,
};

use crate::supply::Supply;

/// The size of a granule in bytes. Sizes of chunks are multiples of it.
pub const GRANULE: usize = 8;

/// A heap's limits on sizes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The smallest size of a chunk in use.
    pub min_block: usize,
    /// The largest distance between granules of one arena, in bytes.
    pub window: usize,
    /// The number of free chunks that are examined before a request fails.
    pub last_resort: usize,
    /// The additional size of a block for its canary.
    pub tail: usize,
    /// The number of bits per granule.
    pub bits: usize,
    /// Below this size, a chunk and one of twice its size are in different bins.
    pub sorted: usize,
}

impl Limits {
    /// Returns the limits of heaps with a configuration.
    pub fn of<C: Config>() -> Self {
        let index_bytes = size_of::<C::Index>();
        let window = 1_usize.checked_shl(8 * index_bytes as u32).unwrap_or(usize::MAX);
        let exact_bins = 1 << C::Bins::EXACT_LOG2;
        let other_bins = C::Bins::LEN - exact_bins;
        let fine = ((C::Bins::COARSE_LOG2 - C::Bins::EXACT_LOG2) as usize)
            .min(other_bins >> C::Bins::SPLIT_LOG2);
        let coarse =
            (other_bins - (fine << C::Bins::SPLIT_LOG2)) >> C::Bins::SPLIT_LOG2.saturating_sub(2);
        // The last bin has no upper bound, so the power of two that it is part of does not count.
        let doublings = (fine + coarse).saturating_sub(1) as u32;
        let sorted = exact_bins.checked_shl(doublings).unwrap_or(usize::MAX);
        Self {
            min_block: (4 * index_bytes).next_multiple_of(GRANULE),
            window: window.saturating_mul(GRANULE),
            last_resort: C::LAST_RESORT,
            tail: C::TAIL,
            bits: if C::CHECKED { 2 } else { 1 },
            sorted: sorted.saturating_mul(GRANULE),
        }
    }

    /// Returns the size of a span that always becomes a single arena.
    pub fn reach(self) -> usize {
        self.window - self.window / 64
    }

    /// Returns the size of the chunk for a block of `size` bytes.
    pub fn rounded(self, size: usize) -> usize {
        (size + self.tail).max(self.min_block).next_multiple_of(GRANULE)
    }

    /// Returns the size of the largest request that a chunk can serve, or zero.
    pub fn largest_in(self, chunk: usize) -> usize {
        if chunk < self.rounded(1) { 0 } else { chunk - self.tail }
    }

    /// Returns the approximate size of the bitmap of an arena.
    pub fn bitmap(self, bytes: usize) -> usize {
        bytes / GRANULE / 8 * self.bits
    }

    /// Returns whether an allocation must succeed, given the free chunks.
    ///
    /// The largest chunk must have room for an aligned block at any address, and the heap must find it: either the heap
    /// examines all chunks, or the largest one is in a higher bin than chunks that are too small.
    pub fn surely_fits(self, report: &Report, layout: Layout) -> bool {
        let slack = layout.align().saturating_sub(GRANULE);
        let Some(need) = self.rounded(layout.size()).checked_add(slack) else { return false };
        let found = report.free_chunks <= self.last_resort
            || need < self.sorted && 2 * need <= report.largest_free_bytes;
        need <= report.largest_free_bytes && found
    }
}

/// A heap under test: [`Talloc`], or a wrapper with a fault built in.
/// A heap under test: [`Talloc`], or a wrapper with a built-in fault.
///
/// The methods are those of [`Talloc`], with the same preconditions. A wrapper overrides those that it breaks.
#[allow(clippy::missing_safety_doc, reason = "the preconditions are those of `Talloc`")]
#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "the caller upholds the preconditions of `Talloc`"
)]
pub trait Heap: Sized {
    /// The parameters of the inner heap.
    type Config: Config;

    /// Returns the inner heap.
    fn talloc(&self) -> &Talloc<Self::Config, Supply>;

    /// Returns the inner heap.
    fn talloc_mut(&mut self) -> &mut Talloc<Self::Config, Supply>;

    /// Moves the heap to `dest`.
    fn mov(self, dest: &mut MaybeUninit<Self>) -> &mut Self {
        dest.write(self)
    }

    unsafe fn malloc(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        unsafe { self.talloc_mut().malloc(layout) }
    }

    unsafe fn malloc_zeroed(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        unsafe { self.talloc_mut().malloc_zeroed(layout) }
    }

    unsafe fn malloc_dirty(&mut self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        unsafe { self.talloc_mut().backend().malloc_dirty(layout) }
    }

    unsafe fn free(&mut self, ptr: NonNull<u8>, layout: Layout) {
        unsafe { self.talloc_mut().free(ptr, layout) }
    }

    unsafe fn grow(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        unsafe { self.talloc_mut().grow(ptr, layout, new_size) }
    }

    unsafe fn realloc(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        unsafe { self.talloc_mut().realloc(ptr, layout, new_size) }
    }

    unsafe fn grow_in_place(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<(), AllocError> {
        let grown = unsafe { self.talloc_mut().grow_in_place(ptr, layout, new_size) }?;
        assert_eq!(grown, ptr, "a block that grows in place has moved");
        Ok(())
    }

    unsafe fn shrink(&mut self, ptr: NonNull<u8>, layout: Layout, new_size: usize) {
        unsafe { self.talloc_mut().shrink(ptr, layout, new_size) }
    }

    fn get_arena(&self) -> Span {
        self.talloc().get_arena()
    }

    fn get_allocatable_span(&self) -> Span {
        self.talloc().get_allocatable_span()
    }

    fn get_allocated_span(&mut self) -> Span {
        self.talloc_mut().get_allocated_span()
    }

    fn allocated_span_of(&mut self, arena: Span) -> Result<Span, ArenaError> {
        self.talloc_mut().arena(arena).map(|mut arena| arena.allocated_span())
    }

    /// Returns the arenas that are not empty, in the order of their addresses.
    fn arenas(&self) -> Vec<Span> {
        let mut arenas: Vec<Span> =
            self.talloc().arenas().filter(|arena| arena.is_sized()).collect();
        arenas.sort_by_key(|arena| arena.base());
        arenas
    }

    unsafe fn try_init(&mut self, arena: Span) -> Result<(), ArenaError> {
        unsafe { self.talloc_mut().arenas_mut().try_init(arena) }
    }

    unsafe fn try_extend(&mut self, arena: Span) -> Result<(), ArenaError> {
        unsafe { self.talloc_mut().arenas_mut().try_extend(arena) }
    }

    fn try_truncate(&mut self, arena: Span) -> Result<(), ArenaError> {
        self.talloc_mut().arenas_mut().try_truncate(arena)
    }

    unsafe fn claim_as(&mut self, arena: Span, memory: Memory) -> Result<(), ArenaError> {
        unsafe { self.talloc_mut().arenas_mut().claim_as(arena, memory) }
    }

    unsafe fn extend_arena_as(
        &mut self,
        old: Span,
        new: Span,
        memory: Memory,
    ) -> Result<(), ArenaError> {
        unsafe { self.talloc_mut().arena(old).and_then(|mut arena| arena.extend(new, memory)) }
    }

    unsafe fn raise_arena(
        &mut self,
        old: Span,
        size: usize,
        memory: Memory,
    ) -> Result<(), ArenaError> {
        unsafe { self.talloc_mut().arena(old).and_then(|mut arena| arena.raise(size, memory)) }
    }

    fn truncate_arena(&mut self, old: Span, new: Span) -> Result<(), ArenaError> {
        self.talloc_mut().arena(old).and_then(|mut arena| arena.truncate(new))
    }

    fn release_arena(&mut self, arena: Span) -> Result<(), ArenaError> {
        self.talloc_mut().arena(arena).and_then(|arena| arena.release())
    }

    unsafe fn merge_arenas(&mut self, lower: Span, upper: Span) -> Result<(), ArenaError> {
        unsafe { self.talloc_mut().arena(lower).and_then(|mut arena| arena.merge(upper)) }
    }

    unsafe fn discard(
        &mut self,
        unit: Align,
        least: usize,
        discard: impl FnMut(Span) -> Memory,
    ) -> usize {
        unsafe { self.talloc_mut().arenas_mut().discard(unit, least, discard) }
    }

    fn flush(&mut self) {
        self.talloc_mut().flush();
    }

    /// Returns the heap's statistics.
    fn statistics(&self) -> Statistics {
        self.talloc().inspect().statistics()
    }

    fn verify(&self) -> Result<Report, Violation> {
        self.talloc().verify()
    }
}

impl<C: Config> Heap for OwnedTalloc<C, Supply> {
    type Config = C;

    fn talloc(&self) -> &Talloc<C, Supply> {
        self
    }

    fn talloc_mut(&mut self) -> &mut Talloc<C, Supply> {
        self
    }

    fn mov(self, dest: &mut MaybeUninit<Self>) -> &mut Self {
        OwnedTalloc::mov(self, dest)
    }
}
