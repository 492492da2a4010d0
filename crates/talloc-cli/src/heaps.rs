//! The heaps that traces are replayed on.

use crate::probe::{self, Latency, OutOfMemory, Places, Plain, Steps};
use std::alloc::{GlobalAlloc, Layout};
use std::ptr::{self, NonNull};
use talloc_global::config::{
    Checked, Compact, Config, Harden, Hardened, Measures, Micro, RealTime, Standard, Tiny,
};
use talloc_global::{OwnedTalloc, Span, Talloc};
use talloc_trace::script::Script;

/// A heap for one thread.
pub trait Heap: Sized {
    /// The heap before it has memory.
    fn empty() -> Self;

    /// Gives the heap its memory. False: it is too little. Heaps of the operating system's memory ignore it.
    ///
    /// # Safety
    ///
    /// The memory is the heap's alone until its last use, and the heap is not moved from here on.
    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool;

    /// As `GlobalAlloc::alloc`.
    ///
    /// # Safety
    ///
    /// As there; the heap is initialised.
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8;

    /// As `GlobalAlloc::alloc_zeroed`.
    ///
    /// # Safety
    ///
    /// As there; the heap is initialised.
    unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8;

    /// As `GlobalAlloc::dealloc`.
    ///
    /// # Safety
    ///
    /// As there.
    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout);

    /// As `GlobalAlloc::realloc`.
    ///
    /// # Safety
    ///
    /// As there.
    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8;
}

/// The most bytes of an arena with links of 16 bits.
const MICRO_ARENA: usize = 509 << 10;

/// A configuration of ours, in an arena of at most `MAX` bytes.
struct Ours<C: Config, const MAX: usize = { usize::MAX }>(OwnedTalloc<C>);

impl<C: Config, const MAX: usize> Heap for Ours<C, MAX> {
    fn empty() -> Self {
        Self(Talloc::with_config())
    }

    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool {
        let memory = Span::from(memory);
        let memory = memory.truncate(0, memory.size().saturating_sub(MAX));
        // SAFETY: The caller gives the memory to this heap.
        unsafe { self.0.arenas_mut().try_init(memory) }.is_ok()
    }

    #[inline]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller's promise.
        unsafe { self.0.malloc(layout) }.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller's promise.
        unsafe { self.0.malloc_zeroed(layout) }.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        // SAFETY: The caller's promise; a live block is not null.
        unsafe { self.0.free(NonNull::new_unchecked(ptr), layout) }
    }

    #[inline]
    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: The caller's promise; a live block is not null.
        unsafe { self.0.realloc(NonNull::new_unchecked(ptr), layout, new_size) }
            .map_or(ptr::null_mut(), NonNull::as_ptr)
    }
}

/// A global allocator, which has its memory from the operating system.
struct Hosted<A>(A);

macro_rules! hosted {
    ($($(#[$attribute:meta])* $allocator:ty = $new:expr;)*) => {
        $(
            $(#[$attribute])*
            impl Heap for Hosted<$allocator> {
                fn empty() -> Self {
                    Self($new)
                }

                unsafe fn init(&mut self, _: NonNull<[u8]>) -> bool {
                    true
                }

                #[inline]
                unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
                    // SAFETY: The caller's promise.
                    unsafe { self.0.alloc(layout) }
                }

                #[inline]
                unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
                    // SAFETY: The caller's promise.
                    unsafe { self.0.alloc_zeroed(layout) }
                }

                #[inline]
                unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
                    // SAFETY: The caller's promise.
                    unsafe { self.0.dealloc(ptr, layout) }
                }

                #[inline]
                unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
                    // SAFETY: The caller's promise.
                    unsafe { self.0.realloc(ptr, layout, new_size) }
                }
            }
        )*
    };
}

#[cfg(any(unix, windows))]
static SYSTEM_TALLOC: talloc_global::SystemTalloc = talloc_global::SystemTalloc::new();

hosted! {
    std::alloc::System = std::alloc::System;
    #[cfg(any(unix, windows))]
    &'static talloc_global::SystemTalloc = &SYSTEM_TALLOC;
    #[cfg(feature = "peers")]
    mimalloc::MiMalloc = mimalloc::MiMalloc;
    #[cfg(feature = "peers")]
    tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
}

#[cfg(feature = "peers")]
type Rlsf = rlsf::Tlsf<'static, u32, u32, 28, 32>;

