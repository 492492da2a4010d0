//! Alignments.

use core::alloc::Layout;
use core::fmt;
use core::num::NonZeroUsize;

/// An alignment in bytes: a power of two.
///
/// An address is aligned if it is a multiple of the alignment. Everything here takes constant
/// time, and an `Option<Align>` is no larger than an `Align`.
///
/// # Examples
///
/// ```
/// use talloc_span::Align;
///
/// let page = Align::new(4096).unwrap();
/// assert_eq!(page.up(0x1001), Some(0x2000));
/// assert_eq!(page.down(0x1fff), 0x1000);
/// assert!(page > Align::WORD);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Align(NonZeroUsize);

impl Align {
    /// One byte: every address is aligned.
    ///
    /// ```
    /// assert_eq!(talloc_span::Align::MIN.get(), 1);
    /// ```
    pub const MIN: Self = Self::of::<u8>();

    /// The machine word: the alignment of `usize`.
    ///
    /// ```
    /// assert_eq!(talloc_span::Align::WORD.get(), align_of::<usize>());
    /// ```
    pub const WORD: Self = Self::of::<usize>();

    /// The largest alignment there is: half of the address space.
    ///
    /// ```
    /// assert_eq!(talloc_span::Align::MAX.log2(), usize::BITS - 1);
    /// ```
    pub const MAX: Self = Self::of_power(1 << (usize::BITS - 1));

    /// An alignment of `bytes`, or `None` if that is not a power of two.
    ///
    /// ```
    /// use talloc_span::Align;
    ///
    /// const CACHE_LINE: Align = Align::new(64).unwrap();
    /// assert_eq!(CACHE_LINE.get(), 64);
    /// assert_eq!(Align::new(48), None);
    /// assert_eq!(Align::new(0), None);
    /// ```
    #[inline]
    pub const fn new(bytes: usize) -> Option<Self> {
        match NonZeroUsize::new(bytes) {
            Some(bytes) if bytes.is_power_of_two() => Some(Self(bytes)),
            _ => None,
        }
    }

    /// The alignment that values of type `T` need.
    ///
    /// ```
    /// use talloc_span::Align;
    ///
    /// #[repr(align(32))]
    /// struct Block([u8; 100]);
    /// assert_eq!(Align::of::<Block>().get(), 32);
    /// ```
    #[inline]
    pub const fn of<T>() -> Self {
        Self::of_power(align_of::<T>())
    }

    /// The alignment that `layout` asks for.
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_span::Align;
    ///
    /// let layout = Layout::from_size_align(100, 16).unwrap();
    /// assert_eq!(Align::of_layout(layout).get(), 16);
    /// ```
    #[inline]
    pub const fn of_layout(layout: Layout) -> Self {
        Self::of_power(layout.align())
    }

    /// The alignment of `bytes`, which the caller knows to be a power of two.
    #[inline]
    const fn of_power(bytes: usize) -> Self {
        match NonZeroUsize::new(bytes) {
            Some(bytes) => Self(bytes),
            None => unreachable!(),
        }
    }

    /// The alignment in bytes.
    ///
    /// ```
    /// assert_eq!(talloc_span::Align::of::<u16>().get(), 2);
    /// ```
    #[inline]
    pub const fn get(self) -> usize {
        self.0.get()
    }

    /// The base-two logarithm: how many low bits of an aligned address are zero, at the least.
    ///
    /// ```
    /// assert_eq!(talloc_span::Align::new(4096).unwrap().log2(), 12);
    /// ```
    #[inline]
    pub const fn log2(self) -> u32 {
        self.0.trailing_zeros()
    }

    /// The bits that are zero in an aligned address: `get() - 1`.
    ///
    /// ```
    /// assert_eq!(talloc_span::Align::new(4096).unwrap().mask(), 0xfff);
    /// ```
    #[inline]
    pub const fn mask(self) -> usize {
        self.get() - 1
    }

    /// The lowest aligned address that is not below `addr`.
    ///
    /// `None` if there is none, as `addr` lies beyond the last aligned address.
    ///
    /// ```
    /// use talloc_span::Align;
    ///
    /// let align = Align::new(16).unwrap();
    /// assert_eq!(align.up(17), Some(32));
    /// assert_eq!(align.up(32), Some(32));
    /// assert_eq!(align.up(usize::MAX), None);
    /// ```
    #[inline]
    pub const fn up(self, addr: usize) -> Option<usize> {
        match addr.checked_add(self.mask()) {
            Some(past) => Some(self.down(past)),
            None => None,
        }
    }

    /// The highest aligned address that is not above `addr`.
    ///
    /// ```
    /// use talloc_span::Align;
    ///
    /// let align = Align::new(16).unwrap();
    /// assert_eq!(align.down(31), 16);
    /// assert_eq!(align.down(32), 32);
    /// ```
    #[inline]
    pub const fn down(self, addr: usize) -> usize {
        addr & !self.mask()
    }

    /// Whether `addr` is aligned.
    ///
    /// ```
    /// use talloc_span::Align;
    ///
    /// let align = Align::new(16).unwrap();
    /// assert!(align.is_aligned(32));
    /// assert!(!align.is_aligned(40));
    /// ```
    #[inline]
    pub const fn is_aligned(self, addr: usize) -> bool {
        addr & self.mask() == 0
    }

    /// How many bytes `addr` lies below the next aligned address; zero if it is aligned.
    ///
    /// The end of the address space, one past `usize::MAX`, counts as aligned here: it is a
    /// multiple of every alignment.
    ///
    /// ```
    /// use talloc_span::Align;
    ///
    /// let align = Align::new(16).unwrap();
    /// assert_eq!(align.padding(30), 2);
    /// assert_eq!(align.padding(32), 0);
    /// assert_eq!(align.padding(usize::MAX), 1);
    /// ```
    #[inline]
    pub const fn padding(self, addr: usize) -> usize {
        addr.wrapping_neg() & self.mask()
    }
}

/// Prints the type and the bytes, as in `Align(8)`.
impl fmt::Debug for Align {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Align").field(&self.get()).finish()
    }
}

/// Prints the bytes, as in `8`.
impl fmt::Display for Align {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.get(), f)
    }
}

/// The same as [`Display`](fmt::Display).
#[cfg(feature = "defmt")]
impl defmt::Format for Align {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=usize}", self.get());
    }
}
