//! Spans from spans.

use super::Span;
use crate::align::Align;

/// Making spans from other spans.
///
/// The results keep the provenance of `self`. Only [`fit_within`](Self::fit_within) and
/// [`fit_over`](Self::fit_over) take two spans to one; they keep the provenance of `other` if
/// `self` has none.
impl Span {
    /// The largest span within this one whose bounds are both aligned to `align`.
    ///
    /// Empty if the span contains no two aligned bounds.
    ///
    /// ```
    /// use talloc_span::{Align, Span};
    ///
    /// let align = Align::new(16).unwrap();
    /// assert_eq!(Span::new(10, 50).align_inward(align), Span::new(16, 48));
    /// assert!(Span::new(17, 31).align_inward(align).is_empty());
    /// ```
    #[inline]
    #[must_use]
    pub const fn align_inward(self, align: Align) -> Self {
        match align.up(self.base) {
            Some(base) => self.with_bounds(base, align.down(self.acme)),
            None => Self::empty(),
        }
    }

    /// The smallest span around this one whose bounds are both aligned to `align`.
    ///
    /// Empty if the span is empty.
    ///
    /// # Panics
    ///
    /// If there is no aligned address at or above `acme`;
    /// [`try_align_outward`](Self::try_align_outward) does not.
    ///
    /// ```
    /// use talloc_span::{Align, Span};
    ///
    /// let align = Align::new(16).unwrap();
    /// assert_eq!(Span::new(17, 31).align_outward(align), Span::new(16, 32));
    /// ```
    #[inline]
    #[must_use]
    #[track_caller]
    pub const fn align_outward(self, align: Align) -> Self {
        self.try_align_outward(align).expect("acme aligned up is past the last address")
    }

    /// The smallest span around this one whose bounds are both aligned to `align`, or `None` if
    /// there is no aligned address at or above `acme`.
    ///
    /// Empty if the span is empty.
    ///
    /// ```
    /// use talloc_span::{Align, Span};
    ///
    /// let align = Align::new(16).unwrap();
    /// let span = Span::new(17, 31);
    /// assert_eq!(span.try_align_outward(align), Some(Span::new(16, 32)));
    /// assert_eq!(Span::new(17, usize::MAX).try_align_outward(align), None);
    /// ```
    #[inline]
    pub const fn try_align_outward(self, align: Align) -> Option<Self> {
        match align.up(self.acme) {
            Some(acme) => Some(self.with_bounds(align.down(self.base), acme)),
            None => None,
        }
    }

    /// [`align_inward`](Self::align_inward) to [`Align::WORD`].
    ///
    /// ```
    /// use talloc_span::{Align, Span};
    ///
    /// let span = Span::new(1001, 1999);
    /// assert_eq!(span.word_align_inward(), span.align_inward(Align::WORD));
    /// ```
    #[inline]
    #[must_use]
    pub const fn word_align_inward(self) -> Self {
        self.align_inward(Align::WORD)
    }

    /// [`align_outward`](Self::align_outward) to [`Align::WORD`].
    ///
    /// # Panics
    ///
    /// If there is no word-aligned address at or above `acme`.
    ///
    /// ```
    /// use talloc_span::{Align, Span};
    ///
    /// let span = Span::new(1001, 1999);
    /// assert_eq!(span.word_align_outward(), span.align_outward(Align::WORD));
    /// ```
    #[inline]
    #[must_use]
    #[track_caller]
    pub const fn word_align_outward(self) -> Self {
        self.align_outward(Align::WORD)
    }

    /// The part of the span that lies at or above the address `min`.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let span = Span::new(10, 30);
    /// assert_eq!(span.above(20), Span::new(20, 30));
    /// assert_eq!(span.above(5), span);
    /// assert!(span.above(30).is_empty());
    /// ```
    #[inline]
    #[must_use]
    pub const fn above(self, min: usize) -> Self {
        self.with_bounds(larger(self.base, min), self.acme)
    }

    /// The part of the span that lies below the address `max`.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let span = Span::new(10, 30);
    /// assert_eq!(span.below(20), Span::new(10, 20));
    /// assert_eq!(span.below(40), span);
    /// assert!(span.below(10).is_empty());
    /// ```
    #[inline]
    #[must_use]
    pub const fn below(self, max: usize) -> Self {
        self.with_bounds(self.base, smaller(self.acme, max))
    }

    /// The parts of the span [`below`](Self::below) and [`above`](Self::above) the address
    /// `addr`.
    ///
    /// The byte at `addr` goes to the second. Either part may be empty.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let span = Span::new(10, 30);
    /// assert_eq!(span.split_at(15), (Span::new(10, 15), Span::new(15, 30)));
    /// assert_eq!(span.split_at(40), (span, Span::empty()));
    /// ```
    #[inline]
    #[must_use]
    pub const fn split_at(self, addr: usize) -> (Self, Self) {
        (self.below(addr), self.above(addr))
    }

