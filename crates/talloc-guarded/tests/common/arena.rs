//! An allocator with adjacent blocks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The size of an arena in bytes, a whole number of pages.
pub const LEN: usize = 1 << 20;

/// Allocates adjacent blocks. The last one can be resized in place. Freed memory is overwritten.
pub struct Arena {
    start: *mut u8,
    used: Mutex<usize>,
    /// Whether requests fail.
    pub is_full: AtomicBool,
}

// SAFETY: A lock guards the number of used bytes, and blocks are disjoint.
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

    /// Returns the number of used bytes.
    pub fn used(&self) -> usize {
        *self.used.lock().unwrap()
    }

    /// Skips memory, so that the next block starts at this offset, or reuses memory.
    ///
    /// # Safety
    ///
    /// There is no live block above the offset.
    pub unsafe fn set_used(&self, offset: usize) {
        *self.used.lock().unwrap() = offset;
    }
}

// SAFETY: Blocks are disjoint parts of the arena, as long as the contract of `set_used` is upheld.
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
        // SAFETY: The caller gives up the block, which has this layout.
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
        // SAFETY: The old block is live, and the new one is disjoint.
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
