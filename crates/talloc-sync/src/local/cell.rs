//! A heap in a cell.

use core::alloc::Layout;
use core::cell::{Cell, RefCell};
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use talloc_core::Level;
use talloc_core::shared::Allocate;
use talloc_core::{
    AllocError, ArenaError, Call, Compact, Config, SOURCE_TRIES, SharedHeap, Span, Talloc,
};

use super::unlocked::Unlocked;
use super::{MemorySupply, NoSupply};

/// A heap for a single thread, in borrowed memory. `&TallocCell` is an `Allocator`.
///
/// There is no lock and no flag, so sharing costs nothing. Using it needs no `unsafe`: the heap borrows slices
/// for `'mem`, and blocks borrow the cell. Memory can be added at any time by [`claim`](Self::claim), and by a
/// [`MemorySupply`] before an allocation fails. To free all blocks at once, drop the cell and make another one with the
/// same memory, which takes constant time.
///
/// A cell can be sent to another thread while no block is allocated. It cannot be shared between threads.
///
/// # Why it is sound
///
/// * There are never two references to the heap. A reference exists only within functions of this crate and of
///   [`shared`](crate::shared), and none of these functions calls the program: the heap has no source, its
///   parameters are constants, and the supply is called while the heap is not borrowed.
/// * Only the heap and the owners of blocks use the memory. The slices are borrowed as long as the cell exists, and the
///   heap never leaves the cell.
/// * Blocks stay valid as long as a reference to the cell can be used, even if they are
///   forgotten: through a shared reference, memory can be added, but not taken away.
/// * The bytes of the slices need not be initialised. The heap and the owners of blocks may leave
///   them uninitialised. A `&mut [u8]` would therefore be unsound, unless it is borrowed for ever.
///
/// # Examples
///
#[cfg_attr(feature = "allocator", doc = "```")]
#[cfg_attr(not(feature = "allocator"), doc = "```ignore")]
/// use allocator_api2::vec::Vec;
/// use core::mem::MaybeUninit;
/// use talloc_sync::TallocCell;
///
/// let mut memory = [MaybeUninit::uninit(); 10_000];
/// let cell = TallocCell::new(&mut memory);
///
/// let mut squares = Vec::with_capacity_in(100, &cell);
/// squares.extend((0..100_u64).map(|number| number * number));
/// assert_eq!(squares.iter().sum::<u64>(), 328_350);
/// ```
pub struct TallocCell<'mem, C: Config = Compact, S = NoSupply> {
    pub(super) heap: Unlocked<C>,
    supply: RefCell<S>,
    /// The slices that the heap was given. The lifetime is invariant: if it could be shortened
    /// behind a reference, `claim` would take memory that the cell outlives.
    memory: PhantomData<Cell<&'mem mut [MaybeUninit<u8>]>>,
}

/// Making cells with the default parameters.
impl<'mem> TallocCell<'mem> {
    /// A cell without memory.
    #[must_use]
    pub const fn empty() -> Self {
        Self::with_config()
    }

    /// A cell that allocates from `memory`.
    ///
    /// Only a few words of it are touched. From memory that is too small, nothing can be allocated.
    ///
    /// # Panics
    ///
    /// Never: the first memory of a cell may have any size. What is beyond the reach of the
    /// [links](crate::Index) becomes another arena.
    #[must_use]
    #[track_caller]
    pub fn new(memory: &'mem mut [MaybeUninit<u8>]) -> Self {
        let cell = Self::empty();
        if let Err(error) = cell.claim(memory) {
            panic!("{error}");
        }
        cell
    }
}

impl TallocCell<'static> {
    /// A cell that allocates from leaked or static memory.
    ///
    /// Borrowed for ever, initialised bytes will do: nobody sees what becomes of them.
    ///
    /// # Panics
    ///
    /// As for [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_sync::TallocCell;
    ///
    /// let memory = Box::leak(vec![0_u8; 10_000].into_boxed_slice());
    /// let cell = TallocCell::from_static(memory);
    /// assert_eq!(cell.get_arena().size(), 10_000);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn from_static(memory: &'static mut [u8]) -> Self {
        let memory: *mut [u8] = memory;
        // SAFETY: The types have the same layout. Through the first reference, the bytes might be
        // read when they are uninitialised; but it is gone, and as it was good for ever, there is
        // no other one.
        Self::new(unsafe { &mut *(memory as *mut [MaybeUninit<u8>]) })
    }
}

impl<C: Config> TallocCell<'_, C> {
    /// A cell without memory, with the parameters of `C`.
    ///
    /// ```
    /// use core::mem::MaybeUninit;
    /// use talloc_sync::{Micro, TallocCell};
    ///
    /// let mut memory = [MaybeUninit::uninit(); 1000];
    /// let cell = TallocCell::<Micro>::with_config();
    /// cell.claim(&mut memory)?;
    /// # Ok::<(), talloc_sync::ArenaError>(())
    /// ```
    #[must_use]
    pub const fn with_config() -> Self {
        Self { heap: Unlocked::empty(), supply: RefCell::new(NoSupply), memory: PhantomData }
    }
}

/// Memory for the cell.
impl<'mem, C: Config, S> TallocCell<'mem, C, S> {
    /// The cell with a supply of further memory, instead of the one it has.
    #[must_use]
    pub fn with_supply<T: MemorySupply<'mem>>(self, supply: T) -> TallocCell<'mem, C, T> {
        TallocCell { heap: self.heap, supply: RefCell::new(supply), memory: PhantomData }
    }

