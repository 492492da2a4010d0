//! The calls of the program.

use std::alloc::Layout;
use std::ptr::NonNull;

use talloc_core::{AllocError, Config};

use super::super::note;
use super::{Freed, Program, REMEMBERED};
use crate::ops::cursor::nearest_layout;
use crate::ops::{Op, Pick};
use crate::shadow::Block;

impl<C: Config> Program<C> {
    /// Runs one operation. Those on arenas are for the `Driver`.
    pub(super) fn step(&mut self, op: Op) {
        match op {
            Op::Malloc { size, align } | Op::MallocDirty { size, align } => {
                self.allocate(nearest_layout(size, align), false);
            }
            Op::MallocZeroed { size, align } => {
                self.allocate(nearest_layout(size, align), true);
            }
            Op::Fill { size, align, count } => {
                for _ in 0..count {
                    let is_met = self.allocate(nearest_layout(size, align), false).is_some();
                    if !is_met || self.reported.is_some() {
                        break;
                    }
                }
            }
            Op::Free { pick } => self.with(pick, Self::free),
            Op::Drain { stride } => {
                for index in (0..self.shadow.blocks().len()).rev().step_by(1 + stride) {
                    if self.reported.is_none() {
                        self.free(index);
                    }
                }
            }
            Op::Grow { pick, more } => self.with(pick, |program, index| program.grow(index, more)),
            Op::GrowInPlace { pick, more } => {
                self.with(pick, |program, index| program.grow_in_place(index, more));
            }
            Op::Shrink { pick, less } => {
                self.with(pick, |program, index| program.shrink(index, less));
            }
            Op::Flush => self.flush(),
            _ => {}
        }
    }

    fn with(&mut self, pick: Pick, run: impl FnOnce(&mut Self, usize)) {
        if let Some(index) = pick.of(self.shadow.blocks().len()) {
            run(self, index);
        }
    }

    /// Allocates a block. Returns its address.
    pub fn allocate(&mut self, layout: Layout, zeroed: bool) -> Option<NonNull<u8>> {
        // SAFETY: `malloc` and `malloc_zeroed` have no preconditions.
        let result = unsafe {
            if zeroed { self.heap.malloc_zeroed(layout) } else { self.heap.malloc(layout) }
        };
        self.called();
        let ptr = result.ok()?;
        let clean = if zeroed { 0 } else { usize::MAX };
        let admitted = self.shadow.insert(ptr, layout, clean, &self.arenas);
        self.expect(admitted);
        let addr = ptr.addr().get();
        self.freed.retain(|freed| freed.block.ptr.addr().get() != addr);
        Some(ptr)
    }

    /// Frees a block, whose contents must be intact.
    pub fn free(&mut self, index: usize) {
        let block = self.shadow.get(index);
        let removed = self.shadow.remove(index);
        self.expect(removed);
        // SAFETY: The block is allocated with this layout. After a fault, the heap may be broken, which is the point of
        // the test.
        unsafe { self.heap.free(block.ptr, block.layout) };
        self.called();
        self.remember(block);
    }

    /// Remembers a freed block.
    pub fn remember(&mut self, block: Block) {
        if self.freed.len() == REMEMBERED {
            self.freed.swap_remove(self.random.usize(..REMEMBERED));
        }
        self.freed.push(Freed { block, at: self.calls });
    }

    fn grow(&mut self, index: usize, more: usize) {
        let block = self.shadow.get(index);
        let new = nearest_layout(block.layout.size().saturating_add(more), block.layout.align());
        // SAFETY: The block is allocated with this layout, and the new size is not smaller.
        let result = unsafe { self.heap.grow(block.ptr, block.layout, new.size()) };
        self.resized(index, result, new.size());
    }

    fn grow_in_place(&mut self, index: usize, more: usize) {
        let block = self.shadow.get(index);
        let new = nearest_layout(block.layout.size().saturating_add(more), block.layout.align());
        // SAFETY: The block is allocated with this layout, and the new size is not smaller.
        let result = unsafe { self.heap.grow_in_place(block.ptr, block.layout, new.size()) };
        self.resized(index, result, new.size());
    }

    fn shrink(&mut self, index: usize, less: usize) {
        let block = self.shadow.get(index);
        let size = block.layout.size() - less % (block.layout.size() + 1);
        // SAFETY: The block is allocated with this layout, and the new size is not larger.
        unsafe { self.heap.shrink(block.ptr, block.layout, size) };
        // A call that was reported has no effect.
        let is_refused = note::is_any();
        self.resized(index, if is_refused { Err(AllocError) } else { Ok(block.ptr) }, size);
    }

    /// Records the result of a call that resizes a block.
    pub fn resized(&mut self, index: usize, result: Result<NonNull<u8>, AllocError>, size: usize) {
        self.called();
        let Ok(ptr) = result else { return };
        let old = self.shadow.get(index);
        let resized = self.shadow.resize(index, ptr, size, &self.arenas);
        self.expect(resized);
        let addr = ptr.addr().get();
        self.freed.retain(|freed| freed.block.ptr.addr().get() != addr);
        if ptr != old.ptr {
            self.remember(old);
        }
    }

    pub fn flush(&mut self) {
        self.heap.flush();
        self.called();
    }
}
