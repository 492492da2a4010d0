//! The decay: which memory is purged, when, and in what pieces.

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::common::{layout, memory};
use fastrand::Rng;
use talloc_core::{
    Align, AllocError, Compact, Config, Decay, Memory, OwnedTalloc, Pace, Source, Span,
    TEND_INTERVAL, Talloc,
};

const MIB: usize = 1 << 20;
const PACE: Pace = Pace { epoch: 100, unit: Align::new(4096).unwrap(), min_piece: 4096 };

/// The limits of one call, as documented in the README.
const MAX_BYTES: usize = MIB;
const MAX_PIECES: usize = 128;

/// A source with a clock that the test sets.
struct Pages {
    decay: Decay,
    now: u64,
    purged: usize,
    /// The number of calls that have purged something.
    steps: usize,
    /// The content of purged pieces.
    byte: u8,
}

impl<C: Config> Source<C> for Pages {
    const RECLAIMS: bool = true;

    fn acquire(_: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
        Err(AllocError)
    }

    fn tend(heap: &mut Talloc<C, Self>) {
        let Pages { now, byte, .. } = *heap.source();
        let mut decay = heap.source().decay.clone();
        let (mut bytes, mut pieces) = (0, 0);
        let known = if byte == 0 { Memory::ZEROED } else { Memory::empty() };
        let purge = |piece: Span| {
            assert!(PACE.unit.is_aligned(piece.base().unwrap()), "{piece}");
            assert!(
                piece.size() % PACE.unit.get() == 0 && piece.size() >= PACE.min_piece,
                "{piece}"
            );
            (bytes, pieces) = (bytes + piece.size(), pieces + 1);
            // SAFETY: The piece is free, and the heap does not rely on its contents.
            unsafe { piece.get_base_ptr().unwrap().write_bytes(byte, piece.size()) };
            known
        };
        // SAFETY: A purged piece can be used as before, and is zero if `known` says so.
        unsafe { decay.tend(heap, &PACE, now, purge) };
        assert!(bytes <= MAX_BYTES && pieces <= MAX_PIECES, "{bytes} bytes in {pieces} pieces");
        let source = heap.source_mut();
        source.decay = decay;
        source.purged += bytes;
        source.steps += usize::from(pieces > 0);
    }
}

type Heap = OwnedTalloc<Compact, Pages>;

/// Creates a heap with arenas of these sizes.
fn heap(arenas: &[usize], byte: u8) -> Heap {
    let mut heap =
        Talloc::with_source(Pages { decay: Decay::NEW, now: 1000, purged: 0, steps: 0, byte });
    for bytes in arenas {
        // SAFETY: The memory is leaked and zero, and nothing else uses it.
        unsafe { heap.arenas_mut().claim_as(memory(*bytes), Memory::ZEROED | Memory::RECLAIMABLE) }
            .unwrap();
    }
    heap
}

/// Lets time pass while the program does little.
fn wait(heap: &mut Heap, milliseconds: u64) {
    heap.source_mut().now += milliseconds;
    for _ in 0..TEND_INTERVAL {
        work(heap);
    }
    heap.verify().unwrap();
}

/// Makes the heap call its source.
fn work(heap: &mut Heap) {
    // SAFETY: The block is freed once, with its layout.
    unsafe {
        let block = heap.malloc(layout(1500, 8)).unwrap();
        heap.free(block, layout(1500, 8));
    }
}

/// A block whose bytes are all the low byte of its number.
type Block = (NonNull<u8>, Layout, u8);

/// Fills the heap with blocks of `sizes`, `bytes` in total.
fn fill(
    heap: &mut Heap,
    random: &mut Rng,
    sizes: core::ops::Range<usize>,
    bytes: usize,
) -> Vec<Block> {
    let (mut blocks, mut sum) = (Vec::new(), 0);
    while sum < bytes {
        let layout = layout(random.usize(sizes.clone()), 8);
        // SAFETY: The size is not zero, and all accesses are within the block.
        unsafe {
            let block = heap.malloc(layout).unwrap();
            block.write_bytes(blocks.len() as u8, layout.size());
            blocks.push((block, layout, blocks.len() as u8));
        }
        sum += layout.size();
    }
    random.shuffle(&mut blocks);
    blocks
}

