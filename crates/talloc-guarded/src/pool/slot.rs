//! The record of a slot and its block.

use std::alloc::Layout;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use crate::report::{Block, CallStack, FRAMES};

/// The record of a slot. A page of zeros is an array of slots that have never been used.
///
/// All fields are atomic, because a report may read them while another thread reuses the slot. This happens only if a
/// block is used long after it was freed. The report may then mix the two blocks.
pub struct Slot {
    phase: AtomicU8,
    /// Whether pages of the slot may be accessible although it has no live block.
    is_opened: AtomicBool,
    addr: AtomicUsize,
    size: AtomicUsize,
    align: AtomicUsize,
    allocated: Stack,
    freed: Stack,
}

/// The phase of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The slot has never had a block.
    Unused,
    /// The slot has a live block.
    Live,
    /// The slot's last block has been freed.
    Freed,
}

impl Slot {
    pub fn phase(&self) -> Phase {
        match self.phase.load(Acquire) {
            LIVE => Phase::Live,
            FREED => Phase::Freed,
            _ => Phase::Unused,
        }
    }

    /// Returns the live block, or the last block.
    pub fn block(&self) -> Option<Block> {
        let (size, align) = (self.size.load(Relaxed), self.align.load(Relaxed));
        let layout = Layout::from_size_align(size, align).ok()?;
        (self.phase() != Phase::Unused).then(|| Block { addr: self.addr.load(Relaxed), layout })
    }

    /// Returns the call stack of the block's allocation.
    pub fn allocated(&self) -> CallStack {
        self.allocated.read()
    }

    /// Returns the call stack of the block's free.
    pub fn freed(&self) -> Option<CallStack> {
        (self.phase() == Phase::Freed).then(|| self.freed.read())
    }

    /// Records a new block, before the allocation returns its address.
    pub fn fill(&self, block: Block, stack: &CallStack) {
        self.addr.store(block.addr, Relaxed);
        self.size.store(block.layout.size(), Relaxed);
        self.align.store(block.layout.align(), Relaxed);
        self.allocated.write(stack);
        self.phase.store(LIVE, Release);
    }

    /// Records a new size of the live block.
    pub fn resize(&self, size: usize) {
        self.size.store(size, Relaxed);
    }

    /// Records that the block is freed. Returns whether this call is the first to do so.
    pub fn free(&self, stack: &CallStack) -> bool {
        let is_first = self.phase.compare_exchange(LIVE, FREED, AcqRel, Acquire).is_ok();
        if is_first {
            self.freed.write(stack);
        }
        is_first
    }

    /// Records whether pages of the slot may be accessible although it has no live block.
    pub fn set_opened(&self, is_opened: bool) {
        self.is_opened.store(is_opened, Release);
    }

    pub fn is_opened(&self) -> bool {
        self.is_opened.load(Acquire)
    }
}

const LIVE: u8 = 1;
const FREED: u8 = 2;

struct Stack {
    thread: AtomicU64,
    depth: AtomicUsize,
    frames: [AtomicU64; FRAMES],
}

impl Stack {
    fn write(&self, stack: &CallStack) {
        self.thread.store(stack.thread(), Relaxed);
        self.frames.iter().zip(stack.frames()).for_each(|(to, from)| to.store(*from, Relaxed));
        self.depth.store(stack.frames().len(), Relaxed);
    }

    fn read(&self) -> CallStack {
        let frames = std::array::from_fn(|number| self.frames[number].load(Relaxed));
        CallStack::new(self.thread.load(Relaxed), frames, self.depth.load(Relaxed))
    }
}
