//! Tests that access private state.

mod bounds;
mod broken;
mod counts;
mod order;
mod script;
mod slabs;
mod sweep;
mod violations;

use core::alloc::Layout;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use std::vec;
use std::vec::Vec;

use talloc_span::Span;

use super::{OwnedTalloc, Talloc};
use crate::config::Config;
use crate::granule::GRANULE;

/// A heap that owns its memory.
struct Owned<C: Config> {
    heap: OwnedTalloc<C>,
    memory: Vec<u64>,
}

impl<C: Config> Owned<C> {
    /// Creates a heap whose arena has `granules` granules, with as much unused memory on either side.
    fn new(granules: usize) -> Self {
        let mut owned = Self { heap: Talloc::with_config(), memory: vec![0; 3 * granules] };
        let whole = owned.whole();
        // SAFETY: The memory lives as long as the heap.
        unsafe { owned.heap.init(whole.truncate(whole.size() / 3, whole.size() / 3)) };
        owned
    }

    /// Returns all of the memory.
    fn whole(&mut self) -> Span {
        let size = self.memory.len() * GRANULE;
        Span::from_ptr_size(self.memory.as_mut_ptr().cast(), size)
    }

    /// Allocates `granules` granules.
    fn take(&mut self, granules: usize) -> Block {
        let layout = layout(granules);
        // SAFETY: `malloc` has no preconditions.
        let ptr = unsafe { self.heap.malloc(layout) }.unwrap();
        self.heap.verify().unwrap();
        Block { ptr, layout }
    }

    /// Frees a block.
    fn give(&mut self, block: Block) {
        // SAFETY: The heap allocated the block with this layout, and it is freed once.
        unsafe { self.heap.free(block.ptr, block.layout) };
        self.heap.verify().unwrap();
    }

    /// Returns the first granule of a block.
    fn at(&self, block: &Block) -> usize {
        self.heap.arenas.first.granule(block.ptr)
    }

    /// Verifies the heap and compares it with a picture.
    #[track_caller]
    fn expect(&self, picture: &str) {
        self.heap.verify().unwrap();
        assert_eq!(self.heap.arenas.first.picture(), picture);
    }
}

impl<C: Config> Deref for Owned<C> {
    type Target = Talloc<C>;

    fn deref(&self) -> &Talloc<C> {
        &self.heap
    }
}

impl<C: Config> DerefMut for Owned<C> {
    fn deref_mut(&mut self) -> &mut Talloc<C> {
        &mut self.heap
    }
}

/// A block, which is freed at most once.
#[derive(Debug)]
struct Block {
    ptr: NonNull<u8>,
    layout: Layout,
}

fn layout(granules: usize) -> Layout {
    Layout::from_size_align(granules * GRANULE, GRANULE).unwrap()
}
