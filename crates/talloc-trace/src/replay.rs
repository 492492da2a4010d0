//! Replaying a script on any global allocator.

use crate::script::{Op, Script};
use std::alloc::GlobalAlloc;
use std::ptr;
use std::time::{Duration, Instant};
use std::vec;

impl Script {
    /// Asks a heap for what the script says, writes to the first and the last byte of each block, as any program would
    /// write to it, and frees what is left. Returns how long the script's events took.
    ///
    /// # Panics
    ///
    /// If the heap has no memory for a block.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::alloc::System;
    /// use talloc_trace::script::Writer;
    ///
    /// let mut writer = Writer::new("a block");
    /// let slot = writer.alloc(100, 8, false);
    /// writer.free(slot);
    /// let time = writer.finish().replay(&System);
    /// assert!(time.as_secs() < 60);
    /// ```
    #[inline(never)]
    pub fn replay<A: GlobalAlloc>(&self, heap: &A) -> Duration {
        let mut table = vec![ptr::null_mut(); self.slots()];
        let start = Instant::now();
        for event in self.events() {
            let slot: &mut *mut u8 = &mut table[event.slot as usize];
            // SAFETY: A script is valid: no size is zero, and slots hold live blocks of the layouts in the events.
            unsafe {
                match event.op {
                    Op::Alloc => *slot = heap.alloc(event.layout()),
                    Op::AllocZeroed => *slot = heap.alloc_zeroed(event.layout()),
                    Op::Realloc => {
                        *slot = heap.realloc(*slot, event.old_layout(), event.size as usize);
                    }
                    Op::Free => heap.dealloc(*slot, event.layout()),
                }
                if event.op != Op::Free {
                    assert!(!slot.is_null(), "the heap has no memory");
                    slot.write_volatile(1);
                    slot.add(event.size as usize - 1).write_volatile(1);
                }
            }
        }
        let time = start.elapsed();
        for leftover in self.leftovers() {
            // SAFETY: The block is live, and the script knows its layout.
            unsafe { heap.dealloc(table[leftover.slot as usize], leftover.layout) };
        }
        time
    }
}
