//! Sources of further memory.

use core::alloc::Layout;

use crate::config::Config;
use crate::error::AllocError;
use crate::kind::Kinds;
use crate::talloc::Talloc;

/// [`Source::tend`] is called once in this many operations that the quick lists could not serve.
pub const TEND_INTERVAL: u32 = 32;

/// Gives a heap memory before an allocation fails, and may take memory back.
///
/// A source is safe to implement. It may call any method of the heap, give no memory, or panic: the heap stays
/// consistent. The methods that give memory to the heap are `unsafe`.
///
/// If a source needs no state, and takes nothing back, a function is enough: see
/// [`Talloc::with_oom_handler`](crate::Talloc::with_oom_handler).
///
/// # Giving back
///
/// A source that takes memory back sets [`RECLAIMS`](Self::RECLAIMS). The heap then calls its [`tend`](Self::tend) from
/// time to time, between two operations, and `tend` decides whether to take memory back. Other sources cost the heap
/// nothing.
///
/// ```
/// use core::alloc::Layout;
/// use talloc_core::{AllocError, Compact, Config, Memory, Source, Span, Talloc};
///
/// /// Arenas from another allocator, which go back to it when nothing is allocated in them.
/// struct Boxes(Vec<Span>);
///
/// impl<C: Config> Source<C> for Boxes {
///     const RECLAIMS: bool = true;
///
///     fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError> {
///         let bytes = vec![0; layout.size() + layout.align() + (1 << 17)];
///         let arena = Span::from(Box::leak(bytes.into_boxed_slice()));
///         heap.source_mut().0.push(arena);
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
///             // An arena that the program has truncated is only a part of its box, which cannot be freed then.
///             let boxes = &mut heap.source_mut().0;
///             if let Some(place) = boxes.iter().position(|boxed| *boxed == arena) {
///                 let boxed = boxes.swap_remove(place);
///                 // SAFETY: The box was leaked, and the heap has given up all of it.
///                 drop(unsafe { Box::from_raw(boxed.to_slice().unwrap()) });
///             }
///         }
///     }
/// }
///
/// let mut heap = Talloc::<Compact, _>::with_source(Boxes(Vec::new()));
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
    /// Whether [`acquire`](Self::acquire) usually extends the last arena at its end.
    ///
    /// If so, the heap also calls it when a block at an arena's end is to grow, with a `layout` of the bytes that are
    /// lacking. Otherwise, such a block moves, and a collection that grows needs up to twice its size.
    const EXTENDS: bool = false;

    /// Whether the source usually has more memory. If so, memory is not short when an arena is nearly full.
    const IS_AMPLE: bool = false;

    /// Makes memory available to the heap, for example by [`claim`](Talloc::claim),
    /// [`extend`](Talloc::extend) or [`free`](Talloc::free). The source itself is
    /// [`heap.source_mut()`](Talloc::source_mut).
    ///
    /// The heap calls it when `layout` could not be allocated, and again until the allocation succeeds or this returns
    /// an error. If it returns `Ok` [`SOURCE_TRIES`](crate::SOURCE_TRIES) times and there is still not enough memory,
    /// the allocation fails.
    ///
    /// It may call every method of the heap. If it panics, the heap stays consistent, and a block that was to be
    /// reallocated stays as it was. Under `GlobalAlloc`, a panic aborts the program. If the heap is behind a lock, the
    /// lock is held: see `Tallock`.
    ///
    /// # Errors
    ///
    /// If no more memory can be had.
    fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError>;

    /// [`acquire`](Self::acquire) of memory of some kinds, for [`OfKinds::malloc`](crate::OfKinds::malloc).
    ///
    /// By default, it calls [`acquire`](Self::acquire) if any kind is suitable, and returns an error otherwise. A
    /// source that does not distinguish kinds would give memory in vain.
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
    /// If so, caches are bounded by the bytes in use, not by the size of the arenas, because each cached block may keep
    /// a page from being taken back.
    const RECLAIMS: bool = false;

    /// May take memory back, if [`RECLAIMS`](Self::RECLAIMS) is set.
    ///
    /// The heap calls it once in [`TEND_INTERVAL`] operations that the quick lists could not serve, while the heap is
    /// consistent. It may call every method of the heap. A caller of `malloc` or `free` waits for it, so it should take
    /// bounded time. If it panics, the heap stays consistent.
    fn tend(_heap: &mut Talloc<C, Self>) {}

    /// Takes all memory back that the heap does not need, for example by
    /// [`discard`](crate::ArenasMut::discard) and [`reclaim_arena`](crate::ArenasMut::reclaim_arena).
    ///
    /// [`Talloc::trim`] calls it after it has flushed the quick lists. It may call every method of the heap.
    #[inline(always)]
    fn release(_heap: &mut Talloc<C, Self>) {}

    /// How many bytes the source has taken back so far, for [`Statistics`](crate::Statistics).
    fn purged_bytes(&self) -> u64 {
        0
    }
}

/// A [`Source`] that calls a function, or has no memory at all.
#[derive(Debug)]
pub struct OomHandler<C: Config>(Option<Handler<C>>);

type Handler<C> = fn(&mut Talloc<C>, Layout) -> Result<(), AllocError>;

impl<C: Config> OomHandler<C> {
    /// A source without memory. An allocation fails if the arenas have no room for it.
    ///
    /// All bytes of a heap without memory are zero, this source included. A `static` heap therefore takes no room in
    /// the program's file.
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

/// An out-of-memory handler that has no memory to give.
///
/// # Errors
///
/// Always.
pub fn alloc_error<C: Config>(_: &mut Talloc<C>, _: Layout) -> Result<(), AllocError> {
    Err(AllocError)
}
