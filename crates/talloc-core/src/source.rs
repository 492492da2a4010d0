//! Where memory comes from when there is not enough.

use core::alloc::Layout;

use crate::config::Config;
use crate::error::AllocError;
use crate::kind::Kinds;
use crate::talloc::Talloc;

/// [`Source::tend`] is called once in so many operations that the quick lists could not serve.
pub const TEND_INTERVAL: u32 = 32;

/// What is asked for memory before an allocation fails, and may be given memory back.
///
/// A source is not relied on: it may do with the heap what it likes, give nothing, and panic, and the heap is
/// consistent all the same. Memory is given by methods that are `unsafe` themselves.
///
/// A plain function will do where no state is needed and nothing is given back: see
/// [`Talloc::with_oom_handler`](crate::Talloc::with_oom_handler).
///
/// # Giving back
///
/// A source that takes memory back sets [`RECLAIMS`](Self::RECLAIMS). Its [`tend`](Self::tend) is then
/// called from time to time, between two operations, and decides whether it is worthwhile. Other sources
/// cost the heap nothing.
///
/// ```
/// use core::alloc::Layout;
/// use talloc_core::{AllocError, Compact, Config, Memory, Source, Span, Talloc};
///
/// /// Arenas from another allocator, which has them back when nothing is allocated in them.
/// struct Boxes;
///
/// impl<C: Config> Source<C> for Boxes {
///     const RECLAIMS: bool = true;
///
///     fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError> {
///         let bytes = vec![0; layout.size() + layout.align() + (1 << 17)];
///         let arena = Span::from(Box::leak(bytes.into_boxed_slice()));
///         let known = Memory::ZEROED | Memory::RECLAIMABLE;
///         // SAFETY: The memory is zero, and belongs to the heap until that gives it up.
///         unsafe { heap.arenas_mut().claim_as(arena, known) }.map_err(|_| AllocError)
///     }
///
///     fn tend(heap: &mut Talloc<C, Self>) {
///         if heap.inspect().used_bytes() == 0 {
///             heap.trim();
///         }
///     }
///
///     fn release(heap: &mut Talloc<C, Self>) {
///         while let Some(arena) = heap.arenas_mut().reclaim_arena(Span::empty()) {
///             // SAFETY: It was a box, and the heap has given it up.
///             drop(unsafe { Box::from_raw(arena.to_slice().unwrap()) });
///         }
///     }
/// }
///
/// let mut heap = Talloc::<Compact, _>::with_source(Boxes);
/// let layout = Layout::new::<[u8; 1 << 12]>();
/// for _ in 0..100 {
///     // SAFETY: The block is freed once, with its layout.
///     unsafe {
///         let block = heap.malloc(layout)?;
///         heap.free(block, layout);
///     }
/// }
/// assert!(heap.inspect().used_bytes() == 0 && heap.arenas().count() <= 1);
/// # Ok::<(), AllocError>(())
/// ```
pub trait Source<C: Config>: Sized {
    /// Whether the memory that [`acquire`](Self::acquire) makes available goes on where the last
    /// arena ends, as a rule.
    ///
    /// Then it is asked, too, for a block at an arena's end to grow where it is, by a `layout` of what
    /// is lacking. Else such a block moves, and a collection that grows needs up to twice its size.
    const EXTENDS: bool = false;

    /// Whether the source has more memory as a rule, so that memory is never short in an arena that is
    /// nearly full.
    const IS_AMPLE: bool = false;

    /// Makes memory available to the heap, for example by [`claim`](Talloc::claim),
    /// [`extend`](Talloc::extend) or [`free`](Talloc::free). The source itself is
    /// [`heap.source_mut()`](Talloc::source_mut).
    ///
    /// It is called when `layout` could not be allocated, and again until it could be or this
    /// errs. A source that promises memory and never gives enough ends in an error, too, after
    /// [`SOURCE_TRIES`](crate::SOURCE_TRIES) calls.
    ///
    /// It may call every method of the heap. Should it panic, the heap stays as it is, and so does a block
    /// whose size was to change; under `GlobalAlloc`, the program is aborted. If the heap is behind a lock,
    /// that is held: see `Tallock`.
    ///
    /// # Errors
    ///
    /// If no more memory can be had.
    fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError>;

    /// [`acquire`](Self::acquire), for a request by [`OfKinds::malloc`](crate::OfKinds::malloc) that memory of these kinds will
    /// do for.
    ///
    /// By default, that is [`acquire`](Self::acquire) if every kind will do, and an error if not: a source that does
    /// not know of kinds would give memory in vain.
    ///
    /// # Errors
    ///
    /// If no more memory can be had.
    fn acquire_in(
        heap: &mut Talloc<C, Self>,
        kinds: Kinds,
        layout: Layout,
    ) -> Result<(), AllocError> {
        if kinds.is_any() { Self::acquire(heap, layout) } else { Err(AllocError) }
    }

    /// Whether the source takes memory back, by [`tend`](Self::tend).
    ///
    /// If so, caches are bounded by what is in use, and not by the size of the arenas: few blocks are
    /// enough to keep a page each.
    const RECLAIMS: bool = false;

    /// Has the chance to take memory back, if [`RECLAIMS`](Self::RECLAIMS) is set.
    ///
    /// It is called once in [`TEND_INTERVAL`] operations that the quick lists could not serve by
    /// themselves, between two steps that leave the heap consistent. It may call every method of the heap.
    /// It should take a bounded time, as a caller of `malloc` or `free` waits for it. Should it panic, the
    /// heap stays as it is.
    fn tend(_heap: &mut Talloc<C, Self>) {}

    /// Takes memory back that the heap does not need, for example by
    /// [`discard`](crate::ArenasMut::discard) and [`reclaim_arena`](crate::ArenasMut::reclaim_arena).
    ///
    /// It is called by [`Talloc::trim`], after the quick lists have been flushed. It may call every method
    /// of the heap.
    #[inline(always)]
    fn release(_heap: &mut Talloc<C, Self>) {}

    /// How many bytes the source has taken back so far, for [`Statistics`](crate::Statistics).
    fn purged_bytes(&self) -> u64 {
        0
    }
}

/// A plain function as a [`Source`], or none.
#[derive(Debug)]
pub struct OomHandler<C: Config>(Option<Handler<C>>);

type Handler<C> = fn(&mut Talloc<C>, Layout) -> Result<(), AllocError>;

impl<C: Config> OomHandler<C> {
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

impl<C: Config> Source<C> for OomHandler<C> {
    #[inline]
    fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError> {
        match heap.source().0 {
            Some(handler) => handler(heap, layout),
            None => Err(AllocError),
        }
    }
}

impl<C: Config> Clone for OomHandler<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Config> Copy for OomHandler<C> {}

/// The handler of a heap that has all the memory it will get.
///
/// # Errors
///
/// Always.
pub fn alloc_error<C: Config>(_: &mut Talloc<C>, _: Layout) -> Result<(), AllocError> {
    Err(AllocError)
}
