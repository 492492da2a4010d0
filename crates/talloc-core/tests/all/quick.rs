//! Quick lists: how they serve programs that resize blocks, and what they give back when.

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::common::{layout, memory};
use talloc_core::{
    AllocError, Checked, Compact, Config, Micro, OwnedTalloc, RealTime, Report, Source, Talloc,
};

/// Creates a heap with `bytes` bytes.
fn heap<C: Config>(bytes: usize) -> OwnedTalloc<C> {
    let mut heap = Talloc::with_config();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe { heap.init(memory(bytes)) };
    heap
}

/// Verifies the heap, which must succeed.
fn verified<C: Config>(heap: &Talloc<C>) -> Report {
    heap.verify().unwrap()
}

/// Allocates a block of `size` bytes, filled with `content`.
fn filled<C: Config>(heap: &mut Talloc<C>, size: usize, content: u8) -> NonNull<u8> {
    // SAFETY: The access is within the block.
    unsafe {
        let block = heap.malloc(layout(size, 8)).unwrap();
        block.write_bytes(content, size);
        block
    }
}

/// Returns whether the first `size` bytes of a block are `content`.
fn holds(block: NonNull<u8>, size: usize, content: u8) -> bool {
    // SAFETY: The access is within the block, whose bytes are initialised.
    (0..size).all(|at| unsafe { block.add(at).read() } == content)
}

fn small_blocks_are_exchanged<C: Config>() {
    let mut heap = heap::<C>(1 << 20);
    for (old, new) in [(40, 200), (200, 40), (16, 1000), (1000, 16), (500, 512)] {
        let cached = filled(&mut heap, new, 1);
        let block = filled(&mut heap, old, 2);
        // SAFETY: The blocks are allocated and have these layouts.
        unsafe {
            heap.free(cached, layout(new, 8));
            let before = verified(&heap);
            let moved = heap.realloc(block, layout(old, 8), new).unwrap();
            assert_eq!(moved, cached, "{old} to {new}");
            assert!(holds(moved, old.min(new), 2));
            let after = verified(&heap);
            assert_eq!(after.cached_blocks, before.cached_blocks);
            let chunks = |report: &Report| report.free_bytes - report.cached_bytes;
            assert_eq!(chunks(&after), chunks(&before), "a chunk was split or coalesced");
            // The old block is in the list.
            assert_eq!(heap.malloc(layout(old, 8)).unwrap(), block);
            heap.free(block, layout(old, 8));
            heap.free(moved, layout(new, 8));
            heap.flush();
        }
    }
}

#[test]
fn a_small_block_is_exchanged_for_a_cached_one() {
    small_blocks_are_exchanged::<Compact>();
    small_blocks_are_exchanged::<Checked>();
}

#[test]
fn an_exchange_keeps_the_alignment() {
    let mut heap = heap::<Compact>(1 << 20);
    // Blocks of 72 bytes in a row. Some are aligned to 64.
    let blocks: Vec<_> = (0..64).map(|_| filled(&mut heap, 72, 1)).collect();
    // SAFETY: The blocks are allocated and have these layouts.
    unsafe {
        for cached in blocks {
            heap.free(cached, layout(72, 8));
            let block = heap.malloc(layout(64, 64)).unwrap();
            block.write_bytes(2, 64);
            let moved = heap.realloc(block, layout(64, 64), 72).unwrap();
            assert_eq!(moved.addr().get() % 64, 0);
            assert!(holds(moved, 64, 2));
            heap.free(moved, layout(72, 64));
            verified(&heap);
        }
    }
}

fn realloc_without_lists<C: Config>() {
    let mut heap = heap::<C>(64 << 10);
    let first = filled(&mut heap, 1100, 1);
    let second = filled(&mut heap, 1100, 2);
    // SAFETY: The blocks are allocated and have these layouts.
    unsafe {
        // Only the second block has room above it.
        assert_eq!(heap.realloc(second, layout(1100, 8), 3000), Ok(second));
        let moved = heap.realloc(first, layout(1100, 8), 3000).unwrap();
        assert_ne!(moved, first);
        assert!(holds(moved, 1100, 1) && holds(second, 1100, 2));
        assert_eq!(heap.realloc(moved, layout(3000, 8), 1), Ok(moved));
        for size in [1 << 20, isize::MAX as usize, usize::MAX] {
            let before = verified(&heap).used_bytes;
            assert!(heap.realloc(second, layout(3000, 8), size).is_err());
            assert_eq!(verified(&heap).used_bytes, before);
        }
        assert!(holds(second, 1100, 2));
    }
}

