//! The heap of all cores.

use core::alloc::Layout;

use talloc_global::config::{Caller, Compact};
use talloc_global::inspect::{Report, Violation};
use talloc_global::lock::Backoff;
use talloc_global::{AllocError, SharedHeap, Source, Span, Talloc, TallocMagazines};

use crate::cpu;
use crate::memory::Regions;
use crate::port::println;

/// Each core has a cache of its own in front of the heap, whose lock is taken seldom.
#[global_allocator]
static HEAP: TallocMagazines<Backoff, Compact, Reserve, ByCore, { cpu::MAX_CORES }> =
    TallocMagazines::new(Talloc::with_source(Reserve(None)));

/// Each core begins with the cache of its number.
struct ByCore;

impl Caller for ByCore {
    fn number() -> usize {
        cpu::number()
    }
}

/// Memory that is kept until there is no other: the heap asks for it before a request fails.
struct Reserve(Option<Span>);

impl Source<Compact> for Reserve {
    fn acquire(heap: &mut Talloc<Compact, Self>, layout: Layout) -> Result<(), AllocError> {
        let memory = heap.source_mut().0.take().ok_or(AllocError)?;
        println!("no room for {} bytes: the reserve {memory} is drawn upon", layout.size());
        // SAFETY: The memory is the heap's, which has not been given it before.
        unsafe { heap.claim(memory) }.map_err(|_| AllocError)
    }
}

/// Makes each region an arena, but for the last one, the reserve.
pub fn claim(regions: &Regions) {
    let (reserve, others) = regions.split_last().expect("there is memory");
    let mut heap = HEAP.lock();
    heap.source_mut().0 = Some(*reserve);
    for region in others {
        // SAFETY: Nothing else uses this memory.
        unsafe { heap.claim(*region) }.expect("regions are large enough, and do not overlap");
    }
}

/// Checks all of the heap, and says what is in it.
pub fn report() -> Report {
    HEAP.verify().unwrap_or_else(broken)
}

/// The same, when all that is in caches has been given back to the arenas.
pub fn flush() -> Report {
    HEAP.flush();
    report()
}

fn broken(violation: Violation) -> Report {
    panic!("the heap is broken: {violation}")
}
