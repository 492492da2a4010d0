//! Machines and systems without support for memory tags.

use std::ptr::NonNull;

/// Whether a processor may support tags.
pub const ARE_KNOWN: bool = false;

/// Pointers have no tags.
pub fn address(addr: usize) -> usize {
    addr
}

/// Pointers have no tags.
pub fn of_pointer(_: usize) -> u8 {
    0
}

/// Returns false: there are no tags.
pub fn exist() -> bool {
    false
}

/// Nothing can be compared.
pub fn are_compared() -> bool {
    false
}

/// Nothing can be compared.
pub fn compare(_: bool) -> bool {
    false
}

/// # Safety
///
/// None. Memory has no tags.
pub unsafe fn enable(_: NonNull<u8>, _: usize) -> bool {
    false
}

/// Pointers have no tags.
pub fn with_random(ptr: *mut u8, _: u16) -> *mut u8 {
    ptr
}

/// Pointers have no tags.
pub fn without(ptr: *mut u8) -> *mut u8 {
    ptr
}

/// # Safety
///
/// None. Memory has no tags.
pub unsafe fn of_memory(_: usize) -> u8 {
    0
}

/// # Safety
///
/// None. Memory has no tags.
pub unsafe fn set(_: usize, _: usize, _: u8) {}
