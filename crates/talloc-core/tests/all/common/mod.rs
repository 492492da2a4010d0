//! Memory for the tests.

pub mod found;
#[cfg(feature = "lock_api")]
pub mod program;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub mod sparse;

use std::alloc::Layout;

use talloc_core::Span;

/// Memory that is aligned for pages and never freed, so that heaps may outlive a test's variables.
pub fn memory(bytes: usize) -> Span {
    // A vector of pages, of which all is one piece.
    #[repr(align(4096))]
    #[derive(Clone, Copy)]
    struct Page([u8; 4096]);
    let pages: &mut [Page] = vec![Page([0; 4096]); bytes.div_ceil(4096)].leak();
    assert_eq!(pages[0].0[0], 0);
    Span::from_ptr_size(pages.as_mut_ptr().cast(), bytes)
}

/// The part of a span from `at` on, of `size` bytes.
pub fn part(span: Span, at: usize, size: usize) -> Span {
    span.truncate(at, span.size() - at - size)
}

pub fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}
