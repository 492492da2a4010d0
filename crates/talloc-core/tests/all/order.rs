//! Arenas of several kinds that are claimed, released, extended, truncated and merged at random. The first arena with
//! room serves each request. The heap is verified after every step.

use std::ptr::NonNull;

use crate::common::{layout, memory, part};
use talloc_core::{
    Align, ArenaError, Batch, Checked, ChunkKind, Compact, Config, Kind, Kinds, Memory, Micro,
    OwnedTalloc, Panics, RealTime, Span, Talloc,
};

/// The memory for arenas in bytes, and the number of slots in it.
const POOL: usize = 1 << 17;
const SLOTS: usize = 32;
const SLOT: usize = POOL / SLOTS;

/// The largest number of blocks.
const MAX_BLOCKS: usize = 200;

/// A block filled with its seed.
struct Block {
    ptr: NonNull<u8>,
    size: usize,
    align: usize,
    seed: u8,
    kinds: Kinds,
}

impl Block {
    fn fill(&self) {
        // SAFETY: The access is within the block.
        unsafe { self.ptr.write_bytes(self.seed, self.size) };
    }

    fn check(&self, size: usize) {
        // SAFETY: The access is within the block, whose bytes are initialised.
        let mut bytes = (0..size).map(|byte| unsafe { self.ptr.add(byte).read() });
        assert!(bytes.all(|byte| byte == self.seed), "a block was overwritten");
    }
}

/// An arena, and whether `claim_part` created it and only `raise_part` has changed it since.
#[derive(Clone, Copy)]
struct Arena {
    span: Span,
    kind: Kind,
    is_part: bool,
}

/// A heap and its expected state.
struct Model<C: Config> {
    heap: OwnedTalloc<C>,
    pool: Span,
    /// In the order of claiming.
    arenas: Vec<Arena>,
    blocks: Vec<Block>,
    rng: fastrand::Rng,
}

