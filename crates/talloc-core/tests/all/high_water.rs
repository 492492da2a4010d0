//! The high-water mark: the number of bytes of the arenas that have ever been used.

use std::ops::RangeInclusive;

use crate::common::{layout, memory, part};
use talloc_core::{
    Checked, Compact, Config, Level, Memory, Micro, OwnedTalloc, RealTime, Span, Talloc,
};

const KIB: usize = 1024;

/// The share of the bitmap: there are one or two bits per 8 bytes.
const fn share<C: Config>() -> usize {
    if C::CHECKED { 32 } else { 64 }
}

/// Creates a heap with adjacent arenas of `bytes` bytes each.
fn heap<C: Config>(memory: Span, bytes: usize) -> (OwnedTalloc<C>, Vec<Span>) {
    let spans: Vec<_> =
        (0..memory.size() / bytes).map(|arena| part(memory, arena * bytes, bytes)).collect();
    let mut heap = Talloc::with_config();
    for span in &spans {
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.claim(*span) }.unwrap();
    }
    (heap, spans)
}

fn high_water<C: Config>(heap: &Talloc<C>) -> usize {
    heap.verify().unwrap().high_water_bytes
}

/// Allocates all memory and frees it.
fn fill_and_empty<C: Config>(heap: &mut Talloc<C>) {
    let layout = layout(16, 8);
    let mut blocks = Vec::new();
    // SAFETY: Each block is freed once, with its layout.
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

/// Returns the possible marks of `arenas` arenas of `bytes` bytes that have been full.
///
/// The bits for the bitmap itself are never used. Neither are the last bytes if no block fits there.
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
#[cfg_attr(miri, ignore = "too slow in Miri")]
fn full_arenas_of_any_heap_have_been_used_to_the_last_byte() {
    full_arenas_have_been_used_to_the_last_byte::<Compact>();
    full_arenas_have_been_used_to_the_last_byte::<RealTime>();
    full_arenas_have_been_used_to_the_last_byte::<Micro>();
    full_arenas_have_been_used_to_the_last_byte::<Checked>();
    full_arenas_have_been_used_to_the_last_byte::<Checked<Micro>>();
}

/// Allocates and frees at random. The mark is as high as the highest block so far, give or take 4 KiB and the bitmap.
/// The heap has no quick lists, which would hold blocks back.
fn the_mark_follows_the_highest_block<C: Config>(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let memory = memory(200 * KIB);
    let (mut heap, _) = heap::<C>(memory, memory.size());
    let mut blocks = Vec::new();
    let (mut lowest, mut highest) = (usize::MAX, 0);
    for _ in 0..2000 {
        // SAFETY: Each block is freed once, with its layout.
        unsafe {
            // On average, the program frees as many blocks as it allocates.
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
#[cfg_attr(miri, ignore = "too slow in Miri")]
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
    // The second arena also has its control block.
    let (heap, _) = heap::<RealTime>(memory(400 * KIB), 200 * KIB);
    let control = size_of::<OwnedTalloc<RealTime>>();
    assert!((control / 2..10 * KIB).contains(&high_water(&heap)), "{}", high_water(&heap));
}

fn the_mark_survives_changes_of_the_arena<C: Config>() {
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
    // SAFETY: The pointer of the spans is valid for both.
    unsafe { heap.arena(spans[0]).and_then(|mut arena| arena.merge(spans[1])) }.unwrap();
    assert_eq!(high_water(&heap), mark);
    // The mark is the maximum, not the sum.
    fill_and_empty(&mut heap);
    let again = high_water(&heap);
    assert!(mark <= again && full::<C>(1, 2 * BYTES).contains(&again), "{again}");
    // A block that stays does not change that.
    let layout = layout(100, 8);
    // SAFETY: The block is freed once, with its layout.
    unsafe {
        let block = heap.malloc(layout).unwrap();
        heap.arena(memory).and_then(|mut arena| arena.truncate(spans[0])).unwrap();
        assert_eq!(high_water(&heap), again);
        heap.free(block, layout);
    }
}

#[test]
#[cfg_attr(miri, ignore = "too slow in Miri")]
fn the_mark_of_any_heap_survives_changes_of_the_arena() {
    the_mark_survives_changes_of_the_arena::<Compact>();
    the_mark_survives_changes_of_the_arena::<RealTime>();
    the_mark_survives_changes_of_the_arena::<Micro>();
    the_mark_survives_changes_of_the_arena::<Checked>();
}
