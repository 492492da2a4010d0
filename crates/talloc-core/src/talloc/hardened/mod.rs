//! What a hardened heap does besides: canaries, filled memory, delayed reuse, and closing when it is broken.
//!
//! | when | what |
//! |---|---|
//! | [`malloc`](Talloc::malloc) | checks that the block is as it was filled, and writes its canary ([`Talloc::seal`]) |
//! | [`free`](Talloc::free) | checks the canaries behind it ([`Talloc::is_sealed`]) and before it ([`Talloc::expect_sound_below`]), fills the block and puts it in the queue ([`Talloc::retire`]) |
//! | the queue is full | checks that the oldest block is as it was filled, and frees it ([`Talloc::let_go`]) |
//! | a free chunk or a cached block is used | checks that it is one: see `arena/trust.rs` and [`Talloc::pop_sound`] |
//!
//! What is found in the middle of an operation is reported when the operation has ended ([`Talloc::settle`]), or when
//! the caller has released the heap. If the heap's own structures are broken, the heap closes: it allocates nothing
//! more, and ignores what is freed, unless it can be repaired (`talloc/repair.rs`).

mod canaries;
mod delay;
mod fill;

use core::alloc::Layout;
use core::ptr::NonNull;

use super::Talloc;
use crate::arena::Arena;
use crate::checks::{Checks, State};
use crate::config::{Config, Level};
use crate::error::AllocError;
use crate::granule::{GRANULE, min_linked};
use crate::misuse::{Call, Fault, Misuse};
use crate::quick::Lists;
use crate::source::Source;

/// The state of the checks.
impl<C: Config, S> Talloc<C, S> {
    /// Whether the heap was found broken.
    #[inline(always)]
    pub(crate) fn is_closed(&self) -> bool {
        C::HARDENED && self.guard.get().is_some_and(|guard| guard.is_closed)
    }

    /// Whether the heap was found broken, or is about to be closed for that.
    #[inline(always)]
    pub(in crate::talloc) fn is_broken(&self) -> bool {
        C::HARDENED && (self.is_closed() || self.arenas.is_broken())
    }

    /// Checks a hardened heap before all its chunks are moved. Reports what is broken. Returns whether the heap is
    /// closed.
    ///
    /// Takes time in proportion to the chunks of a hardened heap.
    pub(in crate::talloc) fn is_found_broken(&mut self) -> bool {
        if C::HARDENED && !self.is_closed() && self.verify().is_err() {
            self.close();
            self.settle();
        }
        self.is_closed()
    }

    /// Gives a heap its key when it is given its first memory.
    pub(in crate::talloc) fn arm(&mut self) {
        const {
            assert!(
                !(C::Quick::HAS_PEERS && C::CHECKED),
                "`Checks` must be `Unchecked` in a heap with peers"
            );
            assert!(
                !C::Quick::HAS_PEERS || min_linked::<C::Index>() >= 2,
                "`Index` must be `u32` in a heap with peers: a block that is sent home has two words"
            );
        };
        let Some(guard) = self.guard.get_mut() else { return };
        if !guard.is_armed() {
            guard.arm(C::Checks::draw(), C::Checks::draw());
            let bits = if C::ENCODED { C::Checks::draw() } else { 0 };
            self.quick.set_key(bits);
        }
    }

    /// Notes what was found, to be reported at the end of the operation.
    #[cold]
    fn note(&mut self, misuse: Misuse) {
        if let Some(guard) = self.guard.get_mut() {
            guard.note(misuse);
        }
    }

    /// [`note`](Self::note), of a block of `len` granules.
    #[cold]
    fn note_about(&mut self, call: Call, block: NonNull<u8>, len: usize, fault: Fault) {
        // SAFETY: Granules are aligned, and a block is smaller than all memory.
        let layout = unsafe { Layout::from_size_align_unchecked(len * GRANULE, GRANULE) };
        self.note(Misuse { call, addr: block.addr().get(), layout, fault });
    }

    /// Closes the heap. Nothing in its free memory is used any more.
    #[cold]
    #[inline(never)]
    pub(in crate::talloc) fn close(&mut self) {
        let addr = match self.verify() {
            Err(violation) => violation.addr(),
            Ok(_) => None,
        };
        self.quick.clear();
        let addr = addr.or(self.arenas.first.span().base()).unwrap_or(0);
        let Some(guard) = self.guard.get_mut() else { return };
        guard.delayed.clear();
        guard.is_closed = true;
        let layout = Layout::new::<u64>();
        guard.note(Misuse { call: Call::Use, addr, layout, fault: Fault::Broken });
    }
}

