//! Intervals of addresses.

mod convert;
mod pointers;
mod reshape;
mod traits;

use crate::provenance::Provenance;

/// An interval of addresses, `[base, acme)`.
///
/// The byte at `base` belongs to the span, the one at `acme` does not. As `acme` is at most
/// `usize::MAX`, the last byte of the address space belongs to no span.
///
/// Everything a span does takes constant time. A span only names memory; it neither owns nor
/// accesses any.
///
/// # Empty spans
///
/// A span made with `base >= acme` is empty, and all empty spans are one and the same: they are
/// equal, have no bounds and no provenance, contain no address, overlap nothing, and stay empty
/// whatever is done to them (except [`fit_over`](Self::fit_over)). Every span contains the empty
/// one.
///
/// # Provenance
///
/// A span made from a pointer keeps the pointer's provenance. So does every span made from that
/// one, unless it is empty. The pointers a span gives out have the provenance it keeps, or the
/// [exposed](core::ptr#exposed-provenance) provenance of the address if it keeps none. Two spans
/// are equal if their addresses are, whatever their provenance.
///
/// # Examples
///
/// ```
/// use talloc_span::Span;
///
/// let mut memory = [0_u8; 64];
/// let span = Span::from(&mut memory);
/// assert_eq!(span.size(), 64);
///
/// let inner = span.truncate(8, 8);
/// assert_eq!(inner.size(), 48);
/// assert!(span.contains_span(inner));
/// ```
#[derive(Clone, Copy)]
pub struct Span {
    /// Below `acme` if and only if the span is sized; otherwise zero.
    base: usize,
    /// Zero if and only if the span is empty.
    acme: usize,
    /// `Some` if and only if the span is sized and was given a pointer.
    provenance: Provenance,
}

/// Making spans from addresses, and asking about them.
impl Span {
    /// The empty span.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// assert!(Span::empty().is_empty());
    /// assert_eq!(Span::empty(), Span::new(7, 3));
    /// ```
    #[inline]
    #[must_use]
    pub const fn empty() -> Self {
        Self { base: 0, acme: 0, provenance: Provenance::NONE }
    }

    /// The span from address `base` up to, not including, address `acme`.
    ///
    /// Empty if `base >= acme`. Keeps no provenance.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// const SPAN: Span = Span::new(0x1000, 0x3000);
    /// assert_eq!(SPAN.size(), 0x2000);
    /// assert!(Span::new(0x3000, 0x1000).is_empty());
    /// ```
    #[inline]
    #[must_use]
    pub const fn new(base: usize, acme: usize) -> Self {
        if base < acme { Self { base, acme, provenance: Provenance::NONE } } else { Self::empty() }
    }

    /// The span of `size` bytes from address `base` on.
    ///
    /// Empty if `size` is zero. Keeps no provenance.
    ///
    /// # Panics
    ///
    /// If `base + size` is above `usize::MAX`; [`try_from_base_size`](Self::try_from_base_size)
    /// does not.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// assert_eq!(Span::from_base_size(0x1000, 0x200), Span::new(0x1000, 0x1200));
    /// ```
    #[inline]
    #[must_use]
    #[track_caller]
    pub const fn from_base_size(base: usize, size: usize) -> Self {
        Self::try_from_base_size(base, size).expect("base + size is past the last address")
    }

    /// The span of `size` bytes from address `base` on, or `None` if `base + size` is above
    /// `usize::MAX`.
    ///
    /// Empty if `size` is zero. Keeps no provenance.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// assert_eq!(Span::try_from_base_size(0x1000, 0x200), Some(Span::new(0x1000, 0x1200)));
    /// assert_eq!(Span::try_from_base_size(usize::MAX, 1), None);
    /// ```
    #[inline]
    pub const fn try_from_base_size(base: usize, size: usize) -> Option<Self> {
        match base.checked_add(size) {
            Some(acme) => Some(Self::new(base, acme)),
            None => None,
        }
    }

    /// Whether the span contains no bytes.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// assert!(Span::new(5, 5).is_empty());
    /// assert!(!Span::new(5, 6).is_empty());
    /// ```
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.acme == self.base
    }

    /// Whether the span contains any bytes.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// assert!(Span::new(5, 6).is_sized());
    /// assert!(!Span::new(5, 5).is_sized());
    /// ```
    #[inline]
    pub const fn is_sized(self) -> bool {
        !self.is_empty()
    }

    /// How many bytes the span contains.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// assert_eq!(Span::new(10, 30).size(), 20);
    /// assert_eq!(Span::new(30, 10).size(), 0);
    /// ```
    #[inline]
    pub const fn size(self) -> usize {
        self.acme - self.base
    }

    /// The address of the first byte, or `None` if the span is empty.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// assert_eq!(Span::new(10, 30).base(), Some(10));
    /// assert_eq!(Span::new(30, 10).base(), None);
    /// ```
    #[inline]
    pub const fn base(self) -> Option<usize> {
        if self.is_sized() { Some(self.base) } else { None }
    }

    /// The address one past the last byte, or `None` if the span is empty.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// assert_eq!(Span::new(10, 30).acme(), Some(30));
    /// assert_eq!(Span::new(30, 10).acme(), None);
    /// ```
    #[inline]
    pub const fn acme(self) -> Option<usize> {
        if self.is_sized() { Some(self.acme) } else { None }
    }

    /// The addresses `(base, acme)`, or `None` if the span is empty.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// assert_eq!(Span::new(10, 30).get_base_acme(), Some((10, 30)));
    /// assert_eq!(Span::new(30, 10).get_base_acme(), None);
    /// ```
    #[inline]
    pub const fn get_base_acme(self) -> Option<(usize, usize)> {
        if self.is_sized() { Some((self.base, self.acme)) } else { None }
    }

    /// Whether the byte at `addr` belongs to the span.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let span = Span::new(10, 30);
    /// assert!(span.contains(10));
    /// assert!(!span.contains(30));
    /// ```
    #[inline]
    pub const fn contains(self, addr: usize) -> bool {
        self.base <= addr && addr < self.acme
    }

    /// Whether every byte of `other` belongs to the span.
    ///
    /// So every span, even an empty one, contains an empty one.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let span = Span::new(10, 30);
    /// assert!(span.contains_span(Span::new(20, 30)));
    /// assert!(!span.contains_span(Span::new(20, 31)));
    /// assert!(span.contains_span(Span::empty()));
    /// ```
    #[inline]
    pub const fn contains_span(self, other: Span) -> bool {
        other.is_empty() || self.base <= other.base && other.acme <= self.acme
    }

    /// Whether some byte belongs to both spans.
    ///
    /// So an empty span overlaps nothing, and spans that only touch do not overlap.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let span = Span::new(10, 30);
    /// assert!(span.overlaps(Span::new(29, 40)));
    /// assert!(!span.overlaps(Span::new(30, 40)));
    /// assert!(!span.overlaps(Span::empty()));
    /// ```
    #[inline]
    pub const fn overlaps(self, other: Span) -> bool {
        // An empty span has both bounds at zero, and `acme` zero is above no base.
        self.base < other.acme && other.base < self.acme
    }
}

static_assertions::assert_impl_all!(Span: Copy, Send, Sync, Unpin);
static_assertions::const_assert_eq!(size_of::<Span>(), 3 * size_of::<usize>());
