//! Arenas of gigabytes.

use core::ptr::NonNull;

use talloc_core::{ArenaError, Compact, Config, Span, Talloc};

use crate::common::part;
use crate::common::sparse::Sparse;
use crate::sparse::{GIB, KIB, MIB, Plain, check, free, heap, malloc, mark, settled};

/// The reach of links, less a few KiB.
const WINDOW: usize = 32 * GIB;

fn claims_touch_a_few_pages<C: Config>() {
    let sizes = [GIB, 4 * GIB - 8, 4 * GIB, 4 * GIB + 8, 5 * GIB + 4099, 16 * GIB];
    for size in sizes.into_iter().chain([WINDOW - 4 * KIB]) {
        let memory = Sparse::new(size);
        assert_eq!(memory.touched(), 0);
        let mut heap = heap::<C>(memory.span());
        assert!(memory.touched() <= 8 * KIB, "{size:#x}");
        let block = malloc(&mut heap, 100).unwrap();
        let report = heap.verify().unwrap();
        assert_eq!((report.arena_bytes, report.used_bytes), (size, 104));
        assert!(report.high_water_bytes <= 8 * KIB, "{report:?}");
        free(&mut heap, block, 100);
        let report = settled(&mut heap);
        assert!(report.largest_free_bytes >= size - size / 64 - 4 * KIB, "{report:?}");
        assert!(memory.touched() <= 16 * KIB, "{size:#x}");
    }
}

#[test]
fn claiming_any_number_of_gigabytes_touches_a_few_pages() {
    claims_touch_a_few_pages::<Compact>();
    claims_touch_a_few_pages::<Plain>();
}

/// The arenas together exceed the size of a single one.
#[test]
fn several_arenas_of_gigabytes() {
    const ARENA: usize = 9 * GIB;
    let memory: Vec<_> = (0..5).map(|_| Sparse::new(ARENA)).collect();
    let mut heap = Talloc::new();
    for memory in &memory {
        // SAFETY: The memory outlives the heap.
        unsafe { heap.claim(memory.span()) }.unwrap();
    }
    assert_eq!(heap.verify().unwrap().arena_bytes, 5 * ARENA);
    assert!(memory.iter().all(|memory| memory.touched() <= 16 * KIB));
    let size = 5 * GIB;
    let blocks: Vec<_> = (1..=5).map(|_| malloc(&mut heap, size).unwrap()).collect();
    assert!(malloc(&mut heap, size).is_none());
    assert_eq!(heap.verify().unwrap().used_bytes, 5 * size);
    for (content, block) in (1..).zip(&blocks) {
        mark(*block, size, content);
    }
    for memory in &memory {
        let within = |block: &&NonNull<u8>| memory.span().contains_ptr(block.as_ptr());
        assert_eq!(blocks.iter().filter(within).count(), 1);
        assert_eq!(
            heap.arena(memory.span()).and_then(|arena| arena.release()),
            Err(ArenaError::InUse)
        );
    }
    for (content, block) in (1..).zip(&blocks) {
        check(*block, size, content);
        free(&mut heap, *block, size);
    }
    let report = settled(&mut heap);
    assert_eq!((report.free_chunks, report.used_bytes), (5, 0));
    for memory in &memory {
        heap.arena(memory.span()).and_then(|arena| arena.release()).unwrap();
    }
}

#[test]
fn arenas_of_gigabytes_are_merged() {
    let memory = Sparse::new(12 * GIB);
    let whole = memory.span();
    let (low, high) = whole.split_at(whole.base().unwrap() + 5 * GIB + 24);
    let mut heap = heap::<Compact>(low);
    // SAFETY: The memory is one allocation, and outlives the heap.
    unsafe {
        heap.claim(high).unwrap();
        let block = malloc(&mut heap, 6 * GIB).unwrap();
        mark(block, 6 * GIB, 3);
        assert!(malloc(&mut heap, 5 * GIB).is_none());
        heap.arena(low).and_then(|mut arena| arena.merge(high)).unwrap();
        assert_eq!(heap.verify().unwrap().used_bytes, 6 * GIB);
        check(block, 6 * GIB, 3);
        free(&mut heap, block, 6 * GIB);
    }
    assert!(malloc(&mut heap, 11 * GIB).is_some());
    heap.verify().unwrap();
}

/// Memory beyond the reach of one arena's links becomes two arenas.
fn several_arenas_are_claimed(whole: Span) {
    for size in [WINDOW - 2 * KIB, WINDOW, WINDOW + 8, WINDOW + GIB] {
        let mut heap = Talloc::new();
        // SAFETY: Nothing else uses the memory.
        unsafe { heap.claim(part(whole, 0, size)) }.unwrap();
        let sizes: Vec<_> = heap.arenas().map(|arena| arena.size()).collect();
        let rest = size - sizes.iter().sum::<usize>();
        assert!(rest < 4 * KIB && sizes[0] > WINDOW - 4 * KIB, "{sizes:?}, {rest} of {size}");
        heap.verify().unwrap();
    }
}

