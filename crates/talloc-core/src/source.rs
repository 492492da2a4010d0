//! Where memory comes from when there is not enough.

use core::alloc::Layout;

use crate::config::Config;
use crate::error::AllocError;
use crate::talloc::Talloc;

/// What is asked for memory before an allocation fails, and may be given memory back.
///
/// A plain function will do where no state is needed and nothing is given back: see
/// [`Talloc::with_oom_handler`](crate::Talloc::with_oom_handler).
///
/// # Giving back
///
/// A source that takes memory back is told how much is in use, by [`taken`](Self::taken) and
/// [`freed`](Self::freed), says by [`is_due`](Self::is_due) when it is time, and does it in
/// [`release`](Self::release). By default, these do nothing, and a heap without them spends nothing
/// on them.
///
/// ```
/// use core::alloc::Layout;
/// use talloc_core::{AllocError, Compact, Config, Memory, Source, Span, Talloc};
///
/// /// Arenas from another allocator, which has them back when a large block has been freed.
/// struct Boxes {
///     has_freed: bool,
/// }
///
/// impl<C: Config> Source<C> for Boxes {
///     fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError> {
///         let bytes = vec![0; layout.size() + layout.align() + (1 << 17)];
///         let arena = Span::from(Box::leak(bytes.into_boxed_slice()));
///         let known = Memory::ZEROED | Memory::RECLAIMABLE;
///         // SAFETY: The memory is zero, and the heap's until that has given it up.
///         unsafe { heap.claim_as(arena, known) }.map_err(|_| AllocError)
///     }
///
///     fn freed(&mut self, bytes: usize) {
///         self.has_freed |= bytes >= 1 << 20;
///     }
///
///     fn is_due(&mut self) -> bool {
///         core::mem::take(&mut self.has_freed)
///     }
///
///     fn release(heap: &mut Talloc<C, Self>) {
///         while let Some(arena) = heap.reclaim_arena(Span::empty()) {
///             // SAFETY: It was a box, and the heap has given it up.
///             drop(unsafe { Box::from_raw(arena.to_slice().unwrap()) });
///         }
///     }
/// }
///
/// let mut heap = Talloc::<Compact, _>::with_source(Boxes { has_freed: false });
/// let layout = Layout::new::<[u8; 1 << 20]>();
/// // SAFETY: The block is freed once, with its layout.
/// unsafe {
///     let block = heap.malloc(layout)?;
///     assert_eq!(heap.arenas().count(), 1);
///     heap.free(block, layout);
/// }
/// assert_eq!(heap.arenas().count(), 0);
/// # Ok::<(), AllocError>(())
/// ```
pub trait Source<C: Config>: Sized {
    /// Whether the memory that [`acquire`](Self::acquire) makes available goes on where the last
    /// arena ends, as a rule.
    ///
    /// Then it is asked, too, for a block at an arena's end to grow where it is, by a `layout` of what
    /// is lacking. Else such a block moves, and a collection that grows needs up to twice its size.
    const EXTENDS: bool = false;

    /// Makes memory available to the heap, for example by [`claim`](Talloc::claim),
    /// [`extend`](Talloc::extend) or [`free`](Talloc::free). The source itself is
    /// [`heap.source_mut()`](Talloc::source_mut).
    ///
    /// It is called when `layout` could not be allocated, and again until it could be or this
    /// errs. A source that promises memory and never gives enough ends in an error, too, after
    /// [`SOURCE_TRIES`](crate::SOURCE_TRIES) calls.
    ///
    /// It may call every method of the heap. Should it panic, the heap stays as it is. If the heap
    /// is behind a lock, that is held: see `Tallock`.
    ///
    /// # Errors
    ///
    /// If no more memory can be had.
    fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError>;

    /// Notes that so many bytes more of the arenas are in use, those in quick lists included.
    #[inline(always)]
    fn taken(&mut self, _bytes: usize) {}

    /// Notes that so many bytes of the arenas are in use no longer.
    #[inline(always)]
    fn freed(&mut self, _bytes: usize) {}

    /// How many bytes of the arenas are in use, if that is counted.
    ///
    /// If so, caches are bounded by that, and not by the size of the arenas: few blocks are enough to
    /// keep a page each.
    #[inline(always)]
    fn used(&self) -> Option<usize> {
        None
    }

    /// Whether it is time for [`release`](Self::release), which the caller sees to.
    ///
    /// It is asked after blocks have been freed to the arenas, and should say so once.
    #[inline(always)]
    fn is_due(&mut self) -> bool {
        false
    }

    /// Takes memory back that the heap does not need, for example by
    /// [`discard`](Talloc::discard) and [`reclaim_arena`](Talloc::reclaim_arena).
    ///
    /// It is called when [`is_due`](Self::is_due) says so, and by [`Talloc::trim`], after the quick
    /// lists have been flushed. It may call every method of the heap.
    #[inline(always)]
    fn release(_heap: &mut Talloc<C, Self>) {}
}

/// A plain function as a [`Source`], or none.
#[derive(Debug)]
pub struct OomFn<C: Config>(Option<Handler<C>>);

type Handler<C> = fn(&mut Talloc<C>, Layout) -> Result<(), AllocError>;

impl<C: Config> OomFn<C> {
    /// No source: an allocation fails that the arenas have no room for.
    ///
    /// It is all zeros, as everything in a heap without memory is, so that a `static` heap takes no
    /// room in a program's file.
    pub const NONE: Self = Self(None);

    /// A source that calls `handler`.
    #[must_use]
    pub const fn new(handler: fn(&mut Talloc<C>, Layout) -> Result<(), AllocError>) -> Self {
        Self(Some(handler))
    }
}

impl<C: Config> Source<C> for OomFn<C> {
    #[inline]
    fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError> {
        match heap.source().0 {
            Some(handler) => handler(heap, layout),
            None => Err(AllocError),
        }
    }
}

impl<C: Config> Clone for OomFn<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Config> Copy for OomFn<C> {}

/// The handler of a heap that has all the memory it will get.
///
/// # Errors
///
/// Always.
pub fn alloc_error<C: Config>(_: &mut Talloc<C>, _: Layout) -> Result<(), AllocError> {
    Err(AllocError)
}
