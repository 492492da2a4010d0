//! The allocator [`Guarded`].

mod calls;

use std::alloc::Layout;
use std::num::NonZeroUsize;
use std::ptr::{self, NonNull};
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use crate::access;
use crate::pool::{self, Place, Pool, Shape};
use crate::report::CallStack;
use crate::sampler;
use crate::start_up::StartUp;
use crate::sys::{self, Cause};

/// The default rate: one block in so many is guarded.
pub const DEFAULT_RATE: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// The default number of slots for sampled blocks.
const DEFAULT_SLOTS: usize = 256;

/// The rate before the environment has been read.
const UNKNOWN: usize = usize::MAX;

/// An allocator that passes requests on to `A`, except for a few blocks, which it puts between inaccessible pages.
///
/// One block in [`DEFAULT_RATE`] is *guarded*, at random. A guarded block has its own pages, between two inaccessible
/// pages. At random, it lies at the end of its pages, where the first byte of an overflow faults, or at their start, where
/// an underflow faults. When the block is freed, its pages become inaccessible. They stay so as long as possible, because
/// a new block gets the slot that has been free for the longest time. The rest of the pages is filled with a pattern,
/// which is checked when the block is freed.
///
/// In guarded blocks, these errors are found and [reported](crate::set_handler) with the call stacks of the error, of
/// the allocation and of the free:
///
/// | error | found |
/// |---|---|
/// | a read or a write after the block was freed | at once |
/// | a read or a write beyond the end of a block, if the block lies at the end of its pages | at once, if it is outside of the pages |
/// | a read or a write before the start of a block, if the block lies at the start of its pages | at once |
/// | a write to another byte of the block's pages | when the block is freed |
/// | a free or a reallocation of a freed block, of an address that is not a block's start, or with another layout | before anything changes |
///
/// An access by the kernel, as in `read(2)`, does not fault: the call returns `EFAULT`.
///
/// Few blocks are guarded, but in a fleet of machines, a frequent error is found nevertheless. In tests, a rate of
/// 1 guards all blocks until the slots are used up. The environment variable `TALLOC_GUARDED_RATE` sets the rate of a
/// program that does not [set](Self::set_rate) one itself; 0 switches guarding off.
///
/// # Guarded blocks
///
/// Blocks of up to 16 KiB are sampled, if their alignment does not exceed a page. They have 256 slots, or as many as the
/// program [chooses](Self::with_slots). If all slots are in use, or another thread is just creating them, a block is not
/// guarded. All blocks from a size on that the program [chooses](Self::with_large) are guarded.
///
/// # Cost
///
/// If guarding is off, a call costs a load and a branch more than a call of `A`. If it is on, an allocation decrements a
/// thread-local, and a free compares the address. A guarded block costs two call stacks, two system calls and a page
/// fault. The slots take addresses, and memory for live guarded blocks: at most 256 times 16 KiB. Guarded blocks take
/// no memory from `A`. No thread waits for another, except to report.
///
/// # Forks
///
/// The child of a fork may allocate, free and make reports, whatever other threads of the parent were doing.
///
/// # Systems
///
/// On Unix, handlers of `SIGSEGV` and `SIGBUS` find faults. They are installed when the first block is guarded. They pass
/// other faults on to the previous handler. Programs that install handlers later should do the same.
///
/// The handlers of the standard library, which report stack overflows, must be installed first. Therefore no block is
/// sampled before. Large blocks, however, are guarded from the start. If a program allocates a large block before `main`,
/// the standard library finds this crate's handlers, and installs none.
///
/// On other systems, no block is guarded.
///
/// A pool of slots is never released, even if the allocator is dropped.
///
/// # Examples
///
/// ```
/// use std::alloc::System;
/// use talloc_guarded::Guarded;
///
/// #[global_allocator]
/// static ALLOCATOR: Guarded<System> = Guarded::new(System);
///
/// # #[expect(clippy::needless_doctest_main)]
/// fn main() {
///     let numbers: Vec<u32> = (0..1000).collect();
///     assert_eq!(numbers.iter().sum::<u32>(), 499_500);
/// }
/// ```
pub struct Guarded<A> {
    inner: A,
    /// One block in so many is sampled; 0 if none is, and [`UNKNOWN`] at first.
    rate: AtomicUsize,
    /// The rate if the environment sets none.
    usual_rate: usize,
    shape: Shape,
    pool: AtomicPtr<Pool>,
    /// The address of the pool's slots. It is written before the length.
    start: AtomicUsize,
    len: AtomicUsize,
    start_up: StartUp,
    /// Whether the system has refused the addresses for a pool.
    is_refused: AtomicBool,
}

impl<A> Guarded<A> {
    /// Makes an allocator that guards one block in [`DEFAULT_RATE`].
    pub const fn new(inner: A) -> Self {
        Self {
            inner,
            rate: AtomicUsize::new(UNKNOWN),
            usual_rate: DEFAULT_RATE.get(),
            shape: Shape { sampled: DEFAULT_SLOTS, large: usize::MAX },
            pool: AtomicPtr::new(ptr::null_mut()),
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            start_up: StartUp::new(),
            is_refused: AtomicBool::new(false),
        }
    }

