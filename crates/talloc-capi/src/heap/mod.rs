//! Heaps whose blocks are freed by their address alone.

#[cfg(any(test, feature = "checked"))]
mod checked;
#[cfg(any(test, feature = "checked"))]
mod empty;
#[cfg(feature = "hardened")]
mod guarding;
#[cfg(any(test, not(feature = "checked")))]
mod prefix;
#[cfg(any(test, not(feature = "checked")))]
mod prefixed;

#[cfg(any(test, all(feature = "checked", not(feature = "hardened"))))]
pub(crate) use checked::Checking;
#[cfg(feature = "checked")]
pub(crate) use checked::{CheckingGuard, Inside};
#[cfg(feature = "hardened")]
pub(crate) use guarding::Guarding;
#[cfg(any(test, not(feature = "checked")))]
pub(crate) use prefixed::Prefixed;

use core::ptr::NonNull;

pub(crate) use below::{Counters, SizeClasses, Violation, print_statistics_at_exit};

/// The items of the lower crates that this crate uses. Other modules name them by this one.
mod below {
    #[cfg(any(test, not(feature = "checked")))]
    pub(super) use talloc_global::SystemTalloc;
    #[cfg(all(any(test, feature = "checked"), not(feature = "hardened")))]
    pub(super) use talloc_global::config::Checked;
    #[cfg(any(test, feature = "checked"))]
    pub(super) use talloc_global::config::Compact;
    #[cfg(feature = "hardened")]
    pub(super) use talloc_global::config::{Harden, Hardened, Measures};
    pub(crate) use talloc_global::inspect::Statistics as Counters;
    pub(crate) use talloc_global::inspect::{SizeClasses, Violation, print_statistics_at_exit};
    #[cfg(any(test, feature = "checked"))]
    pub(super) use talloc_global::misuse::{Fault, Misuse, OnMisuse};
    #[cfg(feature = "hardened")]
    pub(super) use talloc_global::source::random_key;
    #[cfg(any(test, feature = "checked"))]
    pub(super) use talloc_global::{SharedHeap, SystemTallock};
    #[cfg(feature = "hardened")]
    pub(super) use talloc_guarded::Guarded;

    /// A guard that keeps a heap locked.
    #[cfg(feature = "checked")]
    pub(super) type Guard<C> = talloc_global::lock::MutexGuard<
        'static,
        talloc_global::source::SystemLock,
        talloc_global::Talloc<C, talloc_global::source::SystemSource>,
    >;
}

/// The alignment of all blocks, which suffices for any C type.
pub(crate) const MIN_ALIGN: usize = 16;

/// A heap whose blocks are freed by their address alone.
pub(crate) trait Heap: Sync + 'static {
    /// The heap.
    const NEW: Self;

    /// Whether each value has its own heap.
    #[cfg(test)]
    const IS_OWN: bool;

    /// Whether this heap puts a block on separate pages. The zone, in contrast, puts blocks next to each other.
    #[inline(always)]
    fn is_worth_own_pages(_size: usize, _align: usize) -> bool {
        false
    }

    /// Allocates a block. Its address is distinct from all other blocks, even if `size` is zero; such a block may be
    /// inaccessible. `align` is a power of two, and at least [`MIN_ALIGN`].
    fn allocate(&self, size: usize, align: usize) -> Option<NonNull<u8>>;

    /// Allocates a block of zeros, aligned to [`MIN_ALIGN`].
    fn allocate_zeroed(&self, size: usize) -> Option<NonNull<u8>>;

    /// Frees a block.
    ///
    /// # Safety
    ///
    /// The block belongs to this heap, and nobody uses it any more.
    unsafe fn free(&self, block: NonNull<u8>);

    /// Frees a block that was requested with `size` bytes. A heap that checks its blocks compares the size.
    ///
    /// # Safety
    ///
    /// As for [`free`](Self::free).
    #[inline(always)]
    unsafe fn free_sized(&self, block: NonNull<u8>, _size: usize) {
        // SAFETY: By the contract of this function, which is the same.
        unsafe { self.free(block) }
    }

    /// Resizes a block to at least one byte. Returns its new address, aligned to [`MIN_ALIGN`]. If there is no room,
    /// returns `None` and leaves the block as it was.
    ///
    /// # Safety
    ///
    /// The block belongs to this heap. If it moves, nobody uses the old block any more.
    unsafe fn resize(&self, block: NonNull<u8>, size: usize) -> Option<NonNull<u8>>;

    /// Returns the number of bytes that the owner of a block may use.
    ///
    /// # Safety
    ///
    /// The block belongs to this heap.
    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize;

    /// Returns unused memory to the system.
    fn trim(&self);

    /// Returns the heap's counters.
    fn statistics(&self) -> Counters;

    /// Returns the free memory of the heap by size.
    fn size_classes(&self) -> SizeClasses;

    /// Checks the heap.
    fn verify(&self) -> Result<(), Violation>;
}
