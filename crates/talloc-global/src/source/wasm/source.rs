//! The module's memory as a source for a [`Talloc`].

use core::alloc::Layout;

use talloc_sync::{AllocError, Config, Memory, Source, Span, Talloc};

use super::memory::{ModuleMemory, rest};
use crate::linear::{LinearMemory, PAGE};
use crate::source::needed::needed;

/// Each time, the heap grows by one in as many of its bytes at the least.
const SHARE: usize = 8;

/// A source that makes the module's memory grow.
///
/// It asks for an eighth of what the heap has, or, if that cannot be had, for what is needed. What it gets
/// goes on where the last piece ended, if nobody else has made the memory grow meanwhile, and then extends
/// the heap's arena; a block at its end, such as a vector that grows, stays where it is. Else it is a
/// further arena; as each is larger by an eighth than all together before, they are few. Fresh memory is
/// known to be zero.
///
/// If the memory cannot grow, the allocation fails, and the memory is as it was. Memory is never given
/// back, as there is no instruction for it. A heap of a [single arena](Config::SINGLE_ARENA) asks for
/// nothing once somebody else has made the memory grow.
///
/// Only on `wasm32`.
#[derive(Debug)]
pub struct WasmSource {
    /// The arena that grows.
    arena: Span,
    /// Bytes of all arenas.
    total: usize,
    /// Whether the rest of the memory that there is from the start is still to be had.
    pub(super) has_rest: bool,
}

impl WasmSource {
    /// A source that has not asked for memory yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { arena: Span::empty(), total: 0, has_rest: false }
    }

    /// A source that gives first what lies between the module's data and the end of its initial
    /// memory: that memory comes in whole pages, so that it is 32 KiB on average.
    ///
    /// # Safety
    ///
    /// Nobody else uses the memory from the linker's symbol `__heap_base` up to `__heap_end`, as the
    /// `malloc` of a C library would. One heap at the most is made with such a source.
    #[must_use]
    pub const unsafe fn with_rest() -> Self {
        Self { has_rest: true, ..Self::new() }
    }

    /// Makes the memory grow by at least `least` bytes, in whole pages, and returns what is new.
    fn grow(&self, least: usize) -> Option<Span> {
        let ample = least.max(self.total / SHARE);
        grow(ample).or_else(|| grow(least))
    }

    /// Whether the memory ends where the arena that grows does.
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
    /// If the memory cannot grow as far, or there may be no further arena.
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
            // Only what is extended has a bitmap that must grow.
            let extended = if is_last { old } else { Span::empty() };
            let least = needed::<C, Self>(layout, extended).ok_or(AllocError)?;
            (source.grow(least).ok_or(AllocError)?, Memory::ZEROED)
        };
        // SAFETY: The memory is new, so that nobody else uses it, and zero, or it is as whoever made
        // the source says. It is part of the module's memory, as the arena is.
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

/// Makes the memory grow by at least `least` bytes, in whole pages, and returns what is new.
fn grow(least: usize) -> Option<Span> {
    let pages = least.div_ceil(PAGE);
    let mut memory = ModuleMemory::NEW;
    let base = memory.grow(pages)?;
    Span::try_from_base_size(base, pages * PAGE)
}
