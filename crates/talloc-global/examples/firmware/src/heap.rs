//! The heap: all memory not taken by static variables and the stack.

use talloc_global::config::Micro;
use talloc_global::inspect::{Report, Statistics};
use talloc_global::{Region, Talloc, TallocCritical};

/// The heap is used in critical sections, each a bounded number of steps. So interrupt handlers may allocate, too.
#[cfg(not(feature = "trace"))]
#[global_allocator]
// SAFETY: The linker script reserves the memory between the symbols for the heap.
static HEAP: TallocCritical<Micro, Region> = TallocCritical::new(Talloc::with_source(unsafe {
    Region::new(&raw mut __sheap..&raw mut __eheap)
}));

/// The same heap, with a recorder.
#[cfg(feature = "trace")]
#[global_allocator]
// SAFETY: The linker script reserves the memory between the symbols for the heap.
static RECORDED: crate::recorder::Recorded<TallocCritical<Micro, Region>> =
    crate::recorder::Recorded::new(TallocCritical::new(Talloc::with_source(unsafe {
        Region::new(&raw mut __sheap..&raw mut __eheap)
    })));

/// Calls `f` with the heap, in a critical section.
fn with<T>(f: impl FnOnce(&mut Talloc<Micro, Region>) -> T) -> T {
    #[cfg(not(feature = "trace"))]
    return HEAP.with(f);
    #[cfg(feature = "trace")]
    return RECORDED.inner().with(f);
}

/// Starts the trace if the feature `trace` is enabled.
pub fn start_recording() {
    #[cfg(feature = "trace")]
    RECORDED.start();
}

/// Stops the trace.
pub fn stop_recording() {
    #[cfg(feature = "trace")]
    RECORDED.stop();
}

/// Writes a snapshot of the heap if the feature `trace` is enabled, in a critical section.
pub fn take_snapshot() {
    #[cfg(feature = "trace")]
    {
        let host = crate::recorder::Host::create(2, c"firmware.heap");
        let host = host.expect("the debugger creates the file");
        let result = with(|heap| talloc_global::inspect::write_snapshot(heap, host));
        result.expect("the debugger writes the file");
    }
}

// Only the addresses of these symbols have a meaning.
unsafe extern "C" {
    static mut __sheap: u8;
    static mut __eheap: u8;
}

/// Verifies the heap and returns its report, in a critical section.
pub fn report() -> Report {
    match with(|heap| heap.verify()) {
        Ok(report) => report,
        Err(violation) => panic!("the heap is broken: {violation}"),
    }
}

/// Returns the heap's statistics.
pub fn statistics() -> Statistics {
    with(|heap| heap.inspect().statistics())
}
