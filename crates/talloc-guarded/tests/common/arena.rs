//! An allocator whose blocks have nothing between them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The bytes of an arena: a whole number of pages.
pub const LEN: usize = 1 << 20;

/// Blocks one behind the other. The last one can grow and shrink where it is. Memory that is not a block's is written to.
pub struct Arena {
    start: *mut u8,
    used: Mutex<usize>,
    /// Whether requests fail.
    pub is_full: AtomicBool,
}

// SAFETY: A lock guards how much of the memory is used, and blocks are distinct.
unsafe impl Sync for Arena {}

impl Arena {
    pub fn new() -> Self {
        // SAFETY: The size is not zero.
        let start = unsafe { System.alloc_zeroed(Layout::from_size_align(LEN, 1 << 16).unwrap()) };
        assert!(!start.is_null());
        Self { start, used: Mutex::new(0), is_full: AtomicBool::new(false) }
    }

    pub fn start(&self) -> usize {
        self.start.expose_provenance()
    }

    /// How many bytes are used.
    pub fn used(&self) -> usize {
        *self.used.lock().unwrap()
    }

    /// Skips memory, so that the next block starts at this offset, or uses memory again.
    ///
    /// # Safety
    ///
    /// Nothing behind the offset is live.
    pub unsafe fn set_used(&self, offset: usize) {
        *self.used.lock().unwrap() = offset;
    }
}

// SAFETY: Blocks are parts of the arena that no other block has, as long as `set_used` is called as it should be.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut used = self.used.lock().unwrap();
        let start = used.next_multiple_of(layout.align());
        if self.is_full.load(Relaxed) || start + layout.size() > LEN {
            return std::ptr::null_mut();
        }
        *used = start + layout.size();
        // SAFETY: The block is in the arena.
        unsafe {
            let block = self.start.add(start);
            block.write_bytes(0xaa, layout.size());
            block
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: The caller gives up the block.
        unsafe { block.write_bytes(0xdd, layout.size()) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let mut used = self.used.lock().unwrap();
        let start = block.addr() - self.start();
        let fits = !self.is_full.load(Relaxed) && start + new_size <= LEN;
        if start + layout.size() == *used && fits {
            *used = start + new_size;
            return block;
        }
        drop(used);
        // SAFETY: The old block is live, and the new one another.
        unsafe {
            let new = self.alloc(Layout::from_size_align(new_size, layout.align()).unwrap());
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}
