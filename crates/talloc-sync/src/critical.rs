//! The heap in a critical section.

use core::cell::RefCell;
use core::fmt;

use critical_section::Mutex;
use talloc_core::{Compact, Config, OomHandler, OwnedTalloc, SharedHeap, Source, Talloc};

/// A heap that is used in critical sections. It is a global allocator, and a reference to it is an `Allocator`.
///
/// It is for microcontrollers: interrupt handlers may allocate and free, and no atomic instructions are
/// needed. The program provides the implementation of [`critical_section`], usually by a feature of
/// its chip's crate. On a single core, a critical section disables interrupts.
///
/// # Cost
///
/// Each operation on the heap is one critical section, for which interrupts wait. With [`RealTime`](crate::RealTime) or
/// [`Micro`](crate::Micro), it takes a bounded number of steps, plus the time of the heap's source and of functions that
/// are passed to [`with`](Self::with). Blocks are copied and cleared outside of critical sections. If the program itself
/// is in a critical section, the heap's section is nested. A nested section costs as much, and does not end the outer
/// section.
///
/// # Why this is not a lock of `lock_api`
///
/// Critical sections must end in the reverse of the order in which they began. Otherwise interrupts are enabled too early.
/// The guards of a lock can violate this order: a guard may live longer than a guard that was taken later. Sections that
/// begin and end in the same function always keep the order.
///
/// # Examples
///
/// ```
/// use std::alloc::{GlobalAlloc, Layout};
/// use talloc_sync::{Micro, Talloc, TallocCritical};
/// # use critical_section::RawRestoreState;
/// # struct NoInterrupts;
/// # critical_section::set_impl!(NoInterrupts);
/// # // SAFETY: There is one thread, and nothing that could interrupt it.
/// # unsafe impl critical_section::Impl for NoInterrupts {
/// #     unsafe fn acquire() -> RawRestoreState { RawRestoreState::default() }
/// #     unsafe fn release(_: RawRestoreState) {}
/// # }
///
/// // On a microcontroller, this is the `#[global_allocator]`.
/// static HEAP: TallocCritical<Micro> = TallocCritical::new(Talloc::with_config());
/// static mut ARENA: [u8; 1000] = [0; 1000];
///
/// // SAFETY: Nothing else uses the array.
/// unsafe { HEAP.with(|heap| heap.init((&raw mut ARENA).into())) };
///
/// let layout = Layout::new::<[u64; 4]>();
/// // SAFETY: The block is freed once, with its layout.
/// unsafe {
///     let block = HEAP.alloc(layout);
///     assert!(HEAP.with(|heap| heap.get_arena().contains_ptr(block)));
///     HEAP.dealloc(block, layout);
/// }
/// ```
pub struct TallocCritical<C: Config = Compact, S = OomHandler<C>>(
    Mutex<RefCell<OwnedTalloc<C, S>>>,
);

impl<C: Config, S> TallocCritical<C, S> {
    /// Makes a heap for use in critical sections.
    #[must_use]
    pub const fn new(heap: OwnedTalloc<C, S>) -> Self {
        Self(Mutex::new(RefCell::new(heap)))
    }

    /// Calls `f` with the heap, in a critical section.
    ///
    /// # Panics
    ///
    /// If `f` or the heap's source uses the heap other than through its argument: if it calls this function again, or
    /// allocates or frees through a shared reference.
    #[inline]
    #[track_caller]
    pub fn with<T>(&self, f: impl FnOnce(&mut Talloc<C, S>) -> T) -> T {
        critical_section::with(|section| match self.0.borrow(section).try_borrow_mut() {
            Ok(mut heap) => f(&mut heap),
            Err(_) => used_again(),
        })
    }

    /// Returns the heap that was passed to [`new`](Self::new).
    #[must_use]
    pub fn into_inner(self) -> OwnedTalloc<C, S> {
        self.0.into_inner().into_inner()
    }
}

// SAFETY: `with` always lends the same heap, and the cell lends it to one caller at a time.
unsafe impl<C: Config, S: Source<C>> SharedHeap for TallocCritical<C, S> {
    type Config = C;
    type Source = S;

    #[inline]
    fn with<T>(&self, f: impl FnOnce(&mut Talloc<C, S>) -> T) -> T {
        self.with(f)
    }
}

/// Panics because the heap is already borrowed.
#[cold]
#[track_caller]
fn used_again() -> ! {
    panic!("a heap must not be used again in its source, nor in what it is lent to by `with`")
}

// SAFETY: A value is the same heap at each call, wherever it lies. Copies of a reference borrow the same value.
talloc_core::global_alloc!(
    unsafe impl[C: Config, S: Source<C>] for TallocCritical<C, S>, |heap| heap
);
talloc_core::allocator!(
    unsafe impl[C: Config, S: Source<C>] for &TallocCritical<C, S>, |heap| *heap
);

/// Prints the heap's [`Outline`](crate::Outline), or that it is in use.
impl<C: Config, S> fmt::Debug for TallocCritical<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Print after the section has ended, because printing may take long and allocate from this heap.
        let outline = critical_section::with(|section| {
            self.0.borrow(section).try_borrow().map(|heap| heap.inspect().outline())
        });
        let mut tuple = f.debug_tuple("TallocCritical");
        match outline {
            Ok(outline) => tuple.field(&outline),
            Err(_) => tuple.field(&format_args!("<in use>")),
        };
        tuple.finish()
    }
}