    /// Sets the default rate, which applies if the environment has no `TALLOC_GUARDED_RATE`: one block in `rate` is
    /// guarded, or none.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::alloc::System;
    /// use std::num::NonZeroUsize;
    /// use talloc_guarded::Guarded;
    ///
    /// // Off, unless the environment switches it on.
    /// static ALLOCATOR: Guarded<System> = Guarded::new(System).with_rate(None);
    /// ```
    pub const fn with_rate(mut self, rate: Option<NonZeroUsize>) -> Self {
        self.usual_rate = number(rate);
        self
    }

    /// Sets the number of slots: the most sampled blocks at a time.
    ///
    /// Each slot takes 20 KiB of addresses, 1 KiB for its record, and memory for the pages of its block while the block is
    /// live. To guard a block takes linear time in the number of slots.
    pub const fn with_slots(mut self, slots: usize) -> Self {
        self.shape.sampled = slots;
        self
    }

    /// Guards all blocks of at least `size` bytes, up to 1 GiB (1 MiB with 32-bit addresses). The size is at least
    /// 16 KiB and a byte.
    ///
    /// Each doubling of the size has 64 slots; further blocks are not guarded. The slots take 128 GiB of addresses, but no
    /// memory. If the system refuses so many addresses, no block is guarded.
    ///
    /// By default, no block is large. Each large block costs two system calls, and a page fault for each page that the
    /// program touches, because every free returns the memory to the system. A reallocation copies the contents if the
    /// new size exceeds the next power of two, or is at most half of it. The first reallocation of a block also copies
    /// them, because it moves the block to the start of its pages.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::alloc::{GlobalAlloc, Layout, System};
    /// use talloc_guarded::Guarded;
    ///
    /// let allocator = Guarded::new(System).with_large(1 << 20);
    /// let layout = Layout::new::<[u8; 1 << 20]>();
    /// // SAFETY: The size is not zero, and the block is freed once.
    /// unsafe {
    ///     let block = allocator.alloc(layout);
    ///     assert_eq!(allocator.is_guarded(block), cfg!(unix));
    ///     allocator.dealloc(block, layout);
    /// }
    /// ```
    pub const fn with_large(mut self, size: usize) -> Self {
        self.shape.large = if size > pool::SAMPLED { size } else { pool::SAMPLED + 1 };
        self
    }

    /// Returns the allocator that requests are passed on to.
    pub fn inner(&self) -> &A {
        &self.inner
    }

    /// Guards one block in `rate` on average from now on, or none. Each thread's next guarded block may still come at
    /// the old rate. Guarded blocks stay guarded until they are freed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::alloc::{GlobalAlloc, Layout, System};
    /// use std::num::NonZeroUsize;
    /// use talloc_guarded::Guarded;
    ///
    /// let allocator = Guarded::new(System);
    /// allocator.set_rate(Some(NonZeroUsize::MIN));
    /// let layout = Layout::new::<u64>();
    /// // SAFETY: The size is not zero, and the block is freed once.
    /// unsafe {
    ///     let block = allocator.alloc(layout);
    ///     assert_eq!(allocator.is_guarded(block), cfg!(unix));
    ///     allocator.dealloc(block, layout);
    /// }
    /// ```
    pub fn set_rate(&self, rate: Option<NonZeroUsize>) {
        self.rate.store(number(rate), Relaxed);
    }

    /// Returns the rate: one block in so many is guarded. `None` if no block is.
    pub fn rate(&self) -> Option<NonZeroUsize> {
        NonZeroUsize::new(self.known_rate())
    }

    /// Whether a pointer is to guarded memory, of a live or a freed block.
    #[inline]
    pub fn is_guarded(&self, ptr: *const u8) -> bool {
        // Load the length first: if it is set, the start is set, too. With an old start and a new length, another block
        // could seem to lie among the slots.
        let len = self.len.load(Acquire);
        ptr.addr().wrapping_sub(self.start.load(Relaxed)) < len
    }

    /// Returns the layout of the live guarded block that starts at `ptr`. It is for callers that know only the address,
    /// such as C's `free`. Returns `None` for a pointer into a block, to a freed block, or to one that is not guarded.
    ///
    /// If this returns `None` for a [guarded](Self::is_guarded) pointer, `dealloc` and `realloc` report the error. They may
    /// then be called with a layout of size 0, which is left out of the report.
    ///
    /// Takes constant time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::alloc::{GlobalAlloc, Layout, System};
    /// use talloc_guarded::Guarded;
    ///
    /// let allocator = Guarded::new(System).with_large(1 << 20);
    /// let layout = Layout::new::<[u8; 1 << 20]>();
    /// // SAFETY: The size is not zero, and the block is freed once.
    /// unsafe {
    ///     let block = allocator.alloc(layout);
    ///     assert_eq!(allocator.layout_of(block), cfg!(unix).then_some(layout));
    ///     assert_eq!(allocator.layout_of(block.add(16)), None);
    ///     allocator.dealloc(block, layout);
    ///     assert_eq!(allocator.layout_of(block), None);
    /// }
    /// ```
    pub fn layout_of(&self, ptr: *const u8) -> Option<Layout> {
        if !self.is_guarded(ptr) {
            return None;
        }
        self.pool()?.live_block_at(ptr.addr()).map(|block| block.layout)
    }

