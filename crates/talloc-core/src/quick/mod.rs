//! Quick lists: blocks of small sizes that have been freed and not been coalesced yet.
//!
//! Programs free and allocate the same small sizes in bursts. A quick list holds blocks of one
//! exact size, last in, first out, so that such a block is reused without a look at bits and bins
//! (Weinstock's quick fit, 1976; Lea's fast bins). To the arenas these blocks are used.
//!
//! What the lists hold is bounded, by bytes; beyond that, batches of the size that grew are given
//! back, neighbours together, unless a program that frees and frees asks for nothing anyway. Before
//! a request fails, everything is.

mod peers;

pub(crate) use peers::with_provenance_of_all;
pub use peers::{Parcel, PeerLists, Peers, parcel_words};

use core::ptr::NonNull;

/// How many blocks of a list are looked at for one that is aligned.
const ALIGNED_TRIES: usize = 4;

mod sealed {
    pub trait Sealed {}
    impl<const N: usize> Sealed for super::QuickLists<N> {}
}

/// Quick lists for blocks of fewer than `N` granules of 8 bytes.
pub struct QuickLists<const N: usize> {
    heads: [Option<NonNull<u8>>; N],
    /// Granules in the lists.
    cached: usize,
    /// Granules that they may hold.
    limit: usize,
    /// Granules that they may hold when memory is short.
    least: usize,
    /// The list whose turn it was last to give blocks back.
    turn: u16,
    /// Blocks of fewer granules than this are put on their lists.
    classes: u16,
    /// How often the lists have held too much, as the heap counts it: see `talloc/limits.rs`.
    overflows: u16,
}

/// Quick lists, for [`Config::Quick`](crate::Config::Quick).
pub trait Lists: sealed::Sealed {
    /// Lists that hold nothing, and may hold nothing.
    const EMPTY: Self;
    /// Blocks of fewer granules than this have a list.
    const CLASSES: usize;

    /// Whether blocks of other heaps may be on the lists.
    #[doc(hidden)]
    const HAS_PEERS: bool = false;

    /// [`classes`](Self::classes), of lists that others may look at.
    ///
    /// # Safety
    ///
    /// Nobody changes them meanwhile.
    #[doc(hidden)]
    unsafe fn classes_at(this: *const Self) -> usize;

    /// [`pop`](Self::pop), of lists that others may look at if they are empty.
    ///
    /// # Safety
    ///
    /// Nobody else uses the lists, unless all of them are empty and stay so.
    #[doc(hidden)]
    unsafe fn pop_at(this: *mut Self, len: usize) -> Option<NonNull<u8>>;

    /// [`push`](Self::push), by a pointer.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push), and nobody else uses the lists.
    #[doc(hidden)]
    unsafe fn push_at(this: *mut Self, block: NonNull<u8>, len: usize) -> bool;

    /// Blocks of fewer granules than this are to be put on their lists: no more than `CLASSES`.
    #[doc(hidden)]
    #[inline(always)]
    fn classes(&self) -> usize {
        // SAFETY: They are borrowed.
        unsafe { Self::classes_at(self) }
    }

    /// Sets [`classes`](Self::classes), to no more than `CLASSES`.
    #[doc(hidden)]
    fn set_classes(&mut self, classes: usize);

    /// Takes a block of `len` granules from its list.
    #[doc(hidden)]
    #[inline(always)]
    fn pop(&mut self, len: usize) -> Option<NonNull<u8>> {
        // SAFETY: They are borrowed mutably.
        unsafe { Self::pop_at(self, len) }
    }

    /// Takes a block of `len` granules from its list whose address has no bit of `mask`, if one of
    /// the first few blocks is like that.
    #[doc(hidden)]
    fn pop_aligned(&mut self, len: usize, mask: usize) -> Option<NonNull<u8>>;

    /// Puts a block of `len` granules, fewer than `CLASSES`, on its list. Returns whether the
    /// lists hold too much now.
    ///
    /// # Safety
    ///
    /// The block is memory that nobody else uses, until it is popped.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn push(&mut self, block: NonNull<u8>, len: usize) -> bool {
        // SAFETY: They are borrowed mutably, and the caller gives up the block.
        unsafe { Self::push_at(self, block, len) }
    }

    /// The first block of a list.
    #[doc(hidden)]
    fn first(&self, len: usize) -> Option<NonNull<u8>>;

    #[doc(hidden)]
    fn cached(&self) -> usize;

    #[doc(hidden)]
    fn limit(&self) -> usize;

    #[doc(hidden)]
    fn set_limit(&mut self, granules: usize);

    #[doc(hidden)]
    fn least(&self) -> usize;

    #[doc(hidden)]
    fn set_least(&mut self, granules: usize);

    /// The list whose turn it is to give blocks back: the next one that is not empty, if any.
    #[doc(hidden)]
    fn turn(&mut self) -> usize;

    #[doc(hidden)]
    fn overflows(&self) -> u16;

    #[doc(hidden)]
    fn set_overflows(&mut self, times: u16);

    /// A pointer with the provenance of the arenas of all heaps, if there are [peers](Self::HAS_PEERS).
    #[doc(hidden)]
    #[inline(always)]
    fn whole() -> *mut u8 {
        core::ptr::null_mut()
    }

    /// Tells the number of the heap among its peers.
    #[doc(hidden)]
    fn set_number(&mut self, _number: u8) {}

    /// Whether a block is another heap's.
    #[doc(hidden)]
    #[inline(always)]
    fn is_stray(&self, _block: NonNull<u8>) -> bool {
        false
    }

    /// Sends a block of `len` granules to the heap that it belongs to, at once or later.
    ///
    /// # Safety
    ///
    /// It is a block of a peer, which nobody uses. The pointer is good for all of it.
    #[doc(hidden)]
    unsafe fn send(&mut self, _block: NonNull<u8>, _len: usize) {}

    /// Sends what has not been sent yet.
    #[doc(hidden)]
    fn send_all(&mut self) {}

    /// Notes that the lists hold too much, and the block freed last is another heap's.
    #[doc(hidden)]
    fn note_strays(&mut self) {}

    /// Notes that the arenas are asked for a block.
    #[doc(hidden)]
    #[inline(always)]
    fn note_request(&mut self) {}
}

