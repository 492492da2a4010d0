//! Arenas of several kinds that come, go, grow, shrink and merge at random: each request is served by the first arena
//! that has room. The heap is verified after every step.

use std::ptr::NonNull;

use crate::common::{layout, memory, part};
use talloc_core::{
    Align, ArenaError, Batch, Checked, ChunkKind, Compact, Config, Kind, Kinds, Memory, Micro,
    OwnedTalloc, Panics, RealTime, Span, Talloc,
};

/// Bytes of the memory that arenas are made of, and slots that begin at equal distances in it.
const POOL: usize = 1 << 17;
const SLOTS: usize = 32;
const SLOT: usize = POOL / SLOTS;

/// Blocks that are alive at most.
const MAX_BLOCKS: usize = 200;

/// A block, which is filled with its seed.
struct Block {
    ptr: NonNull<u8>,
    size: usize,
    align: usize,
    seed: u8,
    kinds: Kinds,
}

impl Block {
    fn fill(&self) {
        // SAFETY: The block has as many bytes.
        unsafe { self.ptr.write_bytes(self.seed, self.size) };
    }

    fn check(&self, size: usize) {
        // SAFETY: The block has as many bytes, and all are initialised.
        let mut bytes = (0..size).map(|byte| unsafe { self.ptr.add(byte).read() });
        assert!(bytes.all(|byte| byte == self.seed), "a block was overwritten");
    }
}

/// An arena, and whether it was claimed by `claim_part` and has not been changed in another way since.
#[derive(Clone, Copy)]
struct Arena {
    span: Span,
    kind: Kind,
    is_part: bool,
}

