//! The high-water mark: how much of the arenas has ever been in use.

use std::ops::RangeInclusive;

use crate::common::{layout, memory, part};
use talloc_core::{
    Checked, Compact, Config, Level, Memory, Micro, OwnedTalloc, RealTime, Span, Talloc,
};

const KIB: usize = 1024;

/// The bitmap is one byte in as many: there is a bit for 8 bytes, or there are two.
const fn share<C: Config>() -> usize {
    if C::CHECKED { 32 } else { 64 }
}

/// A heap with arenas of `bytes` bytes, which touch.
fn heap<C: Config>(memory: Span, bytes: usize) -> (OwnedTalloc<C>, Vec<Span>) {
    let spans: Vec<_> =
        (0..memory.size() / bytes).map(|arena| part(memory, arena * bytes, bytes)).collect();
    let mut heap = Talloc::with_config();
    for span in &spans {
        // SAFETY: The memory is leaked and used by nobody else.
        unsafe { heap.claim(*span) }.unwrap();
    }
    (heap, spans)
}

fn high_water<C: Config>(heap: &Talloc<C>) -> usize {
    heap.verify().unwrap().high_water_bytes
}

/// Allocates all there is, and frees it.
fn fill_and_empty<C: Config>(heap: &mut Talloc<C>) {
    let layout = layout(16, 8);
    let mut blocks = Vec::new();
    // SAFETY: The size is not zero, and each block is freed once.
    unsafe {
        while let Ok(block) = heap.malloc(layout) {
            blocks.push(block);
        }
        let report = heap.verify().unwrap();
        assert!(report.top_bytes < report.arenas * layout.size(), "{report:?}");
        blocks.into_iter().for_each(|block| heap.free(block, layout));
    }
    heap.flush();
}

/// What the mark may be of that many arenas of `bytes` bytes that have been full.
///
/// The bits of the bitmap itself are never used, nor are the last bytes, if no block has room there.
fn full<C: Config>(arenas: usize, bytes: usize) -> RangeInclusive<usize> {
    let unused = bytes / share::<C>() / share::<C>() + 64;
    arenas * (bytes - unused)..=arenas * bytes
}

fn full_arenas_have_been_used_to_the_last_byte<C: Config>() {
    for bytes in [8 * KIB, 100 * KIB] {
        for arenas in 1..=3 {
            let (mut heap, _) = heap::<C>(memory(arenas * bytes), bytes);
            fill_and_empty(&mut heap);
            let (mark, full) = (high_water(&heap), full::<C>(arenas, bytes));
            assert!(full.contains(&mark), "{mark} of {full:?}");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "it takes its time")]
fn full_arenas_of_any_heap_have_been_used_to_the_last_byte() {
    full_arenas_have_been_used_to_the_last_byte::<Compact>();
    full_arenas_have_been_used_to_the_last_byte::<RealTime>();
    full_arenas_have_been_used_to_the_last_byte::<Micro>();
    full_arenas_have_been_used_to_the_last_byte::<Checked>();
    full_arenas_have_been_used_to_the_last_byte::<Checked<Micro>>();
}

/// Allocates and frees at random; the mark is as high as the highest block has ever reached, but for
/// 4 KiB and the bits of what lies below. The heap has no quick lists, which keep blocks in store.
fn the_mark_follows_the_highest_block<C: Config>(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let memory = memory(200 * KIB);
    let (mut heap, _) = heap::<C>(memory, memory.size());
    let mut blocks = Vec::new();
    let (mut lowest, mut highest) = (usize::MAX, 0);
    for _ in 0..2000 {
        // SAFETY: The size is not zero, and each block is freed once, with its layout.
        unsafe {
            // As many blocks are freed as are allocated, on average, but not at once.
            if blocks.is_empty() || random.u8(0..40) + 30 > blocks.len() as u8 {
                let layout = layout(random.usize(1..1000), 8);
                let block = heap.malloc(layout).unwrap();
                lowest = lowest.min(block.addr().get());
                highest = highest.max(block.addr().get() + layout.size());
                blocks.push((block, layout));
            } else {
                let (block, layout) = blocks.swap_remove(random.usize(0..blocks.len()));
                heap.free(block, layout);
            }
        }
        let used = highest - lowest;
        let most = used + 4 * KIB;
        let mark = high_water(&heap);
        let bounds = used..=most + most / share::<C>() + 64;
        assert!(bounds.contains(&mark), "seed {seed}: {mark} of {bounds:?}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "it takes its time")]
fn the_mark_of_a_heap_follows_the_highest_block() {
    for seed in 0..10 {
        the_mark_follows_the_highest_block::<RealTime>(seed);
        the_mark_follows_the_highest_block::<Micro>(seed);
        the_mark_follows_the_highest_block::<Checked<RealTime>>(seed);
        the_mark_follows_the_highest_block::<Checked<Micro>>(seed);
    }
}

#[test]
fn a_new_arena_has_hardly_been_used() {
    // The further one has its control block, too.
    let (heap, _) = heap::<RealTime>(memory(400 * KIB), 200 * KIB);
    let control = size_of::<OwnedTalloc<RealTime>>();
    assert!((control / 2..10 * KIB).contains(&high_water(&heap)), "{}", high_water(&heap));
}

fn the_mark_outlasts_what_becomes_of_the_arena<C: Config>() {
    const BYTES: usize = 100 * KIB;
    let memory = memory(2 * BYTES);
    let (mut heap, spans) = heap::<C>(memory, BYTES);
    fill_and_empty(&mut heap);
    let mark = high_water(&heap);
    assert!(full::<C>(2, BYTES).contains(&mark), "{mark}");
    let less = spans.iter().map(|span| span.truncate(0, BYTES / 2));
    for (span, less) in spans.iter().zip(less) {
        heap.arena(*span).and_then(|mut arena| arena.truncate(less)).unwrap();
        assert_eq!(high_water(&heap), mark);
        // SAFETY: The memory is leaked, and was the arena's before.
        unsafe { heap.arena(less).and_then(|mut arena| arena.extend(*span, Memory::empty())) }
            .unwrap();
        assert_eq!(high_water(&heap), mark);
    }
    // SAFETY: The pointer of the spans is good for both.
    unsafe { heap.arena(spans[0]).and_then(|mut arena| arena.merge(spans[1])) }.unwrap();
    assert_eq!(high_water(&heap), mark);
    // It is the most at once, not one after the other.
    fill_and_empty(&mut heap);
    let again = high_water(&heap);
    assert!(mark <= again && full::<C>(1, 2 * BYTES).contains(&again), "{again}");
    // Where a block stays, too.
    let layout = layout(100, 8);
    // SAFETY: The size is not zero, and the block is freed once.
    unsafe {
        let block = heap.malloc(layout).unwrap();
        heap.arena(memory).and_then(|mut arena| arena.truncate(spans[0])).unwrap();
        assert_eq!(high_water(&heap), again);
        heap.free(block, layout);
    }
}

#[test]
#[cfg_attr(miri, ignore = "it takes its time")]
fn the_mark_of_any_heap_outlasts_what_becomes_of_the_arena() {
    the_mark_outlasts_what_becomes_of_the_arena::<Compact>();
    the_mark_outlasts_what_becomes_of_the_arena::<RealTime>();
    the_mark_outlasts_what_becomes_of_the_arena::<Micro>();
    the_mark_outlasts_what_becomes_of_the_arena::<Checked>();
}
