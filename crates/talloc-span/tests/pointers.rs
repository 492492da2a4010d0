//! The provenance that spans keep from the pointers they were created from.

use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use talloc_span::{Align, Span};

/// Writes `value` to each byte of `span`.
///
/// # Safety
///
/// The span must keep the provenance of memory that contains it, and nothing else may use that memory at the same time.
unsafe fn fill(span: Span, value: u8) {
    if let Some(slice) = span.to_slice() {
        // SAFETY: The caller guarantees exclusive access to valid memory.
        unsafe { &mut *slice }.fill(value);
    }
}

/// Checks that the pointers of `span` agree with its addresses.
fn check_pointers(span: Span) {
    if cfg!(miri) && span.is_sized() && !span.has_provenance() {
        return; // Its pointers come from casts, which strict provenance rejects.
    }
    let addrs = span.to_ptr_range().map(|range| (range.start.addr(), range.end.addr()));
    assert_eq!(addrs, span.get_base_acme());
    assert_eq!(span.get_base_ptr().map(|ptr| ptr.addr()), span.base());
    let slice = span.to_slice().map(|slice| (slice.cast::<u8>().addr(), slice.len()));
    assert_eq!(slice, span.base().map(|base| (base, span.size())));
    for addr in [0, usize::MAX].into_iter().chain(span.base()).chain(span.acme()) {
        let expected = span.contains(addr).then_some(addr);
        assert_eq!(span.ptr_at(addr).map(|ptr| ptr.addr()), expected);
        assert_eq!(span.contains_ptr(ptr::without_provenance_mut(addr)), expected.is_some());
    }
}

/// Returns the result of each operation on `span`, with `a` and `b` as addresses or sizes.
fn reshaped(span: Span, a: usize, b: usize) -> [Span; 12] {
    let other = Span::new(a, b);
    let (below, above) = span.except(other);
    let align = Align::new(4).unwrap();
    [
        span,
        span.above(a),
        span.below(b),
        span.fit_within(other),
        other.fit_within(span),
        span.fit_over(other),
        below,
        above,
        span.truncate(a, b),
        span.align_inward(align),
        span.try_extend(a, b).unwrap_or_default(),
        span.try_align_outward(align).unwrap_or_default(),
    ]
}

#[test]
fn provenance_stays_with_sized_spans_and_changes_nothing_else() {
    let mut byte = 0_u8;
    let ptr = ptr::from_mut(&mut byte);
    let edges =
        [0, 1, 5, 8, isize::MAX as usize, isize::MAX as usize + 9, usize::MAX - 2, usize::MAX];
    for (base, acme) in edges.into_iter().flat_map(|base| edges.map(|acme| (base, acme))) {
        let plain = Span::new(base, acme);
        let kept = plain.with_provenance_of(ptr);
        // Miri is slow.
        let step = if cfg!(miri) { 37 } else { 1 };
        for (a, b) in edges.into_iter().flat_map(|a| edges.map(|b| (a, b))).step_by(step) {
            let (plain, kept) = (reshaped(plain, a, b), reshaped(kept, a, b));
            assert_eq!(plain, kept);
            // Extending an empty span to cover another one yields the other one, which has no provenance here.
            let covered = Span::new(base, acme).is_empty();
            for (index, span) in kept.into_iter().enumerate() {
                assert_eq!(span.has_provenance(), span.is_sized() && !(index == 5 && covered));
                check_pointers(span);
            }
            assert!(!plain.into_iter().any(Span::has_provenance));
            plain.into_iter().for_each(check_pointers);
        }
    }
}

#[test]
fn pointers_of_reshaped_spans_reach_the_memory() {
    const SIZE: usize = if cfg!(miri) { 10 } else { 24 };
    let mut memory = [0_u8; SIZE];
    let whole = Span::from(&mut memory);
    let start = whole.base().unwrap();
    for (low, high) in (0..SIZE).flat_map(|low| (0..SIZE).map(move |high| (low, high))) {
        let part = whole.above(start + low).below(start + high);
        let parts = reshaped(part, start + low + 2, start + high + 2);
        for span in parts.into_iter().chain(reshaped(whole, low, high)) {
            let span = span.fit_within(whole);
            // SAFETY: The span keeps the provenance of `memory` and lies in it, and nothing else uses it now.
            unsafe { fill(span, 1) };
            let range = span.to_ptr_range().unwrap_or(ptr::null_mut()..ptr::null_mut());
            let mut at = range.start;
            while at != range.end {
                // SAFETY: `at` lies within the span that was filled above.
                unsafe {
                    assert_eq!(at.replace(0), 1);
                    at = at.add(1);
                }
            }
        }
    }
    assert_eq!(memory, [0; SIZE]);
}

#[test]
fn a_span_may_shrink_and_grow_again() {
    let mut memory = [7_u8; 32];
    let whole = Span::from(&mut memory);
    let span = whole.truncate(20, 4).extend(20, 4).truncate(3, 28).extend(1, 2);
    // SAFETY: Bytes 2 to 6 are in `memory`, whose provenance the span keeps.
    unsafe { fill(span, 9) };
    assert_eq!(memory[..8], [7, 7, 9, 9, 9, 9, 7, 7]);
    assert_eq!(memory[8..], [7; 24]);
}

