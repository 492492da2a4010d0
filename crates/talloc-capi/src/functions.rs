//! The functions of C, on the heap of the library.

use core::ffi::{c_int, c_void};
use core::fmt::Write;

use crate::fd::Fd;
use crate::heap;
use crate::library::Library;

/// The kind of heap that the library uses.
#[cfg(not(feature = "checked"))]
pub(crate) type Chosen = heap::Prefixed;

/// The kind of heap that the library uses.
#[cfg(all(feature = "checked", not(feature = "hardened")))]
pub(crate) type Chosen = heap::Checking;

/// The kind of heap that the library uses.
#[cfg(feature = "hardened")]
pub(crate) type Chosen = heap::Guarding;

pub(crate) static LIBRARY: Library<Chosen> = Library::new();

/// Allocates a block of `size` bytes, aligned to 16 bytes. A block of size zero is distinct from all
/// others; with the feature `checked`, it cannot be accessed.
///
/// Returns null if there is not enough memory, and sets `errno` to `ENOMEM`.
#[inline(always)]
pub extern "C" fn malloc(size: usize) -> *mut c_void {
    LIBRARY.malloc(size)
}

/// Allocates an array of `count` elements of `size` bytes, filled with zeros. Memory fresh from the
/// system is zero already, and not cleared.
///
/// Fails like [`malloc`], and also if the product overflows.
#[inline(always)]
pub extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    LIBRARY.calloc(count, size)
}

/// Changes the size of a block, and moves it if necessary. Keeps the contents, up to the smaller size.
/// With a null pointer, acts as [`malloc`]; with a size of zero, frees the block and returns null.
///
/// If it fails, like [`malloc`], the block is unchanged.
///
/// # Safety
///
/// `ptr` is null or has been returned by a function of this library, and has not been freed.
#[inline]
pub unsafe extern "C" fn realloc(ptr: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: By the contract of this function, which is the same.
    unsafe { LIBRARY.realloc(ptr, size) }
}

/// [`realloc`] to `count` elements of `size` bytes. Fails if the product overflows.
///
/// # Safety
///
/// As for [`realloc`].
pub unsafe extern "C" fn reallocarray(ptr: *mut c_void, count: usize, size: usize) -> *mut c_void {
    // SAFETY: By the contract of this function, which is the same.
    unsafe { LIBRARY.reallocarray(ptr, count, size) }
}

/// Frees a block. Ignores null. On Linux, preserves `errno`.
///
/// # Safety
///
/// As for [`realloc`], and the block is not used any more.
#[inline(always)]
pub unsafe extern "C" fn free(ptr: *mut c_void) {
    // SAFETY: By the contract of this function, which is the same.
    unsafe { LIBRARY.free(ptr) }
}

/// [`free`], of C23. With the feature `checked`, the size is compared with that of the block.
///
/// # Safety
///
/// As for [`free`], and the block was requested with this size.
pub unsafe extern "C" fn free_sized(ptr: *mut c_void, size: usize) {
    // SAFETY: By the contract of this function, which is the same.
    unsafe { LIBRARY.free_sized(ptr, size) }
}

/// [`free_sized`], of C23, for blocks of [`aligned_alloc`]. The alignment is not needed.
///
/// # Safety
///
/// As for [`free_sized`].
pub unsafe extern "C" fn free_aligned_sized(ptr: *mut c_void, _align: usize, size: usize) {
    // SAFETY: By the contract of this function, which is the same.
    unsafe { free_sized(ptr, size) }
}

/// Allocates a block aligned to `align`, a power of two.
///
/// Fails like [`malloc`], and with `EINVAL` if `align` is not a power of two.
pub extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
    LIBRARY.aligned_alloc(align, size)
}

/// [`aligned_alloc`], but rounds `align` up to a power of two.
pub extern "C" fn memalign(align: usize, size: usize) -> *mut c_void {
    LIBRARY.memalign(align, size)
}

/// Allocates a block aligned to `align`, a power of two and a multiple of a pointer's size, and stores
/// its address in `place`.
///
/// Returns zero, `EINVAL` for another alignment, or `ENOMEM`. On failure, `place` is unchanged. On Linux,
/// preserves `errno`.
///
/// # Safety
///
/// A pointer can be written to `place`.
pub unsafe extern "C" fn posix_memalign(
    place: *mut *mut c_void,
    align: usize,
    size: usize,
) -> c_int {
    // SAFETY: By the contract of this function, which is the same.
    unsafe { LIBRARY.posix_memalign(place, align, size) }
}

/// Allocates a block aligned to a page.
pub extern "C" fn valloc(size: usize) -> *mut c_void {
    LIBRARY.valloc(size)
}

/// Allocates whole pages, at least one.
pub extern "C" fn pvalloc(size: usize) -> *mut c_void {
    LIBRARY.pvalloc(size)
}

/// The number of usable bytes in a block, at least its size. Zero for null, and for a block that cannot be accessed.
///
/// # Safety
///
/// As for [`realloc`].
pub unsafe extern "C" fn malloc_usable_size(ptr: *mut c_void) -> usize {
    // SAFETY: By the contract of this function, which is the same.
    unsafe { LIBRARY.malloc_usable_size(ptr) }
}

/// Returns unused memory to the system. Ignores its argument. Returns 1.
pub extern "C" fn malloc_trim(_keep: usize) -> c_int {
    LIBRARY.trim();
    1
}

/// Checks the whole heap, and writes its statistics, or the error found, to an open file descriptor.
///
/// Returns zero if the heap is consistent and the text could be written, else -1. Takes time in
/// proportion to the number of blocks, during which other threads may have to wait.
pub extern "C" fn report(file: c_int) -> c_int {
    let verified = LIBRARY.verify();
    let is_whole = verified.is_ok();
    let mut file = Fd(file);
    let written = match verified {
        Ok(()) => write!(file, "{}", LIBRARY.statistics()),
        Err(violation) => writeln!(file, "talloc: the heap is broken: {violation}"),
    };
    if is_whole && written.is_ok() { 0 } else { -1 }
}
