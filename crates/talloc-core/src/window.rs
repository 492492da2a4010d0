//! From granule numbers to memory. Only this module computes the places of a free chunk's sizes and links.

use core::marker::PhantomData;

use crate::binning::MAX_BINS;
use crate::checks::LinkKey;
use crate::granule::{GRANULE, Index};

/// The granules that an arena can ever extend over, numbered from the lowest one on.
///
/// Free chunks store each other's numbers, so the numbers never change. The window is therefore fixed when the arena is
/// claimed, with the arena in its middle. The window's lower end need not be memory, or even an address. All arithmetic
/// wraps.
pub(crate) struct Window<I, K> {
    /// The address of granule 0, with the provenance of the arena's memory.
    origin: *mut u8,
    /// By what sizes and links are encoded.
    key: K,
    index: PhantomData<I>,
}

impl<I, K: Copy> Clone for Window<I, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I, K: Copy> Copy for Window<I, K> {}

/// The place of a size or a link in a free chunk.
#[derive(Clone, Copy)]
enum Field {
    Size = 0,
    Next = 1,
    Prev = 2,
}

impl<I: Index, K: LinkKey> Window<I, K> {
    /// The window of an arena without memory.
    pub(crate) const NONE: Self =
        Self { origin: core::ptr::null_mut(), key: K::ZERO, index: PhantomData };

    /// How many granules a window has.
    const LEN: usize = {
        let address_space = usize::MAX / GRANULE + 1;
        if (I::BITS as usize) < (usize::BITS as usize) && 1 << I::BITS < address_space {
            1 << I::BITS
        } else {
            address_space
        }
    };

    /// Granules below this one are not used. Links with such a number stand for bins.
    const FIRST: usize = MAX_BINS;

    /// The most granules of one arena.
    pub(crate) const MAX: usize = Self::LEN - 1 - Self::FIRST;

    /// The lowest number that the first granule of a new arena gets.
    const LOWEST: usize = {
        let bits = usize::BITS as usize;
        Self::FIRST / bits * bits + 1
    };

    /// The most granules of a new arena.
    pub(crate) const MAX_AROUND: usize = Self::LEN - 1 - Self::LOWEST;

    /// Whether a window can have `len` granules of an arena, wherever these lie.
    pub(crate) fn may_hold(len: usize) -> bool {
        len < Self::LEN - Self::FIRST
    }

    /// The window around `len` granules from `base` on, which is aligned, and the number of the granule at `base`.
    ///
    /// `None` if a window has fewer granules. The number is one above a multiple of the bits in a word, so a small
    /// arena needs few words of bits.
    pub(crate) fn around(base: *mut u8, len: usize) -> Option<(Self, usize)> {
        let bits = usize::BITS as usize;
        let low = Self::LEN.checked_sub(len)? / 2;
        let low = (low / bits * bits + 1).max(Self::LOWEST);
        let origin = base.wrapping_sub(low.wrapping_mul(GRANULE));
        let window = Self { origin, ..Self::NONE };
        window.holds(low, len).then_some((window, low))
    }

    /// The same window, in which sizes and links are encoded by a key. No chunk is free yet.
    pub(crate) fn with_key(self, key: K) -> Self {
        Self { key, ..self }
    }

    /// The same window with the provenance of `ptr`.
    pub(crate) fn with_provenance_of(self, ptr: *mut u8) -> Self {
        Self { origin: ptr.with_addr(self.origin.addr()), ..self }
    }

    /// Whether the window contains the `len` granules from `at` on.
    pub(crate) fn holds(self, at: usize, len: usize) -> bool {
        let end = Self::LEN - 1;
        at >= Self::FIRST && at <= end && len <= end - at
    }

    /// The granule at an address in the window.
    #[inline(always)]
    pub(crate) fn granule(self, addr: usize) -> usize {
        addr.wrapping_sub(self.origin.addr()) / GRANULE
    }

    /// The address of a granule.
    #[inline(always)]
    pub(crate) fn addr(self, at: usize) -> usize {
        self.origin.addr().wrapping_add(at * GRANULE)
    }

    /// A pointer to a granule.
    #[inline(always)]
    pub(crate) fn ptr(self, at: usize) -> *mut u8 {
        self.origin.wrapping_add(at * GRANULE)
    }

    #[inline(always)]
    fn field(self, at: usize, field: Field) -> *mut I {
        self.ptr(at).cast::<I>().wrapping_add(field as usize)
    }

    /// Where the free chunk at `at` stores its size at its start.
    #[inline(always)]
    pub(crate) fn size_field(self, at: usize) -> *mut I {
        self.field(at, Field::Size)
    }

    /// Where the free chunk at `at` stores the granule of the next chunk in its bin.
    #[inline(always)]
    pub(crate) fn next_field(self, at: usize) -> *mut I {
        self.field(at, Field::Next)
    }

