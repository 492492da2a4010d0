//! Several arenas: they are claimed, extended, truncated and released.

use std::alloc::Layout;

use crate::common::{layout, memory, part};
use talloc_core::{
    AllocError, ArenaError, Checked, Compact, Config, Kind, Memory, Micro, OwnedTalloc, RealTime,
    Source, Span, Talloc, Tiny,
};

const KIB: usize = 1024;

/// Creates a heap with arenas of 16 KiB, with gaps of 8 KiB.
fn heap<C: Config>(memory: Span, arenas: usize) -> (OwnedTalloc<C>, Vec<Span>) {
    let spans: Vec<_> = (0..arenas).map(|arena| part(memory, arena * 24 * KIB, 16 * KIB)).collect();
    let mut heap = Talloc::with_config();
    for span in &spans {
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.claim(*span) }.unwrap();
        heap.verify().unwrap();
    }
    (heap, spans)
}

fn blocks_fill_all_arenas<C: Config>() {
    let (mut heap, spans) = heap::<C>(memory(96 * KIB), 4);
    assert_eq!(heap.verify().unwrap().arenas, 4);
    let layout = layout(100, 8);
    let mut blocks = Vec::new();
    // SAFETY: `malloc` has no preconditions.
    while let Ok(block) = unsafe { heap.malloc(layout) } {
        blocks.push(block);
    }
    let report = heap.verify().unwrap();
    assert_eq!(report.used_bytes, blocks.len() * 104);
    assert!(report.free_bytes < 4 * 104, "{report:?}");
    for span in &spans {
        assert!(blocks.iter().any(|block| span.contains_ptr(block.as_ptr())));
    }
    for block in blocks {
        // SAFETY: Each block is freed once.
        unsafe { heap.free(block, layout) };
    }
    heap.flush();
    let report = heap.verify().unwrap();
    assert_eq!((report.free_chunks, report.used_bytes), (4, 0));
    assert!(spans.iter().all(|span| heap.arenas().any(|arena| arena == *span)));
}

#[test]
fn blocks_fill_all_arenas_of_any_heap() {
    blocks_fill_all_arenas::<Compact>();
    blocks_fill_all_arenas::<RealTime>();
    blocks_fill_all_arenas::<Micro>();
    blocks_fill_all_arenas::<Checked>();
    blocks_fill_all_arenas::<Checked<Micro>>();
}

#[test]
fn a_free_arena_can_be_taken_back() {
    let (mut heap, spans) = heap::<Compact>(memory(96 * KIB), 3);
    let layout = layout(10 * KIB, 8);
    // SAFETY: `malloc` has no preconditions.
    let blocks: Vec<_> = (0..3).map(|_| unsafe { heap.malloc(layout) }.unwrap()).collect();
    for span in &spans {
        assert_eq!(heap.arena(*span).and_then(|arena| arena.release()), Err(ArenaError::InUse));
    }
    assert_eq!(
        heap.arena(spans[0].truncate(8, 0)).and_then(|arena| arena.release()),
        Err(ArenaError::NoSuchArena)
    );
    for block in blocks {
        // SAFETY: Each block is freed once.
        unsafe { heap.free(block, layout) };
        let free = spans.iter().position(|span| span.contains_ptr(block.as_ptr())).unwrap();
        heap.arena(spans[free]).and_then(|arena| arena.release()).unwrap();
        heap.verify().unwrap();
        assert!(!heap.arenas().any(|arena| arena == spans[free]));
    }
    assert_eq!(heap.arenas().count(), 0);
    assert!(heap.get_arena().is_empty());
    // SAFETY: `malloc` has no preconditions. The heap has released the memory before it claims it again.
    unsafe {
        assert!(heap.malloc(layout).is_err());
        heap.claim(spans[1]).unwrap();
        assert!(heap.malloc(layout).is_ok());
    }
}

