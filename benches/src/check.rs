//! Runs a script on a heap, and validates the blocks that the heap returns.

use crate::{
    heap::Heap,
    replay::Stop,
    script::{Event, Op, Script},
};
use anyhow::{Result, bail, ensure};
use std::{alloc::Layout, collections::BTreeMap, ops::Range, ptr, slice};

/// A live block and its contents.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub base: *mut u8,
    pub size: usize,
    pub seed: u8,
}

/// Replays a script and checks that every block lies in `region` (of a heap that has one), is aligned, overlaps no
/// other live block, keeps its contents until it is freed and through reallocation, and is zero where zeros were
/// asked for.
///
/// # Errors
/// The first error that is found; [`Stop`] if the heap has no room.
///
/// # Safety
/// The heap is initialised and has no blocks.
pub unsafe fn check<H: Heap>(
    heap: &mut H,
    script: &Script,
    region: Option<Range<*mut u8>>,
) -> Result<()> {
    let mut shadow = Shadow { slots: vec![None; script.slots()], ..Shadow::new(region) };
    for (number, event) in script.events().iter().enumerate() {
        // SAFETY: a script is valid in itself, and `slots` follows it.
        let step = unsafe { shadow.step(heap, event, number as u8) };
        step.map_err(|error| {
            error.context(format!("{} {}: event {number}: {event:?}", H::NAME, script.name()))
        })?;
    }
    // SAFETY: every block in the slots is live.
    let end = unsafe { shadow.finish(heap, script) };
    end.map_err(|error| error.context(format!("{} {}: at the end", H::NAME, script.name())))
}

/// A shadow of the heap: the blocks that it should have.
pub(crate) struct Shadow {
    /// Live blocks by address.
    live: BTreeMap<*mut u8, usize>,
    slots: Vec<Option<Block>>,
    region: Option<Range<*mut u8>>,
}

impl Shadow {
    /// The shadow of a heap without blocks.
    pub(crate) fn new(region: Option<Range<*mut u8>>) -> Self {
        Self { live: BTreeMap::new(), slots: Vec::new(), region }
    }

    /// # Safety
    /// The event is the next one of a script whose earlier events are in `self`.
    unsafe fn step<H: Heap>(&mut self, heap: &mut H, event: &Event, seed: u8) -> Result<()> {
        let slot = event.slot as usize;
        let old = self.slots[slot].take();
        if let Some(block) = old {
            // SAFETY: the block in the slot is live.
            unsafe { self.forget(block)? };
        }
        let base = match (event.op, old) {
            // SAFETY: no size is zero.
            (Op::Alloc, None) => unsafe { heap.alloc(event.layout()) },
            // SAFETY: no size is zero.
            (Op::AllocZeroed, None) => unsafe { heap.alloc_zeroed(event.layout()) },
            // SAFETY: the block is live, and the event knows its layout.
            (Op::Realloc, Some(old)) => unsafe {
                heap.realloc(old.base, event.old_layout(), event.size as usize)
            },
            (Op::Free, Some(old)) => {
                // SAFETY: the block is live, and the event knows its layout.
                unsafe { heap.dealloc(old.base, event.layout()) };
                return Ok(());
            }
            _ => bail!("the script is not valid"),
        };
        self.place(base, event.layout())?;
        let block = Block { base, size: event.size as usize, seed };
        if let Some(old) = old {
            // SAFETY: the block is live and `place` found it where it may be.
            unsafe { holds(Block { size: old.size.min(block.size), base, ..old })? };
        }
        if event.op == Op::AllocZeroed {
            // SAFETY: the block is live and has `size` bytes, which `alloc_zeroed` has initialised.
            let bytes = unsafe { slice::from_raw_parts(base, block.size) };
            ensure!(bytes.iter().all(|&byte| byte == 0), "not zeroed");
        }
        // SAFETY: the block is live.
        unsafe { fill(block) };
        self.slots[slot] = Some(block);
        Ok(())
    }

    /// Removes a live block from the shadow, after checking its contents.
    ///
    /// # Safety
    /// The block is live.
    pub(crate) unsafe fn forget(&mut self, block: Block) -> Result<()> {
        // SAFETY: by the contract of this function.
        unsafe { holds(block)? };
        self.live.remove(&block.base);
        Ok(())
    }

    /// Checks the place of a new block, and adds the block to the shadow.
    pub(crate) fn place(&mut self, base: *mut u8, layout: Layout) -> Result<()> {
        ensure!(!base.is_null(), Stop::OutOfMemory);
        ensure!(base.addr() % layout.align() == 0, "not aligned: {base:p}");
        let end = base.wrapping_add(layout.size());
        if let Some(region) = &self.region {
            ensure!(region.start <= base && end <= region.end, "outside the region: {base:p}");
        }
        let below = self.live.range(..end).next_back();
        if let Some((&other, &size)) = below {
            ensure!(
                other.wrapping_add(size) <= base,
                "{base:p} overlaps the {size} bytes at {other:p}"
            );
        }
        self.live.insert(base, layout.size());
        Ok(())
    }

    /// Checks and frees the blocks that the script has left.
    ///
    /// # Safety
    /// `self` has run the whole script.
    unsafe fn finish<H: Heap>(mut self, heap: &mut H, script: &Script) -> Result<()> {
        for leftover in script.leftovers() {
            let Some(block) = self.slots[leftover.slot as usize].take() else {
                bail!("the script is not valid")
            };
            // SAFETY: the block is live, and the script knows its layout.
            unsafe {
                self.forget(block)?;
                heap.dealloc(block.base, leftover.layout);
            }
        }
        ensure!(self.live.is_empty(), "the script is not valid");
        Ok(())
    }
}