#[test]
fn other_blocks_are_resized_in_place_or_move() {
    realloc_without_lists::<Compact>();
    realloc_without_lists::<RealTime>();
    realloc_without_lists::<Micro>();
    realloc_without_lists::<Checked>();
}

/// Creates a heap whose memory is all in quick lists: blocks of 16 bytes, with other sizes between them.
fn cached() -> OwnedTalloc<Compact> {
    let mut heap = heap::<Compact>(16 << 20);
    let sizes = [16, 80, 200];
    let mut blocks = Vec::new();
    // SAFETY: The blocks are freed once, with their layouts.
    unsafe {
        while let Ok(block) = heap.malloc(layout(sizes[blocks.len() % 3], 8)) {
            blocks.push(block);
        }
        // The lists can hold this many.
        for (number, block) in blocks.into_iter().enumerate().take(120) {
            heap.free(block, layout(sizes[number % 3], 8));
        }
    }
    heap
}

#[test]
fn only_as_much_is_coalesced_as_a_request_needs() {
    let mut heap = cached();
    let before = verified(&heap);
    assert!(before.cached_blocks > 100, "{before:?}");
    // SAFETY: The block is freed once, with its layout.
    unsafe {
        let block = heap.malloc(layout(100, 8)).unwrap();
        let after = verified(&heap);
        assert!(after.cached_blocks > before.cached_blocks / 8, "{after:?}");
        // The cached memory is available, because most of the blocks were adjacent.
        assert!(heap.malloc(layout(before.cached_bytes / 3, 8)).is_ok());
        heap.free(block, layout(100, 8));
        verified(&heap);
    }
}

#[test]
fn idle_blocks_are_used_before_new_memory() {
    let mut heap = heap::<Compact>(8 << 20);
    // SAFETY: The blocks are freed once, with their layouts.
    unsafe {
        let blocks: Vec<_> = (0..100).map(|_| filled(&mut heap, 800, 1)).collect();
        let last = filled(&mut heap, 2000, 2);
        for block in blocks {
            heap.free(block, layout(800, 8));
        }
        let before = verified(&heap);
        assert!(before.cached_bytes >= 70_000, "{before:?}");
        // The same number of bytes in blocks of another size.
        for _ in 0..2000 {
            heap.malloc(layout(32, 8)).unwrap();
        }
        let after = verified(&heap);
        let grown = after.high_water_bytes - before.high_water_bytes;
        assert!(grown <= 20_000, "{grown} new bytes for 64000: {after:?}");
        heap.free(last, layout(2000, 8));
    }
}

fn aligned_blocks_are_found<C: Config>() {
    let mut heap = heap::<C>(1 << 20);
    // Some blocks are at odd multiples of 8, the others at multiples of 16.
    let blocks: Vec<_> = (0..8).map(|number| filled(&mut heap, 40, number)).collect();
    let is_aligned = |block: &NonNull<u8>| block.addr().get() % 16 == 0;
    let aligned = blocks.iter().filter(|block| is_aligned(block));
    let (aligned, other): (Vec<_>, Vec<_>) = (
        aligned.copied().collect(),
        blocks.iter().filter(|block| !is_aligned(block)).copied().collect(),
    );
    assert!(aligned.len() >= 3 && other.len() >= 3, "{blocks:?}");
    for deep in 0..=3 {
        // SAFETY: The blocks are allocated and have this layout. The lists are last in, first out.
        unsafe {
            heap.free(aligned[0], layout(40, 8));
            for block in &other[..deep] {
                heap.free(*block, layout(40, 8));
            }
            let cached = verified(&heap).cached_blocks;
            assert_eq!(heap.malloc(layout(40, 16)).unwrap(), aligned[0]);
            assert_eq!(verified(&heap).cached_blocks, cached - 1);
            // The others are still in the list, in the same order.
            for block in other[..deep].iter().rev() {
                assert_eq!(heap.malloc(layout(40, 8)).unwrap(), *block);
            }
            verified(&heap);
        }
    }
}

#[test]
fn an_aligned_request_finds_a_cached_block_that_suits() {
    aligned_blocks_are_found::<Compact>();
    aligned_blocks_are_found::<Checked>();
}

/// Creates a heap with plenty of memory, and blocks of 96 bytes.
fn roomy<C: Config>() -> (OwnedTalloc<C>, Vec<NonNull<u8>>) {
    let mut heap = heap(PLENTY_OF);
    let blocks = (0..20_000).map(|_| filled(&mut heap, 96, 1)).collect();
    (heap, blocks)
}