    /// Returns the number of live guarded blocks, and their bytes.
    ///
    /// Takes linear time in the number of slots. Blocks that other threads allocate or free meanwhile may be counted.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::alloc::{GlobalAlloc, Layout, System};
    /// use talloc_guarded::Guarded;
    ///
    /// let allocator = Guarded::new(System).with_large(1 << 20);
    /// let layout = Layout::new::<[u8; 1 << 20]>();
    /// // SAFETY: The size is not zero, and the block is freed once.
    /// unsafe {
    ///     let block = allocator.alloc(layout);
    ///     assert_eq!(allocator.live(), if cfg!(unix) { (1, 1 << 20) } else { (0, 0) });
    ///     allocator.dealloc(block, layout);
    /// }
    /// assert_eq!(allocator.live(), (0, 0));
    /// ```
    pub fn live(&self) -> (usize, usize) {
        if self.len.load(Acquire) == 0 {
            return (0, 0);
        }
        self.pool().map_or((0, 0), Pool::live)
    }

    #[inline]
    fn is_due(&self, size: usize) -> bool {
        size >= self.shape.large || (self.rate.load(Relaxed) != 0 && sampler::is_due())
    }

    /// Chooses the place of a reallocated block. At the start of its pages, a large block can grow in place.
    fn place_of_moved(&self, size: usize) -> Place {
        if size >= self.shape.large { Place::Start } else { sampler::place() }
    }

    /// Returns a guarded block, all zeros; null if the block is to be unguarded.
    fn guard(&self, layout: Layout, place: impl FnOnce() -> Place) -> *mut u8 {
        let is_large = layout.size() >= self.shape.large;
        let is_sampled = || {
            let rate = self.known_rate();
            rate != 0
                && sampler::draw(rate)
                && layout.size() <= pool::SAMPLED
                && !self.is_too_early()
        };
        // Blocks that this allocator itself requests are not guarded: that would not end.
        let is_due = if is_large { !sampler::is_paused() } else { is_sampled() };
        if !is_due || layout.align() > sys::page_size() {
            return ptr::null_mut();
        }
        let block = sampler::paused(|| self.pool()?.allocate(layout, place(), CallStack::capture));
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    /// Whether it is too early to sample a block, because the standard library has not installed its handler of faults.
    fn is_too_early(&self) -> bool {
        self.len.load(Relaxed) == 0 && !self.start_up.is_over()
    }

    fn known_rate(&self) -> usize {
        match self.rate.load(Relaxed) {
            UNKNOWN => {
                let rate = rate_of_environment().unwrap_or(self.usual_rate);
                // If the program has set a rate meanwhile, that rate counts.
                match self.rate.compare_exchange(UNKNOWN, rate, Relaxed, Relaxed) {
                    Ok(_) => rate,
                    Err(other) => other,
                }
            }
            rate => rate,
        }
    }

    /// Returns the pool, which the first call creates. `None` if there is no room for it, or if another thread is creating
    /// it.
    fn pool(&self) -> Option<&'static Pool> {
        if self.len.load(Acquire) == 0 {
            self.make_pool()?;
        }
        // SAFETY: A published pool is never destroyed.
        unsafe { self.pool.load(Relaxed).as_ref() }
    }

    fn make_pool(&self) -> Option<()> {
        if self.is_refused.load(Relaxed) {
            return None;
        }
        let without_large = Shape { large: usize::MAX, ..self.shape };
        let Some(pool) = Pool::create(self.shape).or_else(|| Pool::create(without_large)) else {
            self.is_refused.store(true, Relaxed);
            return None;
        };
        let none = ptr::null_mut();
        if self.pool.compare_exchange(none, pool.as_ptr(), AcqRel, Relaxed).is_err() {
            // SAFETY: This thread has just created the pool, and nobody else has a pointer to it.
            unsafe { Pool::destroy(pool) };
            return None;
        }
        sys::watch(Cause::Page, access::handle);
        // SAFETY: The pool was created above, and is never destroyed.
        let range = unsafe {
            Pool::publish(pool);
            pool.as_ref().range()
        };
        self.start.store(range.start, Relaxed);
        self.len.store(range.len(), Release);
        Some(())
    }
}

const fn number(rate: Option<NonZeroUsize>) -> usize {
    match rate {
        // `UNKNOWN` is reserved. One less makes no difference.
        Some(rate) if rate.get() == UNKNOWN => UNKNOWN - 1,
        Some(rate) => rate.get(),
        None => 0,
    }
}

/// Returns the rate that `TALLOC_GUARDED_RATE` sets; `None` if it is not set or not a number.
fn rate_of_environment() -> Option<usize> {
    let read = |value: &[u8]| std::str::from_utf8(value).ok()?.trim().parse::<usize>().ok();
    sys::with_variable(c"TALLOC_GUARDED_RATE", read)?.map(|rate| rate.min(UNKNOWN - 1))
}
