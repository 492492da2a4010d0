//! Further memory for a cell.

use core::alloc::Layout;
use core::mem::MaybeUninit;

/// A supply of memory that a [`TallocCell`](crate::TallocCell) asks before an allocation fails.
///
/// Every `FnMut(Layout) -> Option<&'mem mut [MaybeUninit<u8>]>` is a supply.
///
/// Unlike a [`Source`](crate::Source), a supply does not access the heap, so it needs no `unsafe`. The safety of the cell
/// does not depend on it: a supply may panic, and may give no memory.
pub trait MemorySupply<'mem> {
    /// Returns memory for the heap, or `None` if there is no more.
    ///
    /// The cell calls this when an allocation of `layout` fails, and repeats the call until the allocation succeeds or
    /// this returns `None`. Memory that [`claim`](crate::TallocCell::claim) would refuse counts as `None`. If the memory
    /// never suffices, the allocation fails after [`SOURCE_TRIES`](crate::SOURCE_TRIES) calls.
    ///
    /// The supply may use the cell. While the supply runs, an allocation that would need it fails.
    fn supply(&mut self, layout: Layout) -> Option<&'mem mut [MaybeUninit<u8>]>;
}

impl<'mem, F> MemorySupply<'mem> for F
where
    F: FnMut(Layout) -> Option<&'mem mut [MaybeUninit<u8>]>,
{
    #[inline]
    fn supply(&mut self, layout: Layout) -> Option<&'mem mut [MaybeUninit<u8>]> {
        self(layout)
    }
}

/// The supply of a cell that gets no further memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct NoSupply;

impl MemorySupply<'_> for NoSupply {
    #[inline]
    fn supply(&mut self, _: Layout) -> Option<&'static mut [MaybeUninit<u8>]> {
        None
    }
}
