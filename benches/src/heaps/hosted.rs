//! Allocators of hosted programs, which get memory from the operating system.

use crate::heap::Heap;
use std::{
    alloc::{GlobalAlloc, Layout},
    ptr::NonNull,
};

/// An allocator of hosted programs. A process has only one: [`Heap::empty`] gives access to it.
pub trait Hosted: Heap {
    /// The type of the program's `#[global_allocator]`.
    type Global: GlobalAlloc + Sync;

    /// The function that returns free memory to the operating system, if there is one.
    const TRIM: Option<fn()>;

    /// The allocator itself.
    fn global() -> &'static Self::Global;
}

macro_rules! hosted {
    ($(#[$doc:meta])* $heap:ident, $name:literal, $global:ty = $value:expr, $trim:expr) => {
        $(#[$doc])*
        pub struct $heap;

        impl Hosted for $heap {
            type Global = $global;

            const TRIM: Option<fn()> = $trim;

            #[inline]
            fn global() -> &'static $global {
                static GLOBAL: $global = $value;
                &GLOBAL
            }
        }

        impl Heap for $heap {
            const NAME: &'static str = $name;

            fn empty() -> Self {
                Self
            }

            unsafe fn init(&mut self, _: NonNull<[u8]>) -> bool {
                true
            }

            #[inline]
            unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
                // SAFETY: the caller promises a size that is not zero.
                unsafe { Self::global().alloc(layout) }
            }

            #[inline]
            unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
                // SAFETY: the caller promises a live block with this layout.
                unsafe { Self::global().dealloc(ptr, layout) }
            }

            #[inline]
            unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
                // SAFETY: the caller promises a size that is not zero.
                unsafe { Self::global().alloc_zeroed(layout) }
            }

            #[inline]
            unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
                // SAFETY: the caller promises a live block with this layout and a valid new size.
                unsafe { Self::global().realloc(ptr, layout, new_size) }
            }
        }
    };
}

hosted!(
    /// This workspace's allocator of programs.
    SystemTalloc,
    "SystemTalloc",
    talloc_global::SystemTalloc = talloc_global::SystemTalloc::new(),
    Some(|| SystemTalloc::global().trim())
);
hosted!(
    /// The C library's `malloc`.
    System,
    "system",
    std::alloc::System = std::alloc::System,
    TRIM_SYSTEM
);
hosted!(
    /// Microsoft's mimalloc.
    Mimalloc,
    "mimalloc",
    mimalloc::MiMalloc = mimalloc::MiMalloc,
    // SAFETY: it can be called at any time.
    Some(|| unsafe { libmimalloc_sys::mi_collect(true) })
);
hosted!(
    /// A port of mimalloc to Rust.
    RustyAlloc,
    "rusty_alloc",
    rusty_alloc_api::RustyAlloc = rusty_alloc_api::RustyAlloc,
    Some(|| rusty_alloc::alloc::collect(true))
);
hosted!(
    /// jemalloc.
    Jemalloc,
    "jemalloc",
    tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc,
    Some(purge_jemalloc)
);
#[cfg(feature = "snmalloc")]
hosted!(
    /// Microsoft's snmalloc. Its Rust interface has no function that trims.
    Snmalloc,
    "snmalloc",
    snmalloc_rs::SnMalloc = snmalloc_rs::SnMalloc,
    None
);

#[cfg(target_env = "gnu")]
const TRIM_SYSTEM: Option<fn()> = Some(|| {
    // SAFETY: it can be called at any time.
    unsafe { libc::malloc_trim(0) };
});
#[cfg(not(target_env = "gnu"))]
const TRIM_SYSTEM: Option<fn()> = None;

/// Flushes the thread's cache, and purges all arenas.
fn purge_jemalloc() {
    // 4096 is `MALLCTL_ARENAS_ALL`.
    for name in [c"thread.tcache.flush", c"arena.4096.purge"] {
        // SAFETY: both are commands without a parameter or a result.
        let error = unsafe {
            tikv_jemalloc_sys::mallctl(
                name.as_ptr(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                0,
            )
        };
        assert_eq!(error, 0, "{name:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers<H: Hosted>() {
        let mut heap = H::empty();
        let layout = Layout::new::<[u64; 100]>();
        // SAFETY: the layout is not empty, and the block is not used after it is freed.
        unsafe {
            let block = heap.alloc_zeroed(layout);
            assert!(!block.is_null(), "{}", H::NAME);
            let block = heap.realloc(block, layout, 80_000);
            assert!(!block.is_null(), "{}", H::NAME);
            assert_eq!(block.add(799).read(), 0);
            heap.dealloc(block, Layout::from_size_align_unchecked(80_000, layout.align()));
        }
        if let Some(trim) = H::TRIM {
            trim();
        }
    }

    #[test]
    fn all_answer_and_trim() {
        answers::<SystemTalloc>();
        answers::<System>();
        answers::<Mimalloc>();
        answers::<RustyAlloc>();
        answers::<Jemalloc>();
        #[cfg(feature = "snmalloc")]
        answers::<Snmalloc>();
    }
}
