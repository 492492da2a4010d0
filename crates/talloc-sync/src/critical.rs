//! The heap in a critical section.

use core::cell::RefCell;
use core::fmt;

use critical_section::Mutex;
use talloc_core::{Compact, Config, OomHandler, OwnedTalloc, SharedHeap, Source, Talloc};

/// A heap that is used in critical sections: a global allocator, and a reference to it is an
/// `Allocator`.
///
/// For microcontrollers: interrupt handlers may allocate and free, and no atomic instructions are
/// needed. The program brings the implementation of [`critical_section`], mostly by a feature of
/// its chip's crate. On a single core, it switches interrupts off.
///
/// # Cost
///
/// Each operation on the heap is one critical section. So interrupts wait as long as it takes, a
/// bounded number of steps with [`RealTime`](crate::RealTime) or [`Micro`](crate::Micro); what the
/// heap's source does, and what is done in [`with`](Self::with), comes on top. Copying a block that
/// has to move, and clearing, is done outside. In a critical section of the program's own, another
/// one is nested: it costs as much, and leaves the program's in force when it ends.
///
/// # Why this is no lock of `lock_api`
///
/// A guard of such a lock may be kept longer than another one that was taken later, or taken in a
/// critical section and kept beyond its end. But critical sections must end in the reverse of the
/// order in which they began, or interrupts are let in too early. In a function, they always do.
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
    /// Makes the heap one that is used in critical sections.
    #[must_use]
    pub const fn new(heap: OwnedTalloc<C, S>) -> Self {
        Self(Mutex::new(RefCell::new(heap)))
    }

    /// Calls `f` with the heap, in a critical section.
    ///
    /// # Panics
    ///
    /// If `f`, or the heap's source, uses the heap other than by what it has been given: calls this
    /// again, or allocates or frees through a shared reference.
    #[inline]
    #[track_caller]
    pub fn with<T>(&self, f: impl FnOnce(&mut Talloc<C, S>) -> T) -> T {
        critical_section::with(|section| match self.0.borrow(section).try_borrow_mut() {
            Ok(mut heap) => f(&mut heap),
            Err(_) => used_again(),
        })
    }

    /// The heap, back from [`new`](Self::new).
    #[must_use]
    pub fn into_inner(self) -> OwnedTalloc<C, S> {
        self.0.into_inner().into_inner()
    }
}

// SAFETY: It is one heap, which the cell gives to one caller at a time.
unsafe impl<C: Config, S: Source<C>> SharedHeap for TallocCritical<C, S> {
    type Config = C;
    type Source = S;

    #[inline]
    fn with<T>(&self, f: impl FnOnce(&mut Talloc<C, S>) -> T) -> T {
        self.with(f)
    }
}

/// Panics, as somebody has the heap already.
#[cold]
#[track_caller]
fn used_again() -> ! {
    panic!("a heap must not be used again in its source, nor in what it is lent to by `with`")
}

// SAFETY: It is one heap, wherever it lies. A reference to it borrows it, and so do copies of the reference.
talloc_core::global_alloc!(
    unsafe impl[C: Config, S: Source<C>] for TallocCritical<C, S>, |heap| heap
);
talloc_core::allocator!(
    unsafe impl[C: Config, S: Source<C>] for &TallocCritical<C, S>, |heap| *heap
);

/// Prints the heap's [`Outline`](crate::Outline), or that it is in use.
impl<C: Config, S> fmt::Debug for TallocCritical<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // To print may take long and allocate from this very heap: it is done when the section has ended.
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