/// The byte at `offset`. The pattern detects contents that have moved within a block, and contents of other blocks.
fn pattern(seed: u8, offset: usize) -> u8 {
    seed ^ (offset as u8).wrapping_mul(31)
}

/// # Safety
/// The block is live.
pub(crate) unsafe fn fill(block: Block) {
    for offset in 0..block.size {
        // SAFETY: inside the block.
        unsafe { block.base.add(offset).write(pattern(block.seed, offset)) };
    }
}

/// # Safety
/// The block is live and has been filled.
pub(crate) unsafe fn holds(block: Block) -> Result<()> {
    // SAFETY: the block is live and has been filled.
    let bytes = unsafe { slice::from_raw_parts(ptr::from_ref(&*block.base), block.size) };
    let wrong =
        bytes.iter().enumerate().position(|(offset, &byte)| byte != pattern(block.seed, offset));
    if let Some(offset) = wrong {
        bail!("byte {offset} of {} at {:p} was changed", block.size, block.base);
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        heap::Memory,
        heaps::System,
        random::{Mix, Random},
        registry::HEAPS,
        replay::ample,
        script::Writer,
    };
    use std::ptr::NonNull;

    #[test]
    fn every_heap_passes() {
        for mix in Mix::ALL {
            let script = Random::new(mix, 2000).script(10_000);
            let mut memory = Memory::new(ample(&script));
            for heap in HEAPS {
                // SAFETY: the memory is borrowed for the call.
                unsafe { heap.check(&script, memory.first(usize::MAX)) }.unwrap();
            }
        }
    }

    /// The fault of a heap.
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub(crate) enum Fault {
        Misaligned,
        Twice,
        NotZeroed,
        Forgets,
        Scribbles,
        Full,
    }

    /// The system's heap with a fault.
    pub(crate) struct Faulty {
        pub fault: Fault,
        pub last: *mut u8,
    }

    impl Heap for Faulty {
        const NAME: &'static str = "faulty";

        fn empty() -> Self {
            Self { fault: Fault::Full, last: ptr::null_mut() }
        }

        unsafe fn init(&mut self, _: NonNull<[u8]>) -> bool {
            true
        }

        unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller's promise; a block larger than it need be, of which no more than that is used.
            let block =
                unsafe { System.alloc(Layout::from_size_align_unchecked(layout.size() + 16, 16)) };
            let last = std::mem::replace(&mut self.last, block);
            match self.fault {
                Fault::Misaligned => block.wrapping_add(1),
                Fault::Twice if !last.is_null() => last,
                Fault::Scribbles if !last.is_null() => {
                    // SAFETY: a live block, since nothing is freed here.
                    unsafe { last.add(3).write(!last.add(3).read()) };
                    block
                }
                Fault::Full => ptr::null_mut(),
                _ => block,
            }
        }

        unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
            // SAFETY: by the contract of this function.
            let block = unsafe { self.alloc(layout) };
            // SAFETY: the block has this size.
            unsafe { block.write_bytes(u8::from(self.fault == Fault::NotZeroed), layout.size()) };
            block
        }

        /// Leaks: some of these blocks do not begin where they were allocated.
        unsafe fn dealloc(&mut self, _: *mut u8, _: Layout) {}

        unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
            if self.fault == Fault::Forgets {
                // SAFETY: as `alloc`'s.
                unsafe {
                    self.alloc_zeroed(Layout::from_size_align_unchecked(new_size, layout.align()))
                }
            } else {
                // SAFETY: by the contract of this function.
                unsafe { crate::heap::move_block(self, ptr, layout, new_size) }
            }
        }
    }

    #[test]
    fn each_fault_is_found() {
        let mut writer = Writer::new("test");
        let a = writer.alloc(100, 8, false);
        let b = writer.alloc(100, 8, true);
        writer.realloc(a, 200);
        writer.free(b);
        let script = writer.finish();
        let error = |fault| {
            let mut heap = Faulty { fault, last: ptr::null_mut() };
            // SAFETY: the heap has no blocks.
            let error = unsafe { check(&mut heap, &script, None) }.unwrap_err();
            format!("{error:#}")
        };
        for (fault, message) in [
            (Fault::Misaligned, "not aligned"),
            (Fault::Twice, "overlaps"),
            (Fault::NotZeroed, "not zeroed"),
            (Fault::Forgets, "byte 1 of 100"),
            (Fault::Scribbles, "byte 3 of 100"),
            (Fault::Full, "out of memory"),
        ] {
            let error = error(fault);
            assert!(error.starts_with("faulty test: event ") && error.contains(message), "{error}");
        }
    }

    #[test]
    fn blocks_outside_the_region_are_found() {
        let mut writer = Writer::new("test");
        writer.alloc(100, 8, false);
        let mut elsewhere = [0_u8; 8];
        // SAFETY: the heap has no blocks.
        let error =
            unsafe { check(&mut System, &writer.finish(), Some(elsewhere.as_mut_ptr_range())) }
                .unwrap_err();
        assert!(format!("{error:#}").contains("outside the region"), "{error:#}");
    }
}
