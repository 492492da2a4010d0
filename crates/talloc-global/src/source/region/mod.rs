//! Memory that is there from the start: an array, or what a linker script sets aside.

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

/// A source that has one piece of memory to give, and gives it when it is first asked.
///
/// So the heap has memory from the first allocation on, even where that comes before `main`.
///
/// Where atomics are to be had, [`StaticArena`] makes one without `unsafe`; the constructors here
/// are for memory that something else sets aside.
///
/// # Examples
///
/// Memory between two symbols of a linker script. The symbols themselves are never read.
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
/// // SAFETY: The linker script keeps what is between the symbols for the heap.
/// static ALLOCATOR: StaticTalloc =
///     StaticTalloc::with_source(unsafe { Region::new(&raw mut HEAP_START..&raw mut HEAP_END) });
/// # fn main() {}
/// ```
pub struct Region {
    /// The memory, until it is given.
    memory: Option<Memory>,
}

/// Memory that has not been given to a heap yet.
struct Memory {
    bounds: Range<*mut u8>,
    /// Whoever of several sources comes first has the memory.
    #[cfg(target_has_atomic = "8")]
    claim: Option<&'static arena::Claim>,
}

// SAFETY: It is the only one to have the memory, or takes it by its claim before it uses it.
unsafe impl Send for Region {}

impl Region {
    /// The memory from one address up to another, which must not be below.
    ///
    /// The pointer to the start is the one that the memory is used through.
    ///
    /// # Safety
    ///
    /// The memory can be read and written as long as the heap is used, and nothing else uses it.
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

    /// The memory of an array.
    ///
    /// # Safety
    ///
    /// As for [`new`](Self::new).
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
        // SAFETY: The array is memory for this source alone, by the contract of this function, and the range ends where
        // the array does.
        unsafe { Self::new(start..start.wrapping_add(N)) }
    }

    /// The memory, unless it has been given, or another source was first.
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
    /// Claims the memory for the heap: as several arenas if it is larger than links reach, or, in a heap
    /// that has [only one](Config::SINGLE_ARENA), as much of it as that can have.
    ///
    /// # Errors
    ///
    /// If that has been done before, or the heap cannot use the memory; see
    /// [`Talloc::claim`].
    fn acquire(heap: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
        let mut memory = heap.source_mut().take().ok_or(AllocError)?;
        if C::SINGLE_ARENA {
            // Of more than one arena can have, the lower part.
            let most = Talloc::<C, Self>::MAX_ARENA;
            memory = memory.truncate(0, memory.size().saturating_sub(most));
        }
        // SAFETY: The memory has been taken, so that nobody else gives it to a heap; else it is as
        // whoever made the source says.
        unsafe { heap.claim(memory) }.map_err(|_| AllocError)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self.memory.as_ref().map(|memory| Span::from(memory.bounds.clone()));
        f.debug_struct("Region").field("memory", &memory).finish()
    }
}