    /// [`with_supply`](Self::with_supply), where a closure's types need not be spelled out.
    ///
    #[cfg_attr(feature = "allocator", doc = "```")]
    #[cfg_attr(not(feature = "allocator"), doc = "```ignore")]
    /// use allocator_api2::boxed::Box;
    /// use core::mem::MaybeUninit;
    /// use talloc_sync::TallocCell;
    ///
    /// let mut memory = [MaybeUninit::uninit(); 10_000];
    /// let mut pages = memory.chunks_mut(5_000);
    /// let cell = TallocCell::empty().with_supply_fn(|_| pages.next());
    ///
    /// let first = Box::new_in([1_u8; 4_000], &cell);
    /// let second = Box::new_in([2_u8; 3_000], &cell);
    /// assert!(Box::try_new_in([3_u8; 2_000], &cell).is_err());
    /// ```
    #[must_use]
    pub fn with_supply_fn<F>(self, supply: F) -> TallocCell<'mem, C, F>
    where
        F: FnMut(Layout) -> Option<&'mem mut [MaybeUninit<u8>]>,
    {
        self.with_supply(supply)
    }

    /// Returns the supply of further memory.
    #[must_use]
    pub fn supply_mut(&mut self) -> &mut S {
        self.supply.get_mut()
    }

    /// Drops the heap, and returns the supply of further memory.
    #[must_use]
    pub fn into_supply(self) -> S {
        self.supply.into_inner()
    }

    /// Adds `memory` to the heap, as its first arena or as a further arena. A further arena has a control block at its
    /// start, which takes about as many bytes as the cell.
    ///
    /// This touches only a few words of the memory.
    ///
    /// # Errors
    ///
    /// - [`ArenaError::TooFar`] if a heap with a single arena cannot span so much memory; see [`Index`](crate::Index).
    /// - [`ArenaError::SecondArena`] if a heap with a single arena already has one.
    /// - [`ArenaError::TooSmall`] if the memory is too small for a further arena.
    /// - [`ArenaError::Overlap`] if the memory is a block of this cell.
    pub fn claim(&self, memory: &'mem mut [MaybeUninit<u8>]) -> Result<(), ArenaError> {
        let span = Span::from(memory);
        // SAFETY: The memory is valid for reads and writes. It is borrowed mutably for `'mem`, so nobody else uses it as
        // long as the cell exists. The heap never leaves the cell.
        self.heap.with(|heap| unsafe { heap.claim(span) })
    }
}

// SAFETY: The heap within upholds the contract, and never leaves the cell.
unsafe impl<'mem, C: Config, S: MemorySupply<'mem>> Allocate for TallocCell<'mem, C, S> {
    const CHECKED: bool = C::CHECKED;

    #[inline(always)]
    fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.try_with(layout, |heap| heap.allocate(layout))
    }

    #[inline(always)]
    fn allocate_dirty(&self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        self.try_with(layout, |heap| heap.allocate_dirty(layout))
    }

    #[inline(always)]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: By the contract of this method, which is that of the heap's method.
        unsafe { self.heap.deallocate(ptr, layout) }
    }

    #[inline(always)]
    unsafe fn resize(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: By the contract of this method, which is that of the heap's method. A failed attempt leaves the block as
        // it was, so another attempt is sound.
        self.try_with(new, |heap| unsafe { heap.resize(ptr, old, new) })
    }

    fn check(&self, call: Call, ptr: *mut u8, layout: Layout) -> bool {
        self.heap.check(call, ptr, layout)
    }
}

// SAFETY: A cell is always the same heap. References borrow the cell, and with it the memory; copies of a reference borrow
// the same cell.
talloc_core::allocator!(
    unsafe impl['mem, C: Config, S: MemorySupply<'mem>] for &TallocCell<'mem, C, S>, |cell| *cell
);

impl<'mem, C: Config, S: MemorySupply<'mem>> TallocCell<'mem, C, S> {
    /// Calls `attempt`, and calls it again each time that the supply has given memory. A failed attempt has no effects.
    #[inline(always)]
    fn try_with<T>(
        &self,
        layout: Layout,
        attempt: impl Fn(&Unlocked<C>) -> Result<T, AllocError>,
    ) -> Result<T, AllocError> {
        match attempt(&self.heap) {
            Err(AllocError) => self.try_supplied(layout, attempt),
            done => done,
        }
    }

    /// Calls `attempt` each time that the supply has given memory.
    #[cold]
    fn try_supplied<T>(
        &self,
        layout: Layout,
        attempt: impl Fn(&Unlocked<C>) -> Result<T, AllocError>,
    ) -> Result<T, AllocError> {
        if layout.size() > Talloc::<C>::MAX_BLOCK {
            return Err(AllocError);
        }
        for _ in 0..SOURCE_TRIES {
            self.claim_more(layout)?;
            if let Ok(done) = attempt(&self.heap) {
                return Ok(done);
            }
        }
        Err(AllocError)
    }

    /// Claims memory from the supply.
    fn claim_more(&self, layout: Layout) -> Result<(), AllocError> {
        // The heap is not borrowed, so the supply may use the cell. Only the supply itself is borrowed: a nested call of
        // it fails.
        let mut supply = self.supply.try_borrow_mut().map_err(|_| AllocError)?;
        let memory = supply.supply(layout).ok_or(AllocError)?;
        self.claim(memory).map_err(|_| AllocError)
    }
}

impl<C: Config> Default for TallocCell<'_, C> {
    fn default() -> Self {
        Self::with_config()
    }
}
