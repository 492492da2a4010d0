//! The memory of a WebAssembly module.

mod guarded;
mod heap;
mod memory;
mod parameters;
mod source;

pub use heap::WasmTalloc;
pub use parameters::{Wasm, WasmParameters, WasmSmall};
pub use source::WasmSource;

/// Stops the compiler where two would use the same memory.
const fn refuse_emscripten() {
    assert!(
        !cfg!(target_os = "emscripten"),
        "on Emscripten, `sbrk` hands out the memory that a `WasmSource` made grow: use the system's allocator"
    );
}