fn free(heap: &mut Heap, (block, layout, byte): Block) {
    // SAFETY: `fill` has initialised the block, and it is freed once, with its layout.
    unsafe {
        let content = NonNull::slice_from_raw_parts(block, layout.size()).as_ref();
        assert!(content.iter().all(|content| *content == byte), "a used block was purged");
        heap.free(block, layout);
    }
}

/// Returns how many free bytes can be purged.
fn returnable(heap: &mut Heap) -> usize {
    let mut bytes = 0;
    heap.flush();
    let count = |piece: Span| {
        bytes += piece.size();
        Memory::empty()
    };
    // SAFETY: The memory of the pieces stays as it is.
    unsafe { heap.arenas_mut().discard(PACE.unit, PACE.min_piece, count) };
    bytes
}

#[test]
fn only_memory_that_is_not_needed_is_purged() {
    for (seed, arenas) in [&[24 * MIB][..], &[9 * MIB, 2 * MIB, 13 * MIB]].into_iter().enumerate() {
        for byte in [0, 0xdd] {
            let mut random = Rng::with_seed(seed as u64);
            let mut heap = heap(arenas, byte);
            let mut blocks = fill(&mut heap, &mut random, 16..12_000, 18 * MIB);
            wait(&mut heap, 150);
            assert_eq!(heap.source().purged, 0, "memory in use was purged");
            for block in blocks.split_off(blocks.len() / 10) {
                free(&mut heap, block);
            }
            let returnable = returnable(&mut heap);
            assert!(returnable > 12 * MIB, "{returnable}");
            for _ in 0..100 {
                wait(&mut heap, 50);
            }
            let Pages { purged, steps, .. } = *heap.source();
            assert!(purged > returnable / 10 * 9, "{purged} of {returnable}");
            assert!(steps > 12, "{steps}");
            assert_eq!(heap.source().decay.purged_bytes(), purged as u64);
            blocks.into_iter().for_each(|block| free(&mut heap, block));
            assert_eq!(heap.verify().unwrap().used_bytes, 0);
        }
    }
}

#[test]
fn a_step_ends_with_whole_units_if_more_is_freed_meanwhile() {
    for size in [5 * MIB + 1000, 5 * MIB + 5000] {
        let mut heap = heap(&[24 * MIB], 0xdd);
        let layout = layout(size, 8);
        // SAFETY: Blocks are freed once, with their layouts.
        unsafe {
            let [first, between, second, _last] = [(); 4].map(|()| heap.malloc(layout).unwrap());
            heap.free(first, layout);
            wait(&mut heap, 100);
            wait(&mut heap, 100);
            wait(&mut heap, 100);
            assert_ne!(heap.source().purged, 0, "no sweep has begun");
            heap.free(second, layout);
            heap.free(between, layout);
        }
        for _ in 0..20 {
            wait(&mut heap, 0);
        }
        let purged = heap.source().purged;
        assert!(purged > 4 * MIB && purged < 15 * MIB, "{purged}");
    }
}

/// When a purged chunk becomes part of the top, purging the top lowers the end of the memory that may be resident.
#[test]
fn purged_memory_absorbed_by_the_top_no_longer_counts() {
    let mut heap = heap(&[24 * MIB], 0xdd);
    let [large, small] = [8 * MIB, 8 << 10].map(|size| layout(size, 8));
    // SAFETY: Each block is freed once, with its layout.
    unsafe {
        let [low, high] = [(); 2].map(|()| heap.malloc(large).unwrap());
        let above = heap.malloc(small).unwrap();
        heap.free(high, large);
        for _ in 0..10 {
            wait(&mut heap, 50);
        }
        let purged = heap.source().purged;
        assert!(purged > 7 * MIB, "{purged} bytes are purged below a block");
        heap.free(above, small);
        heap.free(low, large);
    }
    // A few steps per epoch.
    for _ in 0..200 {
        heap.source_mut().now += u64::from(PACE.epoch);
        (0..4).for_each(|_| work(&mut heap));
    }
    let touched = heap.inspect().touched_bytes();
    assert!(touched < MIB, "{touched} bytes may be resident in an empty heap");
}

