//! Runs a script on a heap as fast as it can.

use crate::{
    heap::{Heap, InPlace},
    script::{Event, Op, Script},
};
use cpu_time::ThreadTime;
use std::{
    alloc::Layout,
    fmt,
    ptr::{self, NonNull},
    time::Duration,
};

/// Why a replay ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The heap had no room for a block.
    OutOfMemory,
    /// The heap exceeded the time limit.
    OutOfTime,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfMemory => "out of memory",
            Self::OutOfTime => "out of time",
        })
    }
}

impl std::error::Error for Stop {}

/// The addresses of a script's blocks, one pointer per slot.
pub struct Table(Vec<*mut u8>);

impl Table {
    /// Creates a table for the script's slots.
    pub fn new(script: &Script) -> Self {
        Self(vec![ptr::null_mut(); script.slots()])
    }
}

/// The number of events between two readings of the clock. A heap whose time per event grows with its free blocks must
/// be stopped, but reading the clock must not slow down other heaps.
const BATCH: usize = 4096;

/// The writes to a block that is new or has grown. Real programs write to their blocks. Without writes, a heap that
/// leaves the cache misses to its user would look faster.
pub trait Writes {
    /// Writes to a block of `size` bytes that has grown from `old` bytes, or from zero for a new one.
    ///
    /// # Safety
    /// The block has `size` bytes, and at least one.
    unsafe fn write(block: *mut u8, old: usize, size: usize);
}

/// Writes the first and the last byte.
pub struct Ends;

impl Writes for Ends {
    #[inline]
    unsafe fn write(block: *mut u8, _: usize, size: usize) {
        // SAFETY: The caller passes a block of `size` bytes, and at least one. Nothing reads these bytes, so the writes
        // are volatile to keep the compiler from removing them.
        unsafe {
            block.write_volatile(1);
            block.add(size - 1).write_volatile(1);
        }
    }
}

/// Also writes a byte of each page, for measurements of memory.
pub struct Pages;

impl Writes for Pages {
    #[inline]
    unsafe fn write(block: *mut u8, old: usize, size: usize) {
        /// The smallest page size of any machine that runs this.
        const PAGE: usize = 4096;
        // SAFETY: The caller passes a block of `size` bytes, and at least one.
        unsafe { Ends::write(block, old, size) };
        for byte in (old.next_multiple_of(PAGE)..size).step_by(PAGE) {
            // SAFETY: The byte lies before the last one.
            unsafe { block.add(byte).write_volatile(1) };
        }
    }
}

/// Returns a size of memory in which no usable heap fails on this script.
pub fn ample(script: &Script) -> usize {
    /// The minimum for small scripts, because a heap's own structures may be larger than their peak.
    const MIN: u64 = 1 << 20;
    let size = (script.peak() * 3).max(MIN).next_power_of_two();
    usize::try_from(size).expect("a 64-bit host")
}

/// Replays the first `events` events of a script on a new heap in `memory`. Returns the processor time it took.
///
/// # Errors
/// If the heap has no room or takes longer than `limit`.
///
/// # Safety
/// The memory is valid for reads and writes, and nothing else uses it during the call.
pub unsafe fn replay_on<H: Heap, W: Writes>(
    script: &Script,
    events: usize,
    memory: NonNull<[u8]>,
    limit: Duration,
) -> Result<Duration, Stop> {
    let mut heap = InPlace(H::empty());
    // SAFETY: Only this heap uses the memory, and it is not moved.
    if !unsafe { heap.0.init(memory) } {
        return Err(Stop::OutOfMemory);
    }
    let mut table = Table::new(script);
    // SAFETY: The heap and the table are new.
    unsafe { replay::<_, W>(&mut heap.0, script, events, &mut table, limit) }
}

/// Replays the first `events` events of a script. Returns the processor time it took.
///
/// # Errors
/// If the heap has no room or takes longer than `limit`.
///
/// # Safety
/// The heap is initialised and has no blocks. The table was created for this script and is new.
pub unsafe fn replay<H: Heap, W: Writes>(
    heap: &mut H,
    script: &Script,
    events: usize,
    table: &mut Table,
    limit: Duration,
) -> Result<Duration, Stop> {
    let events = &script.events()[..events];
    let start = ThreadTime::now();
    for batch in events.chunks(BATCH) {
        // SAFETY: The table has the script's slots, and the events of a script are consistent.
        unsafe { run::<H, W>(heap, batch, &mut table.0)? };
        if start.elapsed() > limit {
            return Err(Stop::OutOfTime);
        }
    }
    Ok(start.elapsed())
}

/// Frees the blocks that are left after a script.
///
/// # Safety
/// The whole script was replayed on this heap with this table.
pub unsafe fn free_leftovers<H: Heap>(heap: &mut H, script: &Script, table: &Table) {
    for leftover in script.leftovers() {
        // SAFETY: The block is allocated, and the script knows its layout.
        unsafe { heap.dealloc(table.0[leftover.slot as usize], leftover.layout) };
    }
}

