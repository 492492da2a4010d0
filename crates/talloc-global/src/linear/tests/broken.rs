//! Whether [`verify`](super::super::Linear::verify) finds what is broken.

use talloc_sync::Violation;

use super::super::memory::{GRANULE, WORD, store};
use super::{Model, PAGES, Small};

/// A heap with two free chunks of ten granules, the first of which is at the address that is returned.
fn heap(model: &Model) -> (Small<'_>, usize) {
    let mut heap = Small::new(model);
    let block = |heap: &mut Small<'_>| heap.allocate(10 * GRANULE, 8).expect("there is room").get();
    let [first, _, third, _] = [(); 4].map(|()| block(&mut heap));
    // SAFETY: These are blocks of that size.
    unsafe {
        heap.free(third, 10 * GRANULE);
        heap.free(first, 10 * GRANULE);
    }
    assert!(heap.verify().is_ok());
    (heap, first)
}

/// Breaks a heap, and says what must be found.
fn check(harm: impl FnOnce(&mut Small<'_>, usize) -> fn(Violation) -> bool) {
    let model = Model::new(PAGES);
    let (mut heap, chunk) = heap(&model);
    let is_right = harm(&mut heap, chunk);
    let found = heap.verify().expect_err("it is broken");
    assert!(is_right(found), "{found}");
}

#[test]
fn what_is_broken_is_found() {
    // SAFETY: The heap is not used any more but by `verify`, which follows nothing that leads outside.
    unsafe {
        check(|_, at| {
            store(at, 0);
            |found| matches!(found, Violation::Size { .. })
        });
        check(|_, at| {
            store(at + 9 * GRANULE + WORD, GRANULE);
            |found| matches!(found, Violation::SizesDiffer { .. })
        });
        check(|heap, at| {
            heap.clear_edge(at + 9 * GRANULE);
            |found| matches!(found, Violation::MarkMissing { .. })
        });
        check(|heap, at| {
            heap.set_edge(at + 4 * GRANULE);
            |found| matches!(found, Violation::MarkStray { .. })
        });
        check(|heap, _| {
            heap.set_edge(heap.top);
            |found| matches!(found, Violation::MarkStray { .. })
        });
        check(|heap, at| {
            heap.set_edge(at + 10 * GRANULE);
            |found| matches!(found, Violation::NotCoalesced { .. })
        });
        check(|_, at| {
            store(at + 2 * WORD, at);
            |found| matches!(found, Violation::BackLink { .. })
        });
        check(|heap, at| {
            store(at + WORD, heap.top);
            |found| matches!(found, Violation::NotInBin { .. })
        });
        check(|heap, at| {
            heap.unlink(at);
            |found| matches!(found, Violation::BinCount { .. })
        });
        check(|heap, _| {
            heap.map |= 1 << 31;
            |found| matches!(found, Violation::Map { bin: 31 })
        });
        check(|heap, _| {
            heap.end = heap.acme;
            |found| matches!(found, Violation::Bounds { .. })
        });
    }
}
