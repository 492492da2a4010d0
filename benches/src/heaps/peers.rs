//! The other `no_std` allocators, one implementation each.

use crate::heap::Heap;
use std::{
    alloc::Layout,
    cell::Cell,
    ptr::{self, NonNull},
};

/// rlsf's TLSF: first-level lists for blocks below 8 GiB, 32 second-level lists each (16 or 64 were no faster, and no
/// denser on traces).
pub struct Rlsf(rlsf::Tlsf<'static, u32, u32, 28, 32>);

impl Heap for Rlsf {
    const NAME: &'static str = "rlsf";

    fn empty() -> Self {
        Self(rlsf::Tlsf::new())
    }

    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool {
        // SAFETY: the caller gives the memory to this heap and outlives it.
        unsafe { self.0.insert_free_block_ptr(memory) }.is_some()
    }

    #[inline]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        self.0.allocate(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        // SAFETY: a live block is not null, and the caller promises its alignment.
        unsafe { self.0.deallocate(NonNull::new_unchecked(ptr), layout.align()) }
    }

    #[inline]
    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises a size that is valid for this alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: a live block is not null, and the alignment stays.
        unsafe { self.0.reallocate(NonNull::new_unchecked(ptr), new_layout) }
            .map_or(ptr::null_mut(), NonNull::as_ptr)
    }
}

/// galloc (`good_memory_allocator`) with its default bins.
pub struct Galloc(good_memory_allocator::Allocator);

impl Heap for Galloc {
    const NAME: &'static str = "galloc";

    fn empty() -> Self {
        Self(good_memory_allocator::Allocator::empty())
    }

    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool {
        /// In a smaller region, galloc's arithmetic on the region's ends would wrap.
        const MIN: usize = 64;
        if memory.len() < MIN {
            return false;
        }
        // SAFETY: the caller gives the memory to this heap, once, and does not move the heap.
        unsafe { self.0.init(memory.cast::<u8>().as_ptr().expose_provenance(), memory.len()) };
        true
    }

    #[inline]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the heap is initialised.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&mut self, ptr: *mut u8, _: Layout) {
        // SAFETY: the caller promises a live block.
        unsafe { self.0.dealloc(ptr) }
    }

    #[inline]
    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises a live block with this layout and a valid size.
        unsafe { self.0.realloc(ptr, layout, new_size) }
    }
}

/// `linked_list_allocator`: one address-ordered list of holes, first fit.
pub struct LinkedList(linked_list_allocator::Heap);

impl Heap for LinkedList {
    const NAME: &'static str = "linked_list";

    fn empty() -> Self {
        Self(linked_list_allocator::Heap::empty())
    }

    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool {
        /// The heap asserts that its first hole has room.
        const MIN: usize = 64;
        if memory.len() < MIN {
            return false;
        }
        // SAFETY: the caller gives the memory to this heap, once.
        unsafe { self.0.init(memory.cast().as_ptr(), memory.len()) };
        true
    }

    #[inline]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        self.0.allocate_first_fit(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        // SAFETY: a live block is not null, and the caller promises this layout.
        unsafe { self.0.deallocate(NonNull::new_unchecked(ptr), layout) }
    }
}

/// `buddy_system_allocator` with orders up to 2 GiB.
pub struct Buddy(buddy_system_allocator::Heap<32>);

impl Heap for Buddy {
    const NAME: &'static str = "buddy";

    fn empty() -> Self {
        Self(buddy_system_allocator::Heap::empty())
    }

    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool {
        // SAFETY: the caller gives the memory to this heap.
        unsafe { self.0.init(memory.cast::<u8>().as_ptr().expose_provenance(), memory.len()) };
        true
    }

    #[inline]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        self.0.alloc(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        // SAFETY: a live block is not null, and the caller promises this layout.
        unsafe { self.0.dealloc(NonNull::new_unchecked(ptr), layout) }
    }
}

/// dlmalloc over a fixed region.
pub struct Dl(dlmalloc::Dlmalloc<OneRegion>);

/// The "operating system" of [`Dl`]. It has one region, and returns all of it at the first request.
struct OneRegion(Cell<Option<NonNull<[u8]>>>);

// SAFETY: this value owns the region.
unsafe impl Send for OneRegion {}

// SAFETY: `alloc` returns the region once; no memory is ever taken back.
unsafe impl dlmalloc::Allocator for OneRegion {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        match self.0.take() {
            Some(memory) if size <= memory.len() => (memory.cast().as_ptr(), memory.len(), 0),
            _ => (ptr::null_mut(), 0, 0),
        }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        false
    }

    fn page_size(&self) -> usize {
        4096
    }
}

impl Heap for Dl {
    const NAME: &'static str = "dlmalloc";

    fn empty() -> Self {
        Self(dlmalloc::Dlmalloc::new_with_allocator(OneRegion(Cell::new(None))))
    }

    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool {
        self.0.allocator().0.set(Some(memory));
        // No memory can go back, and the region is requested only once, so a coarse granularity would only refuse small
        // regions.
        self.0.set_max_release_check_rate(0);
        self.0.set_granularity(64)
    }

    #[inline]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: any size and power of two are accepted.
        unsafe { self.0.malloc(layout.size(), layout.align()) }
    }

    #[inline]
    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller promises a live block with this layout.
        unsafe { self.0.free(ptr, layout.size(), layout.align()) }
    }

    #[inline]
    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises a live block with this layout and a valid size.
        unsafe { self.0.realloc(ptr, layout.size(), layout.align(), new_size) }
    }
}
