//! Allocators for WebAssembly modules with a single thread, set up as their documentation recommends.

#[cfg(feature = "talloc")]
#[global_allocator]
static ALLOCATOR: talloc_global::WasmTalloc = talloc_global::WasmTalloc::new();

#[cfg(feature = "talloc-real-time")]
#[global_allocator]
static ALLOCATOR: talloc_global::WasmTalloc<talloc_global::config::RealTime> =
    talloc_global::WasmTalloc::with_config();

#[cfg(feature = "talloc-compact")]
#[global_allocator]
static ALLOCATOR: talloc_global::WasmTalloc<talloc_global::config::Compact> =
    talloc_global::WasmTalloc::with_config();

#[cfg(feature = "talloc-smallest")]
#[global_allocator]
static ALLOCATOR: talloc_global::WasmTalloc<talloc_global::source::WasmSmall> =
    talloc_global::WasmTalloc::with_config();

#[cfg(all(feature = "talc5", not(feature = "talc5-smallest")))]
#[global_allocator]
static ALLOCATOR: talc5::wasm::WasmDynamicTalc = talc5::wasm::new_wasm_dynamic_allocator();

/// Uses the source that never extends an arena. The feature also disables reallocation in place.
#[cfg(feature = "talc5-smallest")]
#[global_allocator]
static ALLOCATOR: SmallTalc = SmallTalc::new_wasm(talc5::wasm::WasmGrowAndClaim);
#[cfg(feature = "talc5-smallest")]
type SmallTalc = talc5::cell::TalcSyncCell<talc5::wasm::WasmGrowAndClaim, talc5::wasm::WasmBinning>;

#[cfg(feature = "rlsf")]
#[global_allocator]
static ALLOCATOR: rlsf::GlobalTlsf = rlsf::GlobalTlsf::new();

#[cfg(feature = "rlsf-smallest")]
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

#[cfg(feature = "dlmalloc")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[cfg(feature = "lol-alloc")]
#[global_allocator]
static ALLOCATOR: LolAlloc =
    // SAFETY: The module has a single thread.
    unsafe { LolAlloc::new(lol_alloc::FreeListAllocator::new()) };
#[cfg(feature = "lol-alloc")]
type LolAlloc = lol_alloc::AssumeSingleThreaded<lol_alloc::FreeListAllocator>;

#[cfg(feature = "none")]
mod none {
    use core::alloc::{GlobalAlloc, Layout};
    use core::cell::UnsafeCell;

    /// Returns the same memory for every request.
    struct None(UnsafeCell<[u8; 1 << 16]>);

    #[global_allocator]
    static ALLOCATOR: None = None(UnsafeCell::new([0; 1 << 16]));

    // SAFETY: The module has a single thread.
    unsafe impl Sync for None {}

    // SAFETY: This violates the contract. The only callers are `calls.rs` and `run.rs`, which allow for overlapping
    // blocks.
    unsafe impl GlobalAlloc for None {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            self.0.get().cast()
        }

        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

        unsafe fn realloc(&self, block: *mut u8, _: Layout, _: usize) -> *mut u8 {
            block
        }
    }
}
