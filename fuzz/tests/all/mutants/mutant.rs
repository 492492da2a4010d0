//! A heap whose methods can be replaced by faulty ones.

use std::alloc::Layout;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use talloc_core::{
    Align, AllocError, ArenaError, Memory, OwnedTalloc, RealTime, Report, Span, Statistics, Talloc,
    Violation,
};
use talloc_fuzz::Heap;
use talloc_fuzz::supply::{Kind, Supply};

/// A heap, its methods, and the state that faults need.
pub struct Mutant {
    pub heap: OwnedTalloc<RealTime, Supply>,
    pub note: Option<(NonNull<u8>, Layout)>,
    faults: Faults,
}

type Allocate<T> = unsafe fn(&mut Mutant, Layout) -> Result<T, AllocError>;
type Resize<T> = unsafe fn(&mut Mutant, NonNull<u8>, Layout, usize) -> T;
type Discard<'a> = &'a mut dyn FnMut(Span) -> Memory;
type Reshape = unsafe fn(&mut Mutant, Span, Span) -> Result<(), ArenaError>;

/// The methods that can be replaced. Some methods of [`Talloc`] take one span where these take two. The first one is
/// then empty.
#[derive(Clone, Copy)]
pub struct Faults {
    pub malloc: Allocate<NonNull<u8>>,
    pub malloc_zeroed: Allocate<NonNull<u8>>,
    pub malloc_dirty: Allocate<(NonNull<u8>, usize)>,
    pub free: unsafe fn(&mut Mutant, NonNull<u8>, Layout),
    pub grow: Resize<Result<NonNull<u8>, AllocError>>,
    pub grow_in_place: Resize<Result<(), AllocError>>,
    pub shrink: Resize<()>,
    pub claim: Reshape,
    pub extend: Reshape,
    pub truncate: Reshape,
    pub release: Reshape,
    pub merge: Reshape,
    pub extend_arena: Reshape,
    pub allocated_span_of: fn(&mut Mutant, Span) -> Result<Span, ArenaError>,
    pub discard: unsafe fn(&mut Mutant, Align, usize, Discard) -> usize,
    pub flush: fn(&mut Mutant),
    pub moved: fn(Mutant) -> Mutant,
    pub verify: fn(&Mutant) -> Result<Report, Violation>,
    pub statistics: fn(&Mutant) -> Statistics,
}

/// No faults.
pub const HONEST: Faults = Faults {
    malloc: |mutant, layout| unsafe { mutant.heap.malloc(layout) },
    malloc_zeroed: |mutant, layout| unsafe {
        let block = mutant.malloc(layout)?;
        block.write_bytes(0, layout.size());
        Ok(block)
    },
    malloc_dirty: |mutant, layout| Ok((unsafe { mutant.malloc(layout) }?, layout.size())),
    free: |mutant, ptr, layout| unsafe { mutant.heap.free(ptr, layout) },
    grow: |mutant, ptr, layout, size| unsafe { mutant.heap.grow(ptr, layout, size) },
    grow_in_place: |mutant, ptr, layout, size| unsafe {
        mutant.heap.grow_in_place(ptr, layout, size).map(|_| ())
    },
    shrink: |mutant, ptr, layout, size| unsafe { mutant.heap.shrink(ptr, layout, size) },
    claim: |mutant, _, arena| unsafe { mutant.heap.claim_as(arena, Memory::RECLAIMABLE) },
    extend: |mutant, _, arena| unsafe { mutant.heap.try_extend(arena) },
    truncate: |mutant, _, arena| mutant.heap.try_truncate(arena),
    release: |mutant, arena, _| mutant.heap.arena(arena).and_then(|arena| arena.release()),
    merge: |mutant, lower, upper| unsafe {
        mutant.heap.arena(lower).and_then(|mut arena| arena.merge(upper))
    },
    extend_arena: |mutant, old, new| unsafe {
        mutant.heap.arena(old).and_then(|mut arena| arena.extend(new, Memory::empty()))
    },
    allocated_span_of: |mutant, arena| {
        mutant.heap.arena(arena).map(|mut arena| arena.allocated_span())
    },
    discard: |mutant, unit, least, discard| unsafe { mutant.heap.discard(unit, least, discard) },
    flush: |mutant| mutant.heap.flush(),
    moved: |mutant| mutant,
    verify: |mutant| mutant.heap.verify(),
    statistics: |mutant| mutant.heap.statistics(),
};

