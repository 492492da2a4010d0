//! Replaying a script on a heap, and what is looked at meanwhile.

use crate::heaps::Heap;
use crate::steps;
use std::ptr;
use std::time::Instant;
use talloc_trace::script::{Event, Op, Script};

/// What is looked at while a script is replayed.
pub trait Probe {
    /// Whether blocks are zeroed that a program wanted zeroed.
    const ZEROES: bool = true;

    /// Makes a call of the heap.
    fn call(&mut self, index: usize, call: impl FnOnce() -> *mut u8) -> *mut u8;

    /// Told where a block is, after the call that made or moved it.
    fn placed(&mut self, index: usize, event: &Event, block: *mut u8);
}

/// Looks at nothing, and writes to blocks as a program would.
pub struct Plain {
    /// Whether each page of a block is written to; else, its first and its last byte.
    pub pages: bool,
}

impl Probe for Plain {
    #[inline]
    fn call(&mut self, _: usize, call: impl FnOnce() -> *mut u8) -> *mut u8 {
        call()
    }

    #[inline]
    fn placed(&mut self, _: usize, event: &Event, block: *mut u8) {
        let size = event.size as usize;
        let step = if self.pages { 4096 } else { size };
        for offset in (0..size).step_by(step).chain([size - 1]) {
            // SAFETY: The block has `size` bytes, and at least one. Volatile, since nobody reads them.
            unsafe { block.add(offset).write_volatile(1) };
        }
    }
}

/// Takes the time of each call: the least of several replays, in nanoseconds.
///
/// What the heap does counts, not the zeroing of a block.
pub struct Latency<'a> {
    pub nanoseconds: &'a mut [u32],
}

impl Probe for Latency<'_> {
    const ZEROES: bool = false;

    fn call(&mut self, index: usize, call: impl FnOnce() -> *mut u8) -> *mut u8 {
        let start = Instant::now();
        let block = call();
        let took = u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX);
        self.nanoseconds[index] = self.nanoseconds[index].min(took);
        block
    }

    fn placed(&mut self, _: usize, _: &Event, _: *mut u8) {}
}

/// Counts the instructions of chosen calls.
pub struct Steps<'a> {
    /// The events whose calls are counted, in ascending order.
    pub chosen: &'a [usize],
    /// Their instructions, in the same order.
    pub counts: Vec<u64>,
}

impl Probe for Steps<'_> {
    const ZEROES: bool = false;

    fn call(&mut self, index: usize, call: impl FnOnce() -> *mut u8) -> *mut u8 {
        if self.chosen.get(self.counts.len()) != Some(&index) {
            return call();
        }
        let (block, steps) = steps::count(call);
        self.counts.push(steps);
        block
    }

    fn placed(&mut self, _: usize, _: &Event, _: *mut u8) {}
}

/// Tells where each block is.
pub struct Places<F>(pub F);

impl<F: FnMut(usize, usize)> Probe for Places<F> {
    fn call(&mut self, _: usize, call: impl FnOnce() -> *mut u8) -> *mut u8 {
        call()
    }

    fn placed(&mut self, index: usize, _: &Event, block: *mut u8) {
        (self.0)(index, block.addr());
    }
}

/// The heap had no room for a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory {
    /// The event that asked for it.
    pub event: usize,
}

/// Replays a script. The blocks that it leaves are freed if `clean`.
///
/// # Safety
///
/// The heap is initialised, and the memory that it was given stays its own until this returns.
pub unsafe fn drive<H: Heap, P: Probe>(
    heap: &mut H,
    script: &Script,
    probe: &mut P,
    clean: bool,
) -> Result<(), OutOfMemory> {
    let mut table = vec![ptr::null_mut::<u8>(); script.slots()];
    for (index, event) in script.events().iter().enumerate() {
        let slot = &mut table[event.slot as usize];
        let call = || match event.op {
            // SAFETY: A script's sizes are not zero.
            Op::AllocZeroed if P::ZEROES => unsafe { heap.alloc_zeroed(event.layout()) },
            // SAFETY: As above.
            Op::Alloc | Op::AllocZeroed => unsafe { heap.alloc(event.layout()) },
            // SAFETY: A script is valid: the slot holds a live block of the old layout.
            Op::Realloc => unsafe { heap.realloc(*slot, event.old_layout(), event.size as usize) },
            Op::Free => {
                // SAFETY: As above, of this layout.
                unsafe { heap.dealloc(*slot, event.layout()) };
                ptr::null_mut()
            }
        };
        let block = probe.call(index, call);
        if event.op == Op::Free {
            continue;
        }
        if block.is_null() {
            return Err(OutOfMemory { event: index });
        }
        probe.placed(index, event, block);
        *slot = block;
    }
    if clean {
        for leftover in script.leftovers() {
            // SAFETY: The block is live, and the script knows its layout.
            unsafe { heap.dealloc(table[leftover.slot as usize], leftover.layout) };
        }
    }
    Ok(())
}
