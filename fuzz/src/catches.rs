//! A heap whose source may panic.

use std::alloc::Layout;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use talloc_core::{AllocError, Config, OwnedTalloc, Talloc};

use crate::heap::Heap;
use crate::supply::{Bomb, Supply};

/// A heap that catches the panics of its source.
pub struct Catches<C: Config> {
    heap: OwnedTalloc<C, Supply>,
    caught: usize,
}

impl<C: Config> Catches<C> {
    /// Creates a heap with a source that may panic with a [`Bomb`].
    pub fn new(source: Supply) -> Self {
        Self { heap: Talloc::with_source(source), caught: 0 }
    }

    /// Returns the number of panics.
    pub fn caught(&self) -> usize {
        self.caught
    }

    fn catch<T>(
        &mut self,
        call: impl FnOnce(&mut Talloc<C, Supply>) -> Result<T, AllocError>,
    ) -> Result<T, AllocError> {
        match catch_unwind(AssertUnwindSafe(|| call(&mut self.heap))) {
            Ok(result) => result,
            Err(panic) if panic.is::<Bomb>() => {
                self.caught += 1;
                Err(AllocError)
            }
            Err(panic) => resume_unwind(panic),
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks, reason = "the caller gives what `Talloc` asks for")]
impl<C: Config> Heap for Catches<C> {
    type Config = C;

    fn talloc(&self) -> &Talloc<C, Supply> {
        &self.heap
    }

    fn talloc_mut(&mut self) -> &mut Talloc<C, Supply> {
        &mut self.heap
    }

    unsafe fn malloc(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.catch(|heap| unsafe { heap.malloc(layout) })
    }

    unsafe fn malloc_zeroed(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.catch(|heap| unsafe { heap.malloc_zeroed(layout) })
    }

    unsafe fn malloc_dirty(&mut self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        self.catch(|heap| unsafe { heap.backend().malloc_dirty(layout) })
    }

    unsafe fn grow(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        self.catch(|heap| unsafe { heap.grow(ptr, layout, new_size) })
    }

    unsafe fn realloc(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        self.catch(|heap| unsafe { heap.realloc(ptr, layout, new_size) })
    }
}