/// Tests that one handle stays valid through all changes of its arena, the first one or a later one.
fn a_handle_follows_its_arena<C: Config>(is_further: bool) {
    let memory = memory(96 * KIB);
    let (other, room) = (part(memory, 0, 16 * KIB), part(memory, 24 * KIB, 72 * KIB));
    let (low, high) = (part(memory, 32 * KIB, 16 * KIB), part(memory, 64 * KIB, 16 * KIB));
    let mut heap = Talloc::<C>::with_config();
    let kind = if is_further { Kind::new(3) } else { Kind::DEFAULT };
    // SAFETY: The memory is leaked, and nothing else uses it. All of it is one allocation.
    unsafe {
        if is_further {
            heap.claim(other).unwrap();
        }
        for span in [low, high] {
            heap.arenas_mut().claim_of_kind(kind, span, Memory::empty()).unwrap();
        }
        let mut arena = heap.arena(low).unwrap();
        assert_eq!((arena.span(), arena.kind()), (low, kind));
        // Calls that fail change nothing.
        assert_eq!(arena.extend(room, Memory::empty()), Err(ArenaError::Overlap));
        assert_eq!(arena.extend(other, Memory::empty()), Err(ArenaError::NotExtended));
        assert_eq!(arena.truncate(room), Err(ArenaError::NotTruncated));
        assert_eq!(arena.raise(17 * KIB, Memory::empty()), Err(ArenaError::Overlap));
        assert_eq!(arena.merge(high), Err(ArenaError::NotAdjacent));
        assert_eq!(arena.merge(room), Err(ArenaError::NoSuchArena));
        assert_eq!(arena.span(), low);

        let wide = low.extend(8 * KIB, 8 * KIB);
        arena.extend(wide, Memory::empty()).unwrap();
        assert_eq!(arena.span(), wide);
        let narrow = wide.truncate(0, 4 * KIB);
        arena.truncate(narrow).unwrap();
        assert_eq!(arena.span(), narrow);
        let raised = part(memory, 24 * KIB, 40 * KIB);
        arena.raise(12 * KIB, Memory::empty()).unwrap();
        assert_eq!(arena.span(), raised);
        assert_eq!(arena.lacking_for(layout(30 * KIB, 8)), 0);
        assert!(arena.lacking_for(layout(60 * KIB, 8)) > 20 * KIB);
        arena.merge(high).unwrap();
        let merged = raised.fit_over(high);
        assert_eq!((arena.span(), arena.kind()), (merged, kind));
        assert_eq!(arena.allocated_span(), Span::empty());
        heap.verify().unwrap();
        assert!(heap.arenas().any(|span| span == merged));

        // The block prevents a release.
        let size = layout(40 * KIB, 8);
        let block = heap.malloc(size).unwrap();
        assert!(merged.contains_ptr(block.as_ptr()));
        assert_eq!(heap.arena(merged).unwrap().release(), Err(ArenaError::InUse));
        assert!(heap.arena(merged).unwrap().allocated_span().contains_ptr(block.as_ptr()));
        heap.free(block, size);
    }
    let last = heap.arenas().last().unwrap();
    heap.arena(last).unwrap().release().unwrap();
    heap.verify().unwrap();
    assert_eq!(heap.arenas().count(), usize::from(is_further));
}

#[test]
fn a_handle_follows_its_arena_in_any_heap() {
    for is_further in [false, true] {
        a_handle_follows_its_arena::<Compact>(is_further);
        a_handle_follows_its_arena::<RealTime>(is_further);
        a_handle_follows_its_arena::<Micro>(is_further);
        a_handle_follows_its_arena::<Checked>(is_further);
    }
}

#[test]
fn a_further_arena_grows_and_shrinks_at_both_ends() {
    let memory = memory(96 * KIB);
    let (mut heap, spans) = heap::<Compact>(memory, 2);
    // SAFETY: `malloc` has no preconditions.
    let block = unsafe { heap.malloc(layout(12 * KIB, 8)) }.unwrap();
    let old = *spans.iter().find(|span| !span.contains_ptr(block.as_ptr())).unwrap();
    // SAFETY: `malloc` has no preconditions.
    let block = unsafe { heap.malloc(layout(12 * KIB, 8)) }.unwrap();
    assert!(old.contains_ptr(block.as_ptr()));
    // SAFETY: The access is within the block.
    unsafe { block.write_bytes(7, 12 * KIB) };

    let wide = part(memory, 20 * KIB, 40 * KIB).fit_within(memory);
    let (old, wide) = if old == spans[1] { (old, wide) } else { (old, old.extend(0, 4 * KIB)) };
    let mut last = old;
    for step in [1, 8, 100, 2000] {
        let new = last.extend(step, step).fit_within(wide);
        // SAFETY: Nothing else uses the memory around the arena.
        unsafe { heap.arena(last).and_then(|mut arena| arena.extend(new, Memory::empty())) }
            .unwrap();
        heap.verify().unwrap();
        last = new;
    }
    let least = heap.arena(last).map(|mut arena| arena.allocated_span()).unwrap();
    assert!(least.contains_ptr(block.as_ptr()) && least.size() < 15 * KIB, "{}", least.size());
    heap.arena(last).and_then(|mut arena| arena.truncate(least)).unwrap();
    let report = heap.verify().unwrap();
    assert!(report.free_bytes < 5 * KIB, "{report:?}");
    assert_eq!(
        heap.arena(last).and_then(|mut arena| arena.truncate(least)),
        Err(ArenaError::NoSuchArena)
    );
    assert_eq!(
        heap.arena(least).and_then(|mut arena| arena.truncate(least.truncate(64, 64))),
        Err(ArenaError::InUse)
    );
    // SAFETY: The access is within the block, whose bytes are initialised.
    assert!((0..12 * KIB).all(|byte| unsafe { block.add(byte).read() } == 7));
}

