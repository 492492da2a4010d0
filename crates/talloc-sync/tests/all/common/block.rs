//! Blocks that detect when they are overwritten.

use core::alloc::Layout;
use core::ops::Deref;
use std::alloc::GlobalAlloc;

/// A block whose bytes are all `tag`. It is checked and freed when it is dropped.
pub struct Block<P: Deref<Target: GlobalAlloc>> {
    heap: P,
    ptr: *mut u8,
    layout: Layout,
    tag: u8,
}

// SAFETY: The value owns the block, and threads may share the heap.
unsafe impl<P: Deref<Target: GlobalAlloc + Sync> + Send> Send for Block<P> {}

impl<P: Deref<Target: GlobalAlloc>> Block<P> {
    /// Allocates a block of `layout`. Returns `None` if there is no room.
    pub fn new(heap: P, layout: Layout, tag: u8) -> Option<Self> {
        // SAFETY: The size is not zero.
        let ptr = unsafe { heap.alloc(layout) };
        let mut block = Self::own(heap, ptr, layout, tag)?;
        block.fill(tag);
        Some(block)
    }

    /// Allocates a zeroed block. Returns `None` if there is no room.
    pub fn zeroed(heap: P, layout: Layout) -> Option<Self> {
        // SAFETY: The size is not zero.
        let ptr = unsafe { heap.alloc_zeroed(layout) };
        Self::own(heap, ptr, layout, 0)
    }

    /// Allocates a block of up to 300 bytes. Returns `None` if there is no room.
    pub fn random(heap: P, random: &mut fastrand::Rng) -> Option<Self> {
        let align = 1 << random.u32(..7);
        let layout = Layout::from_size_align(random.usize(1..=300), align).unwrap();
        Self::new(heap, layout, random.u8(..))
    }

    fn own(heap: P, ptr: *mut u8, layout: Layout, tag: u8) -> Option<Self> {
        assert!(ptr.addr() % layout.align() == 0);
        if ptr.is_null() { None } else { Some(Self { heap, ptr, layout, tag }) }
    }

    /// Returns the address.
    pub fn addr(&self) -> usize {
        self.ptr.addr()
    }

    pub fn fill(&mut self, tag: u8) {
        self.tag = tag;
        // SAFETY: The access is within the block.
        unsafe { self.ptr.write_bytes(tag, self.layout.size()) };
    }

    /// Resizes the block. Returns whether that succeeded.
    pub fn resize(&mut self, size: usize) -> bool {
        self.check(self.layout.size());
        // SAFETY: The block has this layout, and the new size is not zero.
        let ptr = unsafe { self.heap.realloc(self.ptr, self.layout, size) };
        if !ptr.is_null() {
            let kept = size.min(self.layout.size());
            self.ptr = ptr;
            self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
            self.check(kept);
            self.fill(self.tag);
        }
        !ptr.is_null()
    }

    fn check(&self, size: usize) {
        // SAFETY: The first `size` bytes are initialised.
        let bytes = unsafe { core::slice::from_raw_parts(self.ptr, size) };
        assert!(bytes.iter().all(|&byte| byte == self.tag), "a block has been overwritten");
    }
}

impl<P: Deref<Target: GlobalAlloc>> Drop for Block<P> {
    fn drop(&mut self) {
        self.check(self.layout.size());
        // SAFETY: The block has this layout and is not used any more.
        unsafe { self.heap.dealloc(self.ptr, self.layout) };
    }
}
