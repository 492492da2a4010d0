//! Operations on blocks: allocate, free and resize.

use std::alloc::Layout;

use super::{Check, Driver, layout};
use crate::heap::Heap;
use crate::trace::{Call, Fresh, Outcome};

impl<H: Heap> Driver<H> {
    /// Allocates a block. Returns whether there was room.
    pub(super) fn malloc(
        &mut self,
        size: usize,
        align: usize,
        fresh: Fresh,
    ) -> Result<bool, String> {
        let layout = layout(size, align);
        let sure = self.limits.surely_fits(&self.report, layout);
        self.prepare(None);
        self.trace.begin(Call::Malloc { id: self.shadow.next_id(), layout, fresh });
        // SAFETY: Allocating has no preconditions.
        let result = unsafe {
            match fresh {
                Fresh::Any => self.heap.malloc(layout).map(|ptr| (ptr, 0)),
                Fresh::Zeroed => self.heap.malloc_zeroed(layout).map(|ptr| (ptr, 0)),
                Fresh::Dirty => self.heap.malloc_dirty(layout),
            }
        };
        let Ok((ptr, dirty)) = result else {
            self.refused(layout, sure)?;
            return Ok(false);
        };
        self.trace.end(Outcome::At(self.pool.offset(ptr.addr().get())));
        self.follow_events()?;
        self.shadow.insert(ptr, layout, fresh.clean(dirty), &self.arenas)?;
        self.settle()?;
        Ok(true)
    }

    pub(super) fn fill(&mut self, size: usize, align: usize, count: usize) -> Check {
        for _ in 0..count {
            if !self.malloc(size, align, Fresh::Any)? {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn free(&mut self, index: usize) -> Check {
        let block = self.shadow.remove(index)?;
        self.trace.begin(Call::Free { id: block.id });
        // SAFETY: The block is allocated with this layout, and is freed once.
        unsafe { self.heap.free(block.ptr, block.layout) };
        self.trace.end(Outcome::Done);
        self.settle().map(drop)
    }

    /// Frees every `stride`th block, the youngest first.
    pub(super) fn drain(&mut self, stride: usize) -> Check {
        for index in (0..self.shadow.blocks().len()).rev().step_by(stride) {
            self.free(index)?;
        }
        Ok(())
    }

    /// Grows a block. It may move.
    pub(super) fn grow_by(&mut self, index: usize, more: usize) -> Check {
        let block = self.shadow.get(index);
        let new = layout(block.layout.size().saturating_add(more), block.layout.align());
        let sure = self.limits.surely_fits(&self.report, new) || self.same_chunk(block.layout, new);
        self.shadow.check(index)?;
        self.prepare(Some(block.ptr));
        self.trace.begin(Call::Grow { id: block.id, size: new.size() });
        // SAFETY: The block is allocated with this layout, and the new size is not smaller.
        let result = unsafe { self.heap.grow(block.ptr, block.layout, new.size()) };
        let Ok(ptr) = result else {
            return self.refused(new, sure);
        };
        self.trace.end(Outcome::At(self.pool.offset(ptr.addr().get())));
        self.follow_events()?;
        // The source may have freed other blocks, which changes the order.
        let index = self.shadow.index_of(block.ptr);
        self.shadow.resize(index, ptr, new.size(), &self.arenas)?;
        self.settle().map(drop)
    }

    pub(super) fn grow_in_place(&mut self, index: usize, more: usize) -> Check {
        let block = self.shadow.get(index);
        let new = layout(block.layout.size().saturating_add(more), block.layout.align());
        self.shadow.check(index)?;
        self.trace.begin(Call::GrowInPlace { id: block.id, size: new.size() });
        // SAFETY: The block is allocated with this layout, and the new size is not smaller.
        let result = unsafe { self.heap.grow_in_place(block.ptr, block.layout, new.size()) };
        if result.is_ok() {
            self.trace.end(Outcome::Done);
            self.shadow.resize(index, block.ptr, new.size(), &self.arenas)?;
            return self.settle().map(drop);
        }
        self.trace.end(Outcome::Refused);
        let before = self.settle()?;
        if self.same_chunk(block.layout, new) {
            return Err("refused to grow a block within the bytes it takes".into());
        }
        self.check_unchanged(&before)
    }

    /// Shrinks a block by `less` bytes, modulo its size plus one.
    ///
    /// It may move if the new size is odd.
    pub(super) fn shrink(&mut self, index: usize, less: usize) -> Check {
        let block = self.shadow.get(index);
        let (id, size) = (block.id, block.layout.size() - less % (block.layout.size() + 1));
        self.shadow.check(index)?;
        let ptr = if size % 2 == 0 {
            self.trace.begin(Call::Shrink { id, size });
            // SAFETY: The block is allocated with this layout, and the new size is not larger.
            unsafe { self.heap.shrink(block.ptr, block.layout, size) };
            self.trace.end(Outcome::Done);
            block.ptr
        } else {
            self.trace.begin(Call::Realloc { id, size });
            // SAFETY: The block is allocated with this layout.
            let moved = unsafe { self.heap.realloc(block.ptr, block.layout, size) };
            let ptr = moved.map_err(|_| "refused to make a block smaller")?;
            self.trace.end(Outcome::At(self.pool.offset(ptr.addr().get())));
            ptr
        };
        self.shadow.resize(index, ptr, size, &self.arenas)?;
        self.settle().map(drop)
    }

    /// Checks that a refusal was justified.
    fn refused(&mut self, layout: Layout, sure: bool) -> Check {
        self.trace.end(Outcome::Refused);
        let acted = self.follow_events()?;
        let before = self.settle()?;
        if sure {
            return Err(format!("refused {layout:?} in spite of {before:?}"));
        }
        if !acted {
            self.check_unchanged(&before)?;
        }
        // Cached memory does not justify a failure, whether it was cached before or comes from the source.
        if self.report.cached_bytes > 0 {
            self.flush()?;
        }
        if self.limits.surely_fits(&self.report, layout) {
            return Err(format!("refused {layout:?} in spite of {:?}", self.report));
        }
        Ok(())
    }

    /// Returns whether both sizes are rounded to the same one.
    fn same_chunk(&self, old: Layout, new: Layout) -> bool {
        self.limits.rounded(old.size()) == self.limits.rounded(new.size())
    }
}