#[test]
fn spans_that_cannot_be_arenas_are_refused() {
    let memory = memory(96 * KIB);
    let (mut heap, spans) = heap::<Compact>(memory, 2);
    let null = Span::new(0, 4096);
    // Miri requires a pointer with provenance.
    let far = Span::new(4096, usize::MAX).with_provenance_of(memory.get_base_ptr().unwrap());
    // SAFETY: The heap refuses all of these spans.
    unsafe {
        assert_eq!(heap.claim(spans[0]), Err(ArenaError::Overlap));
        assert_eq!(heap.claim(part(memory, 15 * KIB, 2 * KIB)), Err(ArenaError::Overlap));
        assert_eq!(heap.claim(part(memory, 17 * KIB, KIB)), Err(ArenaError::TooSmall));
        assert_eq!(heap.claim(Span::empty()), Err(ArenaError::TooSmall));
        assert_eq!(heap.claim(null), Err(ArenaError::Null));
        assert_eq!(heap.arenas_mut().try_init(null), Err(ArenaError::Null));
        assert_eq!(
            heap.arenas_mut().try_extend(spans[0].truncate(0, 8)),
            Err(ArenaError::NotExtended)
        );
        assert_eq!(
            heap.arenas_mut().try_extend(part(memory, 0, 30 * KIB)),
            Err(ArenaError::Overlap)
        );
        if usize::BITS == 64 {
            assert_eq!(heap.arenas_mut().try_init(far), Err(ArenaError::TooFar));
        }
    }
    assert_eq!(
        heap.arenas_mut().try_truncate(spans[0].extend(0, 8)),
        Err(ArenaError::NotTruncated)
    );
    assert_eq!(heap.verify().unwrap().arena_bytes, 32 * KIB);
}

/// Creates a heap with arenas of these sizes, claimed in this order.
fn heap_of<C: Config>(sizes: [usize; 3]) -> (OwnedTalloc<C>, [Span; 3]) {
    let mut heap = Talloc::with_config();
    let arenas = sizes.map(memory);
    // SAFETY: The memory is leaked, and nothing else uses it.
    arenas.iter().for_each(|arena| unsafe { heap.claim(*arena) }.unwrap());
    (heap, arenas)
}

fn arenas_are_tried_in_the_order_of_claiming<C: Config>() {
    let (mut heap, arenas) = heap_of::<C>([64 * KIB, 400 * KIB, 16 * KIB]);
    assert!(heap.arenas().eq(arenas));
    let small = layout(100, 8);
    // SAFETY: Blocks are freed once, with their layouts.
    unsafe {
        // A block that only fits in a later arena does not redirect other requests to it.
        let large = heap.malloc(layout(80 * KIB, 8)).unwrap();
        assert!(arenas[1].contains_ptr(large.as_ptr()));
        heap.free(large, layout(80 * KIB, 8));
        let mut blocks: Vec<_> = (0..100).map(|_| heap.malloc(small).unwrap()).collect();
        assert!(blocks.iter().all(|block| arenas[0].contains_ptr(block.as_ptr())));
        // A large request still succeeds.
        heap.flush();
        let large = heap.malloc(layout(380 * KIB, 8)).unwrap();
        heap.free(large, layout(380 * KIB, 8));
        // Each arena is filled before the next one is used.
        while let Ok(block) = heap.malloc(small) {
            blocks.push(block);
        }
        let place = |block: &core::ptr::NonNull<u8>| {
            arenas.iter().position(|arena| arena.contains_ptr(block.as_ptr())).unwrap()
        };
        assert!(blocks.is_sorted_by_key(place));
        // Memory freed in the first arena is used first.
        let block = blocks.swap_remove(50);
        heap.free(block, small);
        heap.flush();
        heap.free(blocks.pop().unwrap(), small);
        heap.flush();
        assert_eq!(place(&heap.malloc(layout(96, 8)).unwrap()), 0);
    }
    heap.verify().unwrap();
}

