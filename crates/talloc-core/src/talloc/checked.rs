//! Checking blocks that are passed to a checked heap, and walking it block by block.

use core::alloc::Layout;
use core::iter;
use core::ptr::NonNull;

use super::chunks::{Chunks, Leaks};
use super::{Inspect, Talloc};
use crate::arena::Arena;
use crate::checks::KnowsBlocks;
use crate::chunk::{Chunk, ChunkKind};
use crate::config::{Config, Level};
use crate::granule::GRANULE;
use crate::misuse::{Call, Fault, Misuse};
use crate::quick::Lists;

impl<C: Config, S> Talloc<C, S> {
    /// Whether a block with this layout is allocated at `ptr`, and `call` is right for it. A heap that is not checked
    /// returns true, and one that is closed returns false.
    ///
    /// What an earlier call has found is reported first, if it was not yet.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn knows(&mut self, call: Call, ptr: NonNull<u8>, layout: Layout) -> bool {
        if !C::CHECKED {
            return true;
        }
        self.settle();
        !self.is_closed() && self.recognizes(call, ptr, layout)
    }

    /// [`knows`](Self::knows), also of a heap that is closed, and is checked.
    #[inline(always)]
    pub(super) fn recognizes(&self, call: Call, ptr: NonNull<u8>, layout: Layout) -> bool {
        call.fault(layout).is_none()
            && self.has_block(ptr, layout)
            && self.is_sealed(ptr, layout.size())
    }

    /// [`knows`](Self::knows), of a block in the first arena of a checked heap whose size has a quick list, if there are
    /// any. Reads only the nearest marks, and so returns false for some blocks.
    #[inline(always)]
    pub(super) fn knows_near(&self, ptr: NonNull<u8>, layout: Layout) -> bool {
        let len = Arena::<C>::block_len(layout.size());
        (C::HARDENED || len < self.quick.classes())
            && !self.is_closed()
            && is_aligned(ptr, layout)
            && self.arenas.first.is_near_block(ptr.addr().get(), len)
            && self.is_sealed(ptr, layout.size())
    }

    /// Whether a block with this layout is allocated at `ptr`, in a checked heap.
    #[inline(always)]
    fn has_block(&self, ptr: NonNull<u8>, layout: Layout) -> bool {
        let (addr, len) = (ptr.addr().get(), Arena::<C>::block_len(layout.size()));
        is_aligned(ptr, layout)
            && (self.arenas.first.is_near_block(addr, len)
                || self.arenas.first.is_block(addr, len)
                || !self.arenas.is_single() && self.has_block_elsewhere(addr, len))
    }

    /// Whether a block of `len` granules is allocated at an address, in a further arena.
    #[cold]
    #[inline(never)]
    fn has_block_elsewhere(&self, addr: usize, len: usize) -> bool {
        let arena = self.arenas.containing(addr).map(|place| self.arenas.peek(place));
        arena.is_some_and(|arena| arena.is_block(addr, len))
    }

    /// What is wrong with a call.
    #[cold]
    #[inline(never)]
    pub(crate) fn explain(&self, call: Call, ptr: NonNull<u8>, layout: Layout) -> Misuse {
        let addr = ptr.addr().get();
        let fault = call.fault(layout).unwrap_or_else(|| self.fault_at(addr, layout));
        Misuse { call, addr, layout, fault }
    }

    /// Reports what is wrong with a call.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(super) fn report(&self, call: Call, ptr: NonNull<u8>, layout: Layout) {
        if !self.is_closed() {
            C::misuse(&self.explain(call, ptr, layout));
        }
    }

    /// What is wrong with an address as that of a block with this layout.
    fn fault_at(&self, addr: usize, layout: Layout) -> Fault {
        let Some(arena) = self.arenas.spanning(addr) else { return Fault::Foreign };
        let Some(Chunk { kind, span }) = arena.chunk_around(addr) else {
            return if arena.allocatable().contains(addr) { Fault::Broken } else { Fault::Foreign };
        };
        match kind {
            ChunkKind::Own => Fault::Own { chunk: span },
            ChunkKind::Cached | ChunkKind::Free | ChunkKind::Top => {
                Fault::AlreadyFree { chunk: span }
            }
            ChunkKind::Used if span.base() != Some(addr) => Fault::NotABlock { block: span },
            ChunkKind::Used if addr % layout.align() != 0 => Fault::WrongAlign { block: span },
            ChunkKind::Used if span.size() == Arena::<C>::block_len(layout.size()) * GRANULE => {
                Fault::Overflow { block: span }
            }
            ChunkKind::Used => Fault::WrongSize { block: span },
            // A checked heap knows where its blocks end, so it has no such chunks.
            ChunkKind::Blocks => Fault::Broken,
        }
    }

    /// The chunk after `last` in the order of addresses, or the first one.
    pub(crate) fn next_chunk(&self, last: Option<Chunk>) -> Option<Chunk> {
        let end = last.map_or(0, |chunk| chunk.span.acme().unwrap_or(0));
        let same = last.and_then(|chunk| {
            let base = chunk.span.base().unwrap_or(0);
            self.arenas.spanning(base)?.chunk_after(end)
        });
        let above = |addr| self.arenas.above(addr);
        let after = |arena: &&Arena<C>| above(arena.span().base()?.checked_add(1)?);
        same.or_else(|| iter::successors(above(end), after).find_map(Arena::first_chunk))
    }
}

