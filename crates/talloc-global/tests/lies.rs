//! Sources that break their promises: allocations fail, and nothing else happens.

use core::alloc::Layout;

use talloc_global::inspect::Report;
use talloc_global::source::SOURCE_TRIES;
use talloc_global::*;

/// A source that always reports success. It claims the span returned by `lie`.
struct Liar<F> {
    calls: usize,
    lie: F,
}

impl<F: FnMut() -> Span> Source<Compact> for Liar<F> {
    fn acquire(heap: &mut Talloc<Compact, Self>, _: Layout) -> Result<(), AllocError> {
        let source = heap.source_mut();
        source.calls += 1;
        let span = (source.lie)();
        // SAFETY: The tests return spans of memory that nothing else uses, or that the heap refuses.
        let _ = unsafe { heap.claim(span) };
        Ok(())
    }
}

/// Requests `layout`, which must fail after a bounded number of calls, and verifies the heap.
fn refused(lie: impl FnMut() -> Span, layout: Layout) -> Report {
    let mut heap = Talloc::<Compact, _>::with_source(Liar { calls: 0, lie });
    // SAFETY: `malloc` has no preconditions.
    assert_eq!(unsafe { heap.malloc(layout) }, Err(AllocError));
    assert_eq!(heap.source().calls, SOURCE_TRIES);
    heap.verify().unwrap()
}

#[test]
fn nothing() {
    let report = refused(Span::empty, Layout::new::<u64>());
    assert_eq!(report.arenas, 0);
}

#[test]
fn the_same_memory_again() {
    let mut memory = [0_u64; 512];
    let span = Span::from_ptr_size(memory.as_mut_ptr().cast(), 4096);
    let report = refused(|| span, Layout::new::<[u8; 8000]>());
    assert_eq!((report.arenas, report.arena_bytes), (1, 4096));
}

#[test]
fn memory_that_overlaps_what_was_given() {
    let mut memory = [0_u64; 1024];
    let whole = Span::from_ptr_size(memory.as_mut_ptr().cast(), 8192);
    let middle = whole.truncate(2048, 2048);
    let overlapping = [
        middle,
        whole,
        middle.truncate(8, 8),
        middle.extend(8, 0),
        middle.extend(0, 8),
        middle.extend(1000, 0).truncate(0, 3000),
    ];
    let mut calls = overlapping.iter().cycle();
    let report = refused(|| *calls.next().unwrap(), Layout::new::<[u8; 5000]>());
    assert_eq!((report.arenas, report.arena_bytes), (1, middle.size()));
}

#[test]
fn too_little() {
    let mut memory = vec![0_u64; SOURCE_TRIES * 512];
    let mut rest = Span::from_ptr_size(memory.as_mut_ptr().cast(), SOURCE_TRIES * 4096);
    let mut piece = || {
        let (piece, above) = rest.split_at(rest.base().unwrap() + 4096);
        rest = above;
        piece
    };
    let report = refused(&mut piece, Layout::new::<[u8; 8000]>());
    assert_eq!((report.arenas, report.used_bytes), (SOURCE_TRIES, 0));
}

#[test]
fn memory_where_none_can_be() {
    refused(|| Span::new(0, 4096), Layout::new::<u64>());
    refused(|| Span::new(0, usize::MAX), Layout::new::<u64>());
}

#[test]
fn a_function_that_gives_nothing() {
    let mut heap = Talloc::with_oom_handler(|_: &mut Talloc, _| Ok(()));
    // SAFETY: `malloc` has no preconditions.
    assert_eq!(unsafe { heap.malloc(Layout::new::<u64>()) }, Err(AllocError));
}