#[test]
fn memory_beyond_the_reach_of_links_is_refused() {
    let memory = Sparse::new(WINDOW + GIB);
    let whole = memory.span();
    // The two heaps use the memory one after the other.
    several_arenas_are_claimed(whole);
    let mut heap = heap::<Compact>(part(whole, 16 * GIB, GIB));
    let small = malloc(&mut heap, 100).unwrap();
    let before = settled(&mut heap);
    // SAFETY: Nothing else uses the memory.
    unsafe {
        for size in [WINDOW - 2 * KIB, WINDOW, WINDOW + 8, WINDOW + GIB] {
            let mut other = Talloc::new();
            assert_eq!(other.arenas_mut().try_init(part(whole, 0, size)), Err(ArenaError::TooFar));
            assert_eq!(other.arenas().count(), 0);
        }
        // With a block, the window stays centred on the first claimed memory.
        for (low, high) in [(16 * GIB, 0), (0, 16 * GIB), (16 * GIB, 16 * GIB)] {
            let wide = heap.get_arena().extend(low, high);
            assert_eq!(
                heap.arenas_mut().try_extend(wide),
                Err(ArenaError::TooFar),
                "{low:#x}, {high:#x}"
            );
            assert_eq!(heap.verify().unwrap(), before);
        }
        heap.extend(heap.get_arena().extend(0, 14 * GIB));
        assert!(settled(&mut heap).top_bytes > 14 * GIB);
        free(&mut heap, small, 100);
        // Without blocks, the arena can be as large as a new one.
        heap.extend(part(whole, 0, WINDOW - 4 * KIB).fit_over(heap.get_arena()));
    }
    assert!(settled(&mut heap).free_bytes > 31 * GIB);
    // When the bitmap moved, it became a used chunk, and its own bits were touched, too.
    assert!(memory.touched() <= WINDOW / 64 / 64 + MIB, "{:#x}", memory.touched());
}

/// Extends an arena by gigabytes at either end, with a block in the old middle and in each new part, and truncates it
/// again.
#[test]
fn arenas_grow_and_shrink_by_gigabytes_at_both_ends() {
    let memory = Sparse::new(14 * GIB);
    let whole = memory.span();
    let mut heap = heap::<Compact>(part(whole, 5 * GIB + 3, 2 * GIB));
    let middle = malloc(&mut heap, GIB).unwrap();
    mark(middle, GIB, 1);
    // SAFETY: The memory outlives the heap.
    unsafe {
        heap.extend(heap.get_arena().extend(4 * GIB + 1, 0));
        assert_eq!(settled(&mut heap).used_bytes, GIB);
        let low = malloc(&mut heap, 3 * GIB).unwrap();
        assert!(low < middle);
        mark(low, 3 * GIB, 2);
        heap.extend(heap.get_arena().extend(0, 6 * GIB + 5));
        assert_eq!(settled(&mut heap).used_bytes, 4 * GIB);
        let high = malloc(&mut heap, 5 * GIB).unwrap();
        assert!(high > middle);
        mark(high, 5 * GIB, 3);

        let least = heap.get_allocated_span();
        assert!(least.size() >= 9 * GIB);
        assert_eq!(heap.arenas_mut().try_truncate(least.truncate(GIB, 0)), Err(ArenaError::InUse));
        assert_eq!(heap.arenas_mut().try_truncate(least.truncate(0, GIB)), Err(ArenaError::InUse));
        heap.truncate(least);
        assert_eq!(settled(&mut heap).used_bytes, 9 * GIB);
        check(low, 3 * GIB, 2);
        free(&mut heap, low, 3 * GIB);
        check(high, 5 * GIB, 3);
        free(&mut heap, high, 5 * GIB);
    }
    let least = heap.get_allocated_span();
    assert!(least.size() < GIB + GIB / 32, "{:#x}", least.size());
    heap.truncate(least);
    assert_eq!(settled(&mut heap).used_bytes, GIB);
    check(middle, GIB, 1);
    free(&mut heap, middle, GIB);
    assert_eq!(settled(&mut heap).free_chunks, 1);
}

/// Fills the largest possible arena. This touches its bitmap, half a GiB.
///
/// `cargo test --release -p talloc-core --test all -- --ignored sparse::`
#[test]
#[ignore = "touches half a GiB"]
fn the_largest_arena_can_be_used_up_to_its_end() {
    let memory = Sparse::new(WINDOW - 4 * KIB);
    let mut heap = heap::<Compact>(memory.span());
    let size = 31 * GIB;
    let large = malloc(&mut heap, size).unwrap();
    mark(large, size, 1);
    let top = heap.verify().unwrap().top_bytes;
    let last = malloc(&mut heap, top).unwrap();
    mark(last, top, 2);
    assert_eq!(heap.verify().unwrap().free_bytes, 0);
    check(large, size, 1);
    free(&mut heap, large, size);
    assert_eq!(malloc(&mut heap, size), Some(large));
    check(last, top, 2);
    free(&mut heap, last, top);
    free(&mut heap, large, size);
    assert_eq!(settled(&mut heap).free_chunks, 1);
    assert!(memory.touched() <= WINDOW / 64 + MIB, "{:#x}", memory.touched());
}
