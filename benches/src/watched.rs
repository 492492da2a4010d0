//! A heap that validates the blocks of another heap.

use crate::{
    check::{self, Block, Shadow},
    heap::Heap,
};
use anyhow::{Context, Result};
use std::{alloc::Layout, collections::HashMap, ptr::NonNull, slice};

/// Validates the blocks of a heap, as [`check`](check::check) does for scripts: for workloads whose course depends on the
/// heap.
///
/// # Panics
/// The methods panic at the first error.
pub struct Watched<H> {
    heap: H,
    shadow: Shadow,
    blocks: HashMap<*mut u8, Block>,
    seed: u8,
}

impl<H: Heap> Watched<H> {
    /// Adds a new block to the shadow, and fills it.
    ///
    /// # Safety
    /// The heap has just returned the block for this layout, or null.
    unsafe fn take(&mut self, base: *mut u8, layout: Layout) -> *mut u8 {
        if base.is_null() {
            return base;
        }
        right::<H, ()>(self.shadow.place(base, layout));
        self.seed = self.seed.wrapping_add(1);
        let block = Block { base, size: layout.size(), seed: self.seed };
        // SAFETY: the block lies where it may.
        unsafe { check::fill(block) };
        self.blocks.insert(base, block);
        base
    }

    /// Removes a block from the shadow, after checking its contents.
    fn give(&mut self, base: *mut u8, layout: Layout) -> Block {
        let block = self.blocks.remove(&base).filter(|block| block.size == layout.size());
        let block = right::<H, _>(block.context("the workload is not valid"));
        // SAFETY: the block is live.
        right::<H, ()>(unsafe { self.shadow.forget(block) });
        block
    }
}

fn right<H: Heap, T>(found: Result<T>) -> T {
    found.unwrap_or_else(|error| panic!("{}: {error:#}", H::NAME))
}

impl<H: Heap> Heap for Watched<H> {
    const NAME: &'static str = H::NAME;
    const WATCHED: bool = true;

    fn empty() -> Self {
        Self { heap: H::empty(), shadow: Shadow::new(None), blocks: HashMap::new(), seed: 0 }
    }

    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool {
        let base: *mut u8 = memory.cast().as_ptr();
        self.shadow = Shadow::new(Some(base..base.wrapping_add(memory.len())));
        // SAFETY: by the contract of this function.
        unsafe { self.heap.init(memory) }
    }

    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise; the heap has just given the block.
        unsafe {
            let block = self.heap.alloc(layout);
            self.take(block, layout)
        }
    }

    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        self.give(ptr, layout);
        // SAFETY: by the contract of this function.
        unsafe { self.heap.dealloc(ptr, layout) }
    }

    unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: by the contract of this function.
        let block = unsafe { self.heap.alloc_zeroed(layout) };
        if !block.is_null() {
            // SAFETY: `alloc_zeroed` has initialised so many bytes.
            let bytes = unsafe { slice::from_raw_parts(block, layout.size()) };
            assert!(bytes.iter().all(|&byte| byte == 0), "{}: not zeroed", H::NAME);
        }
        // SAFETY: the heap has just given the block.
        unsafe { self.take(block, layout) }
    }

    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let old = self.give(ptr, layout);
        // SAFETY: by the contract of this function.
        let new = unsafe { self.heap.realloc(ptr, layout, new_size) };
        let kept = if new.is_null() { ptr } else { new };
        let size = if new.is_null() { old.size } else { new_size };
        // SAFETY: the caller promises a size that is valid for this alignment.
        let layout = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the block lies there, with at least the bytes that were to be kept.
        right::<H, ()>(unsafe {
            check::holds(Block { base: kept, size: old.size.min(size), ..old })
        });
        // SAFETY: the heap has just given the block, or left it.
        unsafe { self.take(kept, layout) };
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::{Fault, Faulty};
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        ptr,
    };

    /// Whether a heap with this fault passes.
    fn passes(fault: Fault) -> bool {
        let heap = Faulty { fault, last: ptr::null_mut() };
        let mut heap = Watched { heap, ..Watched::<Faulty>::empty() };
        let layout = Layout::new::<[u64; 12]>();
        // SAFETY: what is not null is live.
        let run = || unsafe {
            let block = heap.alloc(layout);
            if !block.is_null() {
                let other = heap.alloc_zeroed(layout);
                heap.realloc(block, layout, 200);
                heap.dealloc(other, layout);
            }
        };
        catch_unwind(AssertUnwindSafe(run)).is_ok()
    }

    #[test]
    fn each_fault_is_found() {
        for fault in
            [Fault::Misaligned, Fault::Twice, Fault::NotZeroed, Fault::Forgets, Fault::Scribbles]
        {
            assert!(!passes(fault), "{fault:?}");
        }
    }

    #[test]
    fn a_full_heap_is_no_fault() {
        assert!(passes(Fault::Full));
    }
}
