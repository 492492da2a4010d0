//! embedded-alloc, which has its own critical sections.

#[cfg(feature = "embedded-llff")]
use embedded_alloc::LlffHeap as Heap;
#[cfg(feature = "embedded-tlsf")]
use embedded_alloc::TlsfHeap as Heap;

#[global_allocator]
static HEAP: Heap = Heap::empty();

#[unsafe(no_mangle)]
unsafe extern "C" fn init(start: usize, size: usize) {
    // SAFETY: The caller passes memory that nothing else uses.
    unsafe { HEAP.init(start, size) }
}
