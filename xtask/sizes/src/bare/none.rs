//! No allocator.

use core::alloc::Layout;
use core::ptr;

use super::critical::{Critical, Heap};

struct None(usize);
#[global_allocator]
static HEAP: Critical<None> = Critical::new(None(0));

impl Heap for None {
    unsafe fn allocate(&mut self, _: Layout) -> *mut u8 {
        ptr::null_mut()
    }

    unsafe fn deallocate(&mut self, _: *mut u8, _: Layout) {}

    unsafe fn reallocate(&mut self, _: *mut u8, _: Layout, _: usize) -> *mut u8 {
        ptr::null_mut()
    }
}
#[unsafe(no_mangle)]
unsafe extern "C" fn init(start: usize, _: usize) {
    HEAP.with(|heap| heap.0 = start);
}
