//! The heap.

mod allocate;
mod among;
mod arena_mut;
pub(crate) mod arenas;
mod arenas_mut;
mod backend;
mod batch;
mod checked;
mod chunks;
mod coalesce;
mod deallocate;
mod discard;
mod first;
mod hardened;
mod inspect;
mod kinds;
mod limits;
mod manage;
mod map;
mod part;
mod peers;
mod raise;
mod realloc;
mod refill;
mod repair;
mod resize;
mod slabs;
mod statistics;
#[cfg(test)]
mod tests;
mod verify;

pub use allocate::SOURCE_TRIES;
pub use arena_mut::ArenaMut;
pub use arenas_mut::ArenasMut;
pub use backend::Backend;
pub use chunks::{Chunks, Leaks};
pub use inspect::Inspect;
pub use kinds::OfKinds;

use core::fmt;
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};

use crate::checks::{Checks, State};
use crate::config::{Compact, Config, QuickOf};
use crate::quick::Lists;
use crate::source::OomHandler;
use arenas::Arenas;

/// A heap, which allocates blocks from the arenas that it is given.
///
/// The constructors are `const fn`s and make a heap without memory. [`init`](Self::init) or [`claim`](Self::claim) give
/// it memory, or a [`Source`](crate::Source) does at the first allocation.
///
/// # Views
///
/// The methods of `Talloc` are those that most programs need. Views have the others, one view for each subject. A view
/// borrows the heap and costs nothing.
///
/// | view | what it is for |
/// |---|---|
/// | [`heap.inspect()`](Self::inspect) | [`Inspect`]: counters, fragmentation, chunks; leaks of a [`Checked`](crate::Checked) heap |
/// | [`heap.arena(span)`](Self::arena) | [`ArenaMut`]: extend, truncate, merge or release one arena |
/// | [`heap.arenas_mut()`](Self::arenas_mut) | [`ArenasMut`]: claim memory with known properties, purge and take back free memory |
/// | [`heap.of_kinds(kinds)`](Self::of_kinds) | [`OfKinds`]: allocate in memory of some kinds |
/// | [`heap.backend()`](Self::backend) | [`Backend`]: allocate and free batches, for a cache in front of the heap |
///
/// # Owning a heap and borrowing it
///
/// `Talloc` is dynamically sized, like `str`. The constructors return an [`OwnedTalloc`], which dereferences to
/// `Talloc`. The owner of a heap may move it, because nothing in the arenas points at it.
///
/// Locks give out a `&mut Talloc`, and a [`Source`](crate::Source) is called with one. It can be used in every way, but
/// the heap cannot be replaced: [`mem::swap`](core::mem::swap), [`mem::replace`](core::mem::replace) and assignment
/// need a type of known size. If safe code could put another heap behind a lock, blocks would be freed to the wrong
/// heap.
///
/// # Examples
///
/// ```
/// use core::alloc::Layout;
/// use talloc_core::{Span, Talloc};
///
/// let mut memory = [0_u8; 4096];
/// let mut heap = Talloc::new();
/// let layout = Layout::new::<[u64; 5]>();
/// // SAFETY: The memory is the heap's until neither is used any more, and the block is freed once,
/// // with the layout it was allocated with.
/// unsafe {
///     heap.init(Span::from(&mut memory));
///     let block = heap.malloc(layout)?;
///     block.cast::<[u64; 5]>().write([1, 2, 3, 4, 5]);
///     heap.free(block, layout);
/// }
/// # Ok::<(), talloc_core::AllocError>(())
/// ```
// The fields that most calls need come first, because small offsets make small instructions.
#[repr(C)]
pub struct Talloc<C: Config = Compact, S = OomHandler<C>, U: ?Sized = [()]> {
    quick: QuickOf<C>,
    arenas: Arenas<C>,
    /// Operations since the source last had the chance to take memory back.
    untended: u32,
    /// Requests that have failed.
    refused: usize,
    /// What a hardened heap remembers.
    guard: <C::Checks as Checks>::Guard,
    source: S,
    /// It has no bytes. As a slice, it makes the heap dynamically sized.
    _unsized: U,
}

