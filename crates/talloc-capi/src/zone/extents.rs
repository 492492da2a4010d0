//! The extents of a zone.

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

/// Threads are spread over stripes. Each stripe allocates from its own extents, so threads rarely
/// contend for the same words, or share a cache line that contains several small blocks.
const STRIPES: usize = 16;

/// The memory of free extents to keep: this many bytes, or a share of all memory if that is more.
const MIN_SPARE: usize = 1 << 20;
const SPARE_SHARE: usize = 16;

/// The head of a zone, which precedes the table of rows and the units.
///
/// In a zone without extents, all but the first three fields are zero.
struct Head {
    /// The number of units.
    units: AtomicUsize,
    /// The offset of the first unit, and that of the end of the last.
    first_unit: AtomicUsize,
    size: AtomicUsize,
    /// The number of units that have been given to extents, or skipped to align those.
    given: AtomicUsize,
    rows_committed: Committed,
    units_committed: Committed,
    /// Bytes of extents whose memory has not been returned.
    kept: AtomicUsize,
    /// Bytes of extents among those that are marked as spare.
    spare: AtomicUsize,
    strides: [Blocks; Stride::COUNT],
}

/// The extents of a stride.
struct Blocks {
    /// Extents that may have free blocks, and are not held.
    listed: List,
    /// The extents that the stripes hold: the number of the first unit plus one, or zero for none.
    held: [AtomicU32; STRIPES],
}

/// The offset of the table.
const HEAD: usize = size_of::<Head>().next_multiple_of(UNIT);

/// Bytes of the table of rows.
const fn table(units: usize) -> usize {
    (units * size_of::<Row>()).next_multiple_of(UNIT)
}

/// The extents of a zone: a pointer to its address range.
///
/// Invariant: the range has [`bytes`](Self::bytes) bytes for the number of units in its [`Head`], is never
/// released, and the pointer has provenance for all of it. Memory that has been committed stays
/// accessible.
#[derive(Clone, Copy)]
pub(super) struct Extents(NonNull<u8>);

/// A block of an extent.
struct Found {
    unit: usize,
    stride: Stride,
    block: usize,
}

impl Extents {
    /// The bytes of a zone with `units` units.
    pub(super) const fn bytes(units: usize) -> usize {
        HEAD + table(units) + units * UNIT
    }

    /// Starts a zone in a reserved range. `None` if there is no memory for the head.
    ///
    /// # Safety
    ///
    /// The range has [`bytes`](Self::bytes) bytes, is aligned to a unit, and is not in use.
    pub(super) unsafe fn start(base: NonNull<u8>, units: usize) -> Option<Self> {
        // SAFETY: The range is reserved.
        let has_head = unsafe { Committed::none().reach(base, HEAD, HEAD) };
        let extents = has_head.then_some(Self(base))?;
        let head = extents.head();
        head.units.store(units, Relaxed);
        head.first_unit.store(HEAD + table(units), Relaxed);
        head.size.store(Self::bytes(units), Relaxed);
        Some(extents)
    }

    /// The inverse of [`as_ptr`](Self::as_ptr).
    ///
    /// # Safety
    ///
    /// `base` comes from [`as_ptr`](Self::as_ptr).
    #[inline]
    pub(super) const unsafe fn from_start(base: NonNull<u8>) -> Self {
        Self(base)
    }

    #[inline]
    pub(super) const fn as_ptr(self) -> NonNull<u8> {
        self.0
    }

    /// Whether an address is in the range.
    #[inline]
    pub(super) fn contain(self, addr: usize) -> bool {
        addr.wrapping_sub(self.0.addr().get()) < self.head().size.load(Relaxed)
    }

