//! A random program whose source discards as much as possible and overwrites it.

use core::alloc::Layout;
use core::ptr::NonNull;

use fastrand::Rng;
use talloc_core::{
    AllocError, Checked, Compact, Config, Memory, Micro, OwnedTalloc, RealTime, Source, Span,
    Talloc,
};

use crate::common::{layout, memory, part};
use crate::discard::{KNOWN, MIN_PIECE, UNIT};

const REGION: usize = 128 << 10;

/// Regions of zeros. Each becomes an arena in two steps.
struct Regions {
    spare: Vec<Span>,
    /// The arena that takes half of its region.
    half: Span,
    /// The largest number of bytes in use since memory was last discarded.
    high: usize,
    releases: usize,
    discarded: usize,
    /// Whether discarded memory is zero.
    zeroes: bool,
}

impl Regions {
    fn new(count: usize, zeroes: bool) -> Self {
        let memory = memory(count * REGION);
        Self {
            spare: (0..count).map(|region| part(memory, region * REGION, REGION)).collect(),
            half: Span::empty(),
            high: 0,
            releases: 0,
            discarded: 0,
            zeroes,
        }
    }
}

impl<C: Config> Source<C> for Regions {
    const RECLAIMS: bool = true;

    fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError> {
        if layout.size() + layout.align() > REGION / 3 {
            return Err(AllocError);
        }
        let half = core::mem::replace(&mut heap.source_mut().half, Span::empty());
        if half.is_sized() {
            // SAFETY: The rest of the region belongs to the heap's arena from now on.
            return unsafe {
                heap.arena(half)
                    .and_then(|mut arena| arena.extend(half.extend(0, REGION / 2), KNOWN))
            }
            .map_err(|_| AllocError);
        }
        let half = heap.source_mut().spare.pop().ok_or(AllocError)?.truncate(0, REGION / 2);
        heap.source_mut().half = half;
        // SAFETY: The region is zero, and nothing else uses it.
        unsafe { heap.arenas_mut().claim_as(half, KNOWN) }.map_err(|_| AllocError)
    }

    fn tend(heap: &mut Talloc<C, Self>) {
        let used = heap.inspect().used_bytes() + heap.inspect().cached_bytes();
        let source = heap.source_mut();
        source.high = source.high.max(used);
        if used + REGION / 4 < source.high {
            source.high = used;
            heap.trim();
        }
    }

    fn release(heap: &mut Talloc<C, Self>) {
        heap.verify().unwrap();
        heap.source_mut().releases += 1;
        while let Some(arena) = heap.arenas_mut().reclaim_arena(Span::empty()) {
            let source = heap.source_mut();
            let is_half = arena.size() == REGION / 2;
            if is_half {
                assert_eq!(arena, source.half);
                source.half = Span::empty();
            }
            let region = if is_half { arena.extend(0, REGION / 2) } else { arena };
            // SAFETY: The heap has released the region.
            unsafe { region.get_base_ptr().unwrap().write_bytes(0, REGION) };
            source.spare.push(region);
        }
        let (byte, known) =
            if heap.source().zeroes { (0, Memory::ZEROED) } else { (0xdd, Memory::empty()) };
        let mut discarded = 0;
        let discard = |piece: Span| {
            assert!(piece.size() >= MIN_PIECE && piece.size() % UNIT.get() == 0);
            assert!(UNIT.is_aligned(piece.base().unwrap()));
            discarded += piece.size();
            // SAFETY: The piece is free, and the heap does not rely on its contents.
            unsafe { piece.get_base_ptr().unwrap().write_bytes(byte, piece.size()) };
            known
        };
        // SAFETY: The pieces can be used as before, and are zero if `known` says so.
        unsafe { heap.arenas_mut().discard(UNIT, MIN_PIECE, discard) };
        heap.source_mut().discarded += discarded;
    }
}

type Heap<C> = OwnedTalloc<C, Regions>;

/// Filled blocks and the values of their bytes.
struct Blocks(Vec<(NonNull<u8>, Layout, u8)>);

impl Blocks {
    fn add(&mut self, block: NonNull<u8>, layout: Layout, byte: u8) {
        // SAFETY: The access is within the block.
        unsafe { block.write_bytes(byte, layout.size()) };
        self.0.push((block, layout, byte));
    }

