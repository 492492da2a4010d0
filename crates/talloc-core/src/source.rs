//! Where memory comes from when there is not enough.

use core::alloc::Layout;

use crate::config::Config;
use crate::error::AllocError;
use crate::talloc::Talloc;

/// What is asked for memory before an allocation fails.
///
/// A plain function will do where no state is needed: see
/// [`Talloc::with_oom_handler`](crate::Talloc::with_oom_handler).
pub trait Source<C: Config>: Sized {
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
}

/// A plain function as a [`Source`].
#[derive(Debug)]
pub struct OomFn<C: Config>(pub fn(&mut Talloc<C>, Layout) -> Result<(), AllocError>);

impl<C: Config> Source<C> for OomFn<C> {
    #[inline]
    fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError> {
        heap.source().0(heap, layout)
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
