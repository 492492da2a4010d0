//! The memory of a WebAssembly module.

mod guarded;
mod heap;
mod memory;
mod parameters;
mod source;

pub use heap::WasmTalloc;
pub use parameters::{WasmDefault, WasmParameters, WasmSmall};
pub use source::WasmSource;

// Emscripten's `sbrk` hands out all memory up to the end, even the pieces that this crate has added, so both would use
// the same memory.
#[cfg(target_os = "emscripten")]
compile_error!(
    "talloc-global does not support Emscripten, whose `sbrk` would hand out the memory that this crate adds: \
     use the system's allocator, or a `Talloc` of talloc-core in memory from `malloc`"
);