    #[inline]
    fn head(self) -> &'static Head {
        // SAFETY: The invariant. All fields are atomic, and valid if zero.
        unsafe { self.0.cast().as_ref() }
    }

    #[inline]
    fn units(self) -> usize {
        self.head().units.load(Relaxed)
    }

    /// Whether the row of a unit exists, and has memory.
    #[inline]
    fn has_row(self, unit: usize) -> bool {
        (unit + 1) * size_of::<Row>() <= self.head().rows_committed.bytes()
    }

    /// The row of a unit, which must have memory.
    #[inline]
    fn row(self, unit: usize) -> &'static Row {
        debug_assert!(self.has_row(unit));
        // SAFETY: The row is committed, and stays so by the invariant. All fields are atomic, and valid if
        // zero.
        unsafe { self.0.add(HEAD).cast::<Row>().add(unit).as_ref() }
    }

    #[inline]
    fn listed_row(self, number: u32) -> &'static Row {
        self.row(number as usize)
    }

    /// The address of the first unit.
    #[inline]
    fn first_unit(self) -> NonNull<u8> {
        // SAFETY: The offset is in the range by the invariant.
        unsafe { self.0.add(self.head().first_unit.load(Relaxed)) }
    }

    #[inline]
    fn block(self, unit: usize, stride: Stride, block: usize) -> NonNull<u8> {
        // SAFETY: The block is in the range, because the extent is.
        unsafe { self.first_unit().add(unit * UNIT + block * stride.bytes()) }
    }

    /// Allocates a block. `None` if there is no room.
    #[inline]
    pub(super) fn allocate(self, stride: Stride) -> Option<NonNull<u8>> {
        if stride.is_alone() { self.allocate_alone(stride) } else { self.allocate_among(stride) }
    }

    /// Allocates a block in an extent of its own, which is not held afterwards.
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

    /// Allocates a block from the extent that this thread's stripe holds. If that is full, the stripe
    /// takes hold of another one.
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

    /// Takes hold of an extent with free blocks. Other threads may take the blocks meanwhile, if they
    /// still use the extent from an earlier time.
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

    /// Makes a new extent, and takes hold of it.
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

    /// Takes unused units for an extent, and commits them and their rows.
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
        // SAFETY: Both ranges are reserved by the invariant.
        let has_memory = unsafe {
            head.rows_committed.reach(self.0.add(HEAD), table(units), row_bytes)
                && head.units_committed.reach(self.first_unit(), units * UNIT, range.end * UNIT)
        };
        if !has_memory {
            // If another thread has taken further units meanwhile, these stay unused.
            let _ = head.given.compare_exchange(range.end, given, AcqRel, Relaxed);
        }
        has_memory.then_some(range)
    }

    /// Lets go of an extent that is held, and lists it if it has free blocks.
    fn let_go(self, unit: usize) {
        let row = self.row(unit);
        row.put(Place::Loose);
        // A thread that frees a block sets its bit first, and then checks whether the extent is loose. As
        // all of these accesses are sequentially consistent, one of the two threads lists the extent.
        if row.has_free() {
            self.list(unit);
        }
    }

    /// Lists an extent if it is loose.
    #[inline]
    fn list(self, unit: usize) {
        let row = self.row(unit);
        if row.is_to_be_listed() {
            if let Some(stride) = row.stride() {
                self.head().strides[stride.index()].listed.push(unit as u32, row);
            }
        }
    }

    /// Finds a block by its address, which is in the range.
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

    /// Frees a block by its address, which is in the range.
    ///
    /// # Errors
    ///
    /// If no allocated block starts there.
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

    /// The size of a block, by its address, which is in the range.
    ///
    /// # Errors
    ///
    /// If no allocated block starts there.
    pub(super) fn size_of(self, addr: usize) -> Result<usize, NotABlock> {
        let Found { unit, stride, block } = self.find_block(addr)?;
        let is_free = self.row(unit).is_free(block);
        if is_free { Err(NotABlock::Free) } else { Ok(stride.bytes()) }
    }

    /// Handles an extent that may be free: marks it as spare, or returns its memory if there is enough to
    /// spare. Leaves a small extent alone if it is held.
    #[cold]
    #[inline(never)]
    fn consider(self, unit: usize, stride: Stride) {
        let (head, row) = (self.head(), self.row(unit));
        let bytes = stride.units() * UNIT;
        let is_held = row.is_held();
        let stays = row.is_spare.load(Relaxed) || is_held && bytes <= MIN_SPARE / STRIPES;
        if stays || !row.claim_all() {
            return;
        }
        let most = MIN_SPARE.max(head.kept.load(Relaxed) / SPARE_SHARE);
        if head.spare.load(Relaxed) + bytes > most {
            self.discard(unit, stride);
        } else if !is_held {
            head.spare.fetch_add(bytes, Relaxed);
            row.is_spare.store(true, Relaxed);
        }
        self.give_up(unit);
    }

    /// Frees all blocks of an extent, which the caller has taken.
    fn give_up(self, unit: usize) {
        self.row(unit).release_all();
        self.list(unit);
    }

    /// Returns the memory of an extent of which the caller has taken all blocks.
    fn discard(self, unit: usize, stride: Stride) {
        let (row, bytes) = (self.row(unit), stride.units() * UNIT);
        // SAFETY: The extent has memory, and no block of it is allocated.
        unsafe { memory::discard(self.block(unit, stride, 0), bytes) };
        // An extent that is held stays counted, because it will be used again without being found.
        if !row.is_held() && !row.is_discarded.swap(true, Relaxed) {
            self.head().kept.fetch_sub(bytes, Relaxed);
        }
    }

    /// Removes the mark of an extent that is spare.
    fn count_no_spare(self, row: &Row, stride: Stride) {
        if row.is_spare.swap(false, Relaxed) {
            self.head().spare.fetch_sub(stride.units() * UNIT, Relaxed);
        }
    }

    /// The first unit and the stride of each extent.
    fn all(self) -> impl Iterator<Item = (usize, Stride)> {
        let given = self.head().given.load(Acquire);
        (0..given)
            .take_while(move |unit| self.has_row(*unit))
            .filter_map(move |unit| Some((unit, self.row(unit).stride()?)))
    }

    /// Returns the memory of all extents that are free.
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

    /// Counts blocks and bytes.
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

/// The stripe of this thread, by a hash of the address of its stack.
fn stripe() -> usize {
    const LOG2: u32 = STRIPES.ilog2();
    let here = 0_u8;
    let hash = ((&raw const here).addr() as u64 >> 18).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> (u64::BITS - LOG2)) as usize
}
