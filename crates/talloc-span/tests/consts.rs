//! Operations that can be evaluated at compile time.

use core::alloc::Layout;
use core::ops::Range;

use talloc_span::{Align, Span};

const PAGE: Align = Align::new(4096).unwrap();
const ALIGNS: [Align; 5] = [
    Align::MIN,
    Align::WORD,
    Align::MAX,
    Align::of::<u64>(),
    Align::of_layout(Layout::new::<u16>()),
];
const LOG2: u32 = PAGE.log2();
const MASK: usize = PAGE.mask();
const UP: Option<usize> = PAGE.up(PAGE.get() + 1);
const DOWN: usize = PAGE.down(PAGE.get() + 1);
const IS_ALIGNED: bool = PAGE.is_aligned(DOWN);
const PADDING: usize = PAGE.padding(1);

const SPAN: Span = Span::new(10_000, 30_000);
const EMPTY: Span = Span::empty();
const SIZED: [Span; 2] =
    [Span::from_base_size(10_000, 20_000), Span::try_from_base_size(10_000, 20_000).unwrap()];
const RESHAPED: [Span; 12] = [
    SPAN.align_inward(PAGE),
    SPAN.align_outward(PAGE),
    SPAN.try_align_outward(PAGE).unwrap(),
    SPAN.word_align_inward(),
    SPAN.word_align_outward(),
    SPAN.above(20_000),
    SPAN.below(20_000),
    SPAN.fit_within(Span::new(5_000, 15_000)),
    SPAN.fit_over(Span::new(5_000, 15_000)),
    SPAN.extend(1_000, 1_000),
    SPAN.try_extend(1_000, 1_000).unwrap(),
    SPAN.truncate(1_000, 1_000),
];
const SPLIT: (Span, Span) = SPAN.split_at(20_000);
const EXCEPT: (Span, Span) = SPAN.except(Span::new(20_000, 21_000));
const ANSWERS: [bool; 6] = [
    EMPTY.is_empty(),
    SPAN.is_sized(),
    SPAN.contains(10_000),
    SPAN.contains_span(SPLIT.0),
    SPAN.overlaps(SPLIT.1),
    !SPAN.has_provenance(),
];
const SIZE: usize = SPAN.size();
const BASE: Option<usize> = SPAN.base();
const ACME: Option<usize> = SPAN.acme();
const BASE_ACME: Option<(usize, usize)> = SPAN.get_base_acme();
const BASE_PTR: Option<*mut u8> = SPAN.get_base_ptr();
const PTR_AT: Option<*mut u8> = SPAN.ptr_at(20_000);
const PTR_RANGE: Option<Range<*mut u8>> = SPAN.to_ptr_range();
const SLICE: Option<*mut [u8]> = SPAN.to_slice();

/// A span in a static must be `Sync`.
static MEMORY: Span = SPAN;

#[test]
fn alignments() {
    assert_eq!(ALIGNS.map(|align| 1 << align.log2()), ALIGNS.map(Align::get));
    assert_eq!((LOG2, MASK, UP, DOWN), (12, 4095, Some(8192), 4096));
    assert_eq!((IS_ALIGNED, PADDING), (true, 4095));
}

#[test]
fn spans() {
    assert_eq!(SIZED, [MEMORY; 2]);
    assert_eq!(ANSWERS, [true; 6]);
    assert_eq!((SIZE, BASE, ACME), (20_000, Some(10_000), Some(30_000)));
    assert_eq!(BASE_ACME, BASE.zip(ACME));
    assert_eq!(SPLIT, (Span::new(10_000, 20_000), Span::new(20_000, 30_000)));
    assert_eq!(EXCEPT, (Span::new(10_000, 20_000), Span::new(21_000, 30_000)));
    let expected = [
        (12_288, 28_672),
        (8_192, 32_768),
        (8_192, 32_768),
        (10_000, 30_000),
        (10_000, 30_000),
        (20_000, 30_000),
        (10_000, 20_000),
        (10_000, 15_000),
        (5_000, 30_000),
        (9_000, 31_000),
        (9_000, 31_000),
        (11_000, 29_000),
    ];
    assert_eq!(RESHAPED.map(Span::get_base_acme), expected.map(Some));
}

#[test]
fn pointers() {
    assert_eq!(BASE_PTR.unwrap().addr(), 10_000);
    assert_eq!(PTR_AT.unwrap().addr(), 20_000);
    assert_eq!(PTR_RANGE.map(|range| range.end.addr()), Some(30_000));
    assert_eq!(SLICE.unwrap().len(), 20_000);
}
