//! The memory: pages that are added at its end, and words that are read and written.

use core::ptr;

/// Bytes in a page, the unit that the memory grows in.
pub(crate) const PAGE: usize = 64 << 10;

/// Bytes in a word: of a size, a link, or bits.
pub(super) const WORD: usize = size_of::<usize>();

/// Bytes in a granule, the unit of sizes. One has room for both sizes of a free chunk, two also for its
/// links.
pub(super) const GRANULE: usize = 2 * WORD;

/// A memory that grows at its end, by whole pages.
///
/// # Safety
///
/// What [`grow`](Self::grow) and [`rest`](Self::rest) return can be read and written by whoever calls them,
/// and is used by nobody else. Its provenance is exposed.
pub unsafe trait LinearMemory {
    /// The address where the memory ends, which is a multiple of [`PAGE`]; 0 if it ends where the addresses
    /// do.
    fn end(&self) -> usize;

    /// Adds so many pages of zeros, and returns where they start, or `None` if they cannot be had. Their end is an
    /// address.
    ///
    /// If others may make the memory grow at the same time, that need not be where it ended before.
    fn grow(&mut self, pages: usize) -> Option<usize>;

    /// Where a piece of memory starts that has not been given yet and goes up to the [end](Self::end), if
    /// there is one. It is asked for once.
    fn rest(&mut self) -> Option<usize>;
}

/// A word of the heap's memory.
///
/// # Safety
///
/// The word at `addr` is initialised memory of the heap.
#[inline(always)]
pub(super) unsafe fn load(addr: usize) -> usize {
    // SAFETY: By the contract of `LinearMemory`, and this function's, it may be read.
    unsafe { ptr::with_exposed_provenance::<usize>(addr).read() }
}

/// Writes a word of the heap's memory.
///
/// # Safety
///
/// The word at `addr` is the heap's.
#[inline(always)]
pub(super) unsafe fn store(addr: usize, word: usize) {
    // SAFETY: By the contract of `LinearMemory`, and this function's, it may be written.
    unsafe { ptr::with_exposed_provenance_mut::<usize>(addr).write(word) }
}

/// A byte of the bitmap.
///
/// # Safety
///
/// The byte at `addr` is initialised memory of the heap.
#[inline(always)]
pub(super) unsafe fn load_byte(addr: usize) -> u8 {
    // SAFETY: By the contract of `LinearMemory`, and this function's, it may be read.
    unsafe { ptr::with_exposed_provenance::<u8>(addr).read() }
}

/// Writes a byte of the bitmap.
///
/// # Safety
///
/// The byte at `addr` is the heap's.
#[inline(always)]
pub(super) unsafe fn store_byte(addr: usize, byte: u8) {
    // SAFETY: By the contract of `LinearMemory`, and this function's, it may be written.
    unsafe { ptr::with_exposed_provenance_mut::<u8>(addr).write(byte) }
}
