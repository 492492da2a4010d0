//! The null heap, which only returns blocks chosen by another heap. The cost of a workload on it is the workload's own
//! cost, which is subtracted from measurements.

use crate::{
    heap::Heap,
    replay::{self, Stop, Table, Writes},
    script::Script,
};
use std::{alloc::Layout, hint::black_box, ptr::NonNull, time::Duration};

/// The name of the null heap.
pub const NULL: &str = "null";

/// [`replay_on`](replay::replay_on) for the null heap. The blocks are those of the heap `H`, so the workload's own cost
/// includes the cache misses of its blocks.
///
/// # Errors
/// If the heap has no room, or the replay takes too long.
///
/// # Safety
/// The memory is valid for reads and writes, and nothing else uses it during the call.
pub unsafe fn replay_on_null<H: Heap, W: Writes>(
    script: &Script,
    events: usize,
    memory: NonNull<[u8]>,
    limit: Duration,
) -> Result<Duration, Stop> {
    let mut recorder =
        Recorder { heap: H::empty(), blocks: Vec::with_capacity(script.events().len()) };
    // SAFETY: Only this heap uses the memory, and it is not moved.
    if !unsafe { recorder.init(memory) } {
        return Err(Stop::OutOfMemory);
    }
    // SAFETY: The heap and the table are new.
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
    // SAFETY: The events are the same again. The blocks belong to the recorder, whose heap is not used otherwise.
    unsafe { replay::replay::<_, W>(&mut prepared, script, events, &mut Table::new(script), limit) }
}

/// A heap that records the addresses it returns.
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
        // SAFETY: The caller upholds the contract of `Heap::init`.
        unsafe { self.heap.init(memory) }
    }

    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller upholds the contract of `Heap::alloc`.
        let block = unsafe { self.heap.alloc(layout) };
        self.note(block)
    }

    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        // SAFETY: The caller upholds the contract of `Heap::dealloc`.
        unsafe { self.heap.dealloc(ptr, layout) }
    }

    unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller upholds the contract of `Heap::alloc_zeroed`.
        unsafe { self.alloc(layout) }
    }

    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: The caller upholds the contract of `Heap::realloc`.
        let block = unsafe { self.heap.realloc(ptr, layout, new_size) };
        self.note(block)
    }
}

/// A heap that returns recorded addresses.
struct Prepared {
    next: *const *mut u8,
}

impl Prepared {
    /// # Safety
    /// There is another recorded address.
    #[inline]
    unsafe fn take(&mut self) -> *mut u8 {
        // SAFETY: The caller guarantees that there is another recorded address.
        unsafe {
            let block = *self.next;
            self.next = self.next.add(1);
            block
        }
    }
}

// The compiler must not see that arguments are unused here, or it would omit the work of the replay to provide them.
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
        // SAFETY: The recorder has answered the same request.
        unsafe { self.take() }
    }

    #[inline]
    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        black_box((ptr, layout));
    }

    #[inline]
    unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
        black_box(layout);
        // SAFETY: The recorder has answered the same request.
        unsafe { self.take() }
    }

    #[inline]
    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        black_box((ptr, layout, new_size));
        // SAFETY: The recorder has answered the same request.
        unsafe { self.take() }
    }
}