/// Runs the loop that is measured.
///
/// # Safety
/// Every slot lies in the table. If an event needs a block, its slot holds an allocated block with the event's layout.
unsafe fn run<H: Heap, W: Writes>(
    heap: &mut H,
    events: &[Event],
    table: &mut [*mut u8],
) -> Result<(), Stop> {
    for event in events {
        // SAFETY: The caller guarantees that the slot lies in the table.
        let slot = unsafe { table.get_unchecked_mut(event.slot as usize) };
        let block = match event.op {
            Op::Free => {
                // SAFETY: The slot holds an allocated block of this layout.
                unsafe { dealloc(heap, *slot, event.layout()) };
                continue;
            }
            // SAFETY: No size is zero.
            Op::Alloc => unsafe { alloc(heap, event.layout()) },
            // SAFETY: No size is zero.
            Op::AllocZeroed => unsafe { alloc_zeroed(heap, event.layout()) },
            // SAFETY: The slot holds an allocated block of the old layout, and no size is zero.
            Op::Realloc => unsafe { realloc(heap, *slot, event.old_layout(), event.size as usize) },
        };
        if block.is_null() {
            return Err(Stop::OutOfMemory);
        }
        // SAFETY: The block has `size` bytes, and at least one.
        unsafe { W::write(block, event.old_size as usize, event.size as usize) };
        *slot = block;
    }
    Ok(())
}

// All heaps are called through these functions, which are not inlined into the loop. A global allocator is not inlined
// into a program either, each heap and the null heap have the same overhead, and a profile shows the cost of each
// operation.

/// # Safety
/// As for [`Heap::alloc`].
#[inline(never)]
unsafe fn alloc<H: Heap>(heap: &mut H, layout: Layout) -> *mut u8 {
    // SAFETY: The caller upholds the contract of `Heap::alloc`.
    unsafe { heap.alloc(layout) }
}

/// # Safety
/// As for [`Heap::alloc_zeroed`].
#[inline(never)]
unsafe fn alloc_zeroed<H: Heap>(heap: &mut H, layout: Layout) -> *mut u8 {
    // SAFETY: The caller upholds the contract of `Heap::alloc_zeroed`.
    unsafe { heap.alloc_zeroed(layout) }
}

/// # Safety
/// As for [`Heap::realloc`].
#[inline(never)]
unsafe fn realloc<H: Heap>(heap: &mut H, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
    // SAFETY: The caller upholds the contract of `Heap::realloc`.
    unsafe { heap.realloc(ptr, layout, new_size) }
}

/// # Safety
/// As for [`Heap::dealloc`].
#[inline(never)]
unsafe fn dealloc<H: Heap>(heap: &mut H, ptr: *mut u8, layout: Layout) {
    // SAFETY: The caller upholds the contract of `Heap::dealloc`.
    unsafe { heap.dealloc(ptr, layout) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pairs::Pair, script::Writer};
    use std::alloc::{GlobalAlloc, System};

    const LIMIT: Duration = Duration::from_secs(600);

    /// The system allocator, with a count of its live blocks.
    struct Counting {
        live: usize,
        most: usize,
    }

    impl Heap for Counting {
        const NAME: &'static str = "counting";

        fn empty() -> Self {
            Self { live: 0, most: 0 }
        }

        unsafe fn init(&mut self, _: NonNull<[u8]>) -> bool {
            true
        }

        unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
            self.live += 1;
            self.most = self.most.max(self.live);
            // SAFETY: The caller upholds the contract of `Heap::alloc`.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
            self.live -= 1;
            // SAFETY: The caller upholds the contract of `Heap::dealloc`.
            unsafe { System.dealloc(ptr, layout) }
        }

        unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
            // SAFETY: The caller upholds the contract of `Heap::realloc`.
            unsafe { System.realloc(ptr, layout, new_size) }
        }
    }

    #[test]
    fn every_event_is_replayed_and_the_rest_freed() {
        for script in Pair::ALL.map(|pair| pair.script(20_000)) {
            let mut heap = Counting::empty();
            let mut table = Table::new(&script);
            // SAFETY: The heap and the table are new.
            unsafe {
                replay::<_, Ends>(&mut heap, &script, script.events().len(), &mut table, LIMIT)
            }
            .unwrap();
            assert_eq!((heap.live, heap.most), (script.leftovers().len(), script.slots()));
            // SAFETY: The whole script has been replayed.
            unsafe { free_leftovers(&mut heap, &script, &table) };
            assert_eq!(heap.live, 0);
        }
    }

    #[test]
    fn pages_that_are_new_are_written() {
        let mut block = [0_u8; 20_000];
        // SAFETY: The block has this many bytes.
        unsafe { Pages::write(block.as_mut_ptr(), 0, 4000) };
        assert_eq!(written(&block), [0, 3999]);
        block.fill(0);
        // SAFETY: The block has this many bytes.
        unsafe { Pages::write(block.as_mut_ptr(), 4000, 20_000) };
        assert_eq!(written(&block), [0, 4096, 8192, 12_288, 16_384, 19_999]);
    }

    fn written(block: &[u8]) -> Vec<usize> {
        (0..block.len()).filter(|&byte| block[byte] != 0).collect()
    }

    #[test]
    fn a_replay_can_stop_early() {
        let mut writer = Writer::new("test");
        let slot = writer.alloc(10, 8, false);
        writer.free(slot);
        let script = writer.finish();
        let mut heap = Counting::empty();
        let mut table = Table::new(&script);
        // SAFETY: The heap and the table are new.
        unsafe { replay::<_, Ends>(&mut heap, &script, 1, &mut table, LIMIT) }.unwrap();
        assert_eq!(heap.live, 1);
        // SAFETY: The block is allocated with this layout.
        unsafe { heap.dealloc(table.0[slot as usize], script.events()[1].layout()) };
    }
}
