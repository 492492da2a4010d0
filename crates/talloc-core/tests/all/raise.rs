//! Arenas that only grow upwards, and last blocks that grow with them.

use core::alloc::Layout;
use core::ptr::NonNull;

use talloc_core::{
    AllocError, ArenaError, Checked, Compact, Config, Memory, Micro, RealTime, Source, Span,
    Talloc, Tiny,
};

/// Returns zeroed memory aligned to 8.
fn memory(bytes: usize) -> Vec<u64> {
    vec![0; bytes / 8]
}

fn span_of(memory: &mut [u64]) -> Span {
    Span::from_ptr_size(memory.as_mut_ptr().cast(), size_of_val(memory))
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

/// Allocates a block.
fn take<C: Config, S: Source<C>>(heap: &mut Talloc<C, S>, size: usize) -> NonNull<u8> {
    // SAFETY: `malloc` has no preconditions.
    let block = unsafe { heap.malloc(layout(size)) }.unwrap();
    heap.verify().unwrap();
    block
}

/// Frees a block.
fn give<C: Config, S: Source<C>>(heap: &mut Talloc<C, S>, block: NonNull<u8>, size: usize) {
    // SAFETY: The block has this layout, and is freed once.
    unsafe { heap.free(block, layout(size)) };
    heap.verify().unwrap();
}

/// Raises the last arena of a heap, which has memory up to the end of `whole`.
fn raise<C: Config, S: Source<C>>(
    heap: &mut Talloc<C, S>,
    old: Span,
    size: usize,
) -> Result<Span, ArenaError> {
    // SAFETY: The memory above the arena is zero, and nothing else uses it.
    unsafe { heap.arena(old).and_then(|mut arena| arena.raise(size, Memory::ZEROED)) }?;
    heap.verify().unwrap();
    Ok(old.extend(0, size))
}

fn block_grows_with_its_arena<C: Config>() {
    let mut memory = memory(100_000);
    let whole = span_of(&mut memory);
    let mut heap = Talloc::<C>::with_config();
    let mut arena = whole.truncate(0, whole.size() - 4_000);
    // SAFETY: The memory outlives the heap, and nothing else uses it.
    unsafe { heap.arenas_mut().claim_as(arena, Memory::ZEROED) }.unwrap();
    let mut size = 2_000;
    let block = take(&mut heap, size);
    while arena != whole {
        arena = raise(&mut heap, arena, 4_000.min(whole.size() - arena.size())).unwrap();
        let more = size + heap.verify().unwrap().top_bytes;
        // SAFETY: The block has this layout.
        unsafe { heap.grow_in_place(block, layout(size), more) }.unwrap();
        heap.verify().unwrap();
        size = more;
    }
    assert!(size > 90_000, "{size}");
    give(&mut heap, block, size);
    heap.flush();
    let report = heap.verify().unwrap();
    assert_eq!((report.free_chunks, report.used_bytes, heap.get_arena()), (1, 0, whole));
}

#[test]
fn a_block_grows_with_its_arena() {
    block_grows_with_its_arena::<Compact>();
    block_grows_with_its_arena::<RealTime>();
    block_grows_with_its_arena::<Micro>();
    block_grows_with_its_arena::<Tiny>();
    block_grows_with_its_arena::<Checked>();
}

#[test]
fn fresh_memory_is_zero_except_where_a_bitmap_was() {
    let mut memory = memory(1 << 20);
    let whole = span_of(&mut memory);
    let mut heap = Talloc::<RealTime>::with_config();
    let mut arena = whole.truncate(0, whole.size() - (1 << 16));
    // SAFETY: The memory outlives the heap, and nothing else uses it.
    unsafe { heap.arenas_mut().claim_as(arena, Memory::ZEROED) }.unwrap();
    while arena != whole {
        arena = raise(&mut heap, arena, 1 << 16).unwrap();
        let size = heap.verify().unwrap().top_bytes;
        // SAFETY: All accesses are within the block.
        unsafe {
            let (block, dirty) = heap.backend().malloc_dirty(layout(size)).unwrap();
            let bytes = core::slice::from_raw_parts(block.as_ptr(), size);
            assert!(bytes[dirty..].iter().all(|byte| *byte == 0));
            // The bitmap, and the bytes that a few of its words cover.
            assert!(dirty <= arena.size() / 60 + 8192, "{dirty} bytes are to be cleared");
            block.write_bytes(0xa5, size);
        }
        heap.verify().unwrap();
    }
}

#[test]
fn further_arenas_are_raised_shrunk_merged_and_released() {
    let mut memory = memory(60_000);
    let whole = span_of(&mut memory);
    let middle = whole.base().unwrap() + 30_000;
    let (low, high) = whole.split_at(middle);
    let mut heap = Talloc::<Compact>::with_config();
    // SAFETY: The memory outlives the heap, and nothing else uses it.
    unsafe {
        heap.claim(low.truncate(0, 20_000)).unwrap();
        heap.claim(high.truncate(0, 20_000)).unwrap();
    }
    let first = take(&mut heap, 5_000);
    let second = take(&mut heap, 6_000);
    let low = raise(&mut heap, low.truncate(0, 20_000), 20_000).unwrap();
    let high = raise(&mut heap, high.truncate(0, 20_000), 20_000).unwrap();
    assert_eq!(heap.arenas().count(), 2);
    let third = take(&mut heap, 15_000);

    let least = heap.arena(low).map(|mut arena| arena.allocated_span()).unwrap();
    heap.arena(low).and_then(|mut arena| arena.truncate(least)).unwrap();
    heap.verify().unwrap();
    // SAFETY: The heap has given this memory back.
    unsafe { heap.arena(least).and_then(|mut arena| arena.extend(low, Memory::empty())) }.unwrap();
    heap.verify().unwrap();
    let low = raise(&mut heap, low, 0).unwrap();
    // SAFETY: The memory is one allocation, and the span's pointer is valid for all of it.
    unsafe { heap.arena(low).and_then(|mut arena| arena.merge(high)) }.unwrap();
    heap.verify().unwrap();
    give(&mut heap, first, 5_000);
    give(&mut heap, second, 6_000);
    give(&mut heap, third, 15_000);
    heap.flush();
    assert_eq!(heap.verify().unwrap().free_chunks, 1);
    heap.arena(whole).and_then(|arena| arena.release()).unwrap();
}

#[test]
fn an_arena_that_cannot_be_raised_is_unchanged() {
    let mut memory = memory(700_000);
    let whole = span_of(&mut memory);
    let (low, high) = whole.split_at(whole.base().unwrap() + 2_000);
    let mut heap = Talloc::<Micro>::with_config();
    // SAFETY: The memory outlives the heap, and nothing else uses it.
    unsafe {
        heap.claim(low).unwrap();
        heap.claim(high.truncate(0, high.size() - 2_000)).unwrap();
    }
    let high = high.truncate(0, high.size() - 2_000);
    let before = heap.verify();
    assert_eq!(raise(&mut heap, whole, 8), Err(ArenaError::NoSuchArena));
    assert_eq!(raise(&mut heap, low, 8), Err(ArenaError::Overlap));
    assert_eq!(raise(&mut heap, high, 600_000), Err(ArenaError::TooFar));
    assert_eq!(raise(&mut heap, high, usize::MAX), Err(ArenaError::Null));
    assert_eq!(heap.verify(), before);

    let mut heap = Talloc::<RealTime>::with_config();
    // SAFETY: The memory outlives the heap, and the other heap is not used any more.
    unsafe { heap.claim(low) }.unwrap();
    let room = heap.verify().unwrap().largest_free_bytes;
    let _ = take(&mut heap, room);
    let before = heap.verify();
    assert_eq!(raise(&mut heap, low, 8), Err(ArenaError::TooSmall));
    assert_eq!(heap.verify(), before);
}

#[test]
fn a_heap_of_one_arena_refuses_a_second_one() {
    let mut memory = memory(4_000);
    let (low, high) = {
        let whole = span_of(&mut memory);
        whole.split_at(whole.base().unwrap() + 2_000)
    };
    let mut heap = Talloc::<Tiny>::with_config();
    // SAFETY: The memory outlives the heap, and nothing else uses it.
    unsafe {
        heap.claim(low).unwrap();
        assert_eq!(heap.claim(high), Err(ArenaError::SecondArena));
    }
    let block = take(&mut heap, 1_500);
    // SAFETY: The memory outlives the heap, and nothing else uses it.
    unsafe { heap.extend(low.fit_over(high)) };
    let other = take(&mut heap, 1_500);
    give(&mut heap, block, 1_500);
    give(&mut heap, other, 1_500);
}

/// A source that raises the arena in small steps.
struct Steps {
    rest: Span,
    arena: Span,
    calls: usize,
}

impl<C: Config> Source<C> for Steps {
    const EXTENDS: bool = true;

    fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError> {
        let steps = heap.source_mut();
        steps.calls += 1;
        let least = layout.size() + steps.arena.size() / 32 + 512;
        if least > steps.rest.size() {
            return Err(AllocError);
        }
        let piece = steps.rest.truncate(0, steps.rest.size() - least.next_multiple_of(8));
        steps.rest = steps.rest.except(piece).1;
        let old = steps.arena;
        steps.arena = old.fit_over(piece);
        // SAFETY: The memory is zero, and nothing else uses it.
        let given = unsafe {
            if old.is_sized() {
                heap.arena(old).and_then(|mut arena| arena.raise(piece.size(), Memory::ZEROED))
            } else {
                heap.arenas_mut().claim_as(piece, Memory::ZEROED)
            }
        };
        given.map_err(|_| AllocError)
    }
}

#[test]
fn a_source_is_asked_only_for_the_bytes_that_a_block_lacks() {
    let mut memory = memory(100_000);
    let rest = span_of(&mut memory);
    let steps = Steps { rest, arena: Span::empty(), calls: 0 };
    let mut heap = Talloc::<RealTime, _>::with_source(steps);
    let block = take(&mut heap, 1_000);
    let mut size = 1_000;
    while size < 60_000 {
        // SAFETY: The block has this layout.
        let grown = unsafe { heap.realloc(block, layout(size), size + 1_000) }.unwrap();
        assert_eq!(grown, block, "the block has moved");
        size += 1_000;
        heap.verify().unwrap();
    }
    let arena = heap.get_arena().size();
    assert!(arena < 60_000 + 60_000 / 16, "{arena} bytes for a block of {size}");

    // A block that is not the last one moves, and a request beyond the memory fails.
    let last = take(&mut heap, 100);
    let calls = heap.source().calls;
    // SAFETY: The blocks have these layouts.
    unsafe {
        assert_eq!(heap.realloc(block, layout(size), 80_000), Err(AllocError));
        assert_eq!(heap.realloc(last, layout(100), 90_000), Err(AllocError));
    }
    assert!(heap.source().calls > calls);
    heap.verify().unwrap();
    give(&mut heap, last, 100);
    give(&mut heap, block, size);
    assert_eq!(heap.verify().unwrap().used_bytes, 0);
}

#[test]
fn memory_of_a_former_bitmap_is_not_taken_for_zero() {
    let mut memory = memory(1 << 20);
    let whole = span_of(&mut memory);
    let mut heap = Talloc::<RealTime>::with_config();
    let arena = |size| whole.truncate(0, whole.size() - size);
    // SAFETY: The memory is zero, and nothing else uses it; blocks are freed once, with their layouts.
    unsafe {
        heap.arenas_mut().claim_as(arena(1 << 18), Memory::ZEROED).unwrap();
        heap.arena(arena(1 << 18))
            .and_then(|mut arena| arena.raise(1 << 18, Memory::ZEROED))
            .unwrap();
        // Creates free chunks, whose bits are set.
        let blocks: Vec<_> = (0..1000).map(|_| heap.malloc(layout(24)).unwrap()).collect();
        blocks.iter().step_by(2).for_each(|block| heap.free(*block, layout(24)));
        heap.arena(arena(1 << 19))
            .and_then(|mut arena| arena.raise(1 << 19, Memory::ZEROED))
            .unwrap();
        heap.verify().unwrap();
        let block = heap.malloc_zeroed(layout(900_000)).unwrap();
        let content = NonNull::slice_from_raw_parts(block, 900_000);
        assert!(content.as_ref().iter().all(|byte| *byte == 0));
        heap.verify().unwrap();
    }
}

/// `raise_part` requires a bitmap that lies below the rest of the arena and covers more than the arena.
#[test]
fn an_arena_whose_bitmap_lies_at_its_end_is_not_raised_within_a_range() {
    let mut memory = memory(1 << 14);
    let whole = span_of(&mut memory);
    let mut heap = Talloc::<RealTime>::with_config();
    // The last unit of the bitmap covers more granules than the arena has.
    let lower = whole.truncate(0, (1 << 13) + 64);
    // SAFETY: The memory outlives the heap and is zero, and nothing else uses it.
    unsafe { heap.claim(lower) }.unwrap();
    let arena = raise(&mut heap, lower, 1 << 12).unwrap();
    for more in (8..512).step_by(8) {
        // SAFETY: The memory outlives the heap and is zero, and nothing else uses it.
        let raised = unsafe { heap.arena(arena).unwrap().raise_part(whole, more, |_| true) };
        assert_eq!(raised, Err(ArenaError::TooFar), "{more}");
        heap.verify().unwrap();
    }
}