#[test]
fn arenas_are_tried_in_order() {
    arenas_are_tried_in_the_order_of_claiming::<Compact>();
    arenas_are_tried_in_the_order_of_claiming::<RealTime>();
    arenas_are_tried_in_the_order_of_claiming::<Micro>();
    arenas_are_tried_in_the_order_of_claiming::<Checked>();
}

/// Returns how many bytes a heap of `kib` KiB can allocate in blocks of 16 bytes.
fn room<C: Config>(kib: usize, claim: impl FnOnce(&mut Talloc<C>, Span)) -> usize {
    let mut heap = Talloc::<C>::with_config();
    claim(&mut heap, memory(kib * KIB));
    let mut bytes = 0;
    // SAFETY: `malloc` has no preconditions.
    while unsafe { heap.malloc(layout(16, 8)) }.is_ok() {
        bytes += 16;
    }
    heap.verify().unwrap();
    bytes
}

#[test]
fn all_claimed_memory_is_used_however_far_links_reach() {
    for kib in [256, 509, 510, 511, 512, 513, 520, 1024, 1500] {
        let bytes = room::<Micro>(kib, |heap, memory| {
            // SAFETY: The memory is leaked, and nothing else uses it.
            unsafe { heap.claim(memory) }.unwrap();
        });
        assert!(bytes > kib * KIB / 100 * 97, "{bytes} of {kib} KiB");
    }
    // A heap with a single arena reports memory beyond the reach of its links.
    let mut heap = Talloc::<Tiny>::with_config();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe {
        assert_eq!(heap.claim(memory(511 * KIB)), Err(ArenaError::TooFar));
        let most = part(memory(511 * KIB), 0, Talloc::<Tiny>::MAX_ARENA);
        assert_eq!(heap.claim(most), Ok(()));
        assert!(heap.malloc(layout(Talloc::<Tiny>::MAX_BLOCK - 64, 8)).is_ok());
    }
}

#[test]
fn a_block_larger_than_any_arena_is_refused_at_once() {
    fn check<C: Config>(most: usize) {
        struct Never;
        impl<C: Config> Source<C> for Never {
            const EXTENDS: bool = true;

            fn acquire(_: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
                panic!("the source must not be asked");
            }
        }
        let mut heap = Talloc::<C, _>::with_source(Never);
        // SAFETY: The memory is leaked, and nothing else uses it. The block has this layout.
        unsafe {
            heap.claim(memory(16 * KIB)).unwrap();
            let small = layout(40, 8);
            let blocks = [(); 4].map(|()| heap.malloc(small).unwrap());
            heap.free(blocks[1], small);
            let before = heap.verify().unwrap();
            for size in [most + 1, 2 * most, isize::MAX as usize - 4095] {
                assert!(heap.malloc(layout(size, 8)).is_err());
                assert!(heap.malloc(layout(size, 4096)).is_err());
                assert!(heap.malloc_zeroed(layout(size, 1)).is_err());
                assert!(heap.realloc(blocks[3], small, size).is_err());
                assert!(heap.backend().malloc_from_arenas(layout(size, 1)).is_err());
            }
            // Nothing was flushed.
            assert_eq!(heap.verify().unwrap(), before);
        }
    }
    check::<Micro>(Talloc::<Micro>::MAX_BLOCK);
    check::<Tiny>(Talloc::<Tiny>::MAX_BLOCK);
    check::<Checked<Micro>>(Talloc::<Checked<Micro>>::MAX_BLOCK);
    if usize::BITS == 64 {
        check::<Compact>(Talloc::<Compact>::MAX_BLOCK);
    }
}

#[test]
fn sixteen_bit_links_reach_nearly_half_a_mebibyte() {
    let memory = memory(600 * KIB);
    let mut heap = Talloc::<Micro>::with_config();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe {
        for size in [510, 512, 600] {
            let wide = part(memory, 0, size * KIB);
            assert_eq!(heap.arenas_mut().try_init(wide), Err(ArenaError::TooFar));
        }
        heap.init(part(memory, 0, 509 * KIB));
        assert!(heap.malloc(layout(500 * KIB, 8)).is_ok());
    }
    heap.verify().unwrap();
}

#[test]
#[should_panic(expected = "the new arena does not contain the allocated span")]
fn truncating_into_allocated_blocks_panics() {
    let (mut heap, spans) = heap::<Compact>(memory(96 * KIB), 1);
    // SAFETY: `malloc` has no preconditions.
    unsafe { heap.malloc(layout(8 * KIB, 8)) }.unwrap();
    heap.truncate(spans[0].truncate(0, 12 * KIB));
}

