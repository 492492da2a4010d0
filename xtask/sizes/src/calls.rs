//! What the program can be asked for from outside.

extern crate alloc;

use core::alloc::Layout;
use core::panic::PanicInfo;

/// Allocates a block.
#[unsafe(no_mangle)]
unsafe extern "C" fn allocate(size: usize, align: usize) -> *mut u8 {
    // SAFETY: As the caller says.
    unsafe { alloc::alloc::alloc(Layout::from_size_align_unchecked(size, align)) }
}

/// Frees a block.
#[unsafe(no_mangle)]
unsafe extern "C" fn deallocate(block: *mut u8, size: usize, align: usize) {
    // SAFETY: As the caller says.
    unsafe { alloc::alloc::dealloc(block, Layout::from_size_align_unchecked(size, align)) }
}

/// Changes the size of a block.
#[unsafe(no_mangle)]
unsafe extern "C" fn reallocate(block: *mut u8, size: usize, align: usize, new: usize) -> *mut u8 {
    // SAFETY: As the caller says.
    unsafe { alloc::alloc::realloc(block, Layout::from_size_align_unchecked(size, align), new) }
}

/// Copies memory, as any program does somewhere. So the functions that do it are in the program
/// without an allocator, too, and not counted.
#[unsafe(no_mangle)]
unsafe extern "C" fn copy(from: *const u8, to: *mut u8, size: usize) {
    // SAFETY: As the caller says.
    unsafe { to.copy_from_nonoverlapping(from, size) }
}

/// Copies memory that may overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn shift(from: *const u8, to: *mut u8, size: usize) {
    // SAFETY: As the caller says.
    unsafe { to.copy_from(from, size) }
}

/// Clears memory.
#[unsafe(no_mangle)]
unsafe extern "C" fn fill(to: *mut u8, size: usize) {
    // SAFETY: As the caller says.
    unsafe { to.write_bytes(0, size) }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_family = "wasm"))]
    loop {}
}
