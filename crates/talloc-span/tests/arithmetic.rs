//! Sums and roundings of bounds, compared with integers that are wide enough not to overflow.

#![cfg(not(miri))] // Miri is slow, and no pointer is dereferenced here.

use talloc_span::{Align, Span};

/// One past the highest address.
const END: i128 = usize::MAX as i128 + 1;

/// Addresses near both ends and the middle of the address space, where arithmetic may go wrong.
fn edges() -> Vec<usize> {
    let middle = isize::MAX as usize;
    let around = |addr: usize| addr - 5..=addr + 5;
    (0..=9)
        .chain(around(middle))
        .chain(around(middle / 2))
        .chain(usize::MAX - 9..=usize::MAX)
        .collect()
}

fn each_pair_of_edges(mut check: impl FnMut(usize, usize)) {
    let edges = edges();
    for &a in &edges {
        edges.iter().for_each(|&b| check(a, b));
    }
}

fn aligns() -> impl Iterator<Item = Align> {
    (0..usize::BITS).map(|log2| Align::new(1 << log2).unwrap())
}

/// Returns the span with these bounds, or `None` if one of them is not an address.
fn span(base: i128, acme: i128) -> Option<Span> {
    if base >= acme {
        return Some(Span::empty());
    }
    Some(Span::new(usize::try_from(base).ok()?, usize::try_from(acme).ok()?))
}

fn round_down(addr: usize, align: Align) -> i128 {
    let (addr, align) = (addr as i128, align.get() as i128);
    addr / align * align
}

fn round_up(addr: usize, align: Align) -> i128 {
    let (addr, align) = (addr as i128, align.get() as i128);
    (addr + align - 1) / align * align
}

#[test]
fn addresses_round_to_multiples() {
    for align in aligns() {
        for addr in edges() {
            let (down, up) = (round_down(addr, align), round_up(addr, align));
            assert_eq!(align.down(addr) as i128, down);
            assert_eq!(align.up(addr), usize::try_from(up).ok(), "{addr:#x} to {align}");
            assert_eq!(align.padding(addr) as i128, up - addr as i128, "{addr:#x} to {align}");
            assert_eq!(align.is_aligned(addr), down == up);
        }
    }
}

#[test]
fn bounds_align_inward() {
    each_pair_of_edges(|base, acme| {
        let given = Span::new(base, acme);
        for align in aligns() {
            let expected = span(round_up(base, align), round_down(acme, align)).unwrap();
            assert_eq!(given.align_inward(align), expected, "{given} to {align}");
        }
        assert_eq!(given.word_align_inward(), given.align_inward(Align::WORD));
    });
}

#[test]
fn bounds_align_outward() {
    each_pair_of_edges(|base, acme| {
        let given = Span::new(base, acme);
        for align in aligns() {
            let expected = if given.is_empty() {
                Some(given)
            } else {
                span(round_down(base, align), round_up(acme, align))
            };
            assert_eq!(given.try_align_outward(align), expected, "{given} to {align}");
            if let Some(expected) = expected {
                assert_eq!(given.align_outward(align), expected);
            }
        }
        if given.try_align_outward(Align::WORD).is_some() {
            assert_eq!(given.word_align_outward(), given.align_outward(Align::WORD));
        }
    });
}

#[test]
fn sizes_add_to_bases() {
    each_pair_of_edges(|base, size| {
        let sum = base as i128 + size as i128;
        let expected = if sum < END { span(base as i128, sum) } else { None };
        assert_eq!(Span::try_from_base_size(base, size), expected);
        let ptr = core::ptr::without_provenance_mut(base);
        assert_eq!(Span::try_from_ptr_size(ptr, size), expected);
        if let Some(expected) = expected {
            assert_eq!(Span::from_base_size(base, size), expected);
            assert_eq!(Span::from_ptr_size(ptr, size), expected);
        }
    });
}

#[test]
fn bounds_extend_and_truncate() {
    each_pair_of_edges(|base, acme| {
        let given = Span::new(base, acme);
        let Some((base, acme)) = given.get_base_acme() else { return };
        let (base, acme) = (base as i128, acme as i128);
        each_pair_of_edges(|low, high| {
            let (low_by, high_by) = (low as i128, high as i128);
            let longer = span(base - low_by, acme + high_by);
            assert_eq!(given.try_extend(low, high), longer, "{given} by {low:#x}, {high:#x}");
            if let Some(longer) = longer {
                assert_eq!(given.extend(low, high), longer);
            }
            let shorter = span(base + low_by, acme - high_by).unwrap();
            assert_eq!(given.truncate(low, high), shorter, "{given} by {low:#x}, {high:#x}");
        });
    });
}

#[test]
fn only_powers_of_two_are_alignments() {
    for bytes in (0..=1025).chain(edges()) {
        let align = Align::new(bytes);
        assert_eq!(align.is_some(), bytes.count_ones() == 1);
        assert!(align.is_none_or(|align| 1 << align.log2() == bytes && align.get() == bytes));
        assert!(align.is_none_or(|align| align.mask().count_ones() == align.log2()));
    }
}

mod panics {
    use super::*;

    #[test]
    #[should_panic(expected = "base + size is past the last address")]
    fn from_base_size() {
        let _ = Span::from_base_size(usize::MAX - 1, 2);
    }

    #[test]
    #[should_panic(expected = "ptr + size is past the last address")]
    fn from_ptr_size() {
        let _ = Span::from_ptr_size(core::ptr::without_provenance_mut(2), usize::MAX - 1);
    }

    #[test]
    #[should_panic(expected = "base - low is below the first address")]
    fn extend_down() {
        let _ = Span::new(2, 4).extend(3, 0);
    }

    #[test]
    #[should_panic(expected = "acme + high is past the last address")]
    fn extend_up() {
        let _ = Span::new(2, usize::MAX).extend(0, 1);
    }

    #[test]
    #[should_panic(expected = "acme aligned up is past the last address")]
    fn word_align_outward() {
        let _ = Span::new(2, usize::MAX).word_align_outward();
    }
}
