//! Checking what is passed, and walking the heap block by block.

use core::alloc::Layout;
use core::iter;
use core::ptr::NonNull;

use super::chunks::{Chunks, Leaks};
use super::{Inspect, Talloc};
use crate::arena::Arena;
use crate::chunk::{Chunk, ChunkKind};
use crate::config::{Checked, Config};
use crate::granule::GRANULE;
use crate::misuse::{Call, Fault, Misuse, OnMisuse};
use crate::quick::Lists;

impl<C: Config, S> Talloc<C, S> {
    /// Whether a block that `layout` describes is allocated at `ptr`, and `call` may be done with it,
    /// as far as the heap knows.
    #[inline(always)]
    pub(crate) fn knows(&self, call: Call, ptr: NonNull<u8>, layout: Layout) -> bool {
        !C::CHECKED || call.fault(layout).is_none() && self.has_block(ptr, layout)
    }

    /// Whether a block that `layout` describes, of a size that has a quick list, is allocated in the
    /// first arena, in a checked heap; looks at the next marks only, and so denies some.
    #[inline(always)]
    pub(super) fn knows_small(&self, ptr: NonNull<u8>, layout: Layout) -> bool {
        let len = Arena::<C>::block_len(layout.size());
        len < self.quick.classes()
            && is_aligned(ptr, layout)
            && self.arenas.first.is_small_block(ptr.addr().get(), len)
    }

    /// Whether a block that `layout` describes is allocated at `ptr`, in a checked heap.
    #[inline(always)]
    fn has_block(&self, ptr: NonNull<u8>, layout: Layout) -> bool {
        let (addr, len) = (ptr.addr().get(), Arena::<C>::block_len(layout.size()));
        is_aligned(ptr, layout)
            && (self.arenas.first.is_block(addr, len)
                || !self.arenas.is_single() && self.has_block_elsewhere(addr, len))
    }

    /// Whether a block of `len` granules is allocated at an address in any but the first arena.
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
        C::misuse(&self.explain(call, ptr, layout));
    }

    /// What is wrong about a block at an address, if it has that layout.
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
            ChunkKind::Used => Fault::WrongSize { block: span },
            // A checked heap knows where its blocks end, and returns them one by one.
            ChunkKind::Blocks => Fault::Broken,
        }
    }

    /// The chunk after `last`, or the very first one, in the order of addresses.
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

/// What a checked heap can tell beside.
impl<'h, C: Config, H: OnMisuse, S> Inspect<'h, Checked<C, H>, S> {
    /// Whether `ptr` is a block of this heap, allocated or last reallocated with `layout`.
    ///
    /// Takes constant time and a 512th of the block's bytes; to say what is wrong takes a 512th of
    /// those of the chunk that `ptr` is in.
    ///
    /// # Errors
    ///
    /// A [`Misuse`] that says what is wrong. The handler is not called.
    pub fn check(self, ptr: NonNull<u8>, layout: Layout) -> Result<(), Misuse> {
        if self.heap.knows(Call::Check, ptr, layout) {
            Ok(())
        } else {
            Err(self.heap.explain(Call::Check, ptr, layout))
        }
    }

    /// How many bytes the block at `ptr` has: those that were asked for, rounded up to what a block
    /// takes.
    ///
    /// This is for those who free blocks without knowing their layouts, as C programs do: any layout
    /// of so many bytes, aligned as the block is, is as good as the one that it was allocated with.
    ///
    /// Takes constant time; with links of 16 bits, and to say what is wrong, as [`check`](Self::check).
    ///
    /// # Errors
    ///
    /// What is wrong, if no block of this heap starts there. The handler is not called.
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
            Some(len) if addr % GRANULE == 0 => Ok(len * GRANULE),
            _ => Err(self.heap.fault_at(addr, Layout::new::<u8>())),
        }
    }

    /// All chunks of all arenas, used and free, in the order of their addresses.
    ///
    /// Those of an arena follow each other without a gap. Each step takes time in proportion to a
    /// 512th of the chunk's bytes; from one arena to the next, to their number. If the heap is
    /// broken, the rest of the arena is left out.
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
    pub fn chunks(self) -> Chunks<'h, Checked<C, H>, S> {
        Chunks::of(self.heap)
    }

    /// What is allocated, to be printed or gone through.
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
    pub fn leaks(self) -> Leaks<'h, Checked<C, H>, S> {
        Leaks(self.chunks())
    }
}

/// Whether a pointer is aligned as that to a block of this layout is.
#[inline(always)]
fn is_aligned(ptr: NonNull<u8>, layout: Layout) -> bool {
    ptr.addr().get() & (layout.align().max(GRANULE) - 1) == 0
}
