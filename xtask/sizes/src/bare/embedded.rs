//! embedded-alloc, which brings critical sections of its own.

#[cfg(feature = "embedded-llff")]
use embedded_alloc::LlffHeap as Heap;
#[cfg(feature = "embedded-tlsf")]
use embedded_alloc::TlsfHeap as Heap;

#[global_allocator]
static HEAP: Heap = Heap::empty();

#[unsafe(no_mangle)]
unsafe extern "C" fn init(start: usize, size: usize) {
    // SAFETY: As the caller says.
    unsafe { HEAP.init(start, size) }
}
