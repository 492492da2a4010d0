//! The memory of a WebAssembly module.

#[cfg(not(target_feature = "atomics"))]
mod alone;
mod heap;
mod small;

pub use heap::WasmTalloc;
pub use small::WasmSmall;

use core::alloc::Layout;
use core::arch::wasm32::memory_grow;

use talloc_sync::{AllocError, Config, Memory, Source, Span, Talloc};

use super::needed::needed;

/// Bytes in a page, the unit that memory grows in.
const PAGE: usize = 64 << 10;

/// Each time, the heap grows by one in as many of its bytes at the least.
const SHARE: usize = 8;

/// A source that makes the module's memory grow.
///
/// It asks for what is needed, and at least for an eighth of what the heap has. What it gets goes on
/// where the last piece ended, if nobody else has made the memory grow meanwhile, and then extends the
/// heap's arena; a block at its end, such as a vector that grows, stays where it is. Else it is a
/// further arena. Fresh memory is known to be zero.
///
/// If the memory cannot grow, the allocation fails. Memory is never given back, as there is no
/// instruction for it.
///
/// Only on `wasm32`.
#[derive(Debug)]
pub struct WasmSource {
    /// The arena that grows.
    arena: Span,
    /// Whether the rest of the memory that there is from the start is still to be had.
    has_rest: bool,
}

impl WasmSource {
    /// A source that has not asked for memory yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { arena: Span::empty(), has_rest: false }
    }

    /// A source that gives first what lies between the module's data and the end of its initial
    /// memory: that memory comes in whole pages, so that it is 32 KiB on average.
    ///
    /// # Safety
    ///
    /// Nobody else uses the memory from the linker's symbol `__heap_base` up to `__heap_end`, as the
    /// `malloc` of a C library would.
    #[must_use]
    pub const unsafe fn with_rest() -> Self {
        Self { arena: Span::empty(), has_rest: true }
    }

    /// Makes the memory grow by at least as many bytes, and returns what is new.
    fn grow(&self, least: usize) -> Option<Span> {
        let ample = least.max(self.arena.size() / SHARE);
        grow(ample).or_else(|| grow(least))
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
    /// If the memory cannot grow as far.
    fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError> {
        let source = heap.source_mut();
        let old = source.arena;
        let (piece, memory) = if core::mem::take(&mut source.has_rest) {
            (rest(), Memory::empty())
        } else {
            let least = needed::<C, Self>(layout, old).ok_or(AllocError)?;
            (source.grow(least).ok_or(AllocError)?, Memory::ZEROED)
        };
        // SAFETY: The memory is new, so that nobody else uses it, and zero, or it is as whoever made
        // the source says. It is part of the module's memory, as the arena is.
        let arena = unsafe {
            if old.acme() == piece.base() && heap.raise_arena(old, piece.size(), memory).is_ok() {
                old.fit_over(piece)
            } else {
                heap.claim_as(piece, memory).map_err(|_| AllocError)?;
                piece
            }
        };
        heap.source_mut().arena = arena;
        Ok(())
    }
}

/// Makes the memory grow by at least `least` bytes, in whole pages, and returns what is new.
fn grow(least: usize) -> Option<Span> {
    let pages = least.div_ceil(PAGE);
    match memory_grow::<0>(pages) {
        usize::MAX => None,
        // The last byte of the address space would not fit in a span.
        old => Span::try_from_base_size(old * PAGE, pages * PAGE),
    }
}

/// The memory after the module's data, up to the end of its initial memory.
fn rest() -> Span {
    unsafe extern "C" {
        static mut __heap_base: u8;
        static mut __heap_end: u8;
    }
    Span::from((&raw mut __heap_base)..(&raw mut __heap_end))
}