/// The blocks of a checked heap.
impl<'h, C: Config<Checks: KnowsBlocks>, S> Inspect<'h, C, S> {
    /// Checks that `ptr` is a block of this heap that was allocated or last reallocated with `layout`.
    ///
    /// Takes constant time. With links of 16 bits, takes time in proportion to a 512th of the block's bytes. If
    /// something is wrong, takes time in proportion to a 512th of the bytes of the chunk that contains `ptr`.
    ///
    /// # Errors
    ///
    /// A [`Misuse`] that says what is wrong. The handler is not called.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Checked, Fault, Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::<Checked>::with_config();
    /// let layout = Layout::new::<[u64; 5]>();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// let block = unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     heap.malloc(layout)?
    /// };
    /// assert!(heap.inspect().check(block, layout).is_ok());
    /// let misuse = heap.inspect().check(block, Layout::new::<[u64; 6]>()).unwrap_err();
    /// assert!(matches!(misuse.fault, Fault::WrongSize { .. }));
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    pub fn check(self, ptr: NonNull<u8>, layout: Layout) -> Result<(), Misuse> {
        if self.heap.recognizes(Call::Check, ptr, layout) {
            Ok(())
        } else {
            Err(self.heap.explain(Call::Check, ptr, layout))
        }
    }

    /// Returns the size of the block at `ptr` in bytes: the requested size, rounded up to what a block takes.
    ///
    /// A caller that does not know a block's layout, like a C program, can free the block with any layout of this size
    /// and of an alignment that the block has.
    ///
    /// In a hardened heap whose blocks have [tails](crate::Measures::tails), this is the requested size. In one with
    /// canaries in the [slack](crate::Measures::slack) only, the bytes beyond the requested size are not the owner's.
    ///
    /// Takes as much time as [`check`](Self::check).
    ///
    /// # Errors
    ///
    /// A [`Fault`] that says what is wrong, if no block of this heap starts at `ptr`. The handler is not called.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Checked, Fault, Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::<Checked>::with_config();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// let block = unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     heap.malloc(Layout::new::<[u8; 37]>())?
    /// };
    /// assert_eq!(heap.inspect().size_of_block(block), Ok(40));
    /// // SAFETY: It is within the block.
    /// let within = unsafe { block.add(8) };
    /// assert!(matches!(heap.inspect().size_of_block(within), Err(Fault::NotABlock { .. })));
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    pub fn size_of_block(self, ptr: NonNull<u8>) -> Result<usize, Fault> {
        let addr = ptr.addr().get();
        let arena = self.heap.arenas.containing(addr).map(|place| self.heap.arenas.peek(place));
        match arena.and_then(|arena| arena.len_of_block(addr)) {
            Some(len) if addr % GRANULE == 0 => self.heap.requested_size(ptr, len),
            _ => Err(self.heap.fault_at(addr, Layout::new::<u8>())),
        }
    }

    /// Returns all chunks of all arenas, used and free, in the order of their addresses.
    ///
    /// The chunks of an arena follow each other without a gap. A step takes time in proportion to a 512th of the
    /// chunk's bytes. A step to the next arena takes time in proportion to the number of arenas. If an arena is
    /// corrupt, the iterator skips the rest of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Checked, ChunkKind, Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::<Checked>::with_config();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     heap.malloc(Layout::new::<[u8; 4000]>())?;
    /// }
    /// for chunk in heap.inspect().chunks() {
    ///     println!("{chunk}");
    /// }
    /// assert!(heap.inspect().chunks().any(|chunk| {
    ///     chunk.kind == ChunkKind::Used && chunk.span.size() == 4000
    /// }));
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    pub fn chunks(self) -> Chunks<'h, C, S> {
        Chunks::of(self.heap)
    }

    /// Returns the blocks that are allocated, to print them or to iterate over them.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Checked, Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::<Checked>::with_config();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     heap.malloc(Layout::new::<[u8; 40]>())?;
    ///     heap.malloc(Layout::new::<[u8; 100]>())?;
    /// }
    /// let report = heap.inspect().leaks().to_string();
    /// assert!(report.starts_with("2 blocks of 144 bytes in all are allocated:\n0x"));
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    pub fn leaks(self) -> Leaks<'h, C, S> {
        Leaks(self.chunks())
    }
}

/// Whether a pointer has the alignment of a block with this layout.
#[inline(always)]
fn is_aligned(ptr: NonNull<u8>, layout: Layout) -> bool {
    ptr.addr().get() & (layout.align().max(GRANULE) - 1) == 0
}
