//! The functions, with the heap of the library.

use core::ffi::{c_int, c_void};
use core::fmt::Write;

use crate::fd::Fd;
use crate::heap;
use crate::library::Library;

/// The heap that the library has.
#[cfg(not(feature = "checked"))]
pub(crate) type Chosen = heap::Prefixed;

/// The heap that the library has.
#[cfg(feature = "checked")]
pub(crate) type Chosen = heap::Checking;

pub(crate) static LIBRARY: Library<Chosen> = Library::new();

/// Allocates a block of `size` bytes, aligned to 16 bytes. One of no bytes is one of its own, too.
///
/// Returns null if there is not enough memory, and sets `errno` to `ENOMEM`.
#[inline(always)]
pub extern "C" fn malloc(size: usize) -> *mut c_void {
    LIBRARY.malloc(size)
}

/// Allocates an array of `count` times `size` bytes, all zeros. Memory that the system has just given
/// is zero and is not cleared.
///
/// Fails as [`malloc`] does, and if there cannot be so many bytes.
#[inline(always)]
pub extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    LIBRARY.calloc(count, size)
}

/// Changes the size of a block, if need be by moving it. What is in it stays, as far as there is room.
/// A null pointer makes this [`malloc`]; a size of zero frees the block, and returns null.
///
/// Fails as [`malloc`] does; the block is as it was then.
///
/// # Safety
///
/// `ptr` is null or has been returned by a function of this library, and has not been freed.
#[inline]
pub unsafe extern "C" fn realloc(ptr: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: As the caller says.
    unsafe { LIBRARY.realloc(ptr, size) }
}

/// [`realloc`] to `count` times `size` bytes. Fails if there cannot be so many.
///
/// # Safety
///
/// As for [`realloc`].
pub unsafe extern "C" fn reallocarray(ptr: *mut c_void, count: usize, size: usize) -> *mut c_void {
    // SAFETY: As the caller says.
    unsafe { LIBRARY.reallocarray(ptr, count, size) }
}

/// Frees a block; null is none. On Linux, `errno` stays as it is.
///
/// # Safety
///
/// As for [`realloc`], and the block is not used any more.
#[inline(always)]
pub unsafe extern "C" fn free(ptr: *mut c_void) {
    // SAFETY: As the caller says.
    unsafe { LIBRARY.free(ptr) }
}

/// [`free`], of C23. The size is not needed.
///
/// # Safety
///
/// As for [`free`].
pub unsafe extern "C" fn free_sized(ptr: *mut c_void, _size: usize) {
    // SAFETY: As the caller says.
    unsafe { free(ptr) }
}

/// [`free`], of C23. The alignment and the size are not needed.
///
/// # Safety
///
/// As for [`free`].
pub unsafe extern "C" fn free_aligned_sized(ptr: *mut c_void, _align: usize, _size: usize) {
    // SAFETY: As the caller says.
    unsafe { free(ptr) }
}

/// Allocates a block that is aligned to `align`, a power of two.
///
/// Fails as [`malloc`] does, and with `EINVAL` for another alignment.
pub extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
    LIBRARY.aligned_alloc(align, size)
}

/// [`aligned_alloc`] to the next power of two, if `align` is none.
pub extern "C" fn memalign(align: usize, size: usize) -> *mut c_void {
    LIBRARY.memalign(align, size)
}

/// Allocates a block that is aligned to `align`, a power of two and a multiple of a pointer's size, and
/// writes its address to `place`.
///
/// Returns zero, `EINVAL` for another alignment, or `ENOMEM`. Then nothing is written, and `errno`
/// stays as it is.
///
/// # Safety
///
/// A pointer can be written to `place`.
pub unsafe extern "C" fn posix_memalign(
    place: *mut *mut c_void,
    align: usize,
    size: usize,
) -> c_int {
    // SAFETY: As the caller says.
    unsafe { LIBRARY.posix_memalign(place, align, size) }
}

/// Allocates a block that is aligned to a page.
pub extern "C" fn valloc(size: usize) -> *mut c_void {
    LIBRARY.valloc(size)
}

/// Allocates whole pages.
pub extern "C" fn pvalloc(size: usize) -> *mut c_void {
    LIBRARY.pvalloc(size)
}

/// How many bytes of a block can be used: as many as were asked for, or more. Of null, none.
///
/// # Safety
///
/// As for [`realloc`].
pub unsafe extern "C" fn malloc_usable_size(ptr: *mut c_void) -> usize {
    // SAFETY: As the caller says.
    unsafe { LIBRARY.malloc_usable_size(ptr) }
}

/// Gives the system back what is not needed; how much should be kept does not matter. Returns 1.
pub extern "C" fn malloc_trim(_keep: usize) -> c_int {
    LIBRARY.trim();
    1
}

/// Checks the whole heap, and writes to an open file what is in it, or what is broken.
///
/// Returns zero if the heap is whole and this could be written, else -1. Takes time in proportion to
/// all blocks, while other threads wait.
pub extern "C" fn report(file: c_int) -> c_int {
    let verified = LIBRARY.verify();
    let is_whole = verified.is_ok();
    let mut file = Fd(file);
    let written = match verified {
        Ok(statistics) => write!(file, "{statistics}"),
        Err(violation) => writeln!(file, "talloc: the heap is broken: {violation}"),
    };
    if is_whole && written.is_ok() { 0 } else { -1 }
}
