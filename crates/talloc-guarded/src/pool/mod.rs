//! Blocks between guard pages.
//!
//! A pool is one range of addresses: first records, then slots. In the range of slots, only the pages of live blocks are
//! accessible.
//!
//! ```text
//! | pool, turns, records | guard | slot | guard | slot | ... | guard | larger slot | ... | guard |
//! ```
//!
//! There are no locks. A compare-and-swap of its turn takes a slot, and a compare-and-swap of its phase frees the block. A
//! signal handler can therefore read a pool at any time, and pools work in the child of a fork.

mod class;
mod slack;
mod slot;

use std::alloc::Layout;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::atomic::{
    AtomicPtr, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::report::{Block, CallStack};
use crate::sys;
use class::Class;
pub use slot::{Phase, Slot};

/// The size of the largest sampled block.
pub const SAMPLED: usize = 16 << 10;

/// The size of the largest guarded block.
pub const LARGEST: usize = if usize::BITS > 32 { 1 << 30 } else { 1 << 20 };

/// The number of slots for large blocks in each doubling of the size.
const LARGE_SLOTS: usize = 64;

/// The number of classes: one for sampled blocks, and one for each doubling of the size of large blocks.
const CLASSES: usize = 1 + (LARGEST.ilog2() - SAMPLED.ilog2()) as usize;

/// The numbers of slots of a pool.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The number of slots for sampled blocks.
    pub sampled: usize,
    /// The size from which all blocks are guarded, above [`SAMPLED`]; `usize::MAX` if there is none.
    pub large: usize,
}

/// The place of a block on its pages: at their end or at their start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// An overflow faults.
    End,
    /// An underflow faults.
    Start,
}

/// A pool of slots, and their records. It lies at the start of its own range. A published pool is never destroyed.
pub struct Pool {
    /// The pool that was published before this one.
    next: AtomicPtr<Pool>,
    page: usize,
    classes: [Class; CLASSES],
    /// The number of blocks that have been freed.
    clock: AtomicU64,
    turns: NonNull<[AtomicU64]>,
    slots: NonNull<[Slot]>,
    /// The start of the slots.
    start: NonNull<u8>,
    /// The bytes of all slots and their guard pages.
    len: usize,
}

/// All pools, the newest first.
static POOLS: AtomicPtr<Pool> = AtomicPtr::new(ptr::null_mut());

// SAFETY: The pointers are to memory that is never released. Records are atomic, and only the thread that has taken a slot
// accesses its pages.
unsafe impl Sync for Pool {}
// SAFETY: As for `Sync`; no thread is special to a pool.
unsafe impl Send for Pool {}

impl Pool {
    /// Creates a pool without publishing it; `None` if the system has no room for it.
    pub fn create(shape: Shape) -> Option<NonNull<Self>> {
        let page = sys::page_size();
        let mut count = 0;
        let mut end = 0;
        let classes = std::array::from_fn(|number| {
            let class = shape.class(number, page, end, count);
            (end, count) = (class.end(), count + class.slots);
            class
        });
        let len = end.checked_add(page)?;
        let parts = Parts::of(count, page)?;
        let range = sys::reserve(parts.end.checked_add(len)?)?;
        // SAFETY: The range is new, so nobody else uses it, and has room for the parts.
        unsafe {
            if !sys::commit(range, parts.end) {
                sys::release(range, parts.end + len);
                return None;
            }
            let pool = range.cast::<Self>();
            pool.write(Self {
                next: AtomicPtr::new(ptr::null_mut()),
                page,
                classes,
                clock: AtomicU64::new(1),
                turns: NonNull::slice_from_raw_parts(range.add(parts.turns).cast(), count),
                slots: NonNull::slice_from_raw_parts(range.add(parts.slots).cast(), count),
                start: range.add(parts.end),
                len,
            });
            Some(pool)
        }
    }

    /// Releases the range of a pool.
    ///
    /// # Safety
    ///
    /// The caller has created the pool, and has not published it.
    pub unsafe fn destroy(pool: NonNull<Self>) {
        // SAFETY: By the contract of this function, the pool exists, and nobody else uses its range.
        unsafe {
            let Self { start, len, .. } = *pool.as_ref();
            let records = start.addr().get() - pool.addr().get();
            sys::release(pool.cast(), records + len);
        }
    }

