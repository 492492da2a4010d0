//! The functions that the program exports.

extern crate alloc;

use core::alloc::Layout;
use core::panic::PanicInfo;

/// Allocates a block.
#[unsafe(no_mangle)]
unsafe extern "C" fn allocate(size: usize, align: usize) -> *mut u8 {
    // SAFETY: The caller passes a layout whose size is not zero.
    unsafe { alloc::alloc::alloc(Layout::from_size_align_unchecked(size, align)) }
}

/// Frees a block.
#[unsafe(no_mangle)]
unsafe extern "C" fn deallocate(block: *mut u8, size: usize, align: usize) {
    // SAFETY: The caller passes an allocated block of this heap with its layout.
    unsafe { alloc::alloc::dealloc(block, Layout::from_size_align_unchecked(size, align)) }
}

/// Changes the size of a block.
#[unsafe(no_mangle)]
unsafe extern "C" fn reallocate(block: *mut u8, size: usize, align: usize, new: usize) -> *mut u8 {
    // SAFETY: The caller passes an allocated block of this heap with its layout, and a nonzero new size.
    unsafe { alloc::alloc::realloc(block, Layout::from_size_align_unchecked(size, align), new) }
}

/// Copies memory, as most programs do. With this function, even the program without an allocator contains `memcpy`, and
/// the difference in size does not include it.
#[unsafe(no_mangle)]
unsafe extern "C" fn copy(from: *const u8, to: *mut u8, size: usize) {
    // SAFETY: The caller passes regions that do not overlap, valid for `size` bytes.
    unsafe { to.copy_from_nonoverlapping(from, size) }
}

/// Copies memory that may overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn shift(from: *const u8, to: *mut u8, size: usize) {
    // SAFETY: The caller passes regions that are valid for `size` bytes.
    unsafe { to.copy_from(from, size) }
}

/// Clears memory.
#[unsafe(no_mangle)]
unsafe extern "C" fn fill(to: *mut u8, size: usize) {
    // SAFETY: The caller passes a region that is valid for writes of `size` bytes.
    unsafe { to.write_bytes(0, size) }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_family = "wasm"))]
    loop {}
}