/// Frees all blocks except one in `kept`.
fn free_most(heap: &mut Heap, blocks: Vec<Block>, kept: usize) -> Vec<Block> {
    let mut left = Vec::new();
    for (number, block) in blocks.into_iter().enumerate() {
        if number % kept == 0 {
            left.push(block);
        } else {
            free(heap, block);
        }
    }
    left
}

#[test]
fn a_slow_sweep_includes_memory_freed_during_it() {
    let mut random = Rng::with_seed(5);
    let mut heap = heap(&[40 * MIB], 0xdd);
    let first = fill(&mut heap, &mut random, 5000..12_000, 16 * MIB);
    let second = fill(&mut heap, &mut random, 5000..12_000, 16 * MIB);
    free_most(&mut heap, first, 10);
    wait(&mut heap, 100);
    free_most(&mut heap, second, 10);
    let used = heap.verify().unwrap().used_bytes;
    for _ in 0..800 {
        heap.source_mut().now += 2;
        work(&mut heap);
    }
    let free = 32 * MIB - used;
    let purged = heap.source().purged;
    assert!(purged > free / 10 * 9, "{purged} of {free}");
    assert!(purged < free + free / 4, "{purged} of {free}: some were purged twice");
}

#[test]
fn fragments_that_cannot_be_purged_are_not_swept_all_the_time() {
    let mut random = Rng::with_seed(6);
    let mut heap = heap(&[40 * MIB], 0xdd);
    let blocks = fill(&mut heap, &mut random, 16..2000, 24 * MIB);
    let _kept = free_most(&mut heap, blocks, 10);
    for _ in 0..15 {
        wait(&mut heap, 100);
    }
    let Pages { purged, .. } = *heap.source();
    let report = heap.verify().unwrap();
    assert!(report.free_bytes > purged + 2 * MIB, "{purged} bytes, some of them twice: {report:?}");
    for _ in 0..15 {
        wait(&mut heap, 100);
    }
    assert_eq!(heap.source().purged, purged, "a sweep has begun for fragments");
    for _ in 0..30 {
        wait(&mut heap, 100);
    }
    assert!(heap.source().purged > purged, "coalesced memory is never purged");
}

#[test]
fn a_slow_sweep_is_not_repeated_for_fragments() {
    let mut random = Rng::with_seed(8);
    let mut heap = heap(&[40 * MIB], 0xdd);
    let blocks = fill(&mut heap, &mut random, 16..2000, 24 * MIB);
    let _kept = free_most(&mut heap, blocks, 10);
    let mut work_for = |milliseconds| {
        for _ in 0..milliseconds / 10 {
            heap.source_mut().now += 10;
            work(&mut heap);
        }
        heap.verify().unwrap();
        heap.source().purged
    };
    // The sweep takes several epochs.
    let before = work_for(600);
    let purged = work_for(2400);
    assert!(before > 0 && before < purged, "{before} of {purged}");
    assert!(purged < 20 * MIB, "{purged}: the sweep was repeated");
    assert_eq!(work_for(1000), purged, "a sweep has begun for fragments");
}

#[test]
fn memory_that_is_reused_is_not_purged() {
    let mut random = Rng::with_seed(7);
    let mut heap = heap(&[24 * MIB], 0);
    for _ in 0..20 {
        let blocks = fill(&mut heap, &mut random, 16..12_000, 16 * MIB);
        blocks.into_iter().for_each(|block| free(&mut heap, block));
        wait(&mut heap, 40);
    }
    let purged = heap.source().purged;
    assert!(purged < MIB, "{purged}");
}

#[test]
fn nothing_is_purged_if_the_decay_is_off() {
    let mut heap = heap(&[8 * MIB], 0);
    let blocks = fill(&mut heap, &mut Rng::with_seed(3), 16..12_000, 6 * MIB);
    blocks.into_iter().for_each(|block| free(&mut heap, block));
    for _ in 0..20 {
        let mut decay = heap.source().decay.clone();
        heap.source_mut().now += 200;
        let now = heap.source().now;
        let off = Pace { epoch: 0, ..PACE };
        // SAFETY: Nothing is purged.
        unsafe { decay.tend(&mut heap, &off, now, |piece| panic!("{piece} is purged")) };
    }
    heap.verify().unwrap();
}
