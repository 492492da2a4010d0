//! Random calls, with a look at every byte and every invariant.

use std::vec::Vec;

use talloc_sync::{Chunk, ChunkKind, SizeClasses};

use super::super::memory::GRANULE;
use super::super::{Address, Linear, block_len};
use super::{Model, PAGES, for_both};

/// Steps of a script.
const STEPS: usize = if cfg!(miri) { 500 } else { 20_000 };

struct Block {
    at: usize,
    size: usize,
    align: usize,
    seed: u8,
}

impl Block {
    fn bytes(&self) -> &[u8] {
        let start = core::ptr::with_exposed_provenance(self.at);
        // SAFETY: The block has as many bytes, and nobody else has it.
        unsafe { core::slice::from_raw_parts(start, self.size) }
    }

    fn sign(&mut self) {
        let start = core::ptr::with_exposed_provenance_mut::<u8>(self.at);
        // SAFETY: As above.
        unsafe { start.write_bytes(self.seed, self.size) };
    }

    fn check(&self, size: usize) {
        assert!(self.at % self.align == 0, "{:#x} is not aligned to {}", self.at, self.align);
        assert!(self.bytes()[..size].iter().all(|byte| *byte == self.seed), "it has changed");
    }
}

fn random_calls<const BINS: usize, const SPLIT: u32, const QUICK: usize>() {
    for seed in 0..4 {
        let mut random = fastrand::Rng::with_seed(seed);
        let model = Model::new(PAGES);
        let mut heap = Linear::<_, BINS, SPLIT, QUICK>::new(&model);
        let mut blocks: Vec<Block> = Vec::new();
        for step in 0..STEPS {
            match random.u8(..100) {
                0..50 => blocks.extend(allocate(&mut heap, &mut random)),
                50..70 if !blocks.is_empty() => {
                    let number = random.usize(..blocks.len());
                    resize(&mut heap, &mut blocks[number], &mut random);
                }
                70..99 if !blocks.is_empty() => {
                    free(&mut heap, blocks.swap_remove(random.usize(..blocks.len())));
                }
                99 if step % 8 == 0 => model.grow_for_others(random.usize(..3)),
                98 if step % 8 == 0 => model.race(random.usize(..3)),
                _ => {}
            }
            if random.u8(..16) == 0 {
                verify(&heap, &blocks);
            }
            // So that the heap shrinks now and then.
            if random.u16(..2000) == 0 {
                blocks.drain(..).for_each(|block| free(&mut heap, block));
            }
        }
        blocks.drain(..).for_each(|block| free(&mut heap, block));
        heap.flush();
        let report = verify(&heap, &[]);
        // What others have between is all that keeps free chunks apart.
        assert!(report.used_bytes == 0 && report.top_bytes > 0, "{report:?}");
        model.check_others();
    }
}
for_both!(random_calls);

fn size(random: &mut fastrand::Rng) -> usize {
    let log2 = random.u32(1..=14);
    random.usize(1..=1 << log2)
}

fn allocate<const BINS: usize, const SPLIT: u32, const QUICK: usize>(
    heap: &mut Linear<&Model, BINS, SPLIT, QUICK>,
    random: &mut fastrand::Rng,
) -> Option<Block> {
    let size = size(random);
    let align = if random.bool() { 1 } else { 1 << random.u32(..13) };
    let (at, dirty) = if random.bool() {
        heap.allocate_dirty(size, align)?
    } else {
        (heap.allocate(size, align)?, size)
    };
    let mut block = Block { at: at.get(), size, align, seed: random.u8(..) };
    assert!(block.bytes()[dirty..].iter().all(|byte| *byte == 0), "it is not zero from {dirty} on");
    block.sign();
    Some(block)
}

fn resize<const BINS: usize, const SPLIT: u32, const QUICK: usize>(
    heap: &mut Linear<&Model, BINS, SPLIT, QUICK>,
    block: &mut Block,
    random: &mut fastrand::Rng,
) {
    let new = size(random);
    // SAFETY: It is a block of that size.
    let done = unsafe { heap.resize(block.at, block.size, new) };
    assert!(done || new > block.size, "to become smaller never fails");
    block.check(block.size.min(if done { new } else { block.size }));
    if done {
        block.size = new;
        block.sign();
    }
}