#[test]
#[should_panic(expected = "the new arena does not contain the old one")]
fn extending_to_less_panics() {
    let (mut heap, spans) = heap::<Compact>(memory(96 * KIB), 1);
    // SAFETY: The heap refuses this span.
    unsafe { heap.extend(spans[0].truncate(8, 0)) };
}

#[test]
#[should_panic(expected = "the arena contains the null address")]
fn an_arena_at_null_panics() {
    // SAFETY: The heap refuses this span.
    unsafe { Talloc::new().init(Span::new(0, 4096)) };
}

#[test]
#[should_panic(expected = "the block is not from this heap")]
fn a_foreign_block_panics() {
    let memory = memory(96 * KIB);
    let (mut heap, _) = heap::<Compact>(memory, 2);
    let foreign = part(memory, 80 * KIB, 64).get_base_ptr().unwrap();
    // SAFETY: This is misuse. The heap checks the address and does not access the block.
    unsafe { heap.free(core::ptr::NonNull::new(foreign).unwrap(), layout(64, 8)) };
}

#[test]
fn init_forgets_everything() {
    let memory = memory(96 * KIB);
    let (mut heap, _) = heap::<Compact>(memory, 3);
    // SAFETY: `malloc` has no preconditions. The blocks are forgotten.
    unsafe {
        for _ in 0..100 {
            heap.malloc(layout(200, 8)).unwrap();
        }
        heap.init(part(memory, 0, 4 * KIB));
    }
    let report = heap.verify().unwrap();
    assert_eq!((report.arenas, report.free_chunks, report.used_bytes), (1, 1, 0));
}

#[test]
fn a_heap_may_be_moved_at_any_time() {
    let (heap, _) = heap::<Compact>(memory(96 * KIB), 2);
    let mut place = core::mem::MaybeUninit::uninit();
    let heap = heap.mov(&mut place);
    let layout = layout(600, 8);
    // SAFETY: Each block is freed once, with its layout.
    unsafe {
        let [a, b, c] = [(); 3].map(|()| heap.malloc(layout).unwrap());
        heap.free(a, layout);
        let mut moved = Box::new(core::mem::take(heap));
        moved.verify().unwrap();
        moved.free(c, layout);
        moved.free(b, layout);
        let report = moved.verify().unwrap();
        assert_eq!((report.used_bytes, report.free_chunks), (0, 2));
    }
}

#[test]
#[cfg_attr(miri, ignore = "too slow in Miri")]
fn claiming_a_large_arena_touches_a_few_words() {
    let memory = memory(64 << 20);
    let bytes = memory.to_slice().unwrap();
    let mut heap = Talloc::new();
    // SAFETY: The memory is leaked, and the heap does not access it while the test does.
    let touched = unsafe {
        (*bytes).fill(0xff);
        heap.init(memory);
        (*bytes).iter().filter(|byte| **byte != 0xff).count()
    };
    assert!(touched <= 128, "{touched}");
    assert!(heap.verify().unwrap().high_water_bytes <= 8 * KIB);
}

#[test]
fn an_arena_keeps_its_pointer_when_it_is_truncated() {
    let whole = memory(96 * KIB);
    let (lower, upper) = whole.split_at(whole.base().unwrap() + 48 * KIB);
    let bare = |span: Span| Span::new(span.base().unwrap(), span.acme().unwrap());
    let mut other = 0_u8;
    // Safe code can create such spans.
    let other = (&raw mut other).cast::<u8>();
    let forged = |span: Span| bare(span).with_provenance_of(other);
    // The pointer is exposed, so an arena needs no provenance.
    whole.get_base_ptr().unwrap().expose_provenance();
    let mut heap = Talloc::new();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe {
        heap.claim(lower).unwrap();
        heap.claim(bare(upper)).unwrap();
        heap.malloc(layout(100, 8)).unwrap();
    }
    for (lead, spare) in [(0, 1024), (1024, 512)] {
        for (index, has_pointer) in [(0, true), (1, false)] {
            let arena = heap.arenas().nth(index).unwrap();
            let least = heap.arena(arena).unwrap().allocated_span();
            let smaller = arena.truncate(lead, spare).fit_over(least);
            let span = if has_pointer { bare(smaller) } else { forged(smaller) };
            heap.arena(arena).unwrap().truncate(span).unwrap();
            let arena = heap.arenas().nth(index).unwrap();
            assert_eq!((arena, arena.has_provenance()), (smaller, has_pointer));
            heap.verify().unwrap();
        }
    }
    let first = heap.get_arena();
    heap.truncate(bare(first));
    assert!(heap.get_arena().has_provenance());
}
