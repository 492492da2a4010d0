//! Where a cell's memory comes from when there is not enough.

use core::alloc::Layout;
use core::mem::MaybeUninit;

/// What a [`TallocCell`](crate::TallocCell) asks for memory before an allocation fails.
///
/// Every `FnMut(Layout) -> Option<&'mem mut [MaybeUninit<u8>]>` is one.
///
/// It is a [`Source`](crate::Source) without the heap, whose memory it gives by `unsafe` methods. With a
/// cell there need not be any. A supply is not relied on: it may panic, and give nothing.
pub trait MemorySupply<'mem> {
    /// Memory for the heap, or `None` if there is no more.
    ///
    /// It is called when `layout` could not be allocated, and again until it could be or this
    /// returns `None`. Memory that the heap refuses, as [`claim`](crate::TallocCell::claim) does,
    /// counts as none. A supply that never gives enough ends in an error, too, after
    /// [`SOURCE_TRIES`](crate::SOURCE_TRIES) calls.
    ///
    /// It may use the cell. An allocation that would call the supply while it runs fails.
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

/// The supply of a cell that has all the memory it will get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct NoSupply;

impl MemorySupply<'_> for NoSupply {
    #[inline]
    fn supply(&mut self, _: Layout) -> Option<&'static mut [MaybeUninit<u8>]> {
        None
    }
}
