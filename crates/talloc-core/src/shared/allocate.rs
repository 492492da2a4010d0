//! Blocks through a shared reference: the functions from which every allocator trait is implemented.

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::error::AllocError;
use crate::misuse::Call;

/// Allocates, frees and resizes blocks through a shared reference.
///
/// `GlobalAlloc` and `Allocator` are implemented once, on top of these four functions. Every
/// [`SharedHeap`](super::SharedHeap) has them. A type that is not one heap behind one guard implements them itself.
///
/// # Safety
///
/// 1. A block that [`allocate`](Self::allocate), [`allocate_dirty`](Self::allocate_dirty) or
///    [`resize`](Self::resize) returns has the size and the alignment of the layout. It is nobody else's until it
///    is passed to [`deallocate`](Self::deallocate), or to `resize` that succeeds, even if `self` moves.
/// 2. All bytes of a block of `allocate_dirty` are zero from the number on that it returns, which is at most the
///    size of the layout.
/// 3. A block that `resize` returns has the contents of the old one, as far as they fit.
pub unsafe trait Allocate {
    /// Whether [`check`](Self::check) detects a wrong block.
    const CHECKED: bool = false;

    /// Allocates a block.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError>;

    /// Allocates a block, and returns how many of its first bytes may not be zero.
    ///
    /// # Errors
    ///
    /// As for [`allocate`](Self::allocate).
    fn allocate_dirty(&self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError>;

    /// Frees a block.
    ///
    /// # Safety
    ///
    /// The block was allocated, or last resized, with this layout, and is not used any more.
    #[track_caller]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout);

    /// Changes the size of a block, in place or by moving it. The block has the alignment of `new`.
    ///
    /// # Errors
    ///
    /// If there is no memory for it. The block is then unchanged.
    ///
    /// # Safety
    ///
    /// As for [`deallocate`](Self::deallocate) with the layout `old`, if this succeeds. Neither size is zero.
    #[track_caller]
    unsafe fn resize(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError>;

    /// Returns whether `ptr`, which may be null, is a block with this layout. If not, reports what is wrong.
    #[track_caller]
    fn check(&self, call: Call, ptr: *mut u8, layout: Layout) -> bool {
        let _ = (call, ptr, layout);
        true
    }
}