#[test]
fn of_two_spans_the_first_with_provenance_gives_it() {
    let mut memory = [0_u8; 16];
    let kept = Span::from(&mut memory);
    let (base, acme) = kept.get_base_acme().unwrap();
    let plain = Span::new(base + 4, acme);
    for span in [plain.fit_within(kept), kept.fit_within(plain)] {
        assert_eq!(span, plain);
        // SAFETY: The span keeps the provenance of `memory` and lies in it.
        unsafe { fill(span, 1) };
    }
    for span in [plain.fit_over(kept), kept.fit_over(plain)] {
        assert_eq!(span, kept);
        // SAFETY: The span keeps the provenance of `memory` and lies in it.
        unsafe { fill(span, 2) };
    }
    assert_eq!(memory, [2; 16]);

    let mut elsewhere = [0_u8; 16];
    let moved = kept.with_provenance_of(elsewhere.as_mut_ptr());
    let kept = Span::from(&mut memory);
    // SAFETY: Both spans cover `memory`, and the first one has its provenance.
    unsafe { fill(kept.fit_within(moved), 3) };
    // SAFETY: Both spans cover `memory`, and the first one has its provenance.
    unsafe { fill(kept.fit_over(moved).truncate(8, 0), 4) };
    assert_eq!(memory, [3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4]);
}

#[test]
#[cfg_attr(miri, ignore = "takes a cast, which strict provenance rejects")]
fn addresses_get_exposed_provenance() {
    let mut memory = [0_u8; 16];
    let base = memory.as_mut_ptr().expose_provenance();
    let span = Span::from_base_size(base, 16);
    assert!(!span.has_provenance());
    // SAFETY: The span is `memory`, whose provenance is exposed.
    unsafe { fill(span.truncate(15, 0), 1) };
    assert_eq!(memory[15], 1);
}

#[test]
fn every_conversion_covers_the_bytes() {
    let mut memory = [0_u8; 16];
    let range = memory.as_mut_ptr_range();
    let start = range.start;
    let non_null = NonNull::new(start).unwrap();
    let uninit = start.cast::<[MaybeUninit<u8>; 16]>();
    let spans = [
        Span::from(range.clone()),
        Span::from(non_null..NonNull::new(range.end).unwrap()),
        Span::from(ptr::slice_from_raw_parts_mut(start, 16)),
        Span::from(NonNull::slice_from_raw_parts(non_null, 16)),
        Span::from(start.cast::<[u8; 16]>()),
        Span::from(ptr::slice_from_raw_parts_mut(start.cast::<MaybeUninit<u8>>(), 16)),
        Span::from(uninit),
        Span::from_ptr_size(start, 16),
        Span::from_base_size(start.addr(), 16).with_provenance_of(start),
    ];
    for span in spans {
        assert_eq!(span.to_ptr_range(), Some(range.clone()));
        assert!(span.has_provenance());
        // SAFETY: The span covers `memory`, and was created from a pointer to all of it.
        unsafe { fill(span, 5) };
    }
    assert_eq!(memory, [5; 16]);
}

#[test]
fn every_reference_converts() {
    let mut bytes = [0_u8; 16];
    // SAFETY: Each span keeps the provenance of the bytes, and is used before the bytes are accessed otherwise.
    unsafe {
        fill(Span::from(&mut bytes[..4]), 1);
        fill(Span::from(&mut bytes).truncate(4, 8), 2);
    }
    assert_eq!(bytes[..9], [1, 1, 1, 1, 2, 2, 2, 2, 0]);
    let mut uninit = [MaybeUninit::<u8>::uninit(); 4];
    // SAFETY: The span keeps the provenance of the bytes, and writing initialises them.
    unsafe {
        Span::from(&mut uninit).get_base_ptr().unwrap().write_bytes(3, 4);
        Span::from(&mut uninit[1..2]).get_base_ptr().unwrap().write(4);
    }
    // SAFETY: All four bytes were written above.
    assert_eq!(uninit.map(|byte| unsafe { byte.assume_init() }), [3, 4, 3, 3]);
}

#[test]
fn nothing_converts_to_the_empty_span() {
    let mut memory = [0_u8; 16];
    let range = memory.as_mut_ptr_range();
    let spans = [
        Span::from(range.end..range.start),
        Span::from(range.start..range.start),
        Span::from(&mut memory[3..3]),
        Span::from(&mut [0_u8; 0]),
        Span::from(ptr::null_mut::<[u8; 0]>()),
        Span::from(ptr::slice_from_raw_parts_mut(range.end, 0)),
        Span::from_ptr_size(range.end, 0),
        Span::empty().with_provenance_of(range.start),
    ];
    for span in spans {
        assert_eq!(span, Span::empty());
        assert!(!span.has_provenance());
        check_pointers(span);
    }
}

#[test]
#[should_panic(expected = "ptr + size is past the last address")]
fn a_slice_past_the_last_address_panics() {
    let start = ptr::without_provenance_mut::<u8>(usize::MAX - 3);
    let _ = Span::from(ptr::slice_from_raw_parts_mut(start, 4));
}