impl<const N: usize> Lists for QuickLists<N> {
    const EMPTY: Self =
        Self { heads: [None; N], cached: 0, limit: 0, least: 0, turn: 0, classes: 0, overflows: 0 };
    const CLASSES: usize = {
        assert!(N < 1 << 16, "there are at most 65,535 quick lists");
        N
    };

    #[inline(always)]
    unsafe fn classes_at(this: *const Self) -> usize {
        // Known when it is compiled, so that nothing is made of it where there are no lists.
        // SAFETY: The caller may read the lists.
        if N == 0 { 0 } else { usize::from(unsafe { (*this).classes }) }
    }

    fn set_classes(&mut self, classes: usize) {
        self.classes = classes.min(N) as u16;
    }

    #[inline(always)]
    unsafe fn pop_at(this: *mut Self, len: usize) -> Option<NonNull<u8>> {
        if len >= N {
            return None;
        }
        // SAFETY: The head is one of the lists', which only the caller changes. A block on a list starts
        // with its link.
        unsafe {
            let head = (&raw mut (*this).heads).cast::<Option<NonNull<u8>>>().add(len);
            let block = (*head)?;
            *head = next(block);
            (*this).cached -= len;
            Some(block)
        }
    }

    #[inline]
    fn pop_aligned(&mut self, len: usize, mask: usize) -> Option<NonNull<u8>> {
        let mut link: *mut Option<NonNull<u8>> = self.heads.get_mut(len)?;
        for _ in 0..ALIGNED_TRIES {
            // SAFETY: It is the head, or the link that a block on the list starts with.
            let block = unsafe { link.read() }?;
            if block.addr().get() & mask == 0 {
                // SAFETY: As above; what follows the block follows what came before it.
                unsafe { link.write(next(block)) };
                self.cached -= len;
                return Some(block);
            }
            link = block.cast().as_ptr();
        }
        None
    }

    #[inline(always)]
    unsafe fn push_at(this: *mut Self, block: NonNull<u8>, len: usize) -> bool {
        // SAFETY: The block is of a size that has a list, and has at least a granule, which is aligned and
        // has room for a pointer. Only the caller uses the lists.
        unsafe {
            let head = (&raw mut (*this).heads).cast::<Option<NonNull<u8>>>().add(len);
            block.cast().write(*head);
            *head = Some(block);
            (*this).cached += len;
            (*this).cached > (*this).limit
        }
    }

    fn first(&self, len: usize) -> Option<NonNull<u8>> {
        *self.heads.get(len)?
    }

    #[inline(always)]
    fn cached(&self) -> usize {
        // As for `classes`.
        if N == 0 { 0 } else { self.cached }
    }

    fn limit(&self) -> usize {
        self.limit
    }

    fn set_limit(&mut self, granules: usize) {
        self.limit = granules;
    }

    fn least(&self) -> usize {
        self.least
    }

    fn set_least(&mut self, granules: usize) {
        self.least = granules;
    }

    fn turn(&mut self) -> usize {
        let turn = usize::from(self.turn);
        let later = turn + 1..N;
        let mut lists = later.chain(0..N).filter(|len| self.heads[*len].is_some());
        let turn = lists.next().unwrap_or(turn);
        self.turn = turn as u16;
        turn
    }

    #[inline(always)]
    fn overflows(&self) -> u16 {
        // As for `classes`.
        if N == 0 { 0 } else { self.overflows }
    }

    fn set_overflows(&mut self, times: u16) {
        self.overflows = times;
    }
}

/// The block after `block` on its quick list.
///
/// # Safety
///
/// The block is on a quick list.
#[inline(always)]
pub(crate) unsafe fn next(block: NonNull<u8>) -> Option<NonNull<u8>> {
    // SAFETY: A block on a list starts with its link.
    unsafe { block.cast::<Option<NonNull<u8>>>().read() }
}
