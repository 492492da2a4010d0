//! The heap: all memory that the program's variables and its stack leave.

use talloc_global::{Micro, Region, Report, Talloc, TallocCritical};

/// Interrupts wait while the heap is used, which is a bounded number of steps. So their handlers
/// may use it, too.
#[global_allocator]
// SAFETY: The linker script keeps the memory between the symbols for the heap.
static HEAP: TallocCritical<Micro, Region> = TallocCritical::new(Talloc::with_source(unsafe {
    Region::new(&raw mut __sheap..&raw mut __eheap)
}));

// They have addresses, but no values.
unsafe extern "C" {
    static mut __sheap: u8;
    static mut __eheap: u8;
}

/// Checks the whole heap, and says what is in it. Interrupts wait meanwhile.
pub fn report() -> Report {
    match HEAP.with(|heap| heap.verify()) {
        Ok(report) => report,
        Err(violation) => panic!("the heap is broken: {violation}"),
    }
}
