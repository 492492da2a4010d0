//! The heap behind a lock, as an `Allocator`.

use core::fmt;

use lock_api::RawMutex;
use talloc_core::{Compact, Config, OomFn, Source, Tallock};

use crate::handle::Handle;

/// A reference to a [`Tallock`] that is an `Allocator`.
///
/// In every version of that trait that is switched on, `TallockRef(&heap)` is what
/// [`heap.allocator_api_ref()`](AllocatorApi::allocator_api_ref) returns, and is `const`.
pub struct TallockRef<'a, R, C: Config = Compact, S = OomFn<C>>(pub &'a Tallock<R, C, S>);

/// Gives a [`Tallock`] the method that v2 has.
///
/// # Examples
///
#[cfg_attr(all(feature = "spin", feature = "allocator"), doc = "```")]
#[cfg_attr(not(all(feature = "spin", feature = "allocator")), doc = "```ignore")]
/// use allocator_api2::vec::Vec;
/// use talloc_sync::*;
///
/// let memory = Box::leak(vec![0_u8; 10_000].into_boxed_slice());
/// let heap = Talloc::new().spin_lock();
/// // SAFETY: The memory is leaked, so it is the heap's for ever.
/// unsafe { heap.0.lock().init(memory.into()) };
///
/// let mut squares = Vec::with_capacity_in(100, heap.allocator_api_ref());
/// squares.extend((0..100_u64).map(|number| number * number));
/// assert_eq!(squares.iter().sum::<u64>(), 328_350);
/// ```
pub trait AllocatorApi {
    /// The reference.
    type Ref<'a>
    where
        Self: 'a;

    /// A reference to the heap that is an `Allocator`.
    fn allocator_api_ref(&self) -> Self::Ref<'_>;
}

impl<R, C: Config, S> AllocatorApi for Tallock<R, C, S> {
    type Ref<'a>
        = TallockRef<'a, R, C, S>
    where
        Self: 'a;

    #[inline]
    fn allocator_api_ref(&self) -> TallockRef<'_, R, C, S> {
        TallockRef(self)
    }
}

impl<R: RawMutex, C: Config, S: Source<C>> Handle for TallockRef<'_, R, C, S> {
    type Heap = Tallock<R, C, S>;

    #[inline(always)]
    fn heap(&self) -> &Self::Heap {
        self.0
    }
}

impl<R, C: Config, S> Clone for TallockRef<'_, R, C, S> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, C: Config, S> Copy for TallockRef<'_, R, C, S> {}

impl<R: RawMutex, C: Config, S> fmt::Debug for TallockRef<'_, R, C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TallockRef").field(self.0).finish()
    }
}