fn free<const BINS: usize, const SPLIT: u32, const QUICK: usize>(
    heap: &mut Linear<&Model, BINS, SPLIT, QUICK>,
    block: Block,
) {
    block.check(block.size);
    // SAFETY: It is a block of that size that is not used any more.
    unsafe { heap.free(block.at, block.size) };
}

fn verify<const BINS: usize, const SPLIT: u32, const QUICK: usize>(
    heap: &Linear<&Model, BINS, SPLIT, QUICK>,
    blocks: &[Block],
) -> talloc_sync::Report {
    let report = heap.verify().unwrap_or_else(|violation| panic!("{violation}"));
    let used: usize = blocks.iter().map(|block| block_len(block.size)).sum();
    assert_eq!(report.used_bytes, used, "{report:?}");
    assert_eq!(
        report.used_bytes + report.free_bytes + report.overhead_bytes,
        report.arena_bytes,
        "{report:?}"
    );
    let counted = heap.statistics();
    assert_eq!((counted.used_bytes, counted.cached_bytes), (used, report.cached_bytes));
    assert_eq!((counted.free_bytes, counted.top_bytes), (report.free_bytes, report.top_bytes));
    assert_eq!(counted.arena_bytes, report.arena_bytes);
    assert!(counted.peak_bytes >= counted.used_bytes + counted.cached_bytes, "{counted:?}");
    check_walks(heap, &report);
    report
}

/// The walks find what the heap has, and the map covers all of its memory.
fn check_walks<const BINS: usize, const SPLIT: u32, const QUICK: usize>(
    heap: &Linear<&Model, BINS, SPLIT, QUICK>,
    report: &talloc_sync::Report,
) {
    let classes: SizeClasses = heap.free_chunks().collect();
    let total = classes.total();
    assert_eq!(total.free_chunks, report.free_chunks);
    assert_eq!(total.cached_blocks, report.cached_blocks);
    assert_eq!(total.free_bytes + total.cached_bytes, report.free_bytes);
    let free = heap.free_chunks().filter(|chunk| chunk.kind != ChunkKind::Cached);
    let largest = free.map(|chunk| chunk.span.size()).max().unwrap_or(0);
    assert!(heap.largest_free_bytes() == largest || largest == GRANULE);

    let map: Vec<Chunk> = heap.memory_map().collect();
    let (cached, covering): (Vec<Chunk>, Vec<Chunk>) =
        map.iter().partition(|chunk| chunk.kind == ChunkKind::Cached);
    for pair in covering.windows(2) {
        assert_eq!(pair[0].span.acme(), pair[1].span.base(), "{} and {}", pair[0], pair[1]);
    }
    let is_in_blocks = |block: &Chunk| {
        let after = covering.partition_point(|chunk| chunk.span.base() <= block.span.base());
        let around = covering[after - 1];
        around.kind == ChunkKind::Blocks && around.span.contains_span(block.span)
    };
    assert!(cached.iter().all(is_in_blocks));
    assert_eq!(map.iter().copied().collect::<SizeClasses>(), classes);
    let own = covering.iter().filter(|chunk| chunk.kind == ChunkKind::Own);
    assert_eq!(own.map(|chunk| chunk.span.size()).sum::<usize>(), report.overhead_bytes);
}

/// There is nothing to walk in a heap without memory.
#[test]
fn a_heap_without_memory_has_no_chunks() {
    let model = Model::new(PAGES);
    let heap = super::Usual::new(&model);
    assert_eq!((heap.memory_map().count(), heap.free_chunks().count()), (0, 0));
    assert_eq!(heap.largest_free_bytes(), 0);
}

/// A heap may be moved while blocks live.
#[test]
fn a_heap_that_is_moved_goes_on() {
    let model = Model::new(PAGES);
    let mut heap = super::Usual::new(&model);
    let blocks: Vec<Address> = (1..100).filter_map(|len| heap.allocate(len * GRANULE, 1)).collect();
    let mut moved = std::boxed::Box::new(heap);
    for (len, block) in (1..100).zip(&blocks).step_by(2) {
        // SAFETY: It is a block of that size.
        unsafe { moved.free(block.get(), len * GRANULE) };
    }
    let mut heap = *moved;
    for (len, block) in (1..100).zip(&blocks).skip(1).step_by(2) {
        // SAFETY: As above.
        unsafe { heap.free(block.get(), len * GRANULE) };
    }
    heap.flush();
    assert_eq!(heap.verify().map(|report| report.free_chunks), Ok(1));
}
