//! The interface of an allocator in benchmarks, and its memory.

use std::{
    alloc::{self, Layout},
    ptr::{self, NonNull},
};

/// A heap for one thread, without a lock, over one region of memory.
///
/// The methods call the allocator directly and are monomorphised with the workload: no allocator pays for
/// dynamic dispatch or for a lock.
pub trait Heap: Sized + 'static {
    /// The heap's name in tables and on the command line.
    const NAME: &'static str;

    /// Whether the heap runs if no heap is named.
    const USUAL: bool = true;

    /// Whether the heap checks the contents of its blocks, so that a workload must not change them.
    const WATCHED: bool = false;

    /// A heap without memory.
    fn empty() -> Self;

    /// Gives the heap its memory. Returns false if the region is too small for this heap.
    ///
    /// # Safety
    /// `memory` is valid for reads and writes, and is the heap's alone, until the heap's last use. This is
    /// called once, before any allocation, and the heap is not moved afterwards.
    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool;

    /// Allocates a block; null if there is no room.
    ///
    /// # Safety
    /// `layout.size()` is not zero and [`init`](Heap::init) returned true.
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8;

    /// Frees a block.
    ///
    /// # Safety
    /// `ptr` is a live block of this heap with this `layout`.
    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout);

    /// Allocates a block of zeros; null if there is no room.
    ///
    /// # Safety
    /// As for [`alloc`](Heap::alloc).
    #[inline]
    unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those of `alloc`.
        let block = unsafe { self.alloc(layout) };
        if !block.is_null() {
            // SAFETY: the block has just been allocated with `layout.size()` bytes.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    /// Resizes a block, in place or by moving it. If there is no room, returns null and leaves the block as it was.
    ///
    /// # Safety
    /// `ptr` is a live block of this heap with this `layout`. `new_size` is not zero, and does not overflow when
    /// rounded up to the alignment.
    #[inline]
    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promises are those of `move_block`.
        unsafe { move_block(self, ptr, layout, new_size) }
    }
}

/// Reallocation for a heap that cannot do it in place: allocate, copy, free.
///
/// # Safety
/// As for [`Heap::realloc`].
#[inline]
pub unsafe fn move_block<H: Heap>(
    heap: &mut H,
    ptr: *mut u8,
    layout: Layout,
    new_size: usize,
) -> *mut u8 {
    // SAFETY: the caller promises a size that is valid for this alignment.
    let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
    // SAFETY: the new size is not zero.
    let new = unsafe { heap.alloc(new_layout) };
    if !new.is_null() {
        // SAFETY: both blocks are live, distinct and at least as long as the shorter one.
        unsafe { ptr::copy_nonoverlapping(ptr, new, layout.size().min(new_size)) };
        // SAFETY: the caller promises that `ptr` is a live block with this layout.
        unsafe { heap.dealloc(ptr, layout) };
    }
    new
}

/// A heap's control structure, aligned so that it shares no cache line with other data.
#[repr(align(128))]
pub struct InPlace<H>(pub H);

/// Memory for the heaps under test: present, zeroed once, and well aligned.
pub struct Memory {
    base: NonNull<u8>,
    layout: Layout,
}

impl Memory {
    /// The alignment that suits the buddy system best.
    const ALIGN: usize = 1 << 20;

    /// `size` bytes, all of them touched, so that no measurement pays for page faults.
    ///
    /// # Panics
    /// If the operating system has too little memory.
    pub fn new(size: usize) -> Self {
        let layout = Layout::from_size_align(size.max(1), Self::ALIGN)
            .expect("the size of a benchmark's memory");
        // SAFETY: the size is not zero.
        let base = unsafe { alloc::alloc(layout) };
        let Some(base) = NonNull::new(base) else { alloc::handle_alloc_error(layout) };
        // SAFETY: the block has just been allocated with this size.
        unsafe { base.write_bytes(0, layout.size()) };
        Self { base, layout }
    }

    /// The size in bytes.
    pub fn size(&self) -> usize {
        self.layout.size()
    }

    /// The first `size` bytes, or all if there are fewer.
    pub fn first(&mut self, size: usize) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.base, size.min(self.layout.size()))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this layout.
        unsafe { alloc::dealloc(self.base.as_ptr(), self.layout) };
    }
}
