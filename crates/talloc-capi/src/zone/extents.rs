//! The extents of a zone that has its addresses.

use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{
    AtomicU32, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use super::class::Stride;
use super::list::List;
use super::memory::{self, Committed};
use super::row::{Place, Row};
use super::{Counts, NotABlock, UNIT};

/// Threads allocate from extents of their own, as far as there are so many, so that they seldom write
/// to the same words, and to the same cache lines if blocks are smaller than those.
const STRIPES: usize = 16;

/// The free memory that is kept in any case, and the share of all that is.
const LEAST_SPARE: usize = 1 << 20;
const SPARE_SHARE: usize = 16;

/// What is at the start of a zone's addresses. After it come the table of rows, and the units.
///
/// All zeros is that of a zone without extents, apart from the first three.
struct Head {
    /// How many units there can be.
    units: AtomicUsize,
    /// Where the first one is, and where the last one ends, in bytes from the start.
    first_unit: AtomicUsize,
    size: AtomicUsize,
    /// How many units have been given to extents.
    given: AtomicUsize,
    rows_committed: Committed,
    units_committed: Committed,
    /// Bytes of extents whose memory has not been given back.
    kept: AtomicUsize,
    /// Bytes of those that are free, apart from those that are held.
    spare: AtomicUsize,
    strides: [Blocks; Stride::COUNT],
}

/// The extents of a stride.
struct Blocks {
    /// Those of which blocks may be free, and which nobody holds.
    listed: List,
    /// Those from which threads allocate: the numbers of their rows plus one, or zero for none.
    held: [AtomicU32; STRIPES],
}

/// Bytes in front of the table.
const HEAD: usize = size_of::<Head>().next_multiple_of(UNIT);

/// Bytes of the table.
const fn table(units: usize) -> usize {
    (units * size_of::<Row>()).next_multiple_of(UNIT)
}

/// A zone that has its addresses: a pointer to their start.
///
/// Invariant: there is a [`Head`], and as many bytes follow as [`bytes`](Self::bytes) says of its
/// units. They are never given back. What has been committed is never made inaccessible.
#[derive(Clone, Copy)]
pub(super) struct Extents(NonNull<u8>);

/// A block, by its extent's row and its number there.
struct Found {
    unit: usize,
    stride: Stride,
    block: usize,
}

impl Extents {
    /// Bytes of a zone with so many units.
    pub(super) const fn bytes(units: usize) -> usize {
        HEAD + table(units) + units * UNIT
    }

    /// Makes a zone of reserved addresses.
    ///
    /// # Safety
    ///
    /// There are as many as [`bytes`](Self::bytes) says, aligned to a unit, and they are nobody else's.
    pub(super) unsafe fn start(base: NonNull<u8>, units: usize) -> Option<Self> {
        // SAFETY: The addresses are reserved.
        let has_head = unsafe { Committed::none().reach(base, HEAD, HEAD) };
        let extents = has_head.then_some(Self(base))?;
        let head = extents.head();
        head.units.store(units, Relaxed);
        head.first_unit.store(HEAD + table(units), Relaxed);
        head.size.store(Self::bytes(units), Relaxed);
        Some(extents)
    }

    /// The zone that starts at an address.
    ///
    /// # Safety
    ///
    /// [`start`](Self::start) has returned it.
    #[inline]
    pub(super) const unsafe fn from_start(base: NonNull<u8>) -> Self {
        Self(base)
    }

    #[inline]
    pub(super) const fn as_ptr(self) -> NonNull<u8> {
        self.0
    }

    /// Whether an address is the zone's.
    #[inline]
    pub(super) fn contain(self, addr: usize) -> bool {
        addr.wrapping_sub(self.0.addr().get()) < self.head().size.load(Relaxed)
    }

    #[inline]
    fn head(self) -> &'static Head {
        // SAFETY: It is there by the invariant. All of its fields are atomic, and good if zero.
        unsafe { self.0.cast().as_ref() }
    }

    #[inline]
    fn units(self) -> usize {
        self.head().units.load(Relaxed)
    }

    /// Whether there is a row of a unit, in memory.
    #[inline]
    fn has_row(self, unit: usize) -> bool {
        (unit + 1) * size_of::<Row>() <= self.head().rows_committed.bytes()
    }

    /// The row of a unit, which has memory.
    #[inline]
    fn row(self, unit: usize) -> &'static Row {
        debug_assert!(self.has_row(unit));
        // SAFETY: It has been committed, by the invariant for good. All of its fields are atomic, and good
        // if zero.
        unsafe { self.0.add(HEAD).cast::<Row>().add(unit).as_ref() }
    }

    #[inline]
    fn listed_row(self, number: u32) -> &'static Row {
        self.row(number as usize)
    }

    /// The address of the first unit.
    #[inline]
    fn first_unit(self) -> NonNull<u8> {
        // SAFETY: It is in the zone by the invariant.
        unsafe { self.0.add(self.head().first_unit.load(Relaxed)) }
    }

    #[inline]
    fn block(self, unit: usize, stride: Stride, block: usize) -> NonNull<u8> {
        // SAFETY: The extent is in the zone, and has the block.
        unsafe { self.first_unit().add(unit * UNIT + block * stride.bytes()) }
    }

    /// Allocates a block. `None` if there is no room.
    #[inline]
    pub(super) fn allocate(self, stride: Stride) -> Option<NonNull<u8>> {
        if stride.is_alone() { self.allocate_alone(stride) } else { self.allocate_among(stride) }
    }

    /// Allocates a block that has an extent of its own, which nobody holds.
    fn allocate_alone(self, stride: Stride) -> Option<NonNull<u8>> {
        loop {
            let unit = self.find(stride)?;
            let row = self.row(unit);
            let claimed = row.claim();
            self.let_go(unit);
            if let Some(block) = claimed {
                return Some(self.block(unit, stride, block));
            }
        }
    }

    /// Allocates a block from the extent that this thread's stripe holds; if need be, from another
    /// one, which it holds then.
    fn allocate_among(self, stride: Stride) -> Option<NonNull<u8>> {
        let slot = &self.head().strides[stride.index()].held[stripe()];
        let mut held = slot.load(Acquire);
        loop {
            if let Some(unit) = held.checked_sub(1) {
                if let Some(block) = self.row(unit as usize).claim() {
                    return Some(self.block(unit as usize, stride, block));
                }
            }
            let next = self.find(stride)?;
            held = match slot.compare_exchange(held, next as u32 + 1, AcqRel, Acquire) {
                Ok(old) => {
                    old.checked_sub(1).inspect(|unit| self.let_go(*unit as usize));
                    next as u32 + 1
                }
                Err(now) => {
                    self.let_go(next);
                    now
                }
            }
        }
    }

    /// An extent that nobody else holds, with free blocks if nobody takes them meanwhile.
    #[cold]
    #[inline(never)]
    fn find(self, stride: Stride) -> Option<usize> {
        let listed = &self.head().strides[stride.index()].listed;
        let Some(number) = listed.pop(|number| self.listed_row(number)) else {
            return self.carve(stride);
        };
        let (unit, row) = (number as usize, self.listed_row(number));
        row.put(Place::Held);
        self.count_no_spare(row, stride);
        if row.is_discarded.swap(false, Relaxed) {
            self.head().kept.fetch_add(stride.units() * UNIT, Relaxed);
        }
        Some(unit)
    }

    /// Makes a new extent, which is held.
    fn carve(self, stride: Stride) -> Option<usize> {
        let units = self.give(stride)?;
        let row = self.row(units.start);
        if !stride.is_alone() {
            let others = units.clone().enumerate().skip(1);
            others.for_each(|(back, unit)| self.row(unit).follow(back as u32));
        }
        row.start(stride);
        self.head().kept.fetch_add(stride.units() * UNIT, Relaxed);
        Some(units.start)
    }

    /// Takes units that no extent has had yet, and sees to it that they have memory.
    fn give(self, stride: Stride) -> Option<Range<usize>> {
        let (head, units) = (self.head(), self.units());
        let skipped = self.first_unit().addr().get() / UNIT;
        let next = |given: usize| {
            let start = (skipped + given).next_multiple_of(stride.align_units()) - skipped;
            start..start + stride.units()
        };
        let taken = head.given.fetch_update(AcqRel, Acquire, |given| {
            Some(next(given).end).filter(|end| *end <= units)
        });
        let given = taken.ok()?;
        let range = next(given);
        let row_bytes = (range.end * size_of::<Row>()).next_multiple_of(UNIT);
        // SAFETY: Both ranges are in the zone by the invariant, and reserved.
        let has_memory = unsafe {
            head.rows_committed.reach(self.0.add(HEAD), table(units), row_bytes)
                && head.units_committed.reach(self.first_unit(), units * UNIT, range.end * UNIT)
        };
        if !has_memory {
            // If others have taken more meanwhile, these stay unused.
            let _ = head.given.compare_exchange(range.end, given, AcqRel, Relaxed);
        }
        has_memory.then_some(range)
    }

    /// Lets go of an extent that is held. If there is something free, others may have it.
    fn let_go(self, unit: usize) {
        let row = self.row(unit);
        row.put(Place::Loose);
        // Who frees a block makes it free first, and then looks whether it is loose.
        if row.has_free() {
            self.list(unit);
        }
    }

    /// Lists an extent, unless it is held or listed.
    #[inline]
    fn list(self, unit: usize) {
        let row = self.row(unit);
        if row.is_to_be_listed() {
            if let Some(stride) = row.stride() {
                self.head().strides[stride.index()].listed.push(unit as u32, row);
            }
        }
    }

    /// Finds a block by its address, which is in the zone.
    #[inline]
    fn find_block(self, addr: usize) -> Result<Found, NotABlock> {
        let first = self.first_unit().addr().get();
        let offset = addr.checked_sub(first).ok_or(NotABlock::Foreign)?;
        let unit = offset / UNIT;
        if !self.has_row(unit) {
            return Err(NotABlock::Foreign);
        }
        let unit = unit - self.row(unit).back();
        let stride = self.row(unit).stride().ok_or(NotABlock::Within)?;
        let within = offset - unit * UNIT;
        let block = self.row(unit).block_at(stride, within).ok_or(NotABlock::Within)?;
        Ok(Found { unit, stride, block })
    }

    /// Frees a block by its address, which is in the zone.
    ///
    /// # Errors
    ///
    /// If there is no allocated block.
    #[inline]
    pub(super) fn free(self, addr: usize) -> Result<(), NotABlock> {
        let Found { unit, stride, block } = self.find_block(addr)?;
        let row = self.row(unit);
        let (was_used, may_be_empty) = row.release(block);
        if !was_used {
            return Err(NotABlock::Free);
        }
        self.list(unit);
        if may_be_empty {
            self.consider(unit, stride);
        }
        Ok(())
    }

    /// Bytes of a block, by its address, which is in the zone.
    ///
    /// # Errors
    ///
    /// If there is no allocated block.
    pub(super) fn size_of(self, addr: usize) -> Result<usize, NotABlock> {
        let Found { unit, stride, block } = self.find_block(addr)?;
        let is_free = self.row(unit).is_free(block);
        if is_free { Err(NotABlock::Free) } else { Ok(stride.bytes()) }
    }

    /// Gives the memory of an extent back if it is free and there is enough to spare; but not a small
    /// one that is held.
    #[cold]
    #[inline(never)]
    fn consider(self, unit: usize, stride: Stride) {
        let (head, row) = (self.head(), self.row(unit));
        let bytes = stride.units() * UNIT;
        let is_held = row.is_held();
        let stays = row.is_spare.load(Relaxed) || is_held && bytes <= LEAST_SPARE / STRIPES;
        if stays || !row.claim_all() {
            return;
        }
        let most = LEAST_SPARE.max(head.kept.load(Relaxed) / SPARE_SHARE);
        if head.spare.load(Relaxed) + bytes > most {
            self.discard(unit, stride);
        } else if !is_held {
            head.spare.fetch_add(bytes, Relaxed);
            row.is_spare.store(true, Relaxed);
        }
        self.give_up(unit);
    }

    /// Makes all blocks of an extent free, which are the caller's.
    fn give_up(self, unit: usize) {
        self.row(unit).release_all();
        self.list(unit);
    }

    /// Gives the memory of an extent back, of which all blocks are the caller's.
    fn discard(self, unit: usize, stride: Stride) {
        let (row, bytes) = (self.row(unit), stride.units() * UNIT);
        // SAFETY: It has memory, and nobody has a block there.
        unsafe { memory::discard(self.block(unit, stride, 0), bytes) };
        // One that is held counts all the same, as it will be used again without being found.
        if !row.is_held() && !row.is_discarded.swap(true, Relaxed) {
            self.head().kept.fetch_sub(bytes, Relaxed);
        }
    }

    /// An extent counts as spare no longer.
    fn count_no_spare(self, row: &Row, stride: Stride) {
        if row.is_spare.swap(false, Relaxed) {
            self.head().spare.fetch_sub(stride.units() * UNIT, Relaxed);
        }
    }

    /// The units where extents start, with the strides of their blocks.
    fn all(self) -> impl Iterator<Item = (usize, Stride)> {
        let given = self.head().given.load(Acquire);
        (0..given)
            .take_while(move |unit| self.has_row(*unit))
            .filter_map(move |unit| Some((unit, self.row(unit).stride()?)))
    }

    /// Gives the memory of all extents back that are free.
    pub(super) fn trim(self) {
        for (unit, stride) in self.all() {
            let row = self.row(unit);
            if row.claim_all() {
                self.discard(unit, stride);
                self.count_no_spare(row, stride);
                self.give_up(unit);
            }
        }
    }

    /// Counts what there is.
    pub(super) fn count(self) -> Counts {
        let mut counts = Counts::default();
        for (unit, stride) in self.all() {
            let free = self.row(unit).free_blocks();
            let used = self.row(unit).blocks() - free;
            counts.used_blocks += used;
            counts.used_bytes += used * stride.bytes();
            counts.free_blocks += free;
            counts.bytes += stride.units() * UNIT;
        }
        counts
    }
}

/// The stripe of this thread: by its stack, which is far from those of others.
fn stripe() -> usize {
    const LOG2: u32 = STRIPES.ilog2();
    let here = 0_u8;
    let hash = ((&raw const here).addr() as u64 >> 18).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> (u64::BITS - LOG2)) as usize
}
