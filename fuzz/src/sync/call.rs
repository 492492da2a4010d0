//! The calls of threads.

use std::alloc::Layout;
use std::fmt;
use std::ptr::NonNull;

use allocator_api2::alloc::Allocator;

use super::driver::{Check, Driver, block};
use super::heaps::SyncHeap;
use crate::ops::cursor::nearest_layout;
use crate::shadow::Block;

/// A call, for printing.
#[derive(Clone, Copy)]
pub(super) enum Call {
    Allocate { id: usize, layout: Layout, zeroed: bool },
    Deallocate { id: usize },
    Grow { id: usize, layout: Layout, zeroed: bool },
    Shrink { id: usize, layout: Layout },
    Claim,
    Flush,
}

impl<H: SyncHeap + 'static> Driver<H> {
    /// Allocates a block. Returns whether there was room.
    pub(super) fn allocate(
        &self,
        thread: usize,
        layout: Layout,
        zeroed: bool,
    ) -> Result<bool, String> {
        let sure = self.limits.surely_fits(&self.report()?, layout) || layout.size() == 0;
        let id = self.number();
        let mut done = false;
        let make = || self.make_allocation(thread, layout, zeroed);
        let call = Call::Allocate { id, layout, zeroed };
        self.call(thread, call, self.takes(layout), make, |result, alone| match result {
            Some(ptr) => {
                done = true;
                self.put(block(id, ptr, layout), 0, if zeroed { 0 } else { usize::MAX })
            }
            None if sure && alone => Err(format!("refused {layout:?}, for which there is room")),
            None => Ok(()),
        })?;
        Ok(done)
    }

    pub(super) fn deallocate(&self, thread: usize, block: Block) -> Check {
        let Block { id, ptr, layout } = block;
        let make = || match self.heap.global() {
            // SAFETY: The block is allocated with this layout, and is freed once.
            Some(heap) if is_global(thread, layout, layout) => unsafe {
                heap.dealloc(ptr.as_ptr(), layout);
            },
            // SAFETY: The block is allocated with this layout, and is freed once.
            _ => unsafe { self.heap.allocator().deallocate(ptr, layout) },
        };
        let takes = self.takes(layout);
        self.call(thread, Call::Deallocate { id }, takes, make, |(), _| Ok(()))
    }

    pub(super) fn grow(
        &self,
        thread: usize,
        old: Block,
        more: usize,
        align: Option<usize>,
        zeroed: bool,
    ) -> Check {
        let align = align.unwrap_or(old.layout.align());
        let new = nearest_layout(old.layout.size() + more, align);
        let sure = self.limits.surely_fits(&self.report()?, new);
        let make = || match self.heap.global() {
            Some(heap) if !zeroed && is_global(thread, old.layout, new) => {
                // SAFETY: The block is allocated with this layout, and the new size is not zero.
                NonNull::new(unsafe { heap.realloc(old.ptr.as_ptr(), old.layout, new.size()) })
            }
            _ => {
                let heap = self.heap.allocator();
                // SAFETY: The block is allocated with this layout, and the new size is not smaller.
                let grown = unsafe {
                    if zeroed {
                        heap.grow_zeroed(old.ptr, old.layout, new)
                    } else {
                        heap.grow(old.ptr, old.layout, new)
                    }
                };
                grown.ok().map(|grown| start(grown, new))
            }
        };
        let clean = if zeroed { old.layout.size() } else { usize::MAX };
        let call = Call::Grow { id: old.id, layout: new, zeroed };
        self.resize(thread, call, old, new, sure, clean, make)
    }

    /// Shrinks a block by `less` bytes, modulo its size plus one.
    pub(super) fn shrink(
        &self,
        thread: usize,
        old: Block,
        less: usize,
        align: Option<usize>,
    ) -> Check {
        let size = old.layout.size() - less % (old.layout.size() + 1);
        let new = nearest_layout(size, align.unwrap_or(old.layout.align()));
        let stays = old.ptr.addr().get() % new.align() == 0 || size == 0;
        let sure = stays || self.limits.surely_fits(&self.report()?, new);
        let make = || match self.heap.global() {
            Some(heap) if is_global(thread, old.layout, new) => {
                // SAFETY: The block is allocated with this layout, and the new size is not zero.
                NonNull::new(unsafe { heap.realloc(old.ptr.as_ptr(), old.layout, size) })
            }
            _ => {
                // SAFETY: The block is allocated with this layout, and the new size is not larger.
                let shrunk = unsafe { self.heap.allocator().shrink(old.ptr, old.layout, new) };
                shrunk.ok().map(|shrunk| start(shrunk, new))
            }
        };
        let call = Call::Shrink { id: old.id, layout: new };
        self.resize(thread, call, old, new, sure, usize::MAX, make)
    }

    /// Makes a call that changes the layout of `old` to `new`. The call must succeed if `sure`.
    #[allow(clippy::too_many_arguments, reason = "growing and shrinking share all arguments")]
    fn resize(
        &self,
        thread: usize,
        call: Call,
        old: Block,
        new: Layout,
        sure: bool,
        clean: usize,
        make: impl FnOnce() -> Option<NonNull<u8>>,
    ) -> Check {
        let bytes = self.takes(old.layout) + self.takes(new);
        self.call(thread, call, bytes, make, |result, alone| match result {
            Some(ptr) => {
                self.put(block(old.id, ptr, new), old.layout.size().min(new.size()), clean)
            }
            None if sure && alone => Err(format!("refused {new:?}, for which there is room")),
            None => self.put(old, old.layout.size(), usize::MAX),
        })
    }

    pub(super) fn claim(&self, thread: usize) -> Check {
        self.call(
            thread,
            Call::Claim,
            0,
            || self.heap.claim(),
            |result, _| result.map_err(|error| format!("refused an arena: {error}")),
        )
    }

    pub(super) fn flush(&self, thread: usize) -> Check {
        self.call(
            thread,
            Call::Flush,
            0,
            || self.heap.flush(),
            |(), alone| match self.report()?.cached_bytes {
                1.. if alone => Err("blocks stayed in the quick lists".into()),
                _ => Ok(()),
            },
        )
    }

    fn make_allocation(&self, thread: usize, layout: Layout, zeroed: bool) -> Option<NonNull<u8>> {
        match self.heap.global() {
            // SAFETY: The size is not zero.
            Some(heap) if is_global(thread, layout, layout) => NonNull::new(unsafe {
                if zeroed { heap.alloc_zeroed(layout) } else { heap.alloc(layout) }
            }),
            _ => {
                let heap = self.heap.allocator();
                let block =
                    if zeroed { heap.allocate_zeroed(layout) } else { heap.allocate(layout) };
                block.ok().map(|block| start(block, layout))
            }
        }
    }

    /// Returns the size of the chunk for a layout.
    fn takes(&self, layout: Layout) -> usize {
        if layout.size() == 0 { 0 } else { self.limits.rounded(layout.size()) }
    }
}