/// Allocates blocks of 96 bytes until the heap is full.
fn fill(heap: &mut Talloc<Compact>) -> Vec<NonNull<u8>> {
    let mut blocks = Vec::new();
    // SAFETY: `malloc` has no preconditions.
    unsafe {
        while let Ok(block) = heap.malloc(layout(96, 8)) {
            blocks.push(block);
        }
        while heap.malloc(layout(8, 8)).is_ok() {}
    }
    blocks
}

/// The capacity of the lists of a heap of 2 MiB when memory is short. It includes batches to be given back.
const SHORT: usize = (1 << 20) / 128 + (1 << 20) / 4096 + 64 * 96;

/// The size of a heap with plenty of memory, and the capacity of its lists, including batches.
const PLENTY_OF: usize = 8 << 20;
const PLENTY: usize = PLENTY_OF / 16 + 64 * 96;

fn blocks_are_kept_in_a_lull<C: Config>() {
    let (mut heap, blocks) = roomy::<C>();
    let (first, rest) = blocks.split_at(blocks.len() / 2);
    // SAFETY: The blocks are freed once, with their layouts.
    unsafe {
        for (number, block) in first.iter().enumerate() {
            heap.free(*block, layout(96, 8));
            if number % 16 == 0 {
                verified(&heap);
            }
        }
        let all = first.len() * 96;
        let kept = verified(&heap).cached_bytes;
        assert!(kept > all * 9 / 10, "{kept} of {all} bytes are kept");
        // Requests that the lists serve do not end the lull.
        let again: Vec<_> = first.iter().map(|_| heap.malloc(layout(96, 8)).unwrap()).collect();
        for block in again {
            heap.free(block, layout(96, 8));
        }
        assert_eq!(verified(&heap).cached_bytes, kept);
        let batch = heap.backend().malloc_batch(96, 100);
        assert_eq!(verified(&heap).cached_bytes, kept - 100 * 96);
        heap.backend().free_batch(96, batch);
        assert_eq!(verified(&heap).cached_bytes, kept);
        // Each request for another size gives one batch back, until the lists are as small as without the lull.
        let mut before = kept;
        let mut requests = 0;
        while before > PLENTY {
            let block = heap.malloc(layout(1100, 8)).unwrap();
            let after = verified(&heap).cached_bytes;
            assert_eq!(after, before - 32 * 96);
            heap.free(block, layout(1100, 8));
            before = after;
            requests += 1;
        }
        assert!(requests > kept / (32 * 96) / 3, "{requests} requests");
        for block in rest.iter().take(64) {
            heap.free(*block, layout(96, 8));
            heap.malloc(layout(1100, 8)).unwrap();
            let cached = verified(&heap).cached_bytes;
            assert!(cached <= PLENTY, "{cached} bytes are kept");
        }
    }
}

#[test]
fn blocks_are_kept_while_nothing_else_is_asked_for() {
    blocks_are_kept_in_a_lull::<Compact>();
    blocks_are_kept_in_a_lull::<Checked>();
}

#[test]
fn blocks_are_given_back_while_others_are_asked_for() {
    // Each of these requests needs the arenas.
    let requests: [fn(&mut Talloc<Compact>) -> bool; 5] = [
        // SAFETY: `malloc` has no preconditions.
        |heap| unsafe { heap.malloc(layout(200, 8)) }.is_ok(),
        // SAFETY: `malloc` has no preconditions.
        |heap| unsafe { heap.malloc(layout(96, 4096)) }.is_ok(),
        // SAFETY: `malloc` has no preconditions.
        |heap| unsafe { heap.malloc_zeroed(layout(1100, 8)) }.is_ok(),
        // SAFETY: The memory outlives the batch.
        |heap| !unsafe { heap.backend().malloc_batch(200, 2) }.is_empty(),
        |heap| heap.backend().malloc_from_arenas(layout(1100, 8)).is_ok(),
    ];
    for (kind, request) in requests.into_iter().enumerate() {
        let (mut heap, blocks) = roomy::<Compact>();
        for (number, block) in blocks.into_iter().enumerate() {
            // SAFETY: The blocks are freed once, with their layouts.
            unsafe { heap.free(block, layout(96, 8)) };
            // A few batches are freed between two requests.
            if number % 256 == 255 {
                assert!(request(&mut heap), "{kind}");
            }
            let cached = verified(&heap).cached_bytes;
            assert!(cached <= PLENTY, "{cached} bytes are kept although {kind} is asked for");
        }
    }
}

/// A source that provides nothing but discards memory.
struct Reclaiming;

impl Source<Compact> for Reclaiming {
    const RECLAIMS: bool = true;

    fn acquire(_: &mut Talloc<Compact, Self>, _: Layout) -> Result<(), AllocError> {
        Err(AllocError)
    }
}