#[cfg(feature = "peers")]
impl Heap for Rlsf {
    fn empty() -> Self {
        Self::new()
    }

    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool {
        // SAFETY: The caller gives the memory to this heap.
        unsafe { self.insert_free_block_ptr(memory) }.is_some()
    }

    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        self.allocate(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller's promise.
        let block = unsafe { Heap::alloc(self, layout) };
        if !block.is_null() {
            // SAFETY: The block has `size` bytes.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        // SAFETY: The caller's promise; a live block is not null.
        unsafe { self.deallocate(NonNull::new_unchecked(ptr), layout.align()) }
    }

    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: The caller's promise; a live block is not null, and the new size makes a layout.
        unsafe {
            let new_layout = Layout::from_size_align_unchecked(new_size, layout.align());
            self.reallocate(NonNull::new_unchecked(ptr), new_layout)
        }
        .map_or(ptr::null_mut(), NonNull::as_ptr)
    }
}

/// What can be done with a heap, whatever its type.
pub struct Entry {
    pub name: &'static str,
    pub about: &'static str,
    /// Whether its memory is the operating system's.
    pub hosted: bool,
    /// Whether it is in tables for which no heap is named.
    pub usual: bool,
    /// What it takes beside its arena, in bytes.
    pub control_bytes: usize,
    /// The most bytes of an arena that it uses.
    pub max_arena: usize,
    plain: unsafe fn(&Script, NonNull<[u8]>, &mut Plain) -> Outcome,
    latency: unsafe fn(&Script, NonNull<[u8]>, &mut Latency<'_>) -> Outcome,
    steps: unsafe fn(&Script, NonNull<[u8]>, &mut Steps<'_>) -> Outcome,
    places: unsafe fn(&Script, NonNull<[u8]>, &mut Places<Place<'_>>) -> Outcome,
}

/// Whether a heap has served a script.
type Outcome = Result<(), OutOfMemory>;

/// Told the number of an event, and the address of its block.
pub type Place<'a> = &'a mut dyn FnMut(usize, usize);

impl Entry {
    const fn of<H: Heap>(name: &'static str, about: &'static str, max_arena: usize) -> Self {
        Self {
            name,
            about,
            hosted: false,
            usual: true,
            control_bytes: size_of::<H>(),
            max_arena,
            plain: replay::<H, Plain>,
            // Closures, for the sake of the lifetimes.
            // SAFETY: The caller's promise, here and below.
            latency: |script, memory, probe| unsafe { replay::<H, _>(script, memory, probe) },
            // SAFETY: As above.
            steps: |script, memory, probe| unsafe { replay::<H, _>(script, memory, probe) },
            // SAFETY: As above.
            places: |script, memory, probe| unsafe { replay::<H, _>(script, memory, probe) },
        }
    }

    const fn hosted<H: Heap>(name: &'static str, about: &'static str) -> Self {
        Self { hosted: true, control_bytes: 0, ..Self::of::<H>(name, about, usize::MAX) }
    }

    /// The heap, left out of tables for which no heap is named.
    const fn unusual(self) -> Self {
        Self { usual: false, ..self }
    }

    /// Replays a script on a new heap in `memory`.
    ///
    /// # Safety
    ///
    /// The memory is valid for reads and writes, and nobody else's during the call. So for all that follow.
    pub unsafe fn plain(
        &self,
        script: &Script,
        memory: NonNull<[u8]>,
        probe: &mut Plain,
    ) -> Outcome {
        // SAFETY: The caller's promise.
        unsafe { (self.plain)(script, memory, probe) }
    }

    /// The same, taking the time of each call.
    ///
    /// # Safety
    ///
    /// As for [`plain`](Self::plain).
    pub unsafe fn latency(
        &self,
        script: &Script,
        memory: NonNull<[u8]>,
        probe: &mut Latency<'_>,
    ) -> Outcome {
        // SAFETY: The caller's promise.
        unsafe { (self.latency)(script, memory, probe) }
    }

    /// The same, counting the instructions of chosen calls.
    ///
    /// # Safety
    ///
    /// As for [`plain`](Self::plain).
    pub unsafe fn steps(
        &self,
        script: &Script,
        memory: NonNull<[u8]>,
        probe: &mut Steps<'_>,
    ) -> Outcome {
        // SAFETY: The caller's promise.
        unsafe { (self.steps)(script, memory, probe) }
    }

    /// The same, telling where each block is.
    ///
    /// # Safety
    ///
    /// As for [`plain`](Self::plain).
    pub unsafe fn places(
        &self,
        script: &Script,
        memory: NonNull<[u8]>,
        place: Place<'_>,
    ) -> Outcome {
        // SAFETY: The caller's promise.
        unsafe { (self.places)(script, memory, &mut Places(place)) }
    }
}

/// # Safety
///
/// That of [`Entry::plain`].
unsafe fn replay<H: Heap, P: probe::Probe>(
    script: &Script,
    memory: NonNull<[u8]>,
    probe: &mut P,
) -> Outcome {
    let mut heap = H::empty();
    // SAFETY: The caller gives the memory to this heap, which stays where it is.
    if !unsafe { heap.init(memory) } {
        return Err(OutOfMemory { event: 0 });
    }
    // SAFETY: The heap is initialised. It ends here, and a hosted one has no block then.
    unsafe { probe::drive(&mut heap, script, probe, true) }
}

/// One measure of a hardened heap, by its position in [`Measures::EACH`].
struct Only<const N: usize>;

impl<const N: usize> Harden for Only<N> {
    const MEASURES: Measures = Measures::EACH[N].1;
}

/// All measures of a hardened heap.
struct AllMeasures;

impl Harden for AllMeasures {
    const MEASURES: Measures = Measures::ALL;
}

/// A hardened heap.
type Protected<M> = Ours<Hardened<Compact, M>>;

/// All heaps, in the order of the tables.
pub static ALL: &[Entry] = &[
    Entry::of::<Ours<Compact>>("compact", "the default", usize::MAX),
    Entry::of::<Ours<RealTime>>("real-time", "coalesces at once", usize::MAX),
    Entry::of::<Ours<Micro, MICRO_ARENA>>("micro", "for microcontrollers", MICRO_ARENA),
    Entry::of::<Ours<Tiny, MICRO_ARENA>>("tiny", "the least code", MICRO_ARENA),
    Entry::of::<Ours<Checked>>("checked", "finds misuse", usize::MAX),
    Entry::of::<Protected<Standard>>("hardened", "the standard measures", usize::MAX).unusual(),
    Entry::of::<Protected<AllMeasures>>("hardened-all", "all measures", usize::MAX).unusual(),
    Entry::of::<Protected<Only<0>>>("hardened-encode", "encoded links", usize::MAX).unusual(),
    Entry::of::<Protected<Only<1>>>("hardened-delay", "reuse is delayed", usize::MAX).unusual(),
    Entry::of::<Protected<Only<2>>>("hardened-fill", "freed blocks are filled", usize::MAX)
        .unusual(),
    Entry::of::<Protected<Only<3>>>("hardened-slack", "canaries in the slack", usize::MAX)
        .unusual(),
    Entry::of::<Protected<Only<4>>>("hardened-tails", "canaries behind blocks", usize::MAX)
        .unusual(),
    Entry::of::<Protected<Only<5>>>("hardened-fresh", "new blocks are filled", usize::MAX)
        .unusual(),
    Entry::of::<Protected<Only<6>>>("hardened-shuffle", "places are random", usize::MAX).unusual(),
    #[cfg(any(unix, windows))]
    Entry::hosted::<Hosted<&'static talloc_global::SystemTalloc>>(
        "system-talloc",
        "the operating system's memory",
    ),
    Entry::hosted::<Hosted<std::alloc::System>>("system", "the C library's"),
    #[cfg(feature = "peers")]
    Entry::of::<Rlsf>("rlsf", "a peer", usize::MAX),
    #[cfg(feature = "peers")]
    Entry::hosted::<Hosted<mimalloc::MiMalloc>>("mimalloc", "a peer"),
    #[cfg(feature = "peers")]
    Entry::hosted::<Hosted<tikv_jemallocator::Jemalloc>>("jemalloc", "a peer"),
];

/// The heap of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ALL.iter().find(|heap| heap.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Region;
    use std::collections::BTreeMap;
    use talloc_trace::script::Writer;

    #[test]
    fn each_measure_has_a_heap_of_its_name() {
        let names = ALL.iter().filter_map(|heap| heap.name.strip_prefix("hardened-"));
        let each = Measures::EACH.iter().map(|(name, _)| *name);
        assert!(names.filter(|name| *name != "all").eq(each));
    }

    #[test]
    fn every_heap_replays_and_says_where_blocks_are() {
        let mut writer = Writer::new("test");
        let slots: Vec<u32> = (1..200).map(|size| writer.alloc(size, 16, size % 2 == 0)).collect();
        slots.iter().step_by(2).for_each(|slot| writer.realloc(*slot, 300));
        slots.iter().step_by(3).for_each(|slot| writer.free(*slot));
        let script = writer.finish();
        let mut region = Region::new(400 << 10).unwrap();
        for heap in ALL {
            let mut blocks = BTreeMap::new();
            let mut place = |event: usize, address: usize| {
                let event = &script.events()[event];
                assert_eq!(address % 16, 0, "{}", heap.name);
                blocks.insert(event.slot, address..address + event.size as usize);
            };
            // SAFETY: The region is borrowed for the call.
            unsafe { heap.places(&script, region.first(usize::MAX), &mut place) }.unwrap();
            let mut ranges: Vec<_> = blocks.into_values().collect();
            ranges.sort_by_key(|range| range.start);
            assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start), "{}", heap.name);
            // SAFETY: As above.
            let small =
                unsafe { heap.plain(&script, region.first(4096), &mut Plain { pages: true }) };
            assert_eq!(small.is_ok(), heap.hosted, "{}", heap.name);
        }
    }
}