/// Returns whether a thread makes this call as a global allocator. Every second thread does, if possible.
fn is_global(thread: usize, old: Layout, new: Layout) -> bool {
    thread % 2 == 1 && old.size() > 0 && new.size() > 0 && old.align() == new.align()
}

/// Returns the address of a block, whose length must match the layout.
fn start(block: NonNull<[u8]>, layout: Layout) -> NonNull<u8> {
    assert_eq!(block.len(), layout.size(), "the block does not have the requested length");
    block.cast()
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = |zeroed| if zeroed { "_zeroed" } else { "" };
        match *self {
            Self::Allocate { id, layout, zeroed } => {
                let (suffix, size, align) = (suffix(zeroed), layout.size(), layout.align());
                write!(f, "let b{id} = allocate{suffix}({size}, {align})")
            }
            Self::Deallocate { id } => write!(f, "deallocate(b{id})"),
            Self::Grow { id, layout, zeroed } => {
                let (suffix, size, align) = (suffix(zeroed), layout.size(), layout.align());
                write!(f, "let b{id} = grow{suffix}(b{id}, {size}, {align})")
            }
            Self::Shrink { id, layout } => {
                let (size, align) = (layout.size(), layout.align());
                write!(f, "let b{id} = shrink(b{id}, {size}, {align})")
            }
            Self::Claim => write!(f, "claim(the next piece)"),
            Self::Flush => write!(f, "flush()"),
        }
    }
}