#[test]
fn nothing_is_kept_from_a_source_that_takes_memory_back() {
    let mut heap = Talloc::<Compact, _>::with_source(Reclaiming);
    // SAFETY: The memory is leaked, and nothing else uses it. Blocks are freed once, with their layouts.
    unsafe {
        heap.init(memory(PLENTY_OF));
        let blocks: Vec<_> = (0..20_000).map(|_| heap.malloc(layout(96, 8)).unwrap()).collect();
        for block in blocks {
            heap.free(block, layout(96, 8));
            let cached = heap.verify().unwrap().cached_bytes;
            assert!(cached <= PLENTY, "{cached} bytes are kept");
        }
    }
}

#[test]
fn nothing_is_kept_when_memory_is_short() {
    // The lists of the second heap have been larger before.
    for in_plenty in [0, 1000] {
        let mut heap = heap::<Compact>(2 << 20);
        let blocks: Vec<_> = (0..in_plenty).map(|_| filled(&mut heap, 96, 1)).collect();
        // SAFETY: The blocks are freed once, with their layouts.
        unsafe {
            for block in blocks {
                heap.free(block, layout(96, 8));
            }
            assert_eq!(verified(&heap).cached_bytes, in_plenty * 96);
            for block in fill(&mut heap) {
                heap.free(block, layout(96, 8));
                let report = verified(&heap);
                let is_short = report.top_bytes < report.arena_bytes / 2;
                assert!(!is_short || report.cached_bytes <= SHORT, "{report:?}");
            }
        }
    }
}

/// Frees blocks. Returns which of them are cached.
fn kept(heap: &mut Talloc<Compact>, blocks: [(NonNull<u8>, usize); 4]) -> [bool; 4] {
    blocks.map(|(block, size)| {
        let before = verified(heap).cached_bytes;
        // SAFETY: Each block has this size, and is freed once.
        unsafe { heap.free(block, layout(size, 8)) };
        verified(heap).cached_bytes == before + size
    })
}

#[test]
fn only_small_sizes_are_kept_when_memory_is_short() {
    let mut heap = heap::<Compact>(2 << 20);
    let mut take = || [16, 96, 200, 1000].map(|size| (filled(&mut heap, size, 1), size));
    let (plenty, short) = (take(), take());
    assert_eq!(kept(&mut heap, plenty), [true; 4]);
    fill(&mut heap);
    // The lists have room for 8448 bytes: four blocks of each size up to 176 bytes.
    assert_eq!(kept(&mut heap, short), [true, true, false, false]);
}

#[test]
fn large_sizes_are_kept_once_there_is_plenty_again() {
    let mut heap = heap::<Compact>(2 << 20);
    let blocks: Vec<_> = std::iter::from_fn(|| {
        // SAFETY: `malloc` has no preconditions.
        unsafe { heap.malloc(layout(1000, 8)) }.ok()
    })
    .collect();
    for block in blocks {
        // SAFETY: The block is freed once, with its layout.
        unsafe { heap.free(block, layout(1000, 8)) };
    }
    heap.flush();
    // No other sizes are used whose lists could overflow.
    let mut last = [false; 4];
    for _ in 0..2 {
        let blocks = [1000; 4].map(|size| (filled(&mut heap, size, 1), size));
        last = kept(&mut heap, blocks);
    }
    assert_eq!(last, [true; 4]);
}

#[test]
fn all_cached_memory_serves_a_large_request() {
    let (mut heap, blocks) = roomy::<Compact>();
    let bytes = blocks.len() * 96;
    // SAFETY: The blocks are freed once, with their layouts.
    unsafe {
        for block in blocks {
            heap.free(block, layout(96, 8));
        }
        let report = verified(&heap);
        assert!(report.cached_bytes > bytes * 9 / 10);
        assert!(heap.malloc(layout(report.free_bytes, 8)).is_ok());
        assert_eq!(verified(&heap).cached_bytes, 0);
    }
}

#[test]
fn overflows_are_counted_however_many_there_are() {
    let mut heap = heap::<Compact>(96 << 20);
    let mut blocks = Vec::new();
    // SAFETY: The blocks are freed once, with their layouts.
    unsafe {
        while let Ok(block) = heap.malloc(layout(16, 8)) {
            blocks.push(block);
        }
        // The last block stays in use, so the top stays small and there is no lull.
        let last = blocks.pop().unwrap();
        for block in blocks {
            heap.free(block, layout(16, 8));
        }
        heap.free(last, layout(16, 8));
    }
    heap.flush();
    assert_eq!(verified(&heap).used_bytes, 0);
}
