//! The memory of a WebAssembly module.

mod guarded;
mod heap;
mod memory;
mod parameters;
mod source;

pub use heap::WasmTalloc;
pub use parameters::{WasmDefault, WasmParameters, WasmSmall};
pub use source::WasmSource;

// There, `sbrk` hands out all memory up to the end, whoever made it grow: two would use the same.
#[cfg(target_os = "emscripten")]
compile_error!(
    "talloc-global does not support Emscripten, whose `sbrk` hands out the memory that this crate makes grow: \
     use the system's allocator, or a `Talloc` of talloc-core in memory from `malloc`"
);
