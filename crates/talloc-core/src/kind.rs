//! Kinds of memory.

/// A kind of memory: a number that the program chooses.
///
/// Boards have memory that differs: internal RAM that is fast, external RAM that is large, RAM that a peripheral
/// can reach. A heap may have arenas of several kinds, and a request may ask for [some of them](Kinds). What a
/// number means is the program's business. Memory that is claimed without a kind has [`Kind::DEFAULT`].
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

    /// The kind of that number.
    ///
    /// # Panics
    ///
    /// If `number` is not below [`COUNT`](Self::COUNT).
    #[must_use]
    pub const fn new(number: u8) -> Self {
        assert!(number < Self::COUNT, "the number of a kind is below 32");
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The set that has this kind alone.
    #[inline(always)]
    pub(crate) const fn bit(self) -> u32 {
        1 << self.0
    }
}

/// The kinds of memory that a request asks for: some that will do, and perhaps others if those have no room.
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
/// // What is used often: memory that peripherals can reach is fast, too.
/// let hot = Kinds::prefer(INTERNAL).or(DMA);
/// assert!(!buffer.contains(EXTERNAL) && hot.contains(EXTERNAL));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kinds {
    /// The kinds that are tried first, as bits.
    first: u32,
    /// The kinds that are tried if those have no room.
    then: u32,
}

impl Kinds {
    /// All kinds, in the order of claiming.
    pub const ANY: Self = Self { first: u32::MAX, then: 0 };

    /// This kind alone.
    #[must_use]
    pub const fn only(kind: Kind) -> Self {
        Self { first: kind.bit(), then: 0 }
    }

    /// This kind as long as it has room, and then all others.
    #[must_use]
    pub const fn prefer(kind: Kind) -> Self {
        Self { first: kind.bit(), then: !kind.bit() }
    }

    /// The same, where memory of the kind `other` is as good as what is asked for first.
    #[must_use]
    pub const fn or(self, other: Kind) -> Self {
        Self { first: self.first | other.bit(), then: self.then & !other.bit() }
    }

    /// Whether memory of that kind will do.
    #[must_use]
    pub const fn contains(self, kind: Kind) -> bool {
        (self.first | self.then) & kind.bit() != 0
    }

    /// Whether memory of each kind will do.
    #[must_use]
    pub const fn is_any(self) -> bool {
        self.first | self.then == u32::MAX
    }

    /// The sets of kinds that are tried one after the other; the second one may be empty.
    pub(crate) const fn sets(self) -> [u32; 2] {
        [self.first, self.then]
    }
}

/// Any kind will do.
impl Default for Kinds {
    fn default() -> Self {
        Self::ANY
    }
}
