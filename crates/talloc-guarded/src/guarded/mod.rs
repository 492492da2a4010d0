//! The allocator.

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

/// One block in how many is guarded, unless a program or its environment says otherwise.
pub const DEFAULT_RATE: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// How many sampled blocks there can be at a time, unless a program says otherwise.
const DEFAULT_SLOTS: usize = 256;

/// The rate is that of the environment, which has not been read yet.
const UNKNOWN: usize = usize::MAX;

/// An allocator that passes requests on to `A`, except for a few blocks, which it puts between inaccessible pages.
///
/// One block in [`DEFAULT_RATE`] is *guarded*, at random. It lies on pages of its own, at their end, where an overflow
/// faults at the first byte, or at their start, where an underflow does, and inaccessible pages lie before and behind
/// them. When it is freed, its pages become inaccessible, and stay so as long as possible: of the slots for blocks, the
/// one is used that has been free for the longest time. The bytes of the pages that are not the block's are filled with
/// a pattern, which is checked when it is freed.
///
/// So these errors are found in guarded blocks, and [reported](crate::set_handler) with the call stacks of the error,
/// of the allocation and of the free:
///
/// | error | found |
/// |---|---|
/// | a read or a write after the block was freed | at once |
/// | a read or a write beyond the end of a block at its pages' end | at once, if it is outside of them |
/// | a read or a write before the start of a block at its pages' start | at once |
/// | a write to another byte of its pages | when the block is freed |
/// | a free or a reallocation of a freed block, of an address that is not a block's start, or with another layout | before anything changes |
///
/// An access by the kernel, as in `read(2)`, does not fault: the call returns `EFAULT`.
///
/// In a fleet of machines, an error that occurs often is found though few blocks are guarded. In tests, a rate of
/// 1 guards all blocks until the slots are used up. The environment variable `TALLOC_GUARDED_RATE` sets the rate of a
/// program that does not [set](Self::set_rate) one itself; 0 switches guarding off.
///
/// # What is guarded
///
/// Blocks of up to 16 KiB are sampled, if their alignment does not exceed a page. There are 256 slots for them, unless
/// the program [says otherwise](Self::with_slots). If all are in use, or another thread is making the slots, blocks are
/// not guarded. From a size that the program [chooses](Self::with_large), all blocks are guarded.
///
/// # Cost
///
/// Off, a call costs a load and a branch more than `A`. On, allocating costs a decrement of a thread-local, and freeing
/// a comparison of the address. A guarded block costs two call stacks, two system calls and a page
/// fault. The slots take addresses, and memory for live guarded blocks: at most 256 times 16 KiB. Nothing
/// is taken from `A`, and no lock is held while another thread waits for it, except to report.
///
/// # Forks
///
/// The child of a fork may allocate, free and make reports, whatever other threads of the parent were doing.
///
/// # Systems
///
/// On Unix, faults are found by handlers of `SIGSEGV` and `SIGBUS`, which are installed when the first block is
/// guarded. A fault that is not about a guarded block is passed on to the handler that was there before. Programs that
/// install handlers later should pass on faults in the same way. The handlers of the standard library, which tell that
/// a stack has overflowed, come first: no block is sampled before. Large blocks are guarded from the first on. If there
/// is one before `main` starts, the standard library finds a handler, and installs none. Elsewhere nothing is guarded.
///
/// A pool of slots stays for ever, even if the allocator is dropped.
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
    /// One in how many blocks is sampled: 0 if none is, [`UNKNOWN`] at first.
    rate: AtomicUsize,
    /// The rate if the environment has none.
    usual_rate: usize,
    shape: Shape,
    pool: AtomicPtr<Pool>,
    /// The addresses of the pool's slots. The length is written last.
    start: AtomicUsize,
    len: AtomicUsize,
    start_up: StartUp,
    /// Whether the system has refused the addresses for a pool.
    is_refused: AtomicBool,
}

impl<A> Guarded<A> {
    /// An allocator that guards one block in [`DEFAULT_RATE`].
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

    /// Sets the rate for programs that are started without `TALLOC_GUARDED_RATE`: one block in so many is guarded, or
    /// none.
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

    /// Sets how many sampled blocks there can be at a time.
    ///
    /// Each takes 20 KiB of addresses, 1 KiB for what is known about it, and memory for the pages of its block while
    /// that is live. Taking a slot takes linear time in their number.
    pub const fn with_slots(mut self, slots: usize) -> Self {
        self.shape.sampled = slots;
        self
    }