impl Mutant {
    pub fn new(faults: Faults) -> Self {
        Self::with_source(faults, Kind::Refuse)
    }

    pub fn with_source(faults: Faults, source: Kind) -> Self {
        Self { heap: Talloc::with_source(Supply::new(source)), note: None, faults }
    }
}

impl Heap for Mutant {
    type Config = RealTime;

    fn talloc(&self) -> &Talloc<RealTime, Supply> {
        &self.heap
    }

    fn talloc_mut(&mut self) -> &mut Talloc<RealTime, Supply> {
        &mut self.heap
    }

    fn mov(self, dest: &mut MaybeUninit<Self>) -> &mut Self {
        dest.write((self.faults.moved)(self))
    }

    unsafe fn malloc(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        unsafe { (self.faults.malloc)(self, layout) }
    }

    unsafe fn malloc_zeroed(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        unsafe { (self.faults.malloc_zeroed)(self, layout) }
    }

    unsafe fn malloc_dirty(&mut self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        unsafe { (self.faults.malloc_dirty)(self, layout) }
    }

    unsafe fn free(&mut self, ptr: NonNull<u8>, layout: Layout) {
        unsafe { (self.faults.free)(self, ptr, layout) }
    }

    unsafe fn grow(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        unsafe { (self.faults.grow)(self, ptr, layout, new_size) }
    }

    unsafe fn grow_in_place(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<(), AllocError> {
        unsafe { (self.faults.grow_in_place)(self, ptr, layout, new_size) }
    }

    unsafe fn shrink(&mut self, ptr: NonNull<u8>, layout: Layout, new_size: usize) {
        unsafe { (self.faults.shrink)(self, ptr, layout, new_size) }
    }

    unsafe fn claim_as(&mut self, arena: Span, _: Memory) -> Result<(), ArenaError> {
        unsafe { (self.faults.claim)(self, Span::empty(), arena) }
    }

    unsafe fn try_extend(&mut self, arena: Span) -> Result<(), ArenaError> {
        unsafe { (self.faults.extend)(self, Span::empty(), arena) }
    }

    fn try_truncate(&mut self, arena: Span) -> Result<(), ArenaError> {
        unsafe { (self.faults.truncate)(self, Span::empty(), arena) }
    }

    fn release_arena(&mut self, arena: Span) -> Result<(), ArenaError> {
        unsafe { (self.faults.release)(self, arena, Span::empty()) }
    }

    unsafe fn merge_arenas(&mut self, lower: Span, upper: Span) -> Result<(), ArenaError> {
        unsafe { (self.faults.merge)(self, lower, upper) }
    }

    unsafe fn extend_arena_as(
        &mut self,
        old: Span,
        new: Span,
        _: Memory,
    ) -> Result<(), ArenaError> {
        unsafe { (self.faults.extend_arena)(self, old, new) }
    }

    fn get_allocated_span(&mut self) -> Span {
        let first = self.get_arena();
        self.allocated_span_of(first).unwrap_or_default()
    }

    fn allocated_span_of(&mut self, arena: Span) -> Result<Span, ArenaError> {
        (self.faults.allocated_span_of)(self, arena)
    }

    unsafe fn discard(
        &mut self,
        unit: Align,
        least: usize,
        mut discard: impl FnMut(Span) -> Memory,
    ) -> usize {
        unsafe { (self.faults.discard)(self, unit, least, &mut discard) }
    }

    fn flush(&mut self) {
        (self.faults.flush)(self);
    }

    fn statistics(&self) -> Statistics {
        (self.faults.statistics)(self)
    }

    fn verify(&self) -> Result<Report, Violation> {
        (self.faults.verify)(self)
    }
}
