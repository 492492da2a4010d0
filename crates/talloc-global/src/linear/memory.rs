//! The memory that the heap grows, and access to its words and bytes.

use core::ptr;

/// The bytes of a page, the unit in which the memory grows.
pub(crate) const PAGE: usize = 64 << 10;

/// The bytes of a word, such as a size or a link.
pub(super) const WORD: usize = size_of::<usize>();

/// The bytes of a granule, the unit of sizes. A granule has room for both sizes of a free chunk, and two granules also
/// have room for its links.
pub(super) const GRANULE: usize = 2 * WORD;

/// A memory that grows at its end, by whole pages.
///
/// # Safety
///
/// The memory that [`grow`](Self::grow) and [`rest`](Self::rest) return is valid for reads and writes, and belongs to the
/// caller alone. Its provenance is exposed.
pub unsafe trait LinearMemory {
    /// Returns the end of the memory, which is a multiple of [`PAGE`]; 0 if the memory reaches the end of the address
    /// space.
    fn end(&self) -> usize;

    /// Adds `pages` pages of zeros, and returns their address, or `None` if the memory cannot grow so far. The end of the
    /// pages does not exceed the last address.
    ///
    /// If other code grows the memory at the same time, the pages need not start at its former end.
    fn grow(&mut self, pages: usize) -> Option<usize>;

    /// Returns the start of the rest of the initial memory, which reaches up to the [end](Self::end), if the heap may have
    /// it. It is called once.
    fn rest(&mut self) -> Option<usize>;
}

/// Reads a word of the heap's memory.
///
/// # Safety
///
/// The word at `addr` is initialised memory of the heap.
#[inline(always)]
pub(super) unsafe fn load(addr: usize) -> usize {
    // SAFETY: The word is the heap's and initialised, by the contract of this function. Memory of the heap is valid for
    // reads and its provenance is exposed, by the contract of `LinearMemory`.
    unsafe { ptr::with_exposed_provenance::<usize>(addr).read() }
}

/// Writes a word of the heap's memory.
///
/// # Safety
///
/// The word at `addr` is memory of the heap.
#[inline(always)]
pub(super) unsafe fn store(addr: usize, word: usize) {
    // SAFETY: The word is the heap's, by the contract of this function. Memory of the heap is valid for writes and its
    // provenance is exposed, by the contract of `LinearMemory`.
    unsafe { ptr::with_exposed_provenance_mut::<usize>(addr).write(word) }
}

/// Reads a byte of the bitmap.
///
/// # Safety
///
/// The byte at `addr` is initialised memory of the heap.
#[inline(always)]
pub(super) unsafe fn load_byte(addr: usize) -> u8 {
    // SAFETY: As in `load`.
    unsafe { ptr::with_exposed_provenance::<u8>(addr).read() }
}

/// Writes a byte of the bitmap.
///
/// # Safety
///
/// The byte at `addr` is memory of the heap.
#[inline(always)]
pub(super) unsafe fn store_byte(addr: usize, byte: u8) {
    // SAFETY: As in `store`.
    unsafe { ptr::with_exposed_provenance_mut::<u8>(addr).write(byte) }
}
