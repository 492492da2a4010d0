//! The addresses of all heaps of threads: one range, divided into slices.
//!
//! One range, so that one pointer is good for every block, wherever it was freed. Each slice belongs to one heap,
//! which a byte per slice names. Who frees a block that is not in its own heap's cache looks there.

use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU8, AtomicUsize};

use talloc_sync::Span;

use super::super::space;

/// How many slices there are.
const SLICES: usize = 1024;

/// The addresses to reserve if there are so many: a TiB, and on 32-bit machines a GiB.
const MAX_BYTES: usize = if usize::BITS < 64 { 1 << 30 } else { 1 << 40 };

/// The least that is of use.
const MIN_BYTES: usize = SLICES * space::UNIT;

/// The range has not been reserved, or could not be.
const NONE: usize = 0;
/// A thread is reserving it.
const BUSY: usize = 1;
/// It is there.
const READY: usize = 2;

pub(super) struct Range {
    state: AtomicUsize,
    /// The pointer to the range, which is written once, before there is a block.
    base: UnsafeCell<*mut u8>,
    /// The logarithm of the bytes of a slice.
    slice_log2: UnsafeCell<u32>,
    /// The heap that each slice belongs to, plus one; zero for nobody's.
    owners: [AtomicU8; SLICES],
}

/// The heap that each slice belonged to at one time, plus one; zero for nobody's.
pub(super) struct Owners([u8; SLICES]);

// SAFETY: What is not atomic is written once, by the thread that has made the state `BUSY`, and read by those
// that have seen `READY`, or have a block, which comes from a thread that has.
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

    /// The pointer to the range.
    #[inline(always)]
    pub(super) fn base(&self) -> *mut u8 {
        // SAFETY: The caller has a block, or has seen that the range is there.
        unsafe { *self.base.get() }
    }

    #[inline(always)]
    fn slice_log2(&self) -> u32 {
        // SAFETY: As for `base`.
        unsafe { *self.slice_log2.get() }
    }

    /// The number of the slice at an address; above all slices for one that is not in the range.
    #[inline(always)]
    fn slice_at(&self, addr: usize) -> usize {
        addr.wrapping_sub(self.base().addr()) >> self.slice_log2()
    }

    /// Whether an address, of a block, is not in the range.
    #[inline(always)]
    pub(super) fn is_outside(&self, addr: usize) -> bool {
        self.base().is_null() || self.slice_at(addr) >= SLICES
    }

    /// The heap that an address in the range belongs to.
    #[inline]
    pub(super) fn owner_of(&self, addr: usize) -> u8 {
        let owner = self.owners.get(self.slice_at(addr));
        owner.map_or(u8::MAX, |owner| owner.load(Relaxed).wrapping_sub(1))
    }

    /// The owners of all slices as they are now.
    pub(super) fn owners(&self) -> Owners {
        Owners(core::array::from_fn(|slice| self.owners[slice].load(Relaxed)))
    }

    /// Whether all of a piece of memory in the range belonged to a heap when the owners were read.
    pub(super) fn was_owned(&self, piece: Span, owner: usize, owners: &Owners) -> bool {
        let Some((base, acme)) = piece.get_base_acme() else { return false };
        let slices = owners.0.get(self.slice_at(base)..=self.slice_at(acme - 1));
        slices.is_some_and(|slices| slices.iter().all(|slice| usize::from(*slice) == owner + 1))
    }

    /// Bytes of a slice.
    pub(super) fn slice_bytes(&self) -> Option<usize> {
        self.is_ready().then(|| 1 << self.slice_log2())
    }

    /// Takes `count` slices in a row for a heap, if there are so many.
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

    /// Claims slices, or tells the first that is not free.
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

    /// Gives slices back, whose memory has been given back before.
    pub(super) fn give_back(&self, slices: Span) {
        let Some((base, acme)) = slices.get_base_acme() else { return };
        let (first, end) = (self.slice_at(base), self.slice_at(acme - 1) + 1);
        self.owners[first..end].iter().for_each(|slice| slice.store(0, Release));
    }

    fn slices(&self, first: usize, count: usize) -> Span {
        let log2 = self.slice_log2();
        Span::from_ptr_size(self.base().wrapping_add(first << log2), count << log2)
    }

    /// Whether the range is there, once it has been reserved if it could be.
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
        let Ok(range) = space::reserve(MIN_BYTES, MAX_BYTES) else { return false };
        let Some(base) = range.get_base_ptr() else { return false };
        let log2 = (range.size() / SLICES).ilog2();
        // SAFETY: Nobody reads these before the state is `READY`.
        unsafe {
            *self.base.get() = base;
            *self.slice_log2.get() = log2;
        }
        true
    }
}
