//! The interface of an allocator in benchmarks, and its memory.

use std::{
    alloc::{self, Layout},
    ptr::{self, NonNull},
};

/// A heap for one thread, without a lock, over one region of memory.
///
/// The methods call the allocator directly and are monomorphised with the workload, so no allocator pays for dynamic
/// dispatch or for a lock.
pub trait Heap: Sized + 'static {
    /// The heap's name in tables and on the command line.
    const NAME: &'static str;

    /// Whether the heap runs by default.
    const USUAL: bool = true;

    /// Whether the heap checks the contents of its blocks. A workload must not change them.
    const WATCHED: bool = false;

    /// Creates a heap without memory.
    fn empty() -> Self;

    /// Gives the heap its memory. Returns false if the region is too small for this heap.
    ///
    /// # Safety
    /// `memory` is valid for reads and writes, and only the heap uses it, until the heap's last use. `init` is called
    /// once, before any allocation, and the heap is not moved afterwards.
    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool;

    /// Allocates a block. Returns null if there is no room.
    ///
    /// # Safety
    /// `layout.size()` is not zero and [`init`](Heap::init) returned true.
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8;

    /// Frees a block.
    ///
    /// # Safety
    /// `ptr` is a live block of this heap with this `layout`.
    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout);

    /// Allocates a zeroed block. Returns null if there is no room.
    ///
    /// # Safety
    /// As for [`alloc`](Heap::alloc).
    #[inline]
    unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: The preconditions are those of `alloc`.
        let block = unsafe { self.alloc(layout) };
        if !block.is_null() {
            // SAFETY: The block has just been allocated with `layout.size()` bytes.
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
        // SAFETY: The preconditions are those of `move_block`.
        unsafe { move_block(self, ptr, layout, new_size) }
    }
}

/// Reallocates a block of a heap that cannot do so in place: allocates, copies and frees.
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
    // SAFETY: The caller passes a size that is valid for this alignment.
    let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
    // SAFETY: The new size is not zero.
    let new = unsafe { heap.alloc(new_layout) };
    if !new.is_null() {
        // SAFETY: Both blocks are allocated, distinct and at least as long as the shorter one.
        unsafe { ptr::copy_nonoverlapping(ptr, new, layout.size().min(new_size)) };
        // SAFETY: The caller passes an allocated block with this layout.
        unsafe { heap.dealloc(ptr, layout) };
    }
    new
}

/// A heap's control structure, aligned so that it shares no cache line with other data.
#[repr(align(128))]
pub struct InPlace<H>(pub H);

/// The memory of the heaps under test. It is resident, initially zero, and well aligned.
pub struct Memory {
    base: NonNull<u8>,
    layout: Layout,
}

impl Memory {
    /// The alignment that suits the buddy system best.
    const ALIGN: usize = 1 << 20;

    /// Creates a memory of `size` bytes. All of it is touched, so no measurement includes page faults.
    ///
    /// # Panics
    /// If the operating system has too little memory.
    pub fn new(size: usize) -> Self {
        let layout = Layout::from_size_align(size.max(1), Self::ALIGN)
            .expect("the size of a benchmark's memory is valid");
        // SAFETY: The size is not zero.
        let base = unsafe { alloc::alloc(layout) };
        let Some(base) = NonNull::new(base) else { alloc::handle_alloc_error(layout) };
        // SAFETY: The block has just been allocated with this size.
        unsafe { base.write_bytes(0, layout.size()) };
        Self { base, layout }
    }

    /// Returns the size in bytes.
    pub fn size(&self) -> usize {
        self.layout.size()
    }

    /// Returns the first `size` bytes, or all of them if there are fewer.
    pub fn first(&mut self, size: usize) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.base, size.min(self.layout.size()))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: `new` allocated the memory with this layout.
        unsafe { alloc::dealloc(self.base.as_ptr(), self.layout) };
    }
}
