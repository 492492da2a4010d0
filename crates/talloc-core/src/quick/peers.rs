//! Quick lists of a heap that has peers: blocks of any of these heaps may be freed to it.
//!
//! A thread puts the blocks that it frees on its own lists, whichever heap they belong to, because it will allocate
//! most of them again. Only when a list overflows, it distinguishes its own blocks from *strays*, which belong to other
//! heaps. Strays are sent home in parcels, one list of blocks for each owner.

use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use super::slab::Slabs;
use super::{Lists, Parcel, QuickLists, Segment, sealed};
use crate::checks::LinkKey;
use crate::granule::GRANULE;

/// The other heaps of a program, to which strays are sent. All of these heaps have the same parameters. See
/// [`Backend::take_back`](crate::Backend::take_back) for an example.
///
/// # Safety
///
/// * [`owner_of`](Self::owner_of) returns the number of the heap whose arenas contain the address, and always the same
///   number for a block. It returns 255 for a block of none of these heaps.
/// * [`deliver`](Self::deliver) passes a parcel only to the heap with this number, which takes the blocks back with
///   [`Backend::take_back`](crate::Backend::take_back), or it loses the blocks.
/// * As soon as there is a block in any of these heaps, [`whole`](Self::whole) returns a pointer that is valid for all
///   of their arenas.
/// * If [`SLABS_FROM`](Self::SLABS_FROM) is `Some`, that pointer is aligned to [`SLAB`](super::SLAB) bytes, and all arenas
///   lie above it. It is also valid for a table of [`Slab`](super::Slab)s that ends there. The table has an entry for each
///   `SLAB` bytes above the pointer, in descending order, and all arenas lie within 16 TiB. Entries of memory that is added to
///   a heap are zero. Only heaps use them while the memory is a heap's. They are zero again when a heap gives memory up, but
///   not if it is dropped or initialised anew while blocks are in use.
pub unsafe trait Peers: 'static {
    /// Returns the number of the heap that a block belongs to, or 255 for a block that is mapped individually.
    fn owner_of(addr: usize) -> u8;

    /// Sends a parcel to the heap with a number.
    fn deliver(owner: u8, parcel: Parcel);

    /// Returns a pointer with provenance over all arenas.
    fn whole() -> *mut u8;

    /// If it is `Some`, small blocks may lie in [`Slab`](super::Slab)s: how many bytes of blocks of one size a heap takes
    /// from its arenas before that size gets slabs, less than 512 KiB. They count from when 64 times as many bytes are in
    /// use by all sizes.
    const SLABS_FROM: Option<usize> = None;
}

/// What [`Peers::owner_of`] returns for a block of no heap.
const NO_HOME: u8 = u8::MAX;

/// How many parcels are open at a time. If two owners share a slot, the parcel of one is sent early for the other.
const OPEN: usize = 8;

/// If the lists overflow with strays this many times without a request to the arenas, their thread is a consumer: it
/// only frees.
const CONSUMES: u8 = 4;

/// `N` quick lists of a heap that has [`Peers`], like [`QuickLists`].
///
/// [`Config::Index`](crate::Config::Index) is `u32`, because a block that is sent home has room for two words.
/// [`Config::Checks`](crate::Config::Checks) is [`Unchecked`](crate::Unchecked).
pub struct PeerLists<const N: usize, const BYTES: usize, P> {
    lists: QuickLists<N, BYTES>,
    /// Blocks that may be pushed before the next [pulse](Lists::is_pulse).
    pulse: i32,
    open: [Option<Parcel>; OPEN],
    /// The number of the heap.
    number: u8,
    /// How often the lists have overflowed with strays since the last request to the arenas.
    consumed: u8,
    slabs: Slabs,
    peers: PhantomData<fn() -> P>,
}

impl<const N: usize, const BYTES: usize, P> sealed::Sealed for PeerLists<N, BYTES, P> {}

impl<const N: usize, const BYTES: usize, P: Peers> Lists for PeerLists<N, BYTES, P> {
    const EMPTY: Self = Self {
        lists: QuickLists::EMPTY,
        pulse: 0,
        open: [const { None }; OPEN],
        number: 0,
        consumed: 0,
        slabs: Slabs::NONE,
        peers: PhantomData,
    };
    const LISTS: usize = QuickLists::<N, BYTES>::LISTS;
    const CLASSES: usize = QuickLists::<N, BYTES>::CLASSES;
    const BYTES: usize = BYTES;
    const HAS_PEERS: bool = true;
    const SLABS_FROM: Option<u16> = match P::SLABS_FROM {
        Some(bytes) => {
            assert!(bytes < 512 << 10, "`SLABS_FROM` must be below 512 KiB");
            Some((bytes / GRANULE) as u16)
        }
        None => None,
    };
    type Encoded<K: LinkKey> = Self;

    #[inline(always)]
    unsafe fn pop_at(this: *mut Self, len: usize) -> Option<NonNull<u8>> {
        // SAFETY: The caller has the lists, of which these are a part.
        unsafe { QuickLists::pop_at(&raw mut (*this).lists, len) }
    }

    #[inline(always)]
    unsafe fn push_at(this: *mut Self, block: NonNull<u8>, len: usize) -> bool {
        // SAFETY: The caller has the lists, of which these are a part, and gives up the block.
        unsafe {
            let holds_too_much = QuickLists::push_at(&raw mut (*this).lists, block, len);
            (*this).pulse = (*this).pulse.wrapping_sub(1);
            holds_too_much || (*this).pulse < 0
        }
    }

    unsafe fn splice(&mut self, segment: Segment) -> bool {
        // SAFETY: The caller gives up the blocks.
        unsafe { self.lists.splice(segment) }
    }

