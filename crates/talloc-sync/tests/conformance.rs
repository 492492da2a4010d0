//! The contract of `Allocator`, in each version and for each kind of heap.

#![cfg(any(
    feature = "allocator",
    feature = "allocator-api2-03",
    feature = "allocator-api2-04",
    feature = "allocator_api"
))]
#![cfg_attr(feature = "allocator_api", feature(allocator_api))]

#[path = "all/common/mod.rs"]
mod common;

use core::mem::MaybeUninit;

/// The size of the heap in bytes.
const ARENA: usize = 64 << 10;

/// The value of the bytes around the heap.
const CANARY: u8 = 0xC5;

/// The memory of a heap, surrounded by canaries, which are checked when it is dropped.
struct Memory(Box<[MaybeUninit<u8>]>);

impl Memory {
    const MARGIN: usize = 4096;

    fn new() -> Self {
        Self(vec![MaybeUninit::new(CANARY); ARENA + 2 * Self::MARGIN].into())
    }

    fn arena(&mut self) -> &mut [MaybeUninit<u8>] {
        &mut self.0[Self::MARGIN..][..ARENA]
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let (below, above) = self.0.split_at(Self::MARGIN + ARENA);
        for byte in below[..Self::MARGIN].iter().chain(above) {
            // SAFETY: These bytes are initialised, and the heap does not use them.
            let byte = unsafe { byte.assume_init() };
            assert_eq!(byte, CANARY, "a byte outside of the arena was overwritten");
        }
    }
}

/// Creates a test of each function for each kind of heap. A function takes an allocator, and a function that returns a
/// report of its heap.
macro_rules! on_each_heap {
    ($($check:ident),* $(,)?) => {$(
        mod $check {
            use talloc_sync::lock::Backoff;
            use talloc_sync::{SharedHeap, Talloc, TallocCell};

            use crate::Memory;

            #[test]
            fn locked() {
                let mut memory = Memory::new();
                let heap = Talloc::new().lock::<Backoff>();
                // SAFETY: The memory outlives the heap, and nothing else uses it.
                unsafe { heap.0.lock().init(memory.arena().into()) };
                super::$check(heap.allocator_api_ref(), &|| heap.verify().unwrap());
                super::$check(&heap, &|| heap.verify().unwrap());
            }

            #[test]
            fn cell() {
                let mut memory = Memory::new();
                let heap = TallocCell::new(memory.arena());
                super::$check(&heap, &|| heap.verify().unwrap());
            }

            #[test]
            fn magazines() {
                let mut memory = Memory::new();
                let heap: talloc_sync::TallocMagazines<Backoff> =
                    talloc_sync::TallocMagazines::new(Talloc::new());
                // SAFETY: The memory outlives the heap, and nothing else uses it.
                unsafe { heap.lock().init(memory.arena().into()) };
                super::$check(&heap, &|| heap.verify().unwrap());
            }

            #[test]
            #[cfg(feature = "critical-section")]
            fn critical() {
                let mut memory = Memory::new();
                let heap = talloc_sync::TallocCritical::new(Talloc::new());
                // SAFETY: The memory outlives the heap, and nothing else uses it.
                unsafe { heap.with(|heap| heap.init(memory.arena().into())) };
                super::$check(&heap, &|| heap.verify().unwrap());
            }
        }
    )*};
}

#[cfg(feature = "allocator")]
mod version_02 {
    use allocator_api2 as api;
    include!("conformance/checks.rs");
}

#[cfg(feature = "allocator-api2-03")]
mod version_03 {
    use allocator_api2_03 as api;
    include!("conformance/checks.rs");
}

#[cfg(feature = "allocator-api2-04")]
mod version_04 {
    use allocator_api2_04 as api;
    include!("conformance/checks.rs");
}

#[cfg(feature = "allocator_api")]
mod version_std {
    use std as api;
    include!("conformance/checks.rs");
}