    /// Removes a random block and checks its contents.
    fn take(&mut self, random: &mut Rng) -> Option<(NonNull<u8>, Layout, u8)> {
        let (block, layout, byte) = match self.0.len() {
            0 => return None,
            len => self.0.swap_remove(random.usize(..len)),
        };
        // SAFETY: `add` has initialised the block.
        let content = unsafe { NonNull::slice_from_raw_parts(block, layout.size()).as_ref() };
        assert!(content.iter().all(|content| *content == byte));
        Some((block, layout, byte))
    }
}

/// Does one step of a random program.
fn step<C: Config>(heap: &mut Heap<C>, blocks: &mut Blocks, random: &mut Rng, grows: bool) {
    let byte = random.u8(..);
    let most = 1 << random.u32(0..15);
    let size = random.usize(1..=most);
    let layout = layout(size, 1 << random.u32(0..10));
    // SAFETY: Sizes are not zero, and blocks are freed and reallocated with their layouts.
    unsafe {
        match random.u32(0..if grows { 20 } else { 60 }) {
            0..6 => heap.malloc(layout).into_iter().for_each(|b| blocks.add(b, layout, byte)),
            6..8 => {
                let Ok(block) = heap.malloc_zeroed(layout) else { return };
                let content = NonNull::slice_from_raw_parts(block, layout.size()).as_ref();
                assert!(content.iter().all(|content| *content == 0));
                blocks.add(block, layout, byte);
            }
            8..10 => {
                let mut batch = heap.backend().malloc_batch(size, 5);
                let layout = Layout::from_size_align(size, 1).unwrap();
                blocks.0.extend(batch.pop().map(|block| {
                    block.write_bytes(byte, size);
                    (block, layout, byte)
                }));
                heap.backend().free_batch(size, batch);
            }
            10..13 => {
                let Some((block, layout, byte)) = blocks.take(random) else { return };
                let new = Layout::from_size_align(size, layout.align()).unwrap();
                match heap.realloc(block, layout, size) {
                    Ok(block) => blocks.add(block, new, byte),
                    Err(AllocError) => blocks.add(block, layout, byte),
                }
            }
            13 if random.u32(0..50) == 0 => heap.trim(),
            _ => blocks.take(random).into_iter().for_each(|(b, layout, _)| heap.free(b, layout)),
        }
    }
}

fn only_free_memory_is_taken_back<C: Config>(zeroes: bool, seed: u64) {
    const STEPS: usize = if cfg!(miri) { 200 } else { 4000 };
    let mut heap: Heap<C> = Talloc::with_source(Regions::new(16, zeroes));
    let mut blocks = Blocks(Vec::new());
    let mut random = Rng::with_seed(seed);
    for number in 0..STEPS {
        step(&mut heap, &mut blocks, &mut random, number % 500 < 300);
        heap.verify().unwrap();
    }
    while let Some((block, layout, _)) = blocks.take(&mut random) {
        // SAFETY: The block has this layout, and is freed once.
        unsafe { heap.free(block, layout) };
        heap.verify().unwrap();
    }
    heap.trim();
    heap.verify().unwrap();
    let source = heap.source();
    assert_eq!(
        (heap.arenas().count(), heap.inspect().used_bytes(), source.spare.len()),
        (0, 0, 16)
    );
    assert!(cfg!(miri) || source.releases > 5 && source.discarded > REGION);
}

#[test]
fn any_heap_takes_back_only_free_memory() {
    const SEEDS: u64 = if cfg!(miri) { 1 } else { 12 };
    for (seed, zeroes) in (0..SEEDS).flat_map(|seed| [(seed, false), (seed, true)]) {
        only_free_memory_is_taken_back::<Compact>(zeroes, seed);
        only_free_memory_is_taken_back::<RealTime>(zeroes, seed);
        only_free_memory_is_taken_back::<Micro>(zeroes, seed);
        only_free_memory_is_taken_back::<Checked>(zeroes, seed);
        only_free_memory_is_taken_back::<Checked<Micro>>(zeroes, seed);
    }
}
