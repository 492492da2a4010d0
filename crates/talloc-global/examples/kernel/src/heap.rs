//! The heap of the kernel.

use core::alloc::Layout;

use talloc_global::config::{Caller, Compact};
use talloc_global::inspect::{Report, Violation};
use talloc_global::lock::Backoff;
use talloc_global::{AllocError, SharedHeap, Source, Span, Talloc, TallocMagazines};

use crate::cpu;
use crate::memory::Regions;
use crate::port::println;

/// Each core has its own cache in front of the heap, so cores rarely contend for the lock.
#[global_allocator]
static HEAP: TallocMagazines<Backoff, Compact, Reserve, ByCore, { cpu::MAX_CORES }> =
    TallocMagazines::new(Talloc::with_source(Reserve(None)));

/// Selects the cache with the number of the core.
struct ByCore;

impl Caller for ByCore {
    fn number() -> usize {
        cpu::number()
    }
}

/// Memory held back until the arenas are exhausted. The heap claims it before a request fails.
struct Reserve(Option<Span>);

impl Source<Compact> for Reserve {
    fn acquire(heap: &mut Talloc<Compact, Self>, layout: Layout) -> Result<(), AllocError> {
        let memory = heap.source_mut().0.take().ok_or(AllocError)?;
        println!("no room for {} bytes: the heap claims the reserve {memory}", layout.size());
        // SAFETY: The memory is reserved for the heap, and `take` returns it only once.
        unsafe { heap.claim(memory) }.map_err(|_| AllocError)
    }
}

/// Claims each region as an arena, except the last one, which becomes the reserve.
pub fn claim(regions: &Regions) {
    let (reserve, others) = regions.split_last().expect("there is memory");
    let mut heap = HEAP.lock();
    heap.source_mut().0 = Some(*reserve);
    for region in others {
        // SAFETY: Nothing else uses the memory map's free regions.
        unsafe { heap.claim(*region) }.expect("regions are large enough, and do not overlap");
    }
}

/// Verifies the heap and returns its report.
pub fn report() -> Report {
    HEAP.verify().unwrap_or_else(broken)
}

/// Gives all cached blocks back to the arenas, and verifies the heap.
pub fn flush() -> Report {
    HEAP.flush();
    report()
}

fn broken(violation: Violation) -> Report {
    panic!("the heap is broken: {violation}")
}
