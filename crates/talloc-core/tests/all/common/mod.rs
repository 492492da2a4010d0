//! Helpers of the tests.

pub mod found;
#[cfg(feature = "lock_api")]
pub mod program;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub mod sparse;

use std::alloc::Layout;

use talloc_core::Span;

/// Returns page-aligned memory that is never freed, so heaps may outlive a test's variables.
pub fn memory(bytes: usize) -> Span {
    // A vector of pages is one allocation with the right alignment.
    #[repr(align(4096))]
    #[derive(Clone, Copy)]
    struct Page([u8; 4096]);
    let pages: &mut [Page] = vec![Page([0; 4096]); bytes.div_ceil(4096)].leak();
    assert_eq!(pages[0].0[0], 0);
    Span::from_ptr_size(pages.as_mut_ptr().cast(), bytes)
}

/// Returns the part of a span that starts at `at` and has `size` bytes.
pub fn part(span: Span, at: usize, size: usize) -> Span {
    span.truncate(at, span.size() - at - size)
}

pub fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}
