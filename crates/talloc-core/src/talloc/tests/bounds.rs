//! Breaks one bound of an arena at a time. `verify` must notice it (I1, I8).

use super::Owned;
use crate::arena::Arena;
use crate::config::{Compact, RealTime};
use crate::granule::GRANULE;
use crate::quick::Lists;
use crate::report::Violation;

/// The granules of an arena whose bitmap is not cleared completely in advance.
const GRANULES: usize = 2000;

/// The granules that a unit of the bitmap covers.
const UNIT: usize = usize::BITS as usize;

/// Creates a heap with a block, and breaks its arena by `change`.
fn broken(change: impl FnOnce(&mut Arena<RealTime>)) -> Owned<RealTime> {
    let mut heap = Owned::new(GRANULES);
    heap.take(100);
    change(&mut heap.arenas.first);
    heap
}

#[track_caller]
fn expect_bounds(change: impl FnOnce(&mut Arena<RealTime>)) {
    let heap = broken(change);
    assert_eq!(heap.verify(), Err(Violation::Bounds { arena: heap.get_arena() }));
}

#[track_caller]
fn expect_own(change: impl FnOnce(&mut Arena<RealTime>)) {
    let heap = broken(change);
    assert_eq!(heap.verify(), Err(Violation::Own { arena: heap.get_arena() }));
}

#[test]
fn the_top_lies_below_the_start() {
    expect_bounds(|arena| arena.set_top(arena.start() - 1));
}

#[test]
fn the_top_lies_beyond_the_end() {
    expect_bounds(|arena| arena.set_end(arena.top() - 1));
}

#[test]
fn the_arena_lies_beyond_its_span() {
    expect_bounds(|arena| arena.set_span(arena.span().truncate(0, 8)));
    expect_bounds(|arena| arena.set_span(arena.span().truncate(GRANULES * 2, 0)));
}

#[test]
fn the_bitmap_ends_too_early() {
    expect_bounds(|arena| {
        let units = arena.units();
        arena.set_units(units.start..units.end - 1);
    });
}

#[test]
fn the_bitmap_starts_too_late() {
    expect_bounds(|arena| {
        let units = arena.units();
        arena.set_units(arena.start() / UNIT + 1..units.end);
    });
}

#[test]
fn the_first_units_are_not_cleared() {
    expect_bounds(|arena| arena.set_first_unit(arena.start() / UNIT + 1));
}

#[test]
fn the_first_unit_lies_before_the_bitmap() {
    expect_bounds(|arena| arena.set_first_unit(arena.units().start - 1));
}

#[test]
fn not_all_is_cleared_up_to_the_top() {
    expect_bounds(|arena| arena.set_cleared(arena.top() - 1));
}

#[test]
fn more_is_cleared_than_there_is() {
    expect_bounds(|arena| arena.set_cleared((arena.units().end + 1) * UNIT));
}

#[test]
fn the_own_chunk_has_no_room_for_the_bitmap() {
    expect_own(|arena| {
        let units = arena.units();
        arena.set_units(units.start..units.end + 2);
    });
}

#[test]
fn the_own_chunk_begins_before_the_start_and_ends_after() {
    expect_own(|arena| arena.set_own(arena.start() - 1));
}

#[test]
fn the_own_chunk_reaches_into_the_top() {
    expect_own(|arena| arena.set_own(arena.top() - 1));
}

#[test]
fn a_cached_block_lies_in_the_own_chunk() {
    let mut heap = Owned::<Compact>::new(GRANULES);
    heap.take(100);
    // The bitmap must grow, and has room only above the block.
    let larger = heap.get_arena().extend(0, GRANULES * GRANULE);
    // SAFETY: The heap owns all of the memory.
    unsafe { heap.extend(larger) };
    let own = heap.arenas.first.own();
    assert!(heap.arenas.first.start() < own.start);
    // Blocks on either side of the own chunk are accepted.
    for _ in 0..20 {
        let block = heap.take(8);
        heap.give(block);
    }
    assert!(heap.verify().unwrap().cached_blocks > 0);
    let block = heap.arenas.first.ptr(own.end - 9);
    // SAFETY: The memory is a part of the bitmap that is not used yet.
    unsafe { heap.quick.push(block, 9) };
    let addr = block.addr().get();
    assert_eq!(heap.verify(), Err(Violation::CachedBlock { addr }));
}
