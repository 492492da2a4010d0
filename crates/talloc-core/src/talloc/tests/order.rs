//! The arena where requests begin.

use super::Owned;
use crate::config::RealTime;

/// Creates a heap with two arenas. The first one has no room for a small block.
fn heap() -> Owned<RealTime> {
    let mut heap = Owned::<RealTime>::new(1024);
    let below = heap.whole().below(heap.get_arena().base().unwrap());
    // SAFETY: Nothing uses this part of the memory yet.
    unsafe { heap.claim(below) }.unwrap();
    while heap.arenas.recent.is_none() {
        heap.take(90);
    }
    heap
}

#[test]
fn requests_begin_where_they_did_when_an_arena_is_put_back() {
    let mut heap = heap();
    let recent = heap.arenas.recent;
    let span = heap.arenas.peek(recent).span();
    heap.arena(span).map(|mut arena| arena.allocated_span()).unwrap();
    assert_eq!(heap.arenas.recent, recent);
    heap.verify().unwrap();
}

/// Smaller requests use the rest of the first arena, even though others do not begin there.
#[test]
fn smaller_requests_look_for_an_earlier_arena() {
    let mut heap = heap();
    let first = heap.get_arena();
    let small = heap.take(10);
    assert!(first.contains_ptr(small.ptr.as_ptr()) && heap.arenas.recent.is_some());
    let room = heap.arenas.first.grade() as usize;
    let last = heap.take(room);
    assert!(first.contains_ptr(last.ptr.as_ptr()));
    let other = heap.take(10);
    assert!(!first.contains_ptr(other.ptr.as_ptr()));
    // The freed block is found again. Once the first arena has 1 KiB in one piece, requests begin there.
    heap.give(small);
    let small = heap.take(10);
    assert!(first.contains_ptr(small.ptr.as_ptr()) && heap.arenas.recent.is_some());
    heap.give(last);
    heap.give(small);
    let all = heap.arenas.first.grade();
    assert!(all < 128, "{all}");
    let block = heap.take(128);
    assert!(!first.contains_ptr(block.ptr.as_ptr()));
}

/// Only one arena's top happens to be aligned. It serves the request.
#[test]
fn aligned_requests_are_met_by_luck() {
    let mut heap = Owned::<RealTime>::new(4096);
    let below = heap.whole().below(heap.get_arena().base().unwrap());
    // SAFETY: Nothing uses this part of the memory yet.
    unsafe { heap.claim(below) }.unwrap();
    let layout = core::alloc::Layout::from_size_align(4096, 4096).unwrap();
    let mut blocks = 0;
    loop {
        let alone = heap.arenas.places().any(|place| {
            let arena = heap.arenas.peek(place);
            let top = arena.ptr(arena.top()).addr().get();
            top.next_multiple_of(4096) + 4096 <= arena.allocatable().acme().unwrap()
        });
        // SAFETY: `malloc` has no preconditions.
        let block = unsafe { heap.malloc(layout) };
        assert!(block.is_ok() || !alone, "{blocks} blocks, and room for another one");
        heap.verify().unwrap();
        if block.is_err() {
            break;
        }
        blocks += 1;
    }
    assert!(blocks >= 2 * 6, "{blocks}");
}
