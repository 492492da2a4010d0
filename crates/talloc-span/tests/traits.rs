//! Formatting, comparison, hashing, and other traits.

use core::fmt::{Debug, Display};
use core::hash::Hash;
use core::panic::{RefUnwindSafe, UnwindSafe};
use std::collections::HashSet;

use static_assertions::{assert_eq_size, assert_impl_all};
use talloc_span::{Align, Span};

assert_impl_all!(Span: Copy, Default, Eq, Hash, Debug, Display);
assert_impl_all!(Span: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
assert_impl_all!(Align: Copy, Ord, Hash, Debug, Display);
assert_impl_all!(Align: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
assert_eq_size!(Span, [usize; 3]);
assert_eq_size!(Align, Option<Align>, usize);

#[test]
fn spans_print_their_bounds() {
    for (span, text) in [
        (Span::new(0x1000, 0x2a00), "0x1000..0x2a00"),
        (Span::new(0, 1), "0x0..0x1"),
        (Span::empty(), "Empty Span"),
        (Span::new(9, 9), "Empty Span"),
        (Span::new(9, 3), "Empty Span"),
    ] {
        assert_eq!(format!("{span}"), text);
        assert_eq!(format!("{span:?}"), text);
    }
}

#[test]
fn alignments_print_their_bytes() {
    let align = Align::new(64).unwrap();
    assert_eq!(format!("{align} {align:?} {align:>4}"), "64 Align(64)   64");
}

#[test]
fn alignments_are_ordered_by_size() {
    assert!(Align::MIN < Align::WORD && Align::WORD < Align::MAX);
    assert_eq!(Align::of::<usize>().max(Align::MIN), Align::WORD);
}

#[test]
fn the_default_is_empty() {
    assert_eq!(Span::default(), Span::empty());
    assert!(Span::default().is_empty());
}

#[test]
fn reversed_ranges_are_empty() {
    let (low, high, last) = (10_usize, 30_usize, usize::MAX);
    assert_eq!(Span::from(low..high), Span::new(10, 30));
    assert_eq!(Span::from(high..low), Span::empty());
    assert_eq!(Span::from(last..0), Span::empty());
}

#[test]
fn equal_spans_hash_alike() {
    let mut memory = [0_u8; 16];
    let kept = Span::from(&mut memory);
    let (base, acme) = kept.get_base_acme().unwrap();
    let mut set = HashSet::from([kept, Span::empty()]);
    assert!(!set.insert(Span::new(base, acme)));
    assert!(!set.insert(Span::new(acme, base)));
    assert!(!set.insert(Span::new(7, 7)));
    assert!(set.insert(Span::new(base, acme - 1)));
    assert!(set.insert(Span::new(base + 1, acme)));
}
