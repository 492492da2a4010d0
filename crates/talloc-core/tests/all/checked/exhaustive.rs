//! Tries every address and every size, in heaps of various shapes. Only blocks are accepted.

use std::alloc::Layout;
use std::ptr::NonNull;

use fastrand::Rng;
use talloc_core::{
    Chunk, ChunkKind, Compact, Config, Fault, Micro, OwnedTalloc, RealTime, Span, Talloc,
};

use crate::checked::{Noted, found, pointer};
use crate::common::{layout, memory};

const GRANULE: usize = 8;

/// The granules of the arena. The bitmap has one bit more, and so fills whole words without spare bits.
const LEN: usize = 64 * 9 - 1;

/// Fills blocks. If these bytes were taken for bits, some would be set.
const BYTE: u8 = 0xAA;

type Blocks = Vec<(NonNull<u8>, Layout)>;

/// Allocates a block and fills it.
fn allocate<C: Config>(heap: &mut Talloc<Noted<C>>, len: usize, blocks: &mut Blocks) -> bool {
    let layout = layout(len * GRANULE, GRANULE);
    // SAFETY: The size is not zero, and all accesses are within the block.
    unsafe {
        let Ok(block) = heap.malloc(layout) else { return false };
        block.write_bytes(BYTE, layout.size());
        blocks.push((block, layout));
    }
    true
}

/// Creates a heap with some allocated blocks, up to the end of its arena. With half of the seeds, the arena's own chunk
/// lies between them.
fn heap<C: Config>(seed: u64) -> (OwnedTalloc<Noted<C>>, Span, Blocks) {
    let mut random = Rng::with_seed(seed);
    let arena = memory(LEN * GRANULE);
    // SAFETY: The access is within the memory, and nothing else uses it.
    unsafe { arena.get_base_ptr().unwrap().write_bytes(BYTE, arena.size()) };
    let mut heap = Talloc::with_config();
    let mut blocks = Blocks::new();
    if seed % 2 == 0 {
        let lower = arena.truncate(0, arena.size() / 2 / GRANULE * GRANULE);
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.init(lower) };
        while allocate(&mut heap, 1 + random.usize(..40), &mut blocks) {}
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.extend(arena) };
    } else {
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.init(arena) };
    }
    let most = *random.choice(&[4, 40, 200]).unwrap();
    while allocate(&mut heap, 1 + random.usize(..most), &mut blocks) {}
    while allocate(&mut heap, 1, &mut blocks) {}
    random.shuffle(&mut blocks);
    if seed % 4 == 0 {
        // Frees the neighbours of the own chunk.
        let own = heap.inspect().chunks().find(|chunk| chunk.kind == ChunkKind::Own).unwrap().span;
        let touches = |(block, layout): &(NonNull<u8>, Layout)| {
            let addr = block.addr().get();
            own.acme() == Some(addr) || own.base() == Some(addr + layout.size())
        };
        let (neighbours, others) = blocks.into_iter().partition::<Blocks, _>(touches);
        blocks = others;
        for (block, layout) in neighbours {
            // SAFETY: Each block is freed once.
            unsafe { heap.free(block, layout) };
        }
        heap.flush();
        let kinds: Vec<_> = heap.inspect().chunks().map(|chunk| chunk.kind).collect();
        let among = [ChunkKind::Free, ChunkKind::Own, ChunkKind::Free];
        assert!(kinds.windows(3).any(|kinds| kinds == among));
    }
    for (block, layout) in blocks.split_off(blocks.len() * 3 / 4) {
        // SAFETY: Each block is freed once.
        unsafe { heap.free(block, layout) };
    }
    (heap, arena, blocks)
}

/// Returns the fault to expect for an address in a chunk, unless it is a block of the right size.
fn fault_in(chunk: &Chunk, address: usize) -> Fault {
    match chunk.kind {
        ChunkKind::Used if chunk.span.base() == Some(address) => {
            Fault::WrongSize { block: chunk.span }
        }
        ChunkKind::Used => Fault::NotABlock { block: chunk.span },
        ChunkKind::Own => Fault::Own { chunk: chunk.span },
        _ => Fault::AlreadyFree { chunk: chunk.span },
    }
}

/// Passes every address and size that is not a block.
fn only_blocks_are_known<C: Config>(seed: u64) {
    let (mut heap, arena, blocks) = heap::<C>(seed);
    let least = 4 * size_of::<C::Index>();
    let taken = |layout: Layout| layout.size().max(least);
    let before = heap.verify().unwrap();
    let chunks: Vec<Chunk> = heap.inspect().chunks().collect();
    for address in (0..arena.size()).step_by(GRANULE).map(|at| arena.base().unwrap() + at) {
        let block = blocks.iter().find(|(block, _)| block.addr().get() == address);
        let chunk = chunks.iter().find(|chunk| chunk.span.contains(address)).unwrap();
        for len in 1..=300 {
            let layout = layout(len * GRANULE, GRANULE);
            let is_block = block.is_some_and(|(_, known)| taken(*known) == taken(layout));
            let ptr = pointer(address);
            assert_eq!(
                heap.inspect().check(ptr, layout).is_ok(),
                is_block,
                "seed {seed}, {len} at {address}"
            );
            if !is_block {
                // SAFETY: This is misuse, which the heap detects before it changes anything.
                unsafe { heap.free(ptr, layout) };
                let found = found();
                assert!(
                    matches!(found[..], [found] if found.fault == fault_in(chunk, address)),
                    "seed {seed}, {len} at {address}: {found:?}"
                );
            }
        }
    }
    assert_eq!(heap.verify().unwrap(), before);
    for (block, layout) in blocks {
        // SAFETY: Each block is freed once.
        unsafe { heap.free(block, layout) };
    }
    assert_eq!(found(), []);
    heap.flush();
    assert_eq!(heap.verify().unwrap().free_chunks, 1);
}

#[test]
fn only_blocks_are_known_in_any_heap() {
    for seed in 0..if cfg!(miri) { 1 } else { 12 } {
        only_blocks_are_known::<Compact>(seed);
        only_blocks_are_known::<RealTime>(seed);
        only_blocks_are_known::<Micro>(seed);
    }
}