    #[inline(always)]
    unsafe fn classes_at(this: *const Self) -> usize {
        // SAFETY: The caller may read the lists, of which these are a part.
        unsafe { QuickLists::classes_at(&raw const (*this).lists) }
    }

    #[inline(always)]
    unsafe fn exact_classes_at(this: *const Self) -> usize {
        // SAFETY: Nobody changes the lists meanwhile, by the contract of `Lists::exact_classes_at`.
        unsafe { QuickLists::exact_classes_at(&raw const (*this).lists) }
    }

    #[inline]
    fn pop_aligned(&mut self, len: usize, mask: usize) -> Option<NonNull<u8>> {
        self.lists.pop_aligned(len, mask)
    }

    fn set_classes(&mut self, classes: usize) {
        self.lists.set_classes(classes);
    }

    fn first(&self, len: usize) -> Option<NonNull<u8>> {
        self.lists.first(len)
    }

    #[inline(always)]
    fn cached(&self) -> usize {
        self.lists.cached()
    }

    unsafe fn cached_at(this: *const Self) -> usize {
        // SAFETY: `this` points to lists, which contain these.
        unsafe { QuickLists::cached_at(&raw const (*this).lists) }
    }

    fn limit(&self) -> usize {
        self.lists.limit()
    }

    fn set_limit(&mut self, granules: usize) {
        self.lists.set_limit(granules);
    }

    fn least(&self) -> usize {
        self.lists.least()
    }

    fn set_least(&mut self, granules: usize) {
        self.lists.set_least(granules);
    }

    fn turn(&mut self) -> usize {
        self.lists.turn()
    }

    #[inline(always)]
    fn is_pulse(&self) -> bool {
        self.pulse < 0
    }

    #[inline(always)]
    fn set_pulse(&mut self, pushes: u32) {
        self.pulse = pushes as i32;
    }

    #[inline(always)]
    fn overflows(&self) -> u16 {
        self.lists.overflows()
    }

    fn set_overflows(&mut self, times: u16) {
        self.lists.set_overflows(times);
    }

    #[inline(always)]
    fn whole() -> *mut u8 {
        P::whole()
    }

    fn set_number(&mut self, number: u8) {
        self.number = number;
    }

    #[inline]
    fn has_home(block: NonNull<u8>) -> bool {
        P::owner_of(block.addr().get()) != NO_HOME
    }

    #[inline]
    fn is_stray(&self, block: NonNull<u8>) -> bool {
        P::owner_of(block.addr().get()) != self.number
    }

    unsafe fn send(&mut self, block: NonNull<u8>, len: usize) {
        let owner = P::owner_of(block.addr().get());
        debug_assert!(owner != self.number, "a block of this heap stays");
        let open = &mut self.open[usize::from(owner) % OPEN];
        let is_owners = |parcel: &Parcel| P::owner_of(parcel.first().addr().get()) == owner;
        if let Some(others) = open.take_if(|parcel| !is_owners(parcel)) {
            P::deliver(P::owner_of(others.first().addr().get()), others);
        }
        // SAFETY: The caller gives up the block.
        let parcel = unsafe {
            match open {
                Some(parcel) => {
                    parcel.add(block, len);
                    parcel
                }
                None => open.insert(Parcel::of(block, len)),
            }
        };
        if parcel.is_full() {
            open.take().into_iter().for_each(|parcel| P::deliver(owner, parcel));
        }
    }

    fn send_all(&mut self) {
        for open in &mut self.open {
            if let Some(parcel) = open.take() {
                P::deliver(P::owner_of(parcel.first().addr().get()), parcel);
            }
        }
    }

    #[inline(always)]
    fn slabs(&self) -> Option<&Slabs> {
        if P::SLABS_FROM.is_some() { Some(&self.slabs) } else { None }
    }

    #[inline(always)]
    fn slabs_mut(&mut self) -> Option<&mut Slabs> {
        if P::SLABS_FROM.is_some() { Some(&mut self.slabs) } else { None }
    }

    #[inline]
    unsafe fn refill_at(this: *mut Self, len: usize) {
        // SAFETY: If others may use the lists, nobody changes them, and there are no slabs. Otherwise, the caller has the
        // lists. Another thread may read their counts meanwhile, so no reference to the whole of them is made.
        unsafe {
            if P::SLABS_FROM.is_none() || (*this).lists.first(len).is_some() {
                return;
            }
            if let Some(chain) = Slabs::take_at(&raw mut (*this).slabs, P::whole(), len) {
                (*this).consumed = 0;
                (*this).pulse = (*this).pulse.wrapping_sub(chain.blocks as i32);
                QuickLists::set_chain_at(&raw mut (*this).lists, chain, len);
            }
        }
    }

    #[inline(always)]
    unsafe fn spare_at(this: *const Self) -> usize {
        // SAFETY: `this` points to lists, which contain these slabs.
        unsafe { Slabs::spare_at(&raw const (*this).slabs) }
    }

    fn is_consumer(&self) -> bool {
        self.consumed >= CONSUMES
    }

    fn note_strays(&mut self) {
        self.consumed = self.consumed.saturating_add(1);
    }

    #[inline(always)]
    fn note_request(&mut self) {
        self.consumed = 0;
    }
}

/// A pointer to a block with provenance over all arenas.
#[inline(always)]
pub(crate) fn with_provenance_of_all(whole: *mut u8, ptr: NonNull<u8>) -> NonNull<u8> {
    let block = whole.with_addr(ptr.addr().get());
    debug_assert!(!ptr::eq(block, ptr::null()));
    // SAFETY: It has the address of a pointer that is not null.
    unsafe { NonNull::new_unchecked(block) }
}