    /// Where the free chunk at `at` stores the granule of the chunk before it in its bin, or the number of its bin.
    #[inline(always)]
    pub(crate) fn prev_field(self, at: usize) -> *mut I {
        self.field(at, Field::Prev)
    }

    /// Where the free chunk that ends before `end` stores its size a second time.
    #[inline(always)]
    fn end_size_field(self, end: usize) -> *mut I {
        self.ptr(end).cast::<I>().wrapping_sub(1)
    }

    /// Reads a size or a link.
    ///
    /// # Safety
    ///
    /// The field can be read.
    #[inline(always)]
    pub(crate) unsafe fn read(self, field: *mut I) -> I {
        // SAFETY: The field can be read, by the contract of this function.
        self.key.mix(field.addr(), unsafe { field.read() })
    }

    /// Writes a size or a link.
    ///
    /// # Safety
    ///
    /// The field is memory of the arena that nobody else uses.
    #[inline(always)]
    pub(crate) unsafe fn write(self, field: *mut I, value: I) {
        // SAFETY: The field can be written, by the contract of this function.
        unsafe { field.write(self.key.mix(field.addr(), value)) }
    }

    /// The size of the free chunk that starts at `at`.
    ///
    /// # Safety
    ///
    /// A free chunk starts there.
    #[inline(always)]
    pub(crate) unsafe fn size_at(self, at: usize) -> usize {
        debug_assert!(self.holds(at, 1), "the granule is in the window");
        // SAFETY: A free chunk starts with its size (I2), in memory of the arena.
        unsafe { self.read(self.size_field(at)) }.get()
    }

    /// The size of the free chunk that ends before `end`.
    ///
    /// # Safety
    ///
    /// A free chunk ends there.
    #[inline(always)]
    pub(crate) unsafe fn size_before(self, end: usize) -> usize {
        debug_assert!(self.holds(end - 1, 1), "the granule is in the window");
        // SAFETY: A free chunk ends with its size (I2), in memory of the arena.
        unsafe { self.read(self.end_size_field(end)) }.get()
    }

    /// Writes the size of a free chunk of `len` granules at `at` to both of its ends.
    ///
    /// # Safety
    ///
    /// The granules are memory of the arena, and nobody else uses them.
    #[inline(always)]
    pub(crate) unsafe fn set_sizes(self, at: usize, len: usize) {
        debug_assert!(len > 0 && self.holds(at, len), "the granules are in the window");
        // SAFETY: One granule has room for both sizes, and granules are aligned for an index.
        unsafe {
            self.write(self.size_field(at), I::new(len));
            self.write(self.end_size_field(at + len), I::new(len));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::{NoKey, SecretKey};

    #[test]
    fn a_window_is_centred_and_bounded() {
        let base = core::ptr::without_provenance_mut(1 << 20);
        let (window, at) = Window::<u16, NoKey>::around(base, 1000).unwrap();
        assert_eq!(window.ptr(at).addr(), 1 << 20);
        assert_eq!(window.granule((1 << 20) + 16), at + 2);
        assert!(at > 30_000 && at % usize::BITS as usize == 1);
        assert!(window.holds(at, (1 << 16) - 1 - at));
        assert!(!window.holds(at, (1 << 16) - at));
        assert!(!window.holds(MAX_BINS - 1, 1));
        assert!(Window::<u16, NoKey>::around(base, 65_000).is_some());
        assert!(Window::<u16, NoKey>::around(base, (1 << 16) - 256).is_none());
        assert!(Window::<u16, NoKey>::around(base, usize::MAX / 8).is_none());
    }

    #[test]
    fn sizes_are_encoded_by_the_key_and_the_place() {
        let mut memory = [0_u64; 20];
        let base = memory.as_mut_ptr().cast();
        let (window, at) = Window::<u32, SecretKey>::around(base, 20).unwrap();
        let raw = |key| {
            let window = window.with_key(SecretKey::new(key));
            [0, 10].map(|shift| {
                let at = at + shift;
                // SAFETY: The granules are in `memory`.
                unsafe {
                    window.set_sizes(at, 7);
                    assert_eq!((window.size_at(at), window.size_before(at + 7)), (7, 7));
                    [window.size_field(at), window.end_size_field(at + 7)].map(|field| field.read())
                }
            })
        };
        let mut all = [raw(1), raw(2)].concat().concat();
        all.push(7);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 9, "each differs from the others and from the size");
    }

    #[test]
    fn small_windows_reach_beyond_the_ends_of_the_address_space() {
        for addr in [8, usize::MAX - 7] {
            let base = core::ptr::without_provenance_mut(addr);
            let (window, at) = Window::<u32, NoKey>::around(base, 1).unwrap();
            assert_eq!((window.ptr(at).addr(), window.granule(addr)), (addr, at));
        }
    }
}
