//! Which slot to use.

/// Where a thread finds its slot: [`Pick::pick`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(usize);

/// Marks the place of a slot that belongs to nobody.
const SHARED: usize = !(usize::MAX >> 1);

impl Place {
    /// A slot that belongs to nobody.
    ///
    /// The number need not be below that of the slots. Threads that run at the same time should get
    /// different ones, and the same thread the same one again; but nothing goes wrong if not: who
    /// finds a slot in use takes the next one.
    #[inline(always)]
    #[must_use]
    pub const fn shared(number: usize) -> Self {
        Self(number & (usize::MAX >> 2) | SHARED)
    }

    /// A slot that belongs to the caller, who needs no atomic read-modify-write to use it.
    ///
    /// Three quarters of the slots, those of the lowest numbers, may belong to somebody. A higher
    /// number is the same as if it was [`shared`](Self::shared).
    ///
    /// A [`Pick`] that returns one answers for it: see there.
    #[inline(always)]
    #[must_use]
    pub const fn own(number: usize) -> Self {
        Self(number & (usize::MAX >> 2))
    }

    /// The number of the caller's own slot, if that is below `limit`.
    #[inline(always)]
    pub(super) const fn own_below(self, limit: usize) -> Option<usize> {
        if self.0 < limit { Some(self.0) } else { None }
    }

    /// The number, whether it is the caller's own slot or not.
    #[inline(always)]
    pub(super) const fn number(self) -> usize {
        self.0 & !SHARED
    }

    /// Whether the slot belongs to nobody.
    #[inline(always)]
    pub(super) const fn is_shared(self) -> bool {
        self.0 & SHARED != 0
    }
}

/// Chooses a slot for the caller.
///
/// In a kernel, by the number of the core:
///
/// ```
/// use talloc_sync::{Pick, Place, Talloc, TallocMagazines, lock::Backoff};
///
/// struct ByCore;
///
/// // SAFETY: All slots are shared.
/// unsafe impl Pick for ByCore {
///     fn pick() -> Place {
///         # fn core_number() -> usize { 0 }
///         Place::shared(core_number())
///     }
/// }
///
/// static HEAP: TallocMagazines<Backoff, talloc_sync::Compact, talloc_sync::OomFn<talloc_sync::Compact>, ByCore, 8> =
///     TallocMagazines::new(Talloc::new());
/// assert_eq!(HEAP.verify().unwrap().cached_blocks, 0);
/// ```
///
/// # Safety
///
/// 1. For each number, there is at most one thread at a time for which [`pick`](Self::pick) or
///    [`settle`](Self::settle) returns the [own](Place::own) slot of that number. If there has been another
///    thread before, its last call of the heap happens before the first one of this thread. A signal or
///    interrupt handler counts as part of the thread that it interrupts.
/// 2. [`barrier`](Self::barrier) returns `true` only if there has been the barrier that it describes, for
///    all of these threads.
///
/// One that returns [shared](Place::shared) slots only, and has no `barrier` of its own, keeps to both.
pub unsafe trait Pick: 'static {
    /// The caller's slot.
    fn pick() -> Place;

    /// The caller's slot, where `pick` has not told one of its own: this may take its time to find
    /// one.
    #[inline]
    fn settle() -> Place {
        Self::pick()
    }

    /// Hears that the caller's slot, which is nobody's, was in use, and that of this number was not.
    #[inline]
    fn moved(_number: usize) {}

    /// A barrier for all threads: returns `true` if, since the call, each thread for which `pick`
    /// returns a slot of its own has done something that is as good as a `fence(SeqCst)`, at a place
    /// where a `compiler_fence(SeqCst)` stands, or has not run.
    ///
    /// With `false`, which it always may return, blocks in slots that belong to threads are not given
    /// back when the heap is flushed.
    #[inline]
    fn barrier() -> bool {
        false
    }
}

/// Tells threads apart by where their stacks are.
///
/// It needs no help from anybody. Stacks that lie within the same 64 KiB share a slot; of others, a
/// few may by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByStack;

// SAFETY: All slots are shared.
unsafe impl Pick for ByStack {
    #[inline(always)]
    fn pick() -> Place {
        /// Stacks are at least about as large, where there is room.
        const STACK_LOG2: u32 = 16;
        let here = 0_u8;
        let stack = (&raw const here).addr() >> STACK_LOG2;
        // Fibonacci hashing: the high bits depend on all of the low ones.
        let hash = stack.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as usize);
        Place::shared(hash >> (usize::BITS / 2))
    }
}
