//! Large memory, which takes up RAM only where it is used.

#![cfg(not(miri))]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use talloc_core::Span;

use crate::regressions::layout;

/// Memory that was never touched.
pub struct Untouched(NonNull<u8>, Layout);

impl Untouched {
    pub fn new(size: usize) -> Self {
        // With a larger alignment, the standard library would clear the memory itself.
        let layout = layout(size, 8);
        // SAFETY: The size is not zero.
        let base = unsafe { alloc_zeroed(layout) };
        Self(NonNull::new(base).unwrap_or_else(|| handle_alloc_error(layout)), layout)
    }

    pub fn span(&self) -> Span {
        Span::from_ptr_size(self.0.as_ptr(), self.1.size())
    }
}

impl Drop for Untouched {
    fn drop(&mut self) {
        // SAFETY: The memory was allocated with this layout.
        unsafe { dealloc(self.0.as_ptr(), self.1) };
    }
}