    /// Publishes a pool to the handler of faults.
    ///
    /// # Safety
    ///
    /// The caller has created the pool, publishes it only once, and never destroys it afterwards.
    pub unsafe fn publish(pool: NonNull<Self>) {
        let mut newest = POOLS.load(Relaxed);
        loop {
            // SAFETY: The pool exists, by the contract of this function.
            unsafe { pool.as_ref() }.next.store(newest, Relaxed);
            match POOLS.compare_exchange_weak(newest, pool.as_ptr(), Release, Relaxed) {
                Ok(_) => return,
                Err(other) => newest = other,
            }
        }
    }

    /// Returns the pool with the slots that an address lies among.
    pub fn around(addr: usize) -> Option<&'static Self> {
        let mut next = POOLS.load(Acquire);
        // SAFETY: Published pools are never destroyed.
        while let Some(pool) = unsafe { next.as_ref() } {
            if pool.range().contains(&addr) {
                return Some(pool);
            }
            next = pool.next.load(Relaxed);
        }
        None
    }

    /// Returns the addresses of all slots and guard pages.
    pub fn range(&self) -> Range<usize> {
        let start = self.start.addr().get();
        start..start + self.len
    }

    /// Allocates a block, all zeros; `None` if all slots are in use, or the system has no memory.
    ///
    /// The alignment must not exceed a page.
    pub fn allocate(
        &self,
        layout: Layout,
        place: Place,
        caller: impl FnOnce() -> CallStack,
    ) -> Option<NonNull<u8>> {
        let class = self.class_for(layout.size())?;
        let (number, turn) = class.take(self.turns())?;
        let block = self.place(class, number, layout, place);
        let slot = &self.slots()[number];
        let window = self.window(class, number, block);
        // SAFETY: This thread has taken the slot, so nobody else uses its pages.
        unsafe {
            // A report may have made pages of the slot accessible after the last free.
            let is_closed = !slot.is_opened() || self.close(class, number, slot);
            if !(is_closed && sys::commit(self.at(window.start), window.len())) {
                class.give(self.turns(), number, turn);
                return None;
            }
            for slack in self.slack(&window, block) {
                slack::fill(self.start, slack);
            }
        }
        slot.fill(block, &caller());
        Some(self.at(block.addr - self.start.addr().get()))
    }

    /// Marks the block of a slot as freed. Returns false if another thread has done so before.
    pub fn free(&self, number: usize, caller: &CallStack) -> bool {
        self.slots()[number].free(caller)
    }

    /// Returns the block of a slot if it can be resized in place: it is large, lies at the start of its pages, and its slot
    /// is the smallest that fits the new size.
    pub fn resizable(&self, number: usize, new_size: usize) -> Option<Block> {
        let (class, block) = (self.class_of(number), self.slots()[number].block()?);
        let start = self.start.addr().get() + self.pages(class, number).start;
        let is_at_start = block.addr == start && block.layout.size() > SAMPLED;
        let fits = self.class_for(new_size).is_some_and(|best| best.first == class.first);
        (is_at_start && fits).then_some(block)
    }

    /// Resizes a [`resizable`](Self::resizable) block. The new bytes are undefined. Returns false if the system has no
    /// memory, and leaves the block as it was.
    ///
    /// # Safety
    ///
    /// The caller owns the block, and [`resizable`](Self::resizable) has returned it for this size.
    pub unsafe fn resize(&self, number: usize, block: Block, new_size: usize) -> bool {
        let (class, slot) = (self.class_of(number), &self.slots()[number]);
        let Ok(layout) = Layout::from_size_align(new_size, block.layout.align()) else {
            return false;
        };
        let new = Block { layout, ..block };
        let (old_window, window) =
            (self.window(class, number, block), self.window(class, number, new));
        // SAFETY: The pages belong to the slot. Nobody uses the pages behind the new end any more.
        unsafe {
            if window.end > old_window.end {
                if !sys::commit(self.at(old_window.end), window.end - old_window.end) {
                    return false;
                }
            } else if window.end < old_window.end
                && !sys::decommit(self.at(window.end), old_window.end - window.end)
            {
                slot.set_opened(true);
            }
            for slack in self.slack(&window, new) {
                slack::fill(self.start, slack);
            }
        }
        slot.resize(new_size);
        true
    }

    /// Returns the first overwritten byte outside of the block on the slot's pages.
    ///
    /// # Safety
    ///
    /// The caller owns the block, or has [freed](Self::free) it and has not [given back](Self::give_back) the slot.
    pub unsafe fn damaged(&self, number: usize) -> Option<usize> {
        let block = self.slots()[number].block()?;
        let window = self.window(self.class_of(number), number, block);
        // SAFETY: The pages are accessible, and nobody else uses them, by the contract of this function.
        let find = |range| unsafe { slack::damaged(self.start, range) };
        let offset = self.slack(&window, block).into_iter().find_map(find)?;
        Some(self.start.addr().get() + offset)
    }

    /// Makes the pages of a freed block inaccessible. The slot is reused after all other free slots.
    ///
    /// # Safety
    ///
    /// The caller has [freed](Self::free) the block, and calls this once.
    pub unsafe fn give_back(&self, number: usize) {
        let (class, slot) = (self.class_of(number), &self.slots()[number]);
        // SAFETY: The block is freed and the slot is not given back yet, so the caller has the slot.
        unsafe { self.close(class, number, slot) };
        class.give(self.turns(), number, self.clock.fetch_add(1, Relaxed));
    }

    /// Returns the number and the record of the slot at an address. A slot includes the guard page before it.
    pub fn slot(&self, addr: usize) -> Option<(usize, &Slot)> {
        let offset = addr.checked_sub(self.start.addr().get())?;
        let class = self.classes.iter().find(|class| offset < class.end())?;
        let number = class.first + (offset - class.start) / class.stride;
        Some((number, &self.slots()[number]))
    }

    /// Returns the live block that starts at an address.
    pub fn live_block_at(&self, addr: usize) -> Option<Block> {
        let (_, slot) = self.slot(addr)?;
        slot.block().filter(|block| slot.phase() == Phase::Live && block.addr == addr)
    }

    /// Returns the number of live blocks, and their bytes.
    pub fn live(&self) -> (usize, usize) {
        let live = self.slots().iter().filter(|slot| slot.phase() == Phase::Live);
        let sizes = live.filter_map(|slot| Some(slot.block()?.layout.size()));
        sizes.fold((0, 0), |(blocks, bytes), size| (blocks + 1, bytes + size))
    }

    /// Returns the slots whose blocks an access may have been meant for: the slot at the address if it has had a block,
    /// otherwise the adjacent slots.
    pub fn candidates(&self, addr: usize) -> impl Iterator<Item = &Slot> {
        let numbers = match self.slot(addr) {
            // The address is behind the last slot.
            None => self.slots().len().saturating_sub(1)..self.slots().len(),
            Some((number, slot)) => {
                let offset = addr - self.start.addr().get();
                let pages = self.pages(self.class_of(number), number);
                let is_own = pages.contains(&offset) && slot.phase() != Phase::Unused;
                let around = number.saturating_sub(1)..(number + 2).min(self.slots().len());
                if is_own { number..number + 1 } else { around }
            }
        };
        self.slots()[numbers].iter()
    }

    /// Makes the page of an address among the slots accessible, until its slot is reused or its block is freed.
    pub fn open(&self, addr: usize) -> bool {
        let offset = addr - self.start.addr().get();
        // The last guard page, behind the last slot, counts as part of that slot.
        let slot = self.slot(addr).map(|(_, slot)| slot).or(self.slots().last());
        slot.is_some_and(|slot| {
            slot.set_opened(true);
            // SAFETY: The call only adds access, and the page is reserved by the pool.
            unsafe { sys::commit(self.at(offset / self.page * self.page), self.page) }
        })
    }

    /// Makes a slot and the guard pages on both sides inaccessible, and returns their memory to the system. Returns whether
    /// that succeeded. If not, the slot is closed before its next use.
    ///
    /// # Safety
    ///
    /// The caller has the slot, and nobody uses its pages.
    unsafe fn close(&self, class: &Class, number: usize, slot: &Slot) -> bool {
        let start = class.start + (number - class.first) * class.stride;
        // Clear the flag first: if a report opens a page meanwhile, the next call closes it.
        slot.set_opened(false);
        // SAFETY: The pages belong to the slot and its guards, and nobody uses them, by the contract of this function.
        let is_closed = unsafe { sys::decommit(self.at(start), class.stride + self.page) };
        if !is_closed {
            slot.set_opened(true);
        }
        is_closed
    }

    /// Returns the block of a layout at a place in a slot.
    fn place(&self, class: &Class, number: usize, layout: Layout, place: Place) -> Block {
        let pages = self.pages(class, number);
        let offset = match place {
            Place::Start => pages.start,
            Place::End => (pages.end - layout.size()) & !(layout.align() - 1),
        };
        Block { addr: self.start.addr().get() + offset, layout }
    }

    /// Returns the pages that a block lies on, as offsets.
    fn window(&self, class: &Class, number: usize, block: Block) -> Range<usize> {
        let pages = self.pages(class, number);
        let start = block.addr - self.start.addr().get();
        let end = start + block.layout.size();
        start / self.page * self.page..end.next_multiple_of(self.page).min(pages.end)
    }

    /// Returns the bytes before and behind a block on its pages, as offsets.
    fn slack(&self, window: &Range<usize>, block: Block) -> [Range<usize>; 2] {
        let start = block.addr - self.start.addr().get();
        [window.start..start, start + block.layout.size()..window.end]
    }

    /// Returns the pages of a slot, as offsets.
    fn pages(&self, class: &Class, number: usize) -> Range<usize> {
        let start = class.start + (number - class.first) * class.stride + self.page;
        start..start + class.span
    }

    /// Returns the class with the smallest slots in which a block of this size fits.
    fn class_for(&self, size: usize) -> Option<&Class> {
        let (sampled, large) = self.classes.split_at(1);
        let classes = if size <= SAMPLED { sampled } else { large };
        classes.iter().find(|class| size <= class.span && class.slots != 0)
    }

    fn class_of(&self, number: usize) -> &Class {
        let has = |class: &&Class| number < class.first + class.slots;
        self.classes.iter().find(has).expect("the number is that of a slot")
    }

    fn at(&self, offset: usize) -> NonNull<u8> {
        // SAFETY: All offsets are of slots and pages in the pool's range.
        unsafe { self.start.add(offset) }
    }

    fn turns(&self) -> &[AtomicU64] {
        // SAFETY: The pool owns this memory as long as it exists. Its initial zeros are valid numbers.
        unsafe { self.turns.as_ref() }
    }

    fn slots(&self) -> &[Slot] {
        // SAFETY: The pool owns this memory as long as it exists. Its initial zeros are valid slots.
        unsafe { self.slots.as_ref() }
    }
}

impl Shape {
    /// Makes the class with a number, whose first slot has this offset and number.
    fn class(self, number: usize, page: usize, start: usize, first: usize) -> Class {
        let span = page.max(SAMPLED << number);
        let slots = match number {
            0 => self.sampled,
            // The class of the smallest large block, and all higher classes.
            _ if span >= self.large => LARGE_SLOTS,
            _ => 0,
        };
        Class::new(start, span, page, first, slots)
    }
}

/// The offsets of the parts before the slots. Each part starts on its own page.
struct Parts {
    turns: usize,
    slots: usize,
    end: usize,
}

impl Parts {
    fn of(count: usize, page: usize) -> Option<Self> {
        let turns = size_of::<Pool>().next_multiple_of(page);
        let behind = |start: usize, size: usize| {
            start.checked_add(count.checked_mul(size)?)?.checked_next_multiple_of(page)
        };
        let slots = behind(turns, size_of::<AtomicU64>())?;
        Some(Self { turns, slots, end: behind(slots, size_of::<Slot>())? })
    }
}
