//! The counts of `verify`, for heaps in which every granule is known.

use super::Owned;
use crate::config::{Checked, Compact, Config, RealTime};
use crate::granule::GRANULE;
use crate::report::{Report, Violation};

/// The granules of the heap's first arena, and of a second one.
const GRANULES: usize = 500;

/// Expects a report with these counts. The high-water mark is not compared.
fn expect<C: Config>(heap: &Owned<C>, expected: Report) {
    let high_water_bytes = heap.verify().unwrap().high_water_bytes;
    assert_eq!(heap.verify(), Ok(Report { high_water_bytes, ..expected }));
}

#[test]
fn used_and_free_chunks_are_counted() {
    let mut heap = Owned::<RealTime>::new(GRANULES);
    let [a, _b, c, _d] = [7, 10, 12, 3].map(|len| heap.take(len));
    heap.give(a);
    heap.give(c);
    heap.expect("own 8, free 7, used 10, free 12, used 3, top 460");
    let expected = Report {
        arenas: 1,
        arena_bytes: 500 * GRANULE,
        free_chunks: 3,
        free_bytes: (7 + 12 + 460) * GRANULE,
        largest_free_bytes: 460 * GRANULE,
        top_bytes: 460 * GRANULE,
        used_bytes: 13 * GRANULE,
        overhead_bytes: 8 * GRANULE,
        ..Report::default()
    };
    expect(&heap, expected);
    // The rest of the span cannot be used.
    let wider = heap.get_arena().extend(3, 5);
    heap.arenas.first.set_span(wider);
    let (arena_bytes, overhead_bytes) = (500 * GRANULE + 8, 8 * GRANULE + 8);
    expect(&heap, Report { arena_bytes, overhead_bytes, ..expected });
}

#[test]
fn an_empty_top_is_no_chunk() {
    let mut heap = Owned::<RealTime>::new(GRANULES);
    heap.take(492);
    heap.expect("own 8, used 492, top 0");
    let expected = Report {
        arenas: 1,
        arena_bytes: 500 * GRANULE,
        used_bytes: 492 * GRANULE,
        overhead_bytes: 8 * GRANULE,
        ..Report::default()
    };
    expect(&heap, expected);
}

#[test]
fn an_own_chunk_among_the_others_is_overhead() {
    let mut heap = Owned::<RealTime>::new(GRANULES);
    heap.take(480);
    let larger = heap.get_arena().extend(0, GRANULES * GRANULE);
    // SAFETY: The heap owns all of the memory.
    unsafe { heap.extend(larger) };
    heap.expect("free 8, used 480, own 18, top 494");
    let expected = Report {
        arenas: 1,
        arena_bytes: 1000 * GRANULE,
        free_chunks: 2,
        free_bytes: (8 + 494) * GRANULE,
        largest_free_bytes: 494 * GRANULE,
        top_bytes: 494 * GRANULE,
        used_bytes: 480 * GRANULE,
        overhead_bytes: 18 * GRANULE,
        ..Report::default()
    };
    expect(&heap, expected);
}

#[test]
fn arenas_are_counted_together() {
    let mut heap = Owned::<RealTime>::new(GRANULES);
    heap.take(400);
    let one = heap.verify().unwrap();
    let below = heap.whole().below(heap.get_arena().base().unwrap());
    // SAFETY: Nothing uses this part of the memory yet.
    unsafe { heap.claim(below) }.unwrap();
    let both = heap.verify().unwrap();
    assert_eq!((both.arenas, both.free_chunks), (2, 2));
    assert_eq!(both.arena_bytes, one.arena_bytes + below.size());
    assert_eq!(both.used_bytes, one.used_bytes);
    assert_eq!(both.used_bytes + both.free_bytes + both.overhead_bytes, both.arena_bytes);
    assert_eq!(both.top_bytes, both.free_bytes);
    assert!(both.high_water_bytes > one.high_water_bytes);
}

#[test]
fn cached_blocks_are_free_and_blocks_are_counted() {
    let mut heap = Owned::<Checked<Compact>>::new(8 * GRANULES);
    let [a, _b, _c] = [170, 180, 190].map(|len| heap.take(len));
    let d = heap.take(30);
    heap.give(d);
    heap.give(a);
    let report = heap.verify().unwrap();
    assert_eq!((report.cached_blocks, report.cached_bytes), (1, 30 * GRANULE));
    assert_eq!((report.used_blocks, report.used_bytes), (Some(2), 370 * GRANULE));
    assert_eq!(report.free_chunks, 2);
    assert_eq!(report.used_bytes + report.free_bytes + report.overhead_bytes, report.arena_bytes);
}

#[test]
fn a_link_into_the_top_is_found_whatever_is_there() {
    let mut heap = Owned::<RealTime>::new(GRANULES);
    let [a, _b] = [8, 8].map(|len| heap.take(len));
    let at = heap.at(&a);
    heap.give(a);
    // The top looks as if a free chunk of this size were there.
    let to = heap.arenas.first.top() + 1;
    heap.arenas.first.set_bit(to, true);
    heap.arenas.first.set_word(to, 0, 8);
    heap.arenas.first.set_word(to, 2, at);
    heap.arenas.first.set_word(at, 1, to);
    let addr = heap.arenas.first.ptr(to).addr().get();
    assert_eq!(heap.verify(), Err(Violation::NotInBin { addr }));
}
