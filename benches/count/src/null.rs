//! The null heap, which only hands out blocks that another heap has chosen. The cost of a workload on it is the workload's
//! own cost, which the measurements subtract.

use crate::{
    heap::Heap,
    replay::{self, Stop, Table, Writes},
    script::Script,
};
use std::{alloc::Layout, hint::black_box, ptr::NonNull, time::Duration};

/// The name of the null heap.
pub const NULL: &str = "null";

/// [`replay_on`](replay::replay_on) on the null heap. The blocks lie where the heap `H` puts them, so the script's own
/// cost includes the cache misses of its blocks.
///
/// # Errors
/// If the heap has no room, or the replay takes too long.
///
/// # Safety
/// The memory is valid for reads and writes and is nobody else's during the call.
pub unsafe fn replay_on_null<H: Heap, W: Writes>(
    script: &Script,
    events: usize,
    memory: NonNull<[u8]>,
    limit: Duration,
) -> Result<Duration, Stop> {
    let mut recorder =
        Recorder { heap: H::empty(), blocks: Vec::with_capacity(script.events().len()) };
    // SAFETY: the caller gives the memory to this heap, which stays where it is.
    if !unsafe { recorder.init(memory) } {
        return Err(Stop::OutOfMemory);
    }
    // SAFETY: the heap and the table are new.
    unsafe {
        replay::replay::<_, W>(
            &mut recorder,
            script,
            script.events().len(),
            &mut Table::new(script),
            limit,
        )?
    };

    let mut prepared = Prepared { next: recorder.blocks.as_ptr() };
    // SAFETY: the same events again, and the blocks are the recorder's, whose heap is not used any more.
    unsafe { replay::replay::<_, W>(&mut prepared, script, events, &mut Table::new(script), limit) }
}

/// A heap that records its answers.
struct Recorder<H> {
    heap: H,
    blocks: Vec<*mut u8>,
}

impl<H> Recorder<H> {
    fn note(&mut self, block: *mut u8) -> *mut u8 {
        self.blocks.push(block);
        block
    }
}

impl<H: Heap> Heap for Recorder<H> {
    const NAME: &'static str = NULL;

    fn empty() -> Self {
        Self { heap: H::empty(), blocks: Vec::new() }
    }

    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool {
        // SAFETY: The caller upholds the contract of this function.
        unsafe { self.heap.init(memory) }
    }

    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller upholds the contract of this function.
        let block = unsafe { self.heap.alloc(layout) };
        self.note(block)
    }

    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        // SAFETY: The caller upholds the contract of this function.
        unsafe { self.heap.dealloc(ptr, layout) }
    }

    unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller upholds the contract of this function.
        unsafe { self.alloc(layout) }
    }

    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: The caller upholds the contract of this function.
        let block = unsafe { self.heap.realloc(ptr, layout, new_size) };
        self.note(block)
    }
}

/// A heap that repeats recorded answers.
struct Prepared {
    next: *const *mut u8,
}

impl Prepared {
    /// # Safety
    /// There is another answer.
    #[inline]
    unsafe fn take(&mut self) -> *mut u8 {
        // SAFETY: The caller upholds the contract of this function.
        unsafe {
            let block = *self.next;
            self.next = self.next.add(1);
            block
        }
    }
}

// The compiler must not see that arguments are unused here, or it would omit the replay's work to provide them.
impl Heap for Prepared {
    const NAME: &'static str = NULL;

    fn empty() -> Self {
        Self { next: std::ptr::null() }
    }

    unsafe fn init(&mut self, _: NonNull<[u8]>) -> bool {
        false
    }

    #[inline]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        black_box(layout);
        // SAFETY: the recorder answered the same request.
        unsafe { self.take() }
    }

    #[inline]
    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        black_box((ptr, layout));
    }

    #[inline]
    unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
        black_box(layout);
        // SAFETY: the recorder answered the same request.
        unsafe { self.take() }
    }

    #[inline]
    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        black_box((ptr, layout, new_size));
        // SAFETY: the recorder answered the same request.
        unsafe { self.take() }
    }
}