/// A heap with what must be true of it.
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

    /// A slot in which no arena is.
    fn free_slot(&mut self) -> Option<Span> {
        let slot = part(self.pool, self.rng.usize(..SLOTS) * SLOT, SLOT);
        Some(slot).filter(|slot| !self.arenas.iter().any(|arena| arena.span.overlaps(*slot)))
    }

    /// The slots that an arena is in. No other one is there.
    fn slots_of(&self, arena: Span) -> Span {
        let low = arena.base().unwrap() - self.pool.base().unwrap();
        let slots = (low + arena.size()).div_ceil(SLOT) - low / SLOT;
        part(self.pool, low / SLOT * SLOT, slots * SLOT)
    }

    /// The number of some arena, if there is any.
    fn any_arena(&mut self) -> Option<usize> {
        self.rng.usize(..MAX_BLOCKS).checked_rem(self.arenas.len())
    }

    /// Adds an arena to the model. One that becomes the heap's first comes before all others.
    fn note_claim(&mut self, is_first: bool, span: Span, kind: Kind, is_part: bool) {
        let number = if is_first { 0 } else { self.arenas.len() };
        self.arenas.insert(number, Arena { span, kind, is_part });
    }

    /// Claims an arena somewhere in a slot that has none. The first arena's place is filled first.
    fn claim(&mut self) {
        let Some(slot) = self.free_slot() else { return };
        let low = self.rng.usize(..512) * self.rng.usize(..2);
        let span = slot.truncate(low, self.rng.usize(..512) * self.rng.usize(..2));
        let kind = Kind::new(self.rng.u8(..4) * 3);
        let is_first = self.heap.get_arena().is_empty();
        let memory = if self.rng.bool() { Memory::RECLAIMABLE } else { Memory::empty() };
        // SAFETY: No other arena is there, and the memory is leaked.
        unsafe { self.heap.arenas_mut().claim_of_kind(kind, span, memory) }.unwrap();
        self.note_claim(is_first, span, kind, false);
    }

    /// Claims an arena at the start of a slot that has none.
    fn claim_part(&mut self) {
        let Some(slot) = self.free_slot() else { return };
        let is_first = self.heap.get_arena().is_empty();
        let bytes = self.rng.usize(..SLOT / 2);
        // SAFETY: No other arena is there, and the memory is leaked.
        let part =
            unsafe { self.heap.arenas_mut().claim_part(slot, bytes, Memory::empty(), |_| true) };
        match part {
            Ok(part) => self.note_claim(is_first, part, Kind::DEFAULT, true),
            Err(error) => assert_eq!(error, ArenaError::TooSmall),
        }
    }

    /// Raises an arena, in one of the ways in which that can be done.
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

    /// Asks how far an arena could be truncated.
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

    /// Merges two arenas that touch, if there are any.
    fn merge(&mut self) {
        let above =
            |low: &Arena| self.arenas.iter().position(|arena| arena.span.base() == low.span.acme());
        let arenas = self.arenas.iter().enumerate();
        let pairs: Vec<_> = arenas.filter_map(|(low, arena)| Some((low, above(arena)?))).collect();
        let Some((low, high)) = self.rng.choice(pairs) else { return };
        let (Arena { span: lower, kind, .. }, upper) = (self.arenas[low], self.arenas[high]);
        // SAFETY: The memory is one piece, which the spans' pointers are good for.
        let result =
            unsafe { self.heap.arena(lower).and_then(|mut arena| arena.merge(upper.span)) };
        if upper.kind != kind {
            return assert_eq!(result, Err(ArenaError::OtherKind));
        }
        // Where there was no room for one bitmap, nothing has changed.
        if result.is_err() {
            return;
        }
        let span = lower.fit_over(upper.span);
        // It has the number of the lower one, unless that was too small to have anything.
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

    /// Flushes the heap and has all arenas looked at.
    fn trim(&mut self) {
        self.heap.trim();
        let mut is_within = true;
        let arenas = &self.arenas;
        // SAFETY: Nothing becomes of what is discarded.
        unsafe {
            self.heap.arenas_mut().discard(Align::new(64).unwrap(), 64, |piece| {
                is_within &= arenas.iter().any(|arena| arena.span.contains_span(piece));
                Memory::empty()
            });
        }
        assert!(is_within);
    }

    /// Has an arena reclaimed in which nothing is allocated.
    fn reclaim(&mut self) {
        self.heap.flush();
        let Some(span) = self.heap.arenas_mut().reclaim_arena(Span::empty()) else { return };
        assert!(!self.blocks.iter().any(|block| span.contains_ptr(block.ptr.as_ptr())));
        self.arenas.retain(|arena| arena.span != span);
    }

    /// Extends an arena as far as its slots go, or truncates it, at both ends.
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

    /// The number of the first arena that has a free chunk of so many bytes, of the kinds that `is_wanted`.
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
        // A chunk of twice the size is in a higher bin than the request, and has room wherever it lies.
        let sure = 2 * (size.max(16) + align);
        let preferred = self.first_with_room(sure, |kind| is_preferred(kinds, kind));
        let possible = self.first_with_room(sure, |kind| kinds.contains(kind));
        // What the lists hold comes first.
        let is_ordered = self.heap.inspect().cached_bytes() == 0;
        let is_zeroed = is_any && self.rng.bool();
        // SAFETY: The memory is the heap's.
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
        // SAFETY: The memory is the heap's as long as there is the list.
        let mut batch = unsafe { self.heap.backend().malloc_batch(size, most) };
        assert!(batch.len() <= most);
        while let Some(ptr) = batch.pop() {
            self.note_block(ptr, size, 8, Kinds::ANY);
        }
    }

    /// Frees all blocks of some size at once.
    fn free_batch(&mut self) {
        let Some(number) = self.any_block() else { return };
        let size = self.blocks[number].size;
        let mut batch = Batch::EMPTY;
        self.blocks.retain(|block| {
            let is_freed = block.size == size;
            if is_freed {
                block.check(size);
                // SAFETY: It is a block of that size, and is used no more.
                unsafe { batch.push(block.ptr) };
            }
            !is_freed
        });
        // SAFETY: As above.
        unsafe { self.heap.backend().free_batch(size, batch) };
    }

    /// The number of some block, if there is any.
    fn any_block(&mut self) -> Option<usize> {
        self.rng.usize(..MAX_BLOCKS).checked_rem(self.blocks.len())
    }

    fn realloc(&mut self) {
        let Some(number) = self.any_block() else { return };
        let most = 1 << self.rng.u32(..12);
        let size = self.rng.usize(1..=most);
        let block = &self.blocks[number];
        let old = layout(block.size, block.align);
        // SAFETY: The block has that layout.
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
        // SAFETY: The block has that layout, and is not used any more.
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

/// Whether memory of a kind is tried before any other.
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
