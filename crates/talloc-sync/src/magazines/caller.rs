//! The slot that a call begins with.

/// Distinguishes callers: by core, by thread, or by any other property.
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
    /// Returns the number of the caller.
    ///
    /// The heap calls this at the start of each operation, when it holds no lock. If it allocates from the heap itself,
    /// it recurses without end.
    fn number() -> usize;
}

/// Distinguishes threads by the addresses of their stacks.
///
/// Stacks within the same 64 KiB have the same number. Other stacks may have the same number by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByStack;

impl Caller for ByStack {
    #[inline(always)]
    fn number() -> usize {
        /// The logarithm of the size of a small stack.
        const STACK_LOG2: u32 = 16;
        let here = 0_u8;
        let stack = (&raw const here).addr() >> STACK_LOG2;
        // Fibonacci hashing: the high bits depend on all low bits.
        let hash = stack.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as usize);
        hash >> (usize::BITS / 2)
    }
}
