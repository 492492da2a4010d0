//! Operations of a heap that has [`Peers`](crate::Peers).

use core::alloc::Layout;
use core::ptr::NonNull;

use super::{Backend, Talloc};
use crate::arena::Arena;
use crate::config::{Config, Level, QuickOf};
use crate::error::AllocError;
use crate::granule::GRANULE;
use crate::quick::{Lists, Segment, next as next_of, with_provenance_of_all};
use crate::report::{Report, Violation};
use crate::source::Source;

impl<C: Config, S> Talloc<C, S> {
    /// The quick lists, which one thread may use while another one has the rest.
    ///
    /// # Safety
    ///
    /// There is a heap at `this`.
    #[doc(hidden)]
    #[inline(always)]
    pub unsafe fn lists_of(this: *mut Self) -> *mut QuickOf<C> {
        // SAFETY: A field of what is there is projected, and nothing read.
        unsafe { &raw mut (*this).quick }
    }

    /// Checks the arenas only, and counts their chunks. Cached blocks count as used.
    ///
    /// # Errors
    ///
    /// The first [`Violation`] that is found.
    ///
    /// # Safety
    ///
    /// `this` points to a heap. During the call, no thread changes the heap except for its quick lists.
    #[doc(hidden)]
    pub unsafe fn verify_arenas_of(this: *const Self) -> Result<Report, Violation> {
        // SAFETY: Nobody changes the arenas meanwhile.
        unsafe { (*this).arenas.check() }.map(|(report, _)| report)
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Tells the heap its number among its peers, and lets it cache blocks.
    ///
    /// # Safety
    ///
    /// [`Peers::owner_of`](crate::Peers::owner_of) names this number for the heap's arenas, and for no other
    /// memory.
    #[doc(hidden)]
    pub unsafe fn wake(&mut self, number: u8) {
        self.quick.set_number(number);
        self.limit_quick();
    }

    /// Lets the heap cache nothing, until it is told to [`wake`](Self::wake). The lists are empty.
    #[doc(hidden)]
    pub fn rest(&mut self) {
        debug_assert_eq!(self.quick.cached(), 0, "I9: the lists are empty");
        self.quick.note_request();
        self.quick.set_classes(0);
        self.quick.set_limit(0);
        self.quick.set_overflows(0);
    }

    /// Sends the strays home that wait for a parcel to be full.
    #[doc(hidden)]
    pub fn send_strays(&mut self) {
        self.quick.send_all();
    }

    /// Gives up some blocks of `len` granules and others, as the lists hold too much.
    #[doc(hidden)]
    pub fn relieve(&mut self, len: usize) {
        // Whatever size the caller passes, the blocks of a list have the rounded one.
        self.overflow(C::Quick::rounded(len));
    }

    /// [`realloc`](Self::realloc) of a block where it is, if it is one of this heap.
    ///
    /// # Errors
    ///
    /// If it is a peer's or in a slab, or there is no room.
    ///
    /// # Safety
    ///
    /// As for [`realloc`](Self::realloc), of a block of this heap or of a peer.
    #[doc(hidden)]
    pub unsafe fn resize_own(
        &mut self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: It is an allocated block of this heap or of a peer.
        if self.is_stray(ptr) || unsafe { self.is_in_slab(ptr) } {
            return Err(AllocError);
        }
        // Nothing has changed yet. If the source panics, the caller still has its block.
        self.tend();
        // SAFETY: It is a block of this heap with the layout `old`, and aligned as before. An attempt that has failed left it
        // as it was, and so has the source.
        let attempt = |heap: &mut Self| unsafe { heap.reshape_block(ptr, old.size(), new.size()) };
        self.attempt_and_extend(ptr, old, new, attempt)
    }

    /// Shrinks a block of this heap or of a peer in place, without memory. The granules behind its new end return
    /// to the heap that owns them; a single granule is lost. A block in a slab keeps its granules.
    ///
    /// # Safety
    ///
    /// As for [`shrink`](Self::shrink), of a block of this heap or of a peer.
    #[doc(hidden)]
    #[cold]
    pub unsafe fn cut(&mut self, ptr: NonNull<u8>, old: Layout, new: Layout) {
        // SAFETY: It is an allocated block of this heap or of a peer.
        if unsafe { self.is_in_slab(ptr) } {
            return;
        }
        if !self.is_stray(ptr) {
            // SAFETY: `is_stray` is false: it is a block of this heap. It has the layout `old` by the contract of
            // this function.
            return unsafe { self.shrink_known(ptr, old, new.size()) };
        }
        let block = with_provenance_of_all(C::Quick::whole(), ptr);
        let (end, mut at) = (Arena::<C>::block_len(old.size()), Arena::<C>::block_len(new.size()));
        while let Some(len) = piece_len::<C::Quick>(end - at) {
            // SAFETY: The granules from `at` to `end` are part of the old block and not of the new one, so nobody
            // uses them. A piece has two granules or more (`piece_len`).
            unsafe { self.quick.send(block.add(at * GRANULE), len) };
            at += len;
        }
    }

    /// Checks the arenas, and that the lists hold what they count. Blocks of peers are not looked into.
    ///
    /// # Errors
    ///
    /// The first [`Violation`] that is found.
    #[doc(hidden)]
    pub fn verify_shard(&self) -> Result<Report, Violation> {
        let mut report = self.arenas.check()?.0;
        self.check_slabs(&mut report)?;
        let mut cached = 0;
        for len in C::Quick::sizes() {
            let mut next = self.quick.first(len);
            while let Some(block) = next {
                cached += len;
                if cached > self.quick.cached() {
                    return Err(Violation::CachedCount);
                }
                if !self.quick.is_stray(block) && !self.is_cached_block(block, len) {
                    return Err(Violation::CachedBlock { addr: block.addr().get() });
                }
                if C::Quick::has_home(block) {
                    report.count_cached(len * GRANULE);
                }
                // SAFETY: The block is on a quick list, so it starts with a link.
                next = unsafe { self.quick.after(block) };
            }
        }
        if cached == self.quick.cached() { Ok(report) } else { Err(Violation::CachedCount) }
    }
}

impl<C: Config, S: Source<C>> Backend<'_, C, S> {
    /// Takes back blocks that a [peer](crate::Peers) has sent home. Takes time in proportion to the blocks.
    ///
    /// # Safety
    ///
    /// The blocks are of this heap, and nobody uses them. The segment has just been [read](Segment::read) from a parcel
    /// for this heap, and its pointers are valid for all blocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use core::ptr::NonNull;
    /// use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};
    /// use talloc_core::{Compact, Parcel, PeerLists, Peers, Segment, Span, Talloc, WithQuick};
    ///
    /// const HALF: usize = 1 << 16;
    /// static mut MEMORY: [[u64; HALF / 8]; 2] = [[0; HALF / 8]; 2];
    ///
    /// /// The parcel on its way to heap 0.
    /// static MAIL: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());
    ///
    /// /// Heap 0 has the first half of the array, and heap 1 the second half.
    /// struct Halves;
    ///
    /// // SAFETY: The halves are arenas for the whole time. Heap 0 is passed the only parcel that is sent.
    /// unsafe impl Peers for Halves {
    ///     fn owner_of(addr: usize) -> u8 {
    ///         ((addr - Self::whole().addr()) / HALF) as u8
    ///     }
    ///
    ///     fn deliver(owner: u8, parcel: Parcel) {
    ///         assert_eq!(owner, 0);
    ///         let [first, _last] = parcel.into_ends();
    ///         MAIL.store(first.as_ptr(), Relaxed);
    ///     }
    ///
    ///     fn whole() -> *mut u8 {
    ///         (&raw mut MEMORY).cast()
    ///     }
    /// }
    ///
    /// type Peer = WithQuick<Compact, PeerLists<9, 1024, Halves>>;
    ///
    /// let mut heaps = [Talloc::<Peer>::with_config(), Talloc::<Peer>::with_config()];
    /// let layout = Layout::new::<[u64; 5]>();
    /// // SAFETY: Nothing else uses the array, and the block is freed once, to a peer, with its layout.
    /// unsafe {
    ///     for (number, heap) in heaps.iter_mut().enumerate() {
    ///         let half = Halves::whole().wrapping_add(number * HALF);
    ///         heap.claim(Span::from_ptr_size(half, HALF)).unwrap();
    ///         heap.wake(number as u8);
    ///     }
    ///     let [home, other] = &mut heaps;
    ///     let block = home.malloc(layout)?;
    ///     other.free(block, layout);
    ///     other.flush();
    ///     other.send_strays();
    ///     let (segment, next) = Segment::read(NonNull::new(MAIL.load(Relaxed)).unwrap());
    ///     assert!(segment.blocks() == 1 && next.is_none());
    ///     home.backend().take_back(segment);
    ///     home.flush();
    ///     assert_eq!(home.inspect().used_bytes(), 0);
    /// }
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    #[inline]
    pub unsafe fn take_back(&mut self, segment: Segment) {
        let heap = &mut *self.heap;
        if segment.len < heap.quick.classes() && !C::CHECKED {
            debug_assert!(C::Quick::HAS_PEERS, "the lists hold blocks of one kind");
            // SAFETY: The segment has just been read, by the contract of this function. The caller gives up the blocks,
            // which have a list.
            let holds_too_much = unsafe {
                segment.fetch();
                heap.quick.splice(segment)
            };
            if holds_too_much {
                heap.overflow(segment.len);
            }
            return;
        }
        let mut block = segment.first;
        for number in 1..=segment.blocks {
            // SAFETY: Each block but the last one links to the next one. They are used granules of an arena that
            // nobody uses.
            unsafe {
                let next = next_of(block);
                heap.release_own(block, segment.len);
                match next {
                    Some(next) if number < segment.blocks => block = next,
                    _ => break,
                }
            }
        }
        if heap.quick.classes() == 0 {
            // The heap rests, so nothing would flush it.
            heap.release_empty_slabs();
        }
    }
}

