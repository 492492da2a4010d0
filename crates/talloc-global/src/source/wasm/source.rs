//! The module's memory as a source for a [`Talloc`].

use core::alloc::Layout;

use talloc_sync::{AllocError, Config, Memory, Source, Span, Talloc};

use super::memory::{ModuleMemory, rest};
use crate::linear::{LinearMemory, PAGE};
use crate::source::needed::needed;

/// The heap grows by at least one `SHARE`th of its size, unless memory is short.
const SHARE: usize = 8;

/// A source that grows the module's memory.
///
/// It asks for an eighth of the heap's size or for the bytes that the request needs, whichever is more. If the memory
/// cannot grow so far, it asks only for the needed bytes.
///
/// If no other code has grown the memory meanwhile, the new piece follows the last one. It then extends the heap's
/// arena, and a block at the arena's end, such as a growing vector, need not move. Otherwise the piece becomes a further
/// arena. There are few arenas, because each has at least an eighth of the size of all arenas before it, unless memory is
/// short. New memory is known to be zero.
///
/// If the memory cannot grow, the allocation fails, and the allocated blocks are unchanged. Memory is never returned: WebAssembly has
/// no instruction for that. A heap with a [single arena](Config::SINGLE_ARENA) can no longer grow once other code has
/// grown the memory.
///
/// Only on `wasm32`.
#[derive(Debug)]
pub struct WasmSource {
    /// The arena that grows.
    arena: Span,
    /// Bytes of all arenas.
    total: usize,
    /// Whether the rest of the initial memory has not been taken yet.
    pub(super) has_rest: bool,
}

impl WasmSource {
    /// Makes a source that grows the memory when it is first asked.
    #[must_use]
    pub const fn new() -> Self {
        Self { arena: Span::empty(), total: 0, has_rest: false }
    }

    /// Makes a source that first gives the rest of the initial memory, between the module's data and the end of the last
    /// initial page. It is 32 KiB on average, half a page.
    ///
    /// # Safety
    ///
    /// No other code uses the memory from the linker's symbol `__heap_base` up to `__heap_end`, as the
    /// `malloc` of a C library would. At most one heap is made with such a source.
    #[must_use]
    pub const unsafe fn with_rest() -> Self {
        Self { has_rest: true, ..Self::new() }
    }

    /// Grows the memory by at least `least` bytes, in whole pages, and by an eighth of the heap if possible. Returns the
    /// new piece.
    fn grow(&self, least: usize) -> Option<Span> {
        let ample = least.max(self.total / SHARE);
        grow(ample).or_else(|| grow(least))
    }

    /// Whether the memory ends at the end of the arena that grows.
    #[inline]
    fn is_last(&self) -> bool {
        self.arena.acme() == Some(ModuleMemory::NEW.end())
    }
}

impl Default for WasmSource {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Config> Source<C> for WasmSource {
    const EXTENDS: bool = true;

    /// Extends the heap's last arena, or claims a further one.
    ///
    /// # Errors
    ///
    /// If the memory cannot grow so far, or a further arena would be needed in a heap with a single arena.
    fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError> {
        let source = heap.source_mut();
        let old = source.arena;
        let (piece, memory) = if core::mem::take(&mut source.has_rest) {
            (rest(), Memory::empty())
        } else {
            let is_last = source.is_last();
            if C::SINGLE_ARENA && old.is_sized() && !is_last {
                return Err(AllocError);
            }
            // A new arena has no bitmap yet that would have to grow.
            let extended = if is_last { old } else { Span::empty() };
            let least = needed::<C, Self>(layout, extended).ok_or(AllocError)?;
            (source.grow(least).ok_or(AllocError)?, Memory::ZEROED)
        };
        // SAFETY: The memory is new, so nobody else uses it and it is zero; or the caller of `with_rest` vouched for it.
        // The arena and the piece are parts of the same linear memory.
        let arena = unsafe {
            if old.acme() == piece.base()
                && heap.arena(old).and_then(|mut arena| arena.raise(piece.size(), memory)).is_ok()
            {
                old.fit_over(piece)
            } else {
                heap.arenas_mut().claim_as(piece, memory).map_err(|_| AllocError)?;
                piece
            }
        };
        let source = heap.source_mut();
        source.arena = arena;
        source.total += piece.size();
        Ok(())
    }
}

/// Grows the memory by at least `least` bytes, in whole pages. Returns the new piece.
fn grow(least: usize) -> Option<Span> {
    let pages = least.div_ceil(PAGE);
    let mut memory = ModuleMemory::NEW;
    let base = memory.grow(pages)?;
    Span::try_from_base_size(base, pages * PAGE)
}
