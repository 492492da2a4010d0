//! The addresses of all heaps of threads: one range, divided into slices.
//!
//! There is only one range, so that one pointer has provenance over every block, whichever thread frees it. Each slice
//! belongs to one heap, and an array holds the number of that heap in a byte per slice. A thread whose cache is full
//! looks there to find the heaps that its blocks belong to.
//!
//! Below the first slice lies the table of the heaps' slabs: see [`Peers`](talloc_sync::Peers). Like the slices, it becomes
//! memory bit by bit.

use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU8, AtomicUsize};

use talloc_sync::{SLAB, Slab, Span};

use super::super::space;

/// The number of slices.
const SLICES: usize = 1024;

/// The bytes of addresses to reserve, unless a limit leaves fewer: 1 TiB, or 1 GiB on 32-bit machines.
const MAX_BYTES: usize = if usize::BITS < 64 { 1 << 30 } else { 1 << 40 };

/// The least bytes of addresses to reserve: a slice is at least a unit.
const MIN_BYTES: usize = SLICES * space::UNIT;

/// The range has not been reserved yet, or the last attempt failed.
const NONE: usize = 0;
/// A thread is reserving it.
const BUSY: usize = 1;
/// The range is reserved.
const READY: usize = 2;

pub(super) struct Range {
    state: AtomicUsize,
    /// The pointer to the first slice, which is the end of the table. It is written once, before the first block is allocated.
    base: UnsafeCell<*mut u8>,
    /// The logarithm of the bytes of a slice.
    slice_log2: UnsafeCell<u32>,
    /// The number of the heap that owns each slice, plus one; zero for a free slice.
    owners: [AtomicU8; SLICES],
}

/// A copy of [`Range::owners`] as it was at one time.
pub(super) struct Owners([u8; SLICES]);

// SAFETY: The fields that are not atomic are written once, by the thread that set the state to `BUSY`. They are read only
// by threads that have seen `READY`, or that have a block, which came from a thread that had seen `READY`.
unsafe impl Sync for Range {}

impl Range {
    pub(super) const fn new() -> Self {
        Self {
            state: AtomicUsize::new(NONE),
            base: UnsafeCell::new(ptr::null_mut()),
            slice_log2: UnsafeCell::new(0),
            owners: [const { AtomicU8::new(0) }; SLICES],
        }
    }

    /// Returns the pointer to the first slice.
    #[inline(always)]
    pub(super) fn base(&self) -> *mut u8 {
        // SAFETY: The caller has a block, or has seen the state `READY`.
        unsafe { *self.base.get() }
    }

    #[inline(always)]
    fn slice_log2(&self) -> u32 {
        // SAFETY: As for `base`.
        unsafe { *self.slice_log2.get() }
    }

    /// Returns the number of the slice at an address; at least `SLICES` if the address is outside of the range.
    #[inline(always)]
    fn slice_at(&self, addr: usize) -> usize {
        addr.wrapping_sub(self.base().addr()) >> self.slice_log2()
    }

    /// Whether the address of a block is outside of the range.
    #[inline(always)]
    pub(super) fn is_outside(&self, addr: usize) -> bool {
        self.base().is_null() || self.slice_at(addr) >= SLICES
    }

    /// Returns the number of the heap that owns an address in the range.
    #[inline]
    pub(super) fn owner_of(&self, addr: usize) -> u8 {
        let owner = self.owners.get(self.slice_at(addr));
        owner.map_or(u8::MAX, |owner| owner.load(Relaxed).wrapping_sub(1))
    }

    /// Returns the current owners of all slices.
    pub(super) fn owners(&self) -> Owners {
        Owners(core::array::from_fn(|slice| self.owners[slice].load(Relaxed)))
    }

    /// Whether heap `owner` owned all slices of a piece of memory when `owners` was read.
    pub(super) fn was_owned(&self, piece: Span, owner: usize, owners: &Owners) -> bool {
        let Some((base, acme)) = piece.get_base_acme() else { return false };
        let slices = owners.0.get(self.slice_at(base)..=self.slice_at(acme - 1));
        slices.is_some_and(|slices| slices.iter().all(|slice| usize::from(*slice) == owner + 1))
    }

    /// Returns the bytes of a slice; `None` if the range cannot be reserved.
    pub(super) fn slice_bytes(&self) -> Option<usize> {
        self.is_ready().then(|| 1 << self.slice_log2())
    }

    /// Takes `count` adjacent slices for a heap, if so many are free.
    pub(super) fn take(&self, owner: u8, count: usize) -> Option<Span> {
        if !self.is_ready() || count == 0 {
            return None;
        }
        let mut first = 0;
        while first + count <= SLICES {
            match self.claim(owner, first, count) {
                Ok(()) => return Some(self.slices(first, count)),
                Err(taken) => first = taken + 1,
            }
        }
        None
    }

    /// Claims slices, or returns the first slice that is not free.
    fn claim(&self, owner: u8, first: usize, count: usize) -> Result<(), usize> {
        for number in first..first + count {
            let slice = &self.owners[number];
            if slice.compare_exchange(0, owner + 1, AcqRel, Relaxed).is_err() {
                self.owners[first..number].iter().for_each(|slice| slice.store(0, Release));
                return Err(number);
            }
        }
        Ok(())
    }

    /// Gives back slices. Their memory has been decommitted.
    pub(super) fn give_back(&self, slices: Span) {
        let Some((base, acme)) = slices.get_base_acme() else { return };
        let (first, end) = (self.slice_at(base), self.slice_at(acme - 1) + 1);
        self.owners[first..end].iter().for_each(|slice| slice.store(0, Release));
    }

    /// Returns the entries in the table of slabs for a piece of the slices.
    pub(super) fn entries(&self, piece: Span) -> Span {
        let Some((base, acme)) = piece.get_base_acme() else { return Span::empty() };
        let start = self.base().addr();
        let [first, end] = [(base - start) / SLAB, (acme - start).div_ceil(SLAB)];
        let entries = self.base().cast::<Slab>().wrapping_sub(end);
        Span::from_ptr_size(entries.cast(), (end - first) * size_of::<Slab>())
    }

    fn slices(&self, first: usize, count: usize) -> Span {
        let log2 = self.slice_log2();
        Span::from_ptr_size(self.base().wrapping_add(first << log2), count << log2)
    }

    /// Whether the range is reserved. Reserves it if no thread has done so.
    fn is_ready(&self) -> bool {
        loop {
            match self.state.load(Acquire) {
                READY => return true,
                BUSY => space::pause(),
                _ => {
                    if self.state.compare_exchange(NONE, BUSY, Acquire, Relaxed).is_ok() {
                        let is_there = self.reserve();
                        self.state.store(if is_there { READY } else { NONE }, Release);
                        return is_there;
                    }
                }
            }
        }
    }

    fn reserve(&self) -> bool {
        let table = |bytes| bytes / SLAB * size_of::<Slab>();
        let (least, most) = (MIN_BYTES + table(MIN_BYTES), MAX_BYTES + table(MAX_BYTES));
        let Ok(range) = space::reserve(least, most) else { return false };
        let Some(start) = range.get_base_ptr() else { return false };
        let log2 = (range.size() / (SLAB + size_of::<Slab>()) * SLAB / SLICES).ilog2();
        let base = start.wrapping_add(table(SLICES << log2));
        // SAFETY: Nobody reads these fields before the state is `READY`.
        unsafe {
            *self.base.get() = base;
            *self.slice_log2.get() = log2;
        }
        true
    }
}
