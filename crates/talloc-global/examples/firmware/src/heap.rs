//! The heap: all memory that the program's variables and its stack leave.

use talloc_global::config::Micro;
use talloc_global::inspect::{Report, Statistics};
use talloc_global::{Region, Talloc, TallocCritical};

/// Interrupts wait while the heap is used, which is a bounded number of steps. So their handlers
/// may use it, too.
#[cfg(not(feature = "trace"))]
#[global_allocator]
// SAFETY: The linker script keeps the memory between the symbols for the heap.
static HEAP: TallocCritical<Micro, Region> = TallocCritical::new(Talloc::with_source(unsafe {
    Region::new(&raw mut __sheap..&raw mut __eheap)
}));

/// The same, and everything that is asked of it is recorded.
#[cfg(feature = "trace")]
#[global_allocator]
// SAFETY: As above.
static RECORDED: crate::recorder::Recorded<TallocCritical<Micro, Region>> =
    crate::recorder::Recorded::new(TallocCritical::new(Talloc::with_source(unsafe {
        Region::new(&raw mut __sheap..&raw mut __eheap)
    })));

/// Calls `f` with the heap. Interrupts wait meanwhile.
fn with<T>(f: impl FnOnce(&mut Talloc<Micro, Region>) -> T) -> T {
    #[cfg(not(feature = "trace"))]
    return HEAP.with(f);
    #[cfg(feature = "trace")]
    return RECORDED.inner().with(f);
}

/// Begins to record, if that is asked for.
pub fn start_recording() {
    #[cfg(feature = "trace")]
    RECORDED.start();
}

/// Ends what [`start_recording`] has begun.
pub fn stop_recording() {
    #[cfg(feature = "trace")]
    RECORDED.stop();
}

/// Writes what lies where in the heap, if that is asked for. Interrupts wait meanwhile.
pub fn take_snapshot() {
    #[cfg(feature = "trace")]
    {
        let host = crate::recorder::Host::create(2, c"firmware.heap");
        let host = host.expect("the debugger makes the file");
        let result = with(|heap| talloc_global::inspect::write_snapshot(heap, host));
        result.expect("the debugger takes the snapshot");
    }
}

// They have addresses, but no values.
unsafe extern "C" {
    static mut __sheap: u8;
    static mut __eheap: u8;
}

/// Checks the whole heap, and says what is in it. Interrupts wait meanwhile.
pub fn report() -> Report {
    match with(|heap| heap.verify()) {
        Ok(report) => report,
        Err(violation) => panic!("the heap is broken: {violation}"),
    }
}

/// What the heap has counted.
pub fn statistics() -> Statistics {
    with(|heap| heap.inspect().statistics())
}
