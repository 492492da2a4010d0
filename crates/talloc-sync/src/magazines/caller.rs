//! Which slot a caller begins with.

/// Tells callers apart: by core, by thread, or by whatever the program knows.
///
/// The number chooses the slot that a call begins with. Nothing relies on it: a call that finds its slot in use goes
/// to the next one. Caches work best if callers that run at the same time have different numbers, and if a caller
/// has the same number each time.
///
/// Any number is valid: the heap reduces it modulo the number of slots. [`ByStack`], the default, needs no help from the
/// program.
///
/// # Examples
///
/// In a kernel, by the number of the core:
///
/// ```
/// use talloc_sync::{Caller, Compact, OomHandler, SharedHeap, Talloc, TallocMagazines, lock::Backoff};
///
/// struct ByCore;
///
/// impl Caller for ByCore {
///     fn number() -> usize {
///         # fn core_number() -> usize { 0 }
///         core_number()
///     }
/// }
///
/// static HEAP: TallocMagazines<Backoff, Compact, OomHandler<Compact>, ByCore, 8> =
///     TallocMagazines::new(Talloc::new());
/// assert_eq!(HEAP.verify().unwrap().cached_blocks, 0);
/// ```
pub trait Caller: 'static {
    /// The number of the caller.
    ///
    /// The heap calls this at the start of each operation, when it holds no lock. If it allocates from the heap itself,
    /// it recurses without end.
    fn number() -> usize;
}

/// Tells threads apart by where their stacks are.
///
/// Stacks that lie within the same 64 KiB share a number; others may do so by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByStack;

impl Caller for ByStack {
    #[inline(always)]
    fn number() -> usize {
        /// Stacks are at least about as large, where there is room.
        const STACK_LOG2: u32 = 16;
        let here = 0_u8;
        let stack = (&raw const here).addr() >> STACK_LOG2;
        // Fibonacci hashing: the high bits depend on all of the low ones.
        let hash = stack.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as usize);
        hash >> (usize::BITS / 2)
    }
}