    /// The parts of the span below and above `other`: what is left with `other` cut out.
    ///
    /// Either part may be empty. If `other` is empty, the first part is the whole span.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let span = Span::new(10, 30);
    /// assert_eq!(span.except(Span::new(15, 20)), (Span::new(10, 15), Span::new(20, 30)));
    /// assert_eq!(span.except(Span::new(0, 20)), (Span::empty(), Span::new(20, 30)));
    /// assert_eq!(span.except(Span::empty()), (span, Span::empty()));
    /// ```
    #[inline]
    #[must_use]
    pub const fn except(self, other: Span) -> (Self, Self) {
        if other.is_empty() {
            (self, Self::empty())
        } else {
            (self.below(other.base), self.above(other.acme))
        }
    }

    /// The part of the span that lies within `other`: their intersection.
    ///
    /// Empty if the spans do not overlap. Keeps the provenance of `self` if it has any, else that
    /// of `other`.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let span = Span::new(10, 30);
    /// assert_eq!(span.fit_within(Span::new(20, 40)), Span::new(20, 30));
    /// assert!(span.fit_within(Span::new(30, 40)).is_empty());
    /// assert!(span.fit_within(Span::empty()).is_empty());
    /// ```
    #[inline]
    #[must_use]
    pub const fn fit_within(self, other: Span) -> Self {
        self.or_provenance_of(other)
            .with_bounds(larger(self.base, other.base), smaller(self.acme, other.acme))
    }

    /// The smallest span that contains both `self` and `other`, and so any gap between them.
    ///
    /// If either is empty, the other one as it is. Else it keeps the provenance of `self` if that
    /// has any, else that of `other`.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let span = Span::new(10, 30);
    /// assert_eq!(span.fit_over(Span::new(40, 50)), Span::new(10, 50));
    /// assert_eq!(span.fit_over(Span::empty()), span);
    /// assert_eq!(Span::empty().fit_over(span), span);
    /// ```
    #[inline]
    #[must_use]
    pub const fn fit_over(self, other: Self) -> Self {
        if self.is_empty() {
            other
        } else if other.is_empty() {
            self
        } else {
            self.or_provenance_of(other)
                .with_bounds(smaller(self.base, other.base), larger(self.acme, other.acme))
        }
    }

    /// The span with `low` more bytes below it and `high` more bytes above.
    ///
    /// Empty if the span is empty.
    ///
    /// # Panics
    ///
    /// If the span is not empty and `low` is above `base`, or `acme + high` above `usize::MAX`;
    /// [`try_extend`](Self::try_extend) does not.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// assert_eq!(Span::new(10, 30).extend(5, 20), Span::new(5, 50));
    /// assert!(Span::empty().extend(5, 20).is_empty());
    /// ```
    #[inline]
    #[must_use]
    #[track_caller]
    pub const fn extend(self, low: usize, high: usize) -> Self {
        if self.is_empty() {
            return self;
        }
        let base = self.base.checked_sub(low).expect("base - low is below the first address");
        let acme = self.acme.checked_add(high).expect("acme + high is past the last address");
        self.with_bounds(base, acme)
    }

    /// The span with `low` more bytes below it and `high` more bytes above, or `None` if the
    /// address space does not have them.
    ///
    /// Empty if the span is empty.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let span = Span::new(10, 30);
    /// assert_eq!(span.try_extend(5, 20), Some(Span::new(5, 50)));
    /// assert_eq!(span.try_extend(11, 0), None);
    /// assert_eq!(span.try_extend(0, usize::MAX), None);
    /// ```
    #[inline]
    pub const fn try_extend(self, low: usize, high: usize) -> Option<Self> {
        if self.is_empty() {
            return Some(self);
        }
        match (self.base.checked_sub(low), self.acme.checked_add(high)) {
            (Some(base), Some(acme)) => Some(self.with_bounds(base, acme)),
            _ => None,
        }
    }

    /// The span without its lowest `low` bytes and its highest `high` bytes.
    ///
    /// Empty if that is all of them.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// assert_eq!(Span::new(10, 30).truncate(5, 2), Span::new(15, 28));
    /// assert!(Span::new(10, 30).truncate(10, 10).is_empty());
    /// ```
    #[inline]
    #[must_use]
    pub const fn truncate(self, low: usize, high: usize) -> Self {
        // A bound that saturates has passed the other one, or met it, so the result is empty.
        self.with_bounds(self.base.saturating_add(low), self.acme.saturating_sub(high))
    }

    /// The span `[base, acme)` with the provenance of this one.
    #[inline]
    const fn with_bounds(self, base: usize, acme: usize) -> Self {
        if base < acme {
            Self { base, acme, provenance: self.provenance.moved(self.acme, acme) }
        } else {
            Self::empty()
        }
    }

    /// Whichever of the two spans gives its provenance to a combination of both.
    #[inline]
    const fn or_provenance_of(self, other: Self) -> Self {
        if self.has_provenance() { self } else { other }
    }
}

/// `usize::max`, which is not `const`.
#[inline]
const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// `usize::min`, which is not `const`.
#[inline]
const fn smaller(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}
