//! Structures that are created, moved and given up: each arena always has exactly one canary.

use talloc_core::{Hardened, Memory, RealTime};

use super::{expect_canaries, fill, own_chunks, underflow};
use crate::common::found::Note;
use crate::common::{memory, part};
use crate::hardened::{Standard, Tails, faults, free, heap_of, malloc};

#[test]
fn each_arena_has_a_canary() {
    let whole = memory(3 << 13);
    let arenas = [0, 1, 2].map(|number| part(whole, number << 13, (1 << 13) - 64));
    let mut heap = heap_of::<Hardened<RealTime, Standard, Note>>(&arenas);
    expect_canaries(&heap, 3);
    let blocks = fill(&mut heap, 400);
    expect_canaries(&heap, 3);
    assert_eq!(underflow(&mut heap, &blocks, 400), 3);
}

#[test]
fn the_canary_moves_with_structures_to_a_place_between_blocks() {
    for few in 1..40 {
        let memory = memory(1 << 13);
        let arena = part(memory, 1 << 10, 1 << 11);
        let mut heap = heap_of::<Hardened<RealTime, Tails, Note>>(&[arena]);
        let below: Vec<_> = (0..few).map(|_| malloc(&mut heap, 24)).collect();
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.arena(arena).unwrap().extend(memory, Memory::empty()) }.unwrap();
        expect_canaries(&heap, 1);
        let blocks = [below, fill(&mut heap, 24)].concat();
        expect_canaries(&heap, 1);
        assert_eq!(underflow(&mut heap, &blocks, 24), 1, "{few}");
    }
}

#[test]
fn an_arena_that_is_extended_or_truncated_at_either_end_keeps_its_canary() {
    for (low, high) in [(0, 2048), (2048, 0), (512, 512), (64, 4096), (4096, 64)] {
        let memory = memory(3 << 12);
        let arena = part(memory, 1 << 12, 1 << 12);
        let mut heap = heap_of::<Hardened<RealTime, Standard, Note>>(&[arena]);
        let kept = malloc(&mut heap, 100);
        let wide = arena.extend(low, high);
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.arena(arena).unwrap().extend(wide, Memory::empty()) }.unwrap();
        expect_canaries(&heap, 1);
        let least = heap.arena(wide).unwrap().allocated_span();
        heap.arena(wide).unwrap().truncate(least).unwrap();
        expect_canaries(&heap, 1);
        free(&mut heap, kept, 100);
        heap.arena(least).unwrap().truncate(least.truncate(0, 8)).unwrap();
        assert_eq!((heap.verify().err(), faults()), (None, vec![]));
    }
}

#[test]
fn an_arena_with_a_new_layout_has_a_new_canary() {
    let memory = memory(1 << 14);
    let mut heap = heap_of::<Hardened<RealTime, Standard, Note>>(&[part(memory, 4096, 4096)]);
    let span = heap.get_arena();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe { heap.arena(span).unwrap().extend(memory, Memory::empty()) }.unwrap();
    expect_canaries(&heap, 1);
    let block = malloc(&mut heap, 24);
    assert_eq!(underflow(&mut heap, &[block], 24), 1);
}

/// When the last block is freed, structures between blocks move back to the start.
#[test]
fn the_canary_moves_back_to_the_start_with_structures() {
    let memory = memory(1 << 13);
    let arena = part(memory, 0, 1 << 11);
    let mut heap = heap_of::<Hardened<RealTime, Standard, Note>>(&[arena]);
    let block = malloc(&mut heap, 500);
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe { heap.arena(arena).unwrap().extend(memory, Memory::empty()) }.unwrap();
    assert_ne!(own_chunks(&heap)[0].base(), memory.base(), "the structures have moved");
    free(&mut heap, block, 500);
    heap.flush();
    assert_eq!(own_chunks(&heap)[0].base(), memory.base());
    expect_canaries(&heap, 1);
    let blocks = fill(&mut heap, 48);
    assert_eq!(underflow(&mut heap, &blocks, 48), 1);
}

#[test]
fn arenas_that_merge_have_one_canary() {
    // Each arena has room for both structures, or neither has.
    for (lower_size, upper_size) in [(0, 0), (2000, 0), (0, 2000), (2000, 2000)] {
        let memory = memory(1 << 13);
        let [lower, upper] = [0, 1].map(|number| part(memory, number << 12, 1 << 12));
        let mut heap = heap_of::<Hardened<RealTime, Standard, Note>>(&[lower, upper]);
        let blocks = fill(&mut heap, 48);
        let (mut kept, mut room) = (Vec::new(), [lower_size, upper_size]);
        for block in blocks {
            let room = &mut room[usize::from(upper.contains(block.addr().get()))];
            if *room > 0 {
                *room -= 40;
                free(&mut heap, block, 48);
            } else {
                kept.push(block);
            }
        }
        // SAFETY: The memory is one allocation, and the pointer of the lower arena is valid for all of it.
        let merged = unsafe { heap.arena(lower).unwrap().merge(upper) };
        expect_canaries(&heap, if merged.is_ok() { 1 } else { 2 });
        assert_eq!(merged.is_ok(), lower_size + upper_size > 0);
        kept.extend(fill(&mut heap, 48));
        assert_eq!(underflow(&mut heap, &kept, 48), own_chunks(&heap).len());
    }
}

/// No block lies above structures at the end, and none of the heap's structures lies below the lowest block.
#[test]
fn the_canary_of_structures_at_the_end_is_kept_and_found_by_verify() {
    let memory = memory(1 << 14);
    let mut heap = heap_of::<Hardened<RealTime, Standard, Note>>(&[part(memory, 0, 1 << 12)]);
    let blocks = fill(&mut heap, 40);
    for size in [1 << 12, 1 << 11, 1 << 12] {
        let arena = heap.get_arena();
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.arena(arena).unwrap().raise(size, Memory::empty()) }.unwrap();
        assert_eq!(own_chunks(&heap)[0].acme(), heap.get_arena().acme());
        expect_canaries(&heap, 1);
    }
    for block in blocks {
        free(&mut heap, block, 40);
    }
    let arena = heap.get_arena();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe { heap.arena(arena).unwrap().extend(memory, Memory::empty()) }.unwrap();
    expect_canaries(&heap, 1);
    let blocks = fill(&mut heap, 40);
    assert_eq!(underflow(&mut heap, &blocks, 40), 1);
}
