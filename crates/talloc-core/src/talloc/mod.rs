//! The heap.

mod allocate;
mod batch;
mod chain;
mod checked;
mod deallocate;
mod discard;
mod first;
mod limits;
mod manage;
mod part;
mod peers;
mod raise;
mod realloc;
mod resize;
#[cfg(test)]
mod tests;
mod verify;

pub use allocate::SOURCE_TRIES;

use core::fmt;
use core::mem::MaybeUninit;

use crate::config::{Compact, Config};
use crate::quick::Lists;
use crate::source::OomFn;
use chain::Arenas;

/// A heap: allocates blocks from the arenas it has been given.
///
/// Made without memory, by a `const fn`; [`init`](Self::init) or [`claim`](Self::claim) give it
/// some, or a [`Source`](crate::Source) does when it is first asked for a block.
///
/// The heap may be moved at any time: nothing in the arenas points at it.
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
pub struct Talloc<C: Config = Compact, S = OomFn<C>> {
    quick: C::Quick,
    arenas: Arenas<C>,
    /// Operations since the source had the chance to take memory back.
    untended: u32,
    source: S,
}

// SAFETY: A heap owns the memory of its arenas, and reaches it through nothing but itself.
unsafe impl<C: Config, S: Send> Send for Talloc<C, S> {}

impl Talloc {
    /// A heap without memory, with the default parameters.
    #[must_use]
    pub const fn new() -> Self {
        Self::configured()
    }

    /// A heap without memory that calls `handler` before an allocation fails.
    ///
    /// The handler is called again until the allocation succeeds or it errs; see
    /// [`Source::acquire`](crate::Source::acquire). For a heap with other parameters, use
    /// [`with_source`](Self::with_source) and [`OomFn::new`].
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
    ) -> Self {
        Self::with_source(OomFn::new(handler))
    }
}

impl<C: Config> Talloc<C> {
    /// A heap without memory, with the parameters of `C`.
    ///
    /// ```
    /// use talloc_core::{Micro, Talloc};
    ///
    /// static mut HEAP: Talloc<Micro> = Talloc::configured();
    /// ```
    #[must_use]
    pub const fn configured() -> Self {
        Self::with_source(OomFn::NONE)
    }
}

impl<C: Config, S> Talloc<C, S> {
    /// A heap without memory that asks `source` for it.
    #[must_use]
    pub const fn with_source(source: S) -> Self {
        Self { quick: C::Quick::EMPTY, arenas: Arenas::NONE, untended: 0, source }
    }

    /// The source of further memory.
    #[inline]
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// The source of further memory.
    #[inline]
    pub const fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// Moves the heap to `dest`.
    ///
    /// As a heap may be moved in any other way, too, this is for programs written when it could not.
    pub fn mov(self, dest: &mut MaybeUninit<Self>) -> &mut Self {
        dest.write(self)
    }
}

impl<C: Config> Default for Talloc<C> {
    fn default() -> Self {
        Self::configured()
    }
}

/// Prints the arenas' spans.
impl<C: Config, S> fmt::Debug for Talloc<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Arenas<'a, C: Config, S>(&'a Talloc<C, S>);
        impl<C: Config, S> fmt::Debug for Arenas<'_, C, S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_list().entries(self.0.arenas()).finish()
            }
        }
        f.debug_struct("Talloc").field("arenas", &Arenas(self)).finish_non_exhaustive()
    }
}