/// A heap with an owner, which the constructors of [`Talloc`] return.
///
/// It dereferences to `Talloc<C, S>`. Its name is needed only where the type of a heap is written down, for example in
/// a field of a structure.
///
/// # Examples
///
/// ```
/// use talloc_core::{OwnedTalloc, Span, Talloc};
///
/// struct Scratch {
///     memory: Box<[u8]>,
///     heap: OwnedTalloc,
/// }
///
/// let mut scratch = Scratch { memory: vec![0; 4096].into(), heap: Talloc::new() };
/// // SAFETY: The memory is the heap's until neither is used any more.
/// unsafe { scratch.heap.init(Span::from(&mut *scratch.memory)) };
/// assert_eq!(scratch.heap.get_arena().size(), 4096);
/// ```
pub type OwnedTalloc<C = Compact, S = OomHandler<C>> = Talloc<C, S, [(); 0]>;

// SAFETY: A heap owns the memory of its arenas. Only the heap's own pointers lead there.
unsafe impl<C: Config, S: Send, U: ?Sized> Send for Talloc<C, S, U> {}

impl Talloc {
    /// Makes a heap without memory, with the default parameters.
    #[must_use]
    pub const fn new() -> OwnedTalloc {
        Self::with_config()
    }

    /// Makes a heap without memory that calls `handler` before an allocation fails.
    ///
    /// The heap calls the handler again until the allocation succeeds or the handler returns an error: see
    /// [`Source::acquire`](crate::Source::acquire). For a heap with other parameters, use
    /// [`with_source`](Self::with_source) and [`OomHandler::new`].
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{AllocError, Span, Talloc};
    ///
    /// fn give_more(heap: &mut Talloc, layout: Layout) -> Result<(), AllocError> {
    ///     let memory = Box::leak(vec![0_u8; layout.size() + 4096].into_boxed_slice());
    ///     // SAFETY: The memory is leaked, so it is the heap's for ever.
    ///     unsafe { heap.claim(Span::from(memory)) }.map_err(|_| AllocError)
    /// }
    ///
    /// let mut heap = Talloc::with_oom_handler(give_more);
    /// // SAFETY: The size is not zero.
    /// assert!(unsafe { heap.malloc(Layout::new::<[u8; 100]>()) }.is_ok());
    /// ```
    #[must_use]
    pub const fn with_oom_handler(
        handler: fn(&mut Self, core::alloc::Layout) -> Result<(), crate::AllocError>,
    ) -> OwnedTalloc {
        Self::with_source(OomHandler::new(handler))
    }
}

impl<C: Config> Talloc<C> {
    /// Makes a heap without memory, with the parameters of `C`.
    ///
    /// ```
    /// use talloc_core::{Micro, OwnedTalloc, Talloc};
    ///
    /// static mut HEAP: OwnedTalloc<Micro> = Talloc::with_config();
    /// ```
    #[must_use]
    pub const fn with_config() -> OwnedTalloc<C> {
        Self::with_source(OomHandler::NONE)
    }
}

impl<C: Config, S> Talloc<C, S> {
    /// Makes a heap without memory that asks `source` for it.
    #[must_use]
    pub const fn with_source(source: S) -> OwnedTalloc<C, S> {
        Talloc {
            quick: QuickOf::<C>::EMPTY,
            arenas: Arenas::NONE,
            untended: 0,
            refused: 0,
            guard: State::EMPTY,
            source,
            _unsized: [],
        }
    }

    /// Returns the source of further memory.
    #[inline]
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// Returns the source of further memory, to change it.
    #[inline]
    pub const fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }
}

impl<C: Config, S> OwnedTalloc<C, S> {
    /// Moves the heap to `dest`.
    ///
    /// It is here for programs that were written for v2. A heap can now be moved like any other value.
    pub fn mov(self, dest: &mut MaybeUninit<Self>) -> &mut Self {
        dest.write(self)
    }
}

impl<C: Config, S> Deref for OwnedTalloc<C, S> {
    type Target = Talloc<C, S>;

    #[inline(always)]
    fn deref(&self) -> &Talloc<C, S> {
        self
    }
}

impl<C: Config, S> DerefMut for OwnedTalloc<C, S> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Talloc<C, S> {
        self
    }
}

impl<C: Config> Default for OwnedTalloc<C> {
    fn default() -> Self {
        Talloc::with_config()
    }
}

/// Prints the [`Outline`](crate::Outline).
impl<C: Config, S> fmt::Debug for OwnedTalloc<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Prints the [`Outline`](crate::Outline).
impl<C: Config, S> fmt::Debug for Talloc<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inspect().outline(), f)
    }
}