/// Allocating.
impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Allocates a block by `allocate`, which also says how many of its first bytes are not known to be zero.
    ///
    /// A hardened heap then writes the block's canary, and reports what was found meanwhile. If it is closed, this is
    /// an error.
    ///
    /// # Safety
    ///
    /// `allocate` returns a new block of `size` bytes.
    #[inline(always)]
    pub(in crate::talloc) unsafe fn guarded(
        &mut self,
        size: usize,
        allocate: impl FnOnce(&mut Self) -> Result<(NonNull<u8>, usize), AllocError>,
    ) -> Result<(NonNull<u8>, usize), AllocError> {
        if !C::HARDENED {
            return allocate(self);
        }
        if self.is_closed() {
            self.settle();
            if self.is_closed() {
                return Err(AllocError);
            }
        }
        let mut result = allocate(self);
        if let Ok((block, dirty)) = &mut result {
            // SAFETY: The block has just been allocated for `size` bytes. Those from the first `dirty` on are zero.
            unsafe { self.furnish(*block, size, *dirty) };
            *dirty = match C::MEASURES.fresh {
                None => *dirty,
                Some(0) => 0,
                Some(_) => size,
            };
        }
        self.settle();
        result
    }

    /// Allocates from a quick list. `None` if the heap has several arenas, or the first block of the list is not
    /// [near](Arena::is_near_block) its end, or there is none.
    #[inline(always)]
    #[track_caller]
    pub(in crate::talloc) fn malloc_sound(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let len = Arena::<C>::block_len(layout.size());
        let has_list = len < C::Quick::CLASSES && layout.align() <= GRANULE;
        if !has_list || self.is_closed() || !self.arenas.is_single() {
            return None;
        }
        let first = self.quick.first(len)?;
        if C::ENCODED && !self.arenas.first.is_near_cached(first.addr().get(), len) {
            return None;
        }
        let block = self.quick.pop(len)?;
        self.note_reuse(block);
        let is_filled = self.expect_filled(block, len);
        // SAFETY: The block has just been allocated for as many bytes.
        unsafe { self.furnish(block, layout.size(), layout.size()) };
        if !is_filled {
            self.settle();
        }
        Some(block)
    }

    /// Writes what a new block of `size` bytes has in it and behind it.
    ///
    /// # Safety
    ///
    /// The block has just been allocated for as many bytes. Those from the first `dirty` on are zero.
    #[inline(always)]
    unsafe fn furnish(&self, block: NonNull<u8>, size: usize, dirty: usize) {
        // SAFETY: The block is new, and has as many bytes.
        unsafe {
            self.seal(block, size);
            match C::MEASURES.fresh {
                None => {}
                // Pages that were never used stay so.
                Some(0) => block.write_bytes(0, dirty.min(size)),
                Some(byte) => block.write_bytes(byte, size),
            }
        }
    }
}

/// Reporting.
impl<C: Config, S> Talloc<C, S> {
    /// Takes what was found during an operation that has ended.
    #[inline(always)]
    fn take_found(&mut self) -> Option<Misuse> {
        if !C::HARDENED {
            return None;
        }
        if self.arenas.is_broken() && !self.is_closed() {
            self.close();
        }
        self.guard.get_mut()?.found.take()
    }

    /// Reports what was found during an operation, unless the caller does that when it has released the heap.
    #[inline(always)]
    #[track_caller]
    pub(in crate::talloc) fn settle(&mut self) {
        let Some(guard) = self.guard.get() else { return };
        if (guard.found.is_some() || self.arenas.is_broken()) && !guard.is_quiet {
            if let Some(misuse) = self.take_found() {
                self.tell(&misuse);
            }
        }
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn tell(&mut self, misuse: &Misuse) {
        // The handler may panic.
        self.reopen();
        C::misuse(misuse);
    }

    /// Lets the caller report what is found from now on.
    #[inline(always)]
    pub(crate) fn hush(&mut self) {
        if let Some(guard) = self.guard.get_mut() {
            guard.is_quiet = true;
        }
    }

    /// Returns what was found since [`hush`](Self::hush).
    #[inline(always)]
    pub(crate) fn unhush(&mut self) -> Option<Misuse> {
        self.guard.get_mut()?.is_quiet = false;
        self.take_found()
    }

    /// Repairs a heap that was found broken, if its handler allows that.
    #[cold]
    pub(crate) fn reopen(&mut self) {
        if C::Checks::REPAIRS && self.is_closed() {
            self.repair();
        }
    }
}