impl<C: Config> Model<C> {
    fn new(seed: u64) -> Self {
        Self {
            heap: Talloc::with_config(),
            pool: memory(POOL),
            arenas: Vec::new(),
            blocks: Vec::new(),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    fn check(&self) {
        self.heap.verify().unwrap();
        assert!(self.heap.arenas().eq(self.arenas.iter().map(|arena| arena.span)));
        for arena in &self.arenas {
            assert_eq!(self.heap.inspect().kind_at(arena.span.base().unwrap()), Some(arena.kind));
        }
    }

    /// Returns a random slot without an arena.
    fn free_slot(&mut self) -> Option<Span> {
        let slot = part(self.pool, self.rng.usize(..SLOTS) * SLOT, SLOT);
        Some(slot).filter(|slot| !self.arenas.iter().any(|arena| arena.span.overlaps(*slot)))
    }

    /// Returns the slots of an arena. No other arena is there.
    fn slots_of(&self, arena: Span) -> Span {
        let low = arena.base().unwrap() - self.pool.base().unwrap();
        let slots = (low + arena.size()).div_ceil(SLOT) - low / SLOT;
        part(self.pool, low / SLOT * SLOT, slots * SLOT)
    }

    /// Returns the number of a random arena.
    fn any_arena(&mut self) -> Option<usize> {
        self.rng.usize(..MAX_BLOCKS).checked_rem(self.arenas.len())
    }

    /// Adds an arena to the model. An arena that becomes the heap's first comes before all others.
    fn note_claim(&mut self, is_first: bool, span: Span, kind: Kind, is_part: bool) {
        let number = if is_first { 0 } else { self.arenas.len() };
        self.arenas.insert(number, Arena { span, kind, is_part });
    }

    /// Claims an arena at a random place in a free slot. If the heap has no first arena, the new one takes its place.
    fn claim(&mut self) {
        let Some(slot) = self.free_slot() else { return };
        let low = self.rng.usize(..512) * self.rng.usize(..2);
        let span = slot.truncate(low, self.rng.usize(..512) * self.rng.usize(..2));
        let kind = Kind::new(self.rng.u8(..4) * 3);
        let is_first = self.heap.get_arena().is_empty();
        let memory = if self.rng.bool() { Memory::RECLAIMABLE } else { Memory::empty() };
        // SAFETY: The slot is free, and the memory is leaked.
        unsafe { self.heap.arenas_mut().claim_of_kind(kind, span, memory) }.unwrap();
        self.note_claim(is_first, span, kind, false);
    }

    /// Claims an arena at the start of a free slot.
    fn claim_part(&mut self) {
        let Some(slot) = self.free_slot() else { return };
        let is_first = self.heap.get_arena().is_empty();
        let bytes = self.rng.usize(..SLOT / 2);
        // SAFETY: The slot is free, and the memory is leaked.
        let part =
            unsafe { self.heap.arenas_mut().claim_part(slot, bytes, Memory::empty(), |_| true) };
        match part {
            Ok(part) => self.note_claim(is_first, part, Kind::DEFAULT, true),
            Err(error) => assert_eq!(error, ArenaError::TooSmall),
        }
    }

    /// Raises an arena in one of the two possible ways.
    fn raise(&mut self) {
        let Some(number) = self.any_arena() else { return };
        let Arena { span, is_part, .. } = self.arenas[number];
        let slots = self.slots_of(span);
        let more = slots.acme().unwrap() - span.acme().unwrap();
        let more = self.rng.usize(..=more) / 8 * 8;
        let mut arena = self.heap.arena(span).unwrap();
        // SAFETY: No other arena is in the slots, and the memory is leaked.
        let result = unsafe {
            if is_part {
                arena.raise_part(slots, more, |_| true)
            } else {
                arena.raise(more, Memory::empty())
            }
        };
        assert!(result.is_ok() == (arena.span() == span.extend(0, more)) || more == 0);
        self.arenas[number].span = arena.span();
    }

    /// Queries how far an arena can be truncated.
    fn look(&mut self) {
        let Some(number) = self.any_arena() else { return };
        let Arena { span, .. } = self.arenas[number];
        let least = self.heap.arena(span).map(|mut arena| arena.allocated_span()).unwrap();
        let here = self.blocks.iter().filter(|block| span.contains_ptr(block.ptr.as_ptr()));
        for block in here {
            assert!(least.contains_span(Span::from_ptr_size(block.ptr.as_ptr(), block.size)));
        }
        self.arenas[number].is_part = false;
    }

    /// Merges two adjacent arenas, if there are any.
    fn merge(&mut self) {
        let above =
            |low: &Arena| self.arenas.iter().position(|arena| arena.span.base() == low.span.acme());
        let arenas = self.arenas.iter().enumerate();
        let pairs: Vec<_> = arenas.filter_map(|(low, arena)| Some((low, above(arena)?))).collect();
        let Some((low, high)) = self.rng.choice(pairs) else { return };
        let (Arena { span: lower, kind, .. }, upper) = (self.arenas[low], self.arenas[high]);
        // SAFETY: The memory is one allocation, and the spans' pointers are valid for all of it.
        let result =
            unsafe { self.heap.arena(lower).and_then(|mut arena| arena.merge(upper.span)) };
        if upper.kind != kind {
            return assert_eq!(result, Err(ArenaError::OtherKind));
        }
        // Without room for the bitmap, nothing has changed.
        if result.is_err() {
            return;
        }
        let span = lower.fit_over(upper.span);
        // The merged arena keeps the number of the lower one, unless that was the first one and too small for blocks.
        let stays_low = self.heap.arenas().nth(low - usize::from(high < low)) == Some(span);
        let (stays, gone) = if stays_low { (low, high) } else { (high, low) };
        assert!(stays_low || low == 0);
        self.arenas[stays] = Arena { span, kind, is_part: false };
        self.arenas.remove(gone);
    }

    fn release(&mut self) {
        let Some(number) = self.any_arena() else { return };
        let Arena { span, .. } = self.arenas[number];
        let is_free = !self.blocks.iter().any(|block| span.contains_ptr(block.ptr.as_ptr()));
        assert_eq!(self.heap.arena(span).and_then(|arena| arena.release()).is_ok(), is_free);
        if is_free {
            self.arenas.remove(number);
        }
    }

    /// Flushes the heap and discards free pieces.
    fn trim(&mut self) {
        self.heap.trim();
        let mut is_within = true;
        let arenas = &self.arenas;
        // SAFETY: The memory of discarded pieces stays as it is.
        unsafe {
            self.heap.arenas_mut().discard(Align::new(64).unwrap(), 64, |piece| {
                is_within &= arenas.iter().any(|arena| arena.span.contains_span(piece));
                Memory::empty()
            });
        }
        assert!(is_within);
    }

    /// Reclaims an arena without blocks.
    fn reclaim(&mut self) {
        self.heap.flush();
        let Some(span) = self.heap.arenas_mut().reclaim_arena(Span::empty()) else { return };
        assert!(!self.blocks.iter().any(|block| span.contains_ptr(block.ptr.as_ptr())));
        self.arenas.retain(|arena| arena.span != span);
    }

    /// Extends an arena to its slots or truncates it, at both ends.
    fn reshape(&mut self) {
        let Some(number) = self.any_arena() else { return };
        let Arena { span: old, .. } = self.arenas[number];
        let slot = self.slots_of(old);
        let (low, high) = (self.rng.usize(..100), self.rng.usize(..100));
        let new = if self.rng.bool() {
            old.extend(low, high).fit_within(slot)
        } else {
            old.truncate(low, high)
        };
        // SAFETY: No other arena is in the slot.
        let result = unsafe {
            if new.contains_span(old) {
                self.heap.arena(old).and_then(|mut arena| arena.extend(new, Memory::empty()))
            } else {
                self.heap.arena(old).and_then(|mut arena| arena.truncate(new))
            }
        };
        if result.is_ok() {
            (self.arenas[number].span, self.arenas[number].is_part) = (new, false);
        }
    }

    fn random_kinds(&mut self) -> Kinds {
        let kind = Kind::new(self.rng.u8(..4) * 3);
        let kinds = if self.rng.bool() { Kinds::only(kind) } else { Kinds::prefer(kind) };
        if self.rng.u8(..4) == 0 { kinds.or(Kind::new(self.rng.u8(..4) * 3)) } else { kinds }
    }

    /// Returns the number of the first arena with a free chunk of at least `bytes` bytes, among the kinds that
    /// `is_wanted`.
    fn first_with_room(&self, bytes: usize, is_wanted: impl Fn(Kind) -> bool) -> Option<usize> {
        let is_free = |kind| matches!(kind, ChunkKind::Free | ChunkKind::Top);
        let is_roomy = |span: Span| {
            let mut free = self.heap.inspect().free_chunks().filter(|chunk| is_free(chunk.kind));
            free.any(|chunk| chunk.span.size() >= bytes && span.contains_span(chunk.span))
        };
        self.arenas.iter().position(|arena| is_wanted(arena.kind) && is_roomy(arena.span))
    }

    fn number_of(&self, block: NonNull<u8>) -> usize {
        self.arenas.iter().position(|arena| arena.span.contains_ptr(block.as_ptr())).unwrap()
    }

    fn malloc(&mut self) {
        if self.blocks.len() >= MAX_BLOCKS {
            return;
        }
        let (size, align) = (1 << self.rng.u32(..11), 8 << (self.rng.u32(..5) * self.rng.u32(..2)));
        let size = self.rng.usize(1..=size);
        let is_any = self.rng.bool();
        let kinds = if is_any { Kinds::ANY } else { self.random_kinds() };
        // A chunk of twice the size is in a higher bin than the request, and fits at any address.
        let sure = 2 * (size.max(16) + align);
        let preferred = self.first_with_room(sure, |kind| is_preferred(kinds, kind));
        let possible = self.first_with_room(sure, |kind| kinds.contains(kind));
        // Cached blocks come first, in any order.
        let is_ordered = self.heap.inspect().cached_bytes() == 0;
        let is_zeroed = is_any && self.rng.bool();
        // SAFETY: `malloc` and `malloc_zeroed` have no preconditions.
        let result = unsafe {
            if is_zeroed {
                self.heap.malloc_zeroed(layout(size, align))
            } else if is_any {
                self.heap.malloc(layout(size, align))
            } else {
                self.heap.of_kinds(kinds).malloc(layout(size, align))
            }
        };
        let Ok(ptr) = result else {
            return assert_eq!(possible, None, "there was room for {size} bytes");
        };
        let number = self.number_of(ptr);
        let kind = self.arenas[number].kind;
        assert!(kinds.contains(kind) && ptr.addr().get() % align == 0);
        let first = preferred.or(possible.filter(|_| !is_preferred(kinds, kind)));
        let is_early = first.is_none_or(|first| number <= first);
        let is_liked = preferred.is_none() || is_preferred(kinds, kind);
        assert!(
            !is_ordered || is_early && is_liked,
            "arena {number} of {kind:?} served {kinds:?}, but {first:?} had room"
        );
        if is_zeroed {
            Block { ptr, size, align, seed: 0, kinds }.check(size);
        }
        self.note_block(ptr, size, align, kinds);
    }

    fn note_block(&mut self, ptr: NonNull<u8>, size: usize, align: usize, kinds: Kinds) {
        let block = Block { ptr, size, align, seed: self.rng.u8(..), kinds };
        block.fill();
        self.blocks.push(block);
    }

    fn malloc_batch(&mut self) {
        let most = self.rng.usize(..20).min(MAX_BLOCKS - self.blocks.len());
        let size = self.rng.usize(1..=100);
        // SAFETY: The memory outlives the batch.
        let mut batch = unsafe { self.heap.backend().malloc_batch(size, most) };
        assert!(batch.len() <= most);
        while let Some(ptr) = batch.pop() {
            self.note_block(ptr, size, 8, Kinds::ANY);
        }
    }

    /// Frees all blocks of a random size at once.
    fn free_batch(&mut self) {
        let Some(number) = self.any_block() else { return };
        let size = self.blocks[number].size;
        let mut batch = Batch::EMPTY;
        self.blocks.retain(|block| {
            let is_freed = block.size == size;
            if is_freed {
                block.check(size);
                // SAFETY: The block has this size, and is not used any more.
                unsafe { batch.push(block.ptr) };
            }
            !is_freed
        });
        // SAFETY: The blocks have this size, and are not used any more.
        unsafe { self.heap.backend().free_batch(size, batch) };
    }

    /// Returns the number of a random block.
    fn any_block(&mut self) -> Option<usize> {
        self.rng.usize(..MAX_BLOCKS).checked_rem(self.blocks.len())
    }

    fn realloc(&mut self) {
        let Some(number) = self.any_block() else { return };
        let most = 1 << self.rng.u32(..12);
        let size = self.rng.usize(1..=most);
        let block = &self.blocks[number];
        let old = layout(block.size, block.align);
        // SAFETY: The block has this layout.
        let result = unsafe {
            if block.kinds.is_any() {
                self.heap.realloc(block.ptr, old, size)
            } else {
                self.heap.of_kinds(block.kinds).realloc(block.ptr, old, size)
            }
        };
        let Ok(ptr) = result else { return assert!(size > block.size) };
        let block = &mut self.blocks[number];
        let kept = block.size.min(size);
        (block.ptr, block.size) = (ptr, size);
        block.check(kept);
        block.fill();
        let kind = self.heap.inspect().kind_at(ptr.addr().get()).unwrap();
        assert!(self.blocks[number].kinds.contains(kind));
    }

    fn free(&mut self) {
        let Some(number) = self.any_block() else { return };
        let block = self.blocks.swap_remove(number);
        block.check(block.size);
        // SAFETY: The block has this layout, and is freed once.
        unsafe { self.heap.free(block.ptr, layout(block.size, block.align)) };
    }

    fn step(&mut self) {
        match self.rng.u8(..64) {
            0..=4 => self.claim(),
            5 | 6 => self.release(),
            7..=9 => self.reshape(),
            10 => self.heap.flush(),
            11 => self.claim_part(),
            12 | 13 => self.raise(),
            14 => self.look(),
            15 => self.merge(),
            16 => self.trim(),
            17 => self.malloc_batch(),
            18 => self.free_batch(),
            19..=41 => self.malloc(),
            42..=48 => self.realloc(),
            49 if self.rng.u8(..4) == 0 => self.reclaim(),
            _ => self.free(),
        }
        self.check();
    }

    fn finish(mut self) {
        while !self.blocks.is_empty() {
            self.free();
        }
        self.heap.flush();
        self.check();
        for arena in std::mem::take(&mut self.arenas) {
            self.heap.arena(arena.span).and_then(|arena| arena.release()).unwrap();
            self.heap.verify().unwrap();
        }
        assert_eq!(self.heap.arenas().count(), 0);
    }
}

/// Returns whether memory of this kind is tried before other memory.
fn is_preferred(kinds: Kinds, kind: Kind) -> bool {
    kinds.contains(kind) && kinds.or(kind) == kinds
}

fn run<C: Config>() {
    let (seeds, steps) = if cfg!(miri) { (1, 200) } else { (12, 3000) };
    for seed in 0..seeds {
        let mut model = Model::<C>::new(seed);
        for _ in 0..steps {
            model.step();
        }
        model.finish();
    }
}

#[test]
fn of_a_heap_in_real_time() {
    run::<RealTime>();
    run::<Checked<RealTime, Panics>>();
}

#[test]
fn of_a_small_heap() {
    run::<Micro>();
    run::<Checked<Micro, Panics>>();
}

#[test]
fn of_a_compact_heap() {
    run::<Compact>();
    run::<Checked<Compact, Panics>>();
}
