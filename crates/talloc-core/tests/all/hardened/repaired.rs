//! Heaps that continue after a repair.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use fastrand::Rng;
use talloc_core::{
    Batch, Compact, Config, Fault, Hardened, Misuse, OnMisuse, OwnedTalloc, RealTime, Talloc,
};

use crate::common::{layout, memory, part};
use crate::hardened::{
    All, Delays, Encoded, Repairs, SEEDS, faults, found, free, heap, heap_of, holes_in, malloc,
    overwrite, use_up,
};

/// A handler that panics after it has the heap repaired.
struct Unwinds;

impl OnMisuse for Unwinds {
    const REPAIRS: bool = true;

    fn misuse(misuse: &Misuse) {
        panic!("{misuse}");
    }
}

/// Creates a heap in which `realloc` has found a broken queue. Returns the heap and the new block.
fn broken_by_realloc() -> (OwnedTalloc<Hardened<Compact, Delays, Repairs>>, NonNull<u8>) {
    let mut heap = heap(1 << 16);
    let blocks = [(); 40].map(|()| (malloc(&mut heap, 64), malloc(&mut heap, 24)).0);
    let (used, _above) = (malloc(&mut heap, 64), malloc(&mut heap, 64));
    for block in &blocks[..16] {
        free(&mut heap, *block, 64);
    }
    for block in &blocks[..15] {
        overwrite(*block, 0, &[0x41; 8]);
    }
    free(&mut heap, blocks[16], 64);
    // SAFETY: The block has this layout.
    let moved = unsafe { heap.realloc(used, layout(64, 8), 1200) }.unwrap();
    assert_eq!(faults(), [], "the caller gets the block first");
    (heap, moved)
}

/// `realloc` frees the old block after the new one already belongs to the caller. So a fault found then is reported by
/// the next call.
#[test]
fn a_fault_found_by_realloc_is_reported_by_the_next_call() {
    type Call = fn(&mut Talloc<Hardened<Compact, Delays, Repairs>>, NonNull<u8>);
    let calls: [Call; 3] = [
        |heap, block| free(heap, block, 1200),
        |heap, _| _ = malloc(heap, 640),
        // SAFETY: An empty batch has no blocks.
        |heap, _| unsafe { heap.backend().free_batch(8, Batch::EMPTY) },
    ];
    for call in calls {
        let (mut heap, moved) = broken_by_realloc();
        call(&mut heap, moved);
        assert!(faults().contains(&Fault::Broken));
        assert!(heap.verify().is_ok());
        malloc(&mut heap, 640);
    }
}

#[test]
fn a_heap_is_repaired_even_if_the_handler_panics() {
    let mut heap = heap::<Hardened<RealTime, All, Unwinds>>(1 << 16);
    let (hole, _above) = (malloc(&mut heap, 4000), malloc(&mut heap, 64));
    free(&mut heap, hole, 4000);
    heap.flush();
    overwrite(hole, 0, &[7; 8]);
    let use_it = || malloc(&mut heap, 2000);
    assert!(catch_unwind(AssertUnwindSafe(use_it)).is_err());
    malloc(&mut heap, 2000);
    assert!(heap.verify().is_ok());
}

/// Overwrites all free chunks of a heap, which then repairs itself.
fn repaired<C: Config>(heap: OwnedTalloc<C>, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let (mut heap, blocks, chunks) = holes_in(heap);
    let used = heap.inspect().used_bytes();
    for chunk in &chunks {
        let base = NonNull::new(chunk.get_base_ptr().unwrap()).unwrap();
        let bytes: Vec<u8> = (0..chunk.size()).map(|_| rng.u8(..)).collect();
        overwrite(base, 0, &bytes);
    }
    let mut size = 1;
    while found().is_empty() {
        // SAFETY: `malloc` has no preconditions.
        if let Ok(block) = unsafe { heap.malloc(layout(size, 8)) } {
            free(&mut heap, block, size);
        }
        size += 8;
    }
    let report = heap.verify().unwrap();
    assert!(report.used_bytes <= used + 1024, "{report}");
    use_up(&mut heap, blocks, &mut rng);
    assert_eq!(faults(), []);
    assert!(heap.verify().is_ok());
}

#[test]
fn a_heap_is_repaired_from_its_marks() {
    for seed in 0..SEEDS / 4 {
        repaired::<Hardened<RealTime, All, Repairs>>(heap(1 << 15), seed);
    }
}

#[test]
fn a_heap_of_several_arenas_is_repaired() {
    for seed in 0..SEEDS / 4 {
        // Each arena has some of the holes.
        let whole = memory(1 << 15);
        let arenas = [0, 1, 2, 3].map(|number| part(whole, number << 13, (1 << 13) - 64));
        repaired::<Hardened<RealTime, All, Repairs>>(heap_of(&arenas), seed);
    }
}

#[test]
fn a_repaired_arena_serves_requests_again() {
    let whole = memory(3 << 12);
    let arenas = [0, 1, 2].map(|number| part(whole, number << 12, (1 << 12) - 64));
    let mut heap = heap_of::<Hardened<RealTime, Encoded, Repairs>>(&arenas);
    // SAFETY: `malloc` has no preconditions.
    let blocks: Vec<_> =
        core::iter::from_fn(|| unsafe { heap.malloc(layout(496, 8)) }.ok()).collect();
    let last = blocks.iter().filter(|block| arenas[2].contains(block.addr().get()));
    let [lower, upper, ..] = last.copied().collect::<Vec<_>>()[..] else {
        panic!("the heap is full")
    };
    free(&mut heap, lower, 496);
    overwrite(lower, 0, &[0x5a; 8]);
    free(&mut heap, upper, 496);
    assert_eq!(faults(), [Fault::Broken]);
    assert_eq!(heap.verify().err(), None);
    assert_eq!(malloc(&mut heap, 992), lower);
}

#[test]
fn the_end_of_a_block_that_shrinks_below_a_broken_chunk_is_free_after_the_repair() {
    let mut heap = heap::<Hardened<RealTime, Encoded, Repairs>>(1 << 14);
    let [block, above, _kept] = [(); 3].map(|()| malloc(&mut heap, 496));
    free(&mut heap, above, 496);
    overwrite(above, 0, &[0x5a; 8]);
    // SAFETY: The block has this layout.
    let shrunk = unsafe { heap.realloc(block, layout(496, 8), 248) }.unwrap();
    assert_eq!((shrunk, faults()), (block, vec![]));
    malloc(&mut heap, 8);
    assert_eq!(faults(), [Fault::Broken]);
    assert_eq!(heap.verify().err(), None);
    let between = malloc(&mut heap, 744);
    assert_eq!(between.addr().get(), block.addr().get() + 248);
    free(&mut heap, block, 248);
    free(&mut heap, between, 744);
    assert_eq!(faults(), []);
}