    /// Guards all blocks of at least `size` bytes, up to 1 GiB (1 MiB with 32-bit addresses). The size is at least
    /// 16 KiB and a byte.
    ///
    /// Each doubling of the size has 64 slots; further blocks are not guarded. They take 128 GiB of addresses, but no
    /// memory. If the system refuses so many, none are guarded.
    ///
    /// By default, no size is large. Each allocation costs two system calls and a page fault for each page that is
    /// touched, as the memory is given back to the system with every free. Reallocating copies the contents if the size
    /// exceeds the next power of two, or becomes half of that, and the first time, as the block then comes to lie at the
    /// start of its pages.
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

    /// The allocator that requests are passed on to.
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

    /// One block in how many is guarded; none if none is.
    pub fn rate(&self) -> Option<NonZeroUsize> {
        NonZeroUsize::new(self.known_rate())
    }

    /// Whether a pointer is to guarded memory, be it of a live or a freed block.
    #[inline]
    pub fn is_guarded(&self, ptr: *const u8) -> bool {
        // The length first: with it, the start is known. Else another thread's block could seem to lie among the slots
        // while they are made.
        let len = self.len.load(Acquire);
        ptr.addr().wrapping_sub(self.start.load(Relaxed)) < len
    }

    /// Returns the layout of the live guarded block that starts at `ptr`. It is for callers that know only the address,
    /// such as C's `free`. Returns `None` for a pointer into a block, to a freed block, or to one that is not guarded.
    ///
    /// If a [guarded](Self::is_guarded) pointer has no layout, `dealloc` and `realloc` say what is wrong with it. They
    /// may then be called with a layout of no bytes, which is left out of the report.
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

    /// How many guarded blocks are live, and how many bytes they have.
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

    /// Where a block that is reallocated comes to lie. At the start of its pages, a large one can grow without moving.
    fn place_of_moved(&self, size: usize) -> Place {
        if size >= self.shape.large { Place::Start } else { sampler::place() }
    }

    /// A guarded block, all zeros, for one that is due; null if it is to be unguarded.
    fn guard(&self, layout: Layout, place: impl FnOnce() -> Place) -> *mut u8 {
        let is_large = layout.size() >= self.shape.large;
        let is_sampled = || {
            let rate = self.known_rate();
            rate != 0
                && sampler::draw(rate)
                && layout.size() <= pool::SAMPLED
                && !self.is_too_early()
        };
        // What guarding a block asks for is not guarded: there would be no end.
        let is_due = if is_large { !sampler::is_paused() } else { is_sampled() };
        if !is_due || layout.align() > sys::page_size() {
            return ptr::null_mut();
        }
        let block = sampler::paused(|| self.pool()?.allocate(layout, place(), CallStack::capture));
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    /// Whether a block is not to be sampled, because our handler of faults would come before the standard library's.
    fn is_too_early(&self) -> bool {
        self.len.load(Relaxed) == 0 && !self.start_up.is_over()
    }

    fn known_rate(&self) -> usize {
        match self.rate.load(Relaxed) {
            UNKNOWN => {
                let rate = rate_of_environment().unwrap_or(self.usual_rate);
                // What the program has set meanwhile counts.
                match self.rate.compare_exchange(UNKNOWN, rate, Relaxed, Relaxed) {
                    Ok(_) => rate,
                    Err(other) => other,
                }
            }
            rate => rate,
        }
    }

    /// The pool, which the first call makes. None if there is no room for it, or another thread is making it.
    fn pool(&self) -> Option<&'static Pool> {
        if self.len.load(Acquire) == 0 {
            self.make_pool()?;
        }
        // SAFETY: A pool that has been published stays for ever.
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
            // SAFETY: Nobody knows of the pool.
            unsafe { Pool::destroy(pool) };
            return None;
        }
        sys::watch(Cause::Page, access::handle);
        // SAFETY: The pool has been created above, and stays.
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
        // `UNKNOWN` is as rare as makes no difference.
        Some(rate) if rate.get() == UNKNOWN => UNKNOWN - 1,
        Some(rate) => rate.get(),
        None => 0,
    }
}

/// The rate that `TALLOC_GUARDED_RATE` says; none if there is no such variable, or it is not a number.
fn rate_of_environment() -> Option<usize> {
    let read = |value: &[u8]| std::str::from_utf8(value).ok()?.trim().parse::<usize>().ok();
    sys::with_variable(c"TALLOC_GUARDED_RATE", read)?.map(|rate| rate.min(UNKNOWN - 1))
}
