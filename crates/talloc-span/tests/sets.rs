//! Compares all spans in a few small windows of the address space with sets of bytes.

#![cfg(not(miri))] // Miri is slow, and no pointer is dereferenced here.

use talloc_span::Span;

/// The number of bytes in a window. The bounds of a span lie between the first byte and one past the last one.
const BYTES: usize = 9;

/// The start addresses of the windows, which lie at both ends and across the middle of the address space.
const WINDOWS: [usize; 3] = [0, isize::MAX as usize - 4, usize::MAX - BYTES];

/// The bytes of a window that a span contains.
type Bytes = [bool; BYTES];

/// Calls `check` with each span in each window. Passes the start of the window, the bounds relative to it, which may be
/// reversed, and the span.
fn each_span(mut check: impl FnMut(usize, (usize, usize), Span)) {
    for window in WINDOWS {
        for (low, high) in (0..=BYTES).flat_map(|low| (0..=BYTES).map(move |high| (low, high))) {
            check(window, (low, high), Span::new(window + low, window + high));
        }
    }
}

/// Calls `check` with each pair of spans in each window.
fn each_pair(mut check: impl FnMut(usize, Span, Span)) {
    each_span(|window, _, a| {
        each_span(|other_window, _, b| {
            if window == other_window {
                check(window, a, b);
            }
        });
    });
}

fn bytes(window: usize, span: Span) -> Bytes {
    std::array::from_fn(|byte| span.contains(window + byte))
}

fn filter(set: Bytes, keep: impl Fn(usize) -> bool) -> Bytes {
    std::array::from_fn(|byte| set[byte] && keep(byte))
}

fn both(a: Bytes, b: Bytes) -> Bytes {
    filter(a, |byte| b[byte])
}

fn first(set: Bytes) -> Option<usize> {
    set.iter().position(|&has| has)
}

fn last(set: Bytes) -> Option<usize> {
    set.iter().rposition(|&has| has)
}

#[test]
fn a_span_contains_what_lies_between_its_bounds() {
    each_span(|window, (low, high), span| {
        let set = bytes(window, span);
        assert_eq!(set, filter([true; BYTES], |byte| low <= byte && byte < high));
        let size = set.iter().filter(|&&has| has).count();
        assert_eq!(span.size(), size);
        assert_eq!(span.is_empty(), size == 0);
        assert_eq!(span.is_sized(), size != 0);
        let base = first(set).map(|byte| window + byte);
        let acme = last(set).map(|byte| window + byte + 1);
        assert_eq!((span.base(), span.acme()), (base, acme));
        assert_eq!(span.get_base_acme(), base.zip(acme));
    });
}

#[test]
fn a_span_contains_nothing_outside_its_window() {
    each_span(|window, _, span| {
        let outside = [window.checked_sub(1), window.checked_add(BYTES), Some(usize::MAX)];
        assert!(!outside.into_iter().flatten().any(|addr| span.contains(addr)));
    });
}

#[test]
fn spans_are_equal_if_their_bytes_are() {
    each_pair(|window, a, b| assert_eq!(a == b, bytes(window, a) == bytes(window, b)));
}

#[test]
fn containing_and_overlapping() {
    each_pair(|window, a, b| {
        let common = both(bytes(window, a), bytes(window, b));
        assert_eq!(a.contains_span(b), common == bytes(window, b), "{a} {b}");
        assert_eq!(a.overlaps(b), first(common).is_some(), "{a} {b}");
    });
}

#[test]
fn above_below_and_split() {
    each_span(|window, _, span| {
        let set = bytes(window, span);
        for cut in 0..=BYTES {
            let (below, above) = span.split_at(window + cut);
            assert_eq!(bytes(window, below), filter(set, |byte| byte < cut));
            assert_eq!(bytes(window, above), filter(set, |byte| byte >= cut));
            assert_eq!((below, above), (span.below(window + cut), span.above(window + cut)));
        }
    });
}

#[test]
fn cuts_outside_the_window_take_all_or_nothing() {
    each_span(|window, _, span| {
        assert_eq!(span.split_at(0).1, span);
        assert_eq!(span.split_at(window).1, span);
        assert_eq!(span.split_at(usize::MAX), (span, Span::empty()));
    });
}

#[test]
fn fit_within_is_the_intersection() {
    each_pair(|window, a, b| {
        let common = both(bytes(window, a), bytes(window, b));
        assert_eq!(bytes(window, a.fit_within(b)), common, "{a} {b}");
    });
}

#[test]
fn fit_over_is_the_hull() {
    each_pair(|window, a, b| {
        let (a_set, b_set) = (bytes(window, a), bytes(window, b));
        let base = [first(a_set), first(b_set)].into_iter().flatten().min();
        let last = [last(a_set), last(b_set)].into_iter().flatten().max();
        let hull = filter([true; BYTES], |byte| {
            base.is_some_and(|base| base <= byte) && last.is_some_and(|last| byte <= last)
        });
        assert_eq!(bytes(window, a.fit_over(b)), hull, "{a} {b}");
    });
}

#[test]
fn except_is_the_difference() {
    each_pair(|window, a, b| {
        let (below, above) = a.except(b);
        let (a_set, b_set) = (bytes(window, a), bytes(window, b));
        let (below_set, above_set) = (bytes(window, below), bytes(window, above));
        let rest = filter(a_set, |byte| !b_set[byte]);
        assert_eq!(filter([true; BYTES], |byte| below_set[byte] || above_set[byte]), rest);
        assert!(!below.overlaps(above));
        if let Some((base, acme)) = b.get_base_acme() {
            assert!(below.acme().is_none_or(|end| end <= base), "{a} {b}");
            assert!(above.base().is_none_or(|start| start >= acme), "{a} {b}");
        } else {
            assert_eq!((below, above), (a, Span::empty()));
        }
    });
}

#[test]
fn an_empty_span_stays_empty() {
    let empty = Span::new(usize::MAX, 3);
    each_span(|window, (low, high), span| {
        let results = [
            empty.above(window + low),
            empty.below(window + low),
            empty.extend(window + low, window + high),
            empty.truncate(window + low, window + high),
            empty.fit_within(span),
            span.fit_within(empty),
        ];
        assert_eq!(results, [Span::empty(); 6]);
        assert_eq!((empty.fit_over(span), span.fit_over(empty)), (span, span));
    });
}
