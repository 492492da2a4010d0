//! Which slot to use.

/// Chooses a slot for the caller.
///
/// The number need not be below that of the slots. Threads that run at the same time should get
/// different ones, and the same thread the same one again; but nothing goes wrong if not: who finds
/// a slot in use takes the next one.
///
/// In a kernel, that is the number of the core:
///
/// ```
/// use talloc_sync::{Pick, Talloc, TallocMagazines, lock::Backoff};
///
/// struct ByCore;
///
/// impl Pick for ByCore {
///     fn pick() -> usize {
///         # fn core_number() -> usize { 0 }
///         core_number()
///     }
/// }
///
/// static HEAP: TallocMagazines<Backoff, talloc_sync::Compact, talloc_sync::OomFn<talloc_sync::Compact>, ByCore, 8> =
///     TallocMagazines::new(Talloc::new());
/// assert_eq!(HEAP.verify().unwrap().cached_blocks, 0);
/// ```
pub trait Pick: 'static {
    /// The number of the caller's slot.
    fn pick() -> usize;

    /// Hears that the caller's slot was in use, and that of this number was not.
    #[inline]
    fn moved(_number: usize) {}
}

/// Tells threads apart by where their stacks are.
///
/// It needs no help from anybody. Stacks that lie within the same 64 KiB share a slot; of others, a
/// few may by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByStack;

impl Pick for ByStack {
    #[inline(always)]
    fn pick() -> usize {
        /// Stacks are at least about as large, where there is room.
        const STACK_LOG2: u32 = 16;
        let here = 0_u8;
        let stack = (&raw const here).addr() >> STACK_LOG2;
        // Fibonacci hashing: the high bits depend on all of the low ones.
        stack.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as usize) >> (usize::BITS / 2)
    }
}

/// Gives each thread a number when it first allocates.
///
/// Two threads whose numbers mean the same slot, as there are more threads than slots, part when
/// they find each other there and another slot is not in use.
#[cfg(feature = "std")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByThread;

#[cfg(feature = "std")]
mod by_thread {
    extern crate std;

    use core::cell::Cell;
    use core::sync::atomic::{AtomicUsize, Ordering};

    use super::{ByThread, Pick};

    /// No thread's number.
    const NONE: usize = usize::MAX;

    /// The next thread's number.
    static NEXT: AtomicUsize = AtomicUsize::new(0);

    std::thread_local! {
        // It needs no destructor, which would have to be registered, for which memory is needed.
        static NUMBER: Cell<usize> = const { Cell::new(NONE) };
    }

    impl Pick for ByThread {
        #[inline(always)]
        fn pick() -> usize {
            match NUMBER.get() {
                NONE => first(),
                number => number,
            }
        }

        #[inline]
        fn moved(number: usize) {
            NUMBER.set(number);
        }
    }

    #[cold]
    fn first() -> usize {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) % NONE;
        NUMBER.set(number);
        number
    }
}
