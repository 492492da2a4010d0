//! Arenas of several kinds that come, go, grow and shrink at random: each request is served by the first arena that
//! has room. The heap is verified after every step.

mod common;

use std::ptr::NonNull;

use common::{layout, memory, part};
use talloc_core::{
    Checked, ChunkKind, Compact, Config, Kind, Kinds, Memory, Micro, OwnedTalloc, Panics, RealTime,
    Span, Talloc,
};

/// Bytes of the memory that arenas are made of, and slots that begin at equal distances in it.
const POOL: usize = 1 << 17;
const SLOTS: usize = 32;
const SLOT: usize = POOL / SLOTS;

/// Blocks that are alive at most.
const MOST_BLOCKS: usize = 200;

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

/// A heap with what must be true of it.
struct Model<C: Config> {
    heap: OwnedTalloc<Checked<C, Panics>>,
    pool: Span,
    /// The arenas in the order of claiming, and their kinds.
    arenas: Vec<(Span, Kind)>,
    blocks: Vec<Block>,
    rng: fastrand::Rng,
}

impl<C: Config> Model<C> {
    fn new(seed: u64) -> Self {
        Self {
            heap: Talloc::configured(),
            pool: memory(POOL),
            arenas: Vec::new(),
            blocks: Vec::new(),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    fn check(&self) {
        self.heap.verify().unwrap();
        assert!(self.heap.arenas().eq(self.arenas.iter().map(|(span, _)| *span)));
        for (span, kind) in &self.arenas {
            assert_eq!(self.heap.kind_at(span.base().unwrap()), Some(*kind));
        }
    }

    /// Claims an arena somewhere in a slot that has none. The first arena's place is filled first.
    fn claim(&mut self) {
        let slot = part(self.pool, self.rng.usize(..SLOTS) * SLOT, SLOT);
        if self.arenas.iter().any(|(span, _)| span.overlaps(slot)) {
            return;
        }
        let low = self.rng.usize(..512) * self.rng.usize(..2);
        let span = slot.truncate(low, self.rng.usize(..512) * self.rng.usize(..2));
        let kind = Kind::new(self.rng.u8(..4) * 3);
        let is_first = self.heap.get_arena().is_empty();
        // SAFETY: No other arena is there, and the memory is leaked.
        unsafe { self.heap.claim_of_kind(kind, span, Memory::empty()) }.unwrap();
        self.arenas.insert(if is_first { 0 } else { self.arenas.len() }, (span, kind));
    }

    fn release(&mut self) {
        let Some(number) = self.rng.usize(..MOST_BLOCKS).checked_rem(self.arenas.len()) else {
            return;
        };
        let (span, _) = self.arenas[number];
        let is_free = !self.blocks.iter().any(|block| span.contains_ptr(block.ptr.as_ptr()));
        assert_eq!(self.heap.release_arena(span).is_ok(), is_free);
        if is_free {
            self.arenas.remove(number);
        }
    }

    /// Extends an arena as far as its slot goes, or truncates it, at both ends.
    fn reshape(&mut self) {
        let Some(number) = self.rng.usize(..MOST_BLOCKS).checked_rem(self.arenas.len()) else {
            return;
        };
        let (old, _) = self.arenas[number];
        let slot = (old.base().unwrap() - self.pool.base().unwrap()) / SLOT;
        let slot = part(self.pool, slot * SLOT, SLOT);
        let (low, high) = (self.rng.usize(..100), self.rng.usize(..100));
        let new = if self.rng.bool() {
            old.extend(low, high).fit_within(slot)
        } else {
            old.truncate(low, high)
        };
        // SAFETY: No other arena is in the slot.
        let result = unsafe {
            if new.contains_span(old) {
                self.heap.extend_arena(old, new)
            } else {
                self.heap.truncate_arena(old, new)
            }
        };
        if result.is_ok() {
            self.arenas[number].0 = new;
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
        let is_roomy = |span: &Span| {
            let mut free = self.heap.chunks().filter(|chunk| is_free(chunk.kind));
            free.any(|chunk| chunk.span.size() >= bytes && span.contains_span(chunk.span))
        };
        self.arenas.iter().position(|(span, kind)| is_wanted(*kind) && is_roomy(span))
    }

    fn number_of(&self, block: NonNull<u8>) -> usize {
        self.arenas.iter().position(|(span, _)| span.contains_ptr(block.as_ptr())).unwrap()
    }

    fn malloc(&mut self) {
        if self.blocks.len() >= MOST_BLOCKS {
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
        let is_ordered = self.heap.cached_bytes() == 0;
        // SAFETY: The memory is the heap's.
        let result = unsafe {
            if is_any {
                self.heap.malloc(layout(size, align))
            } else {
                self.heap.malloc_in(kinds, layout(size, align))
            }
        };
        let Ok(ptr) = result else {
            return assert_eq!(possible, None, "there was room for {size} bytes");
        };
        let number = self.number_of(ptr);
        let kind = self.arenas[number].1;
        assert!(kinds.contains(kind) && ptr.addr().get() % align == 0);
        let first = preferred.or(possible.filter(|_| !is_preferred(kinds, kind)));
        let is_early = first.is_none_or(|first| number <= first);
        let is_liked = preferred.is_none() || is_preferred(kinds, kind);
        assert!(
            !is_ordered || is_early && is_liked,
            "arena {number} of {kind:?} served {kinds:?}, but {first:?} had room"
        );
        let block = Block { ptr, size, align, seed: self.rng.u8(..), kinds };
        block.fill();
        self.blocks.push(block);
    }

    fn realloc(&mut self) {
        let Some(number) = self.rng.usize(..MOST_BLOCKS).checked_rem(self.blocks.len()) else {
            return;
        };
        let most = 1 << self.rng.u32(..12);
        let size = self.rng.usize(1..=most);
        let block = &self.blocks[number];
        let old = layout(block.size, block.align);
        // SAFETY: The block has that layout.
        let result = unsafe {
            if block.kinds.is_any() {
                self.heap.realloc(block.ptr, old, size)
            } else {
                self.heap.realloc_in(block.kinds, block.ptr, old, size)
            }
        };
        let Ok(ptr) = result else { return assert!(size > block.size) };
        let block = &mut self.blocks[number];
        let kept = block.size.min(size);
        (block.ptr, block.size) = (ptr, size);
        block.check(kept);
        block.fill();
        let kind = self.heap.kind_at(ptr.addr().get()).unwrap();
        assert!(self.blocks[number].kinds.contains(kind));
    }

    fn free(&mut self) {
        let Some(number) = self.rng.usize(..MOST_BLOCKS).checked_rem(self.blocks.len()) else {
            return;
        };
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
            11..=36 => self.malloc(),
            37..=44 => self.realloc(),
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
        for (span, _) in std::mem::take(&mut self.arenas) {
            self.heap.release_arena(span).unwrap();
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
}

#[test]
fn of_a_small_heap() {
    run::<Micro>();
}

#[test]
fn of_a_compact_heap() {
    run::<Compact>();
}
