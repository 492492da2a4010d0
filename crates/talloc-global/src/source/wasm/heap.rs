//! The heap of a WebAssembly module.

use core::alloc::{GlobalAlloc, Layout};
use core::fmt;

use talloc_sync::shared::global;
use talloc_sync::{Compact, Config, Report, SharedHeap, Talloc, Violation};

use super::WasmSource;

/// What the heap is behind: nothing where there is one thread.
#[cfg(not(target_feature = "atomics"))]
type Guarded<C> = super::alone::Alone<C>;
/// What the heap is behind where there are threads: a lock.
#[cfg(target_feature = "atomics")]
type Guarded<C> = talloc_sync::Tallock<talloc_sync::lock::Backoff, C, WasmSource>;

/// A heap whose memory is the module's own, which grows.
///
/// Where the target has the feature `atomics`, and so perhaps threads, it is behind a
/// [`Backoff`](talloc_sync::lock::Backoff) lock, which does not put threads to sleep, as the main one
/// of a browser must not; else there is no lock.
///
/// See [`WasmSource`] for how memory is got. With [`WasmSmall`](crate::WasmSmall), the code is smallest.
///
/// # Examples
///
/// ```ignore
/// use talloc_global::*;
///
/// #[global_allocator]
/// static ALLOCATOR: WasmTalloc = WasmTalloc::new();
/// ```
pub struct WasmTalloc<C: Config = Compact>(Guarded<C>);

impl WasmTalloc {
    /// A heap that has no memory until it is first used.
    #[must_use]
    pub const fn new() -> Self {
        Self::configured()
    }
}

impl<C: Config> WasmTalloc<C> {
    /// [`new`](WasmTalloc::new), with the parameters of `C`.
    #[must_use]
    pub const fn configured() -> Self {
        Self::with_source(WasmSource::new())
    }

    /// A heap that asks `source` for memory.
    #[must_use]
    pub const fn with_source(source: WasmSource) -> Self {
        let heap = Talloc::with_source(source);
        #[cfg(not(target_feature = "atomics"))]
        return Self(Guarded::new(heap));
        #[cfg(target_feature = "atomics")]
        return Self(heap.lock());
    }

    /// Coalesces all blocks in the quick lists; see [`Talloc::flush`].
    pub fn flush(&self) {
        self.0.with(Talloc::flush);
    }

    /// Checks every invariant of the heap, and counts what there is; see [`Talloc::verify`].
    ///
    /// # Errors
    ///
    /// The first [`Violation`] that is found. The heap must not be used any more then.
    pub fn verify(&self) -> Result<Report, Violation> {
        self.0.with(|heap| heap.verify())
    }
}

impl<C: Config> Default for WasmTalloc<C> {
    fn default() -> Self {
        Self::configured()
    }
}

// SAFETY: The heap gives out blocks as the layout asks, which stay valid until they are freed. The
// functions of `global` do not unwind.
unsafe impl<C: Config> GlobalAlloc for WasmTalloc<C> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: As the caller says.
        unsafe { global::alloc(&self.0, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: As the caller says.
        unsafe { global::alloc_zeroed(&self.0, layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: As the caller says.
        unsafe { global::dealloc(&self.0, ptr, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: As the caller says.
        unsafe { global::realloc(&self.0, ptr, layout, new_size) }
    }
}

/// Prints the heap's [`Outline`](crate::Outline).
impl<C: Config> fmt::Debug for WasmTalloc<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // To print may allocate from this very heap: it is not held meanwhile.
        let outline = self.0.with(|heap| heap.outline());
        f.debug_tuple("WasmTalloc").field(&outline).finish()
    }
}
