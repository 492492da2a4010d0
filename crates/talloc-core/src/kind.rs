//! Kinds of memory.

/// A kind of memory: a number that the program chooses.
///
/// A board may have fast internal RAM, large external RAM, and RAM that a peripheral can reach. A heap may have arenas
/// of several kinds, and a request may ask for [some of them](Kinds). The program decides what each number means.
/// Memory that is claimed without a kind has [`Kind::DEFAULT`].
///
/// # Examples
///
/// ```
/// use talloc_core::Kind;
///
/// const INTERNAL: Kind = Kind::DEFAULT;
/// const EXTERNAL: Kind = Kind::new(1);
/// assert_eq!((INTERNAL.number(), EXTERNAL.number()), (0, 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Kind(u8);

impl Kind {
    /// How many kinds there are.
    pub const COUNT: u8 = 32;

    /// The kind of memory that is claimed without one: number zero.
    pub const DEFAULT: Self = Self(0);

    /// The kind with a number.
    ///
    /// # Panics
    ///
    /// If `number` is not below [`COUNT`](Self::COUNT).
    #[must_use]
    pub const fn new(number: u8) -> Self {
        assert!(number < Self::COUNT, "the number of a kind is below 32");
        Self(number)
    }

    /// The kind's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The set of only this kind.
    #[inline(always)]
    pub(crate) const fn bit(self) -> u32 {
        1 << self.0
    }
}

/// The kinds of memory that a request asks for: preferred ones, and perhaps others if those have no room.
///
/// # Examples
///
/// ```
/// use talloc_core::{Kind, Kinds};
///
/// const INTERNAL: Kind = Kind::DEFAULT;
/// const EXTERNAL: Kind = Kind::new(1);
/// const DMA: Kind = Kind::new(2);
/// // A buffer for a peripheral, which can reach no other memory.
/// let buffer = Kinds::only(DMA);
/// // An object that is used often. Memory that peripherals can reach is fast, too.
/// let hot = Kinds::prefer(INTERNAL).or(DMA);
/// assert!(!buffer.contains(EXTERNAL) && hot.contains(EXTERNAL));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kinds {
    /// The kinds that are tried first, as bits.
    first: u32,
    /// The kinds that are tried if those have no room; may be empty.
    then: u32,
}

impl Kinds {
    /// All kinds, in the order of claiming.
    pub const ANY: Self = Self { first: u32::MAX, then: 0 };

    /// Only this kind.
    #[must_use]
    pub const fn only(kind: Kind) -> Self {
        Self { first: kind.bit(), then: 0 }
    }

    /// This kind, or any other kind if it has no room.
    #[must_use]
    pub const fn prefer(kind: Kind) -> Self {
        Self { first: kind.bit(), then: !kind.bit() }
    }

    /// The same kinds, where `other` is also a preferred kind.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{Kind, Kinds};
    ///
    /// const FAST: Kind = Kind::new(1);
    /// const SLOW: Kind = Kind::new(2);
    /// let either = Kinds::only(FAST).or(SLOW);
    /// assert!(either.contains(SLOW) && !either.contains(Kind::DEFAULT) && !either.is_any());
    /// ```
    #[must_use]
    pub const fn or(self, other: Kind) -> Self {
        Self { first: self.first | other.bit(), then: self.then & !other.bit() }
    }

    /// Whether memory of a kind is suitable.
    #[must_use]
    pub const fn contains(self, kind: Kind) -> bool {
        (self.first | self.then) & kind.bit() != 0
    }

    /// Whether memory of every kind is suitable.
    #[must_use]
    pub const fn is_any(self) -> bool {
        self.first | self.then == u32::MAX
    }

    /// The sets of kinds that are tried one after the other; the second one may be empty.
    pub(crate) const fn sets(self) -> [u32; 2] {
        [self.first, self.then]
    }
}

/// Any kind is suitable.
impl Default for Kinds {
    fn default() -> Self {
        Self::ANY
    }
}
