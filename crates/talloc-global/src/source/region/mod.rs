//! Fixed memory: an array, or a region that a linker script reserves.

#[cfg(target_has_atomic = "8")]
mod arena;
#[cfg(all(feature = "spin", target_has_atomic = "8"))]
mod heap;

#[cfg(target_has_atomic = "8")]
pub use arena::StaticArena;
#[cfg(all(feature = "spin", target_has_atomic = "8"))]
pub use heap::StaticTalloc;

use core::alloc::Layout;
use core::fmt;
use core::ops::Range;

use talloc_sync::{AllocError, Config, Source, Span, Talloc};

/// A source of one fixed piece of memory, which the heap gets at its first allocation.
///
/// The heap therefore has memory even if its first allocation comes before `main`.
///
/// On targets with atomics, [`StaticArena::region`] makes a region without `unsafe`. The constructors of this type are
/// for other memory.
///
/// # Examples
///
/// Memory between two symbols of a linker script. The symbols only have addresses; nothing reads their values.
///
#[cfg_attr(feature = "spin", doc = "```no_run")]
#[cfg_attr(not(feature = "spin"), doc = "```ignore")]
/// use talloc_global::*;
///
/// unsafe extern "C" {
///     static mut HEAP_START: u8;
///     static mut HEAP_END: u8;
/// }
///
/// // SAFETY: The linker script reserves the memory between the symbols for the heap.
/// static ALLOCATOR: StaticTalloc =
///     StaticTalloc::with_source(unsafe { Region::new(&raw mut HEAP_START..&raw mut HEAP_END) });
/// # fn main() {}
/// ```
pub struct Region {
    /// The memory, until the heap takes it.
    memory: Option<Memory>,
}

/// Memory that no heap has taken through this region yet.
struct Memory {
    bounds: Range<*mut u8>,
    /// The claim of a [`StaticArena`]: of several regions, the first gets the memory.
    #[cfg(target_has_atomic = "8")]
    claim: Option<&'static arena::Claim>,
}

// SAFETY: A region has its memory alone, by the contract of `new`, or takes the claim before it uses the memory.
unsafe impl Send for Region {}

impl Region {
    /// Makes a region of the memory between two addresses. The end must not lie below the start.
    ///
    /// The heap accesses the memory by the provenance of the start pointer.
    ///
    /// # Safety
    ///
    /// The memory is valid for reads and writes as long as the heap is used, and nothing else uses it.
    #[must_use]
    pub const unsafe fn new(bounds: Range<*mut u8>) -> Self {
        Self {
            memory: Some(Memory {
                bounds,
                #[cfg(target_has_atomic = "8")]
                claim: None,
            }),
        }
    }

    /// Makes a region of an array.
    ///
    /// # Safety
    ///
    /// The array is valid for reads and writes as long as the heap is used, and nothing else uses it.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_global::*;
    ///
    /// static mut ARENA: [u8; 1 << 16] = [0; 1 << 16];
    ///
    /// // SAFETY: Nothing else uses the array.
    /// let region = unsafe { Region::of_array(&raw mut ARENA) };
    /// let mut heap = Talloc::<Compact, _>::with_source(region);
    /// // SAFETY: The size is not zero.
    /// assert!(unsafe { heap.malloc(core::alloc::Layout::new::<[u8; 1000]>()) }.is_ok());
    /// assert_eq!(heap.get_arena().size(), 1 << 16);
    /// ```
    #[must_use]
    pub const unsafe fn of_array<const N: usize>(array: *mut [u8; N]) -> Self {
        let start = array.cast::<u8>();
        // SAFETY: The range is that of the array, which only this source uses, by the contract of this function.
        unsafe { Self::new(start..start.wrapping_add(N)) }
    }

    /// Takes the memory. `None` if this region or another one has done so before.
    fn take(&mut self) -> Option<Span> {
        let memory = self.memory.take()?;
        #[cfg(target_has_atomic = "8")]
        if memory.claim.is_some_and(|claim| !claim.is_first()) {
            return None;
        }
        Some(Span::from(memory.bounds))
    }
}

impl<C: Config> Source<C> for Region {
    /// Claims the memory for the heap. If it is larger than the largest arena, it becomes several arenas; a heap with a
    /// [single arena](Config::SINGLE_ARENA) uses only the lower part of it.
    ///
    /// # Errors
    ///
    /// If the memory has been taken before, or the heap cannot use it; see [`Talloc::claim`].
    fn acquire(heap: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
        let mut memory = heap.source_mut().take().ok_or(AllocError)?;
        if C::SINGLE_ARENA {
            // The lower part, at most the largest arena.
            let most = Talloc::<C, Self>::MAX_ARENA;
            memory = memory.truncate(0, memory.size().saturating_sub(most));
        }
        // SAFETY: `take` returns the memory once, so no other heap gets it. It is valid by the contract of `new`, or is
        // that of a `StaticArena`, which is a static.
        unsafe { heap.claim(memory) }.map_err(|_| AllocError)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self.memory.as_ref().map(|memory| Span::from(memory.bounds.clone()));
        f.debug_struct("Region").field("memory", &memory).finish()
    }
}