/// Returns the length of the next piece of `rest` granules to send home: a size that has a quick list, or one above
/// all of these. A single granule has no room for the words of a segment, and is lost.
fn piece_len<L: Lists>(rest: usize) -> Option<usize> {
    let power = 1 << rest.checked_ilog2()?;
    match rest {
        1 => None,
        _ if rest < L::EXACT || rest >= L::CLASSES => Some(rest),
        _ if rest - power == 1 => Some(power / 2),
        _ => Some(power),
    }
}

#[cfg(test)]
mod tests {
    use talloc_span::Span;

    use super::*;
    use crate::config::{Compact, WithQuick};
    use crate::quick::{QuickLists, lists_for};

    type Medium = QuickLists<{ lists_for(4096) }, 4096>;

    #[test]
    fn blocks_are_given_up_with_the_size_of_their_list() {
        let mut memory = [0_u8; 32 << 10];
        let (layout, large) = (Layout::new::<[u64; 144]>(), Layout::new::<[u64; 3000]>());
        let mut heap =
            Talloc::<WithQuick<Compact, QuickLists<{ lists_for(256) }, 4096>>>::with_config();
        // SAFETY: The memory outlives the heap, and the block is freed once, with its layout.
        unsafe {
            heap.init(Span::from(&mut memory));
            let (block, _above) = (heap.malloc(layout).unwrap(), heap.malloc(layout).unwrap());
            heap.free(block, layout);
            // Memory is short now, so the lists hold too much.
            heap.malloc(large).unwrap();
        }
        assert_eq!(heap.verify().unwrap().cached_blocks, 1);
        heap.relieve(145);
        let report = heap.verify().unwrap();
        assert_eq!((report.cached_blocks, report.used_bytes), (0, layout.size() + large.size()));
    }

    #[test]
    fn what_is_cut_off_goes_home_in_pieces_that_have_lists() {
        for whole in 2..20_000 {
            let mut rest = whole;
            while let Some(len) = piece_len::<Medium>(rest) {
                assert!(len >= 2 && Medium::rounded(len) == len, "{len} of {whole}");
                rest -= len;
            }
            assert_eq!(rest, 0, "{whole}");
        }
        assert_eq!(piece_len::<Medium>(1), None);
        assert_eq!(piece_len::<Medium>(0), None);
    }
}
