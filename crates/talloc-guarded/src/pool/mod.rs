//! Blocks between guard pages.
//!
//! A pool is one range of addresses: records, and then slots. Nothing in the range of slots is accessible but the pages
//! of live blocks.
//!
//! ```text
//! | pool, turns, records | guard | slot | guard | slot | ... | guard | larger slot | ... | guard |
//! ```
//!
//! There are no locks. A slot is taken by a compare-and-swap on its turn, and freed by one on its phase. So a signal
//! handler can read a pool at any time, and the child of a fork has pools that work.

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

/// The most bytes of a sampled block.
pub const SAMPLED: usize = 16 << 10;

/// The most bytes of a large block that is guarded.
pub const LARGEST: usize = if usize::BITS > 32 { 1 << 30 } else { 1 << 20 };

/// Slots for large blocks in each doubling of the size.
const LARGE_SLOTS: usize = 64;

/// The slots for sampled blocks, and those for large ones: one class for each doubling of the size.
const CLASSES: usize = 1 + (LARGEST.ilog2() - SAMPLED.ilog2()) as usize;

/// How many slots there are, and what for.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Slots for sampled blocks.
    pub sampled: usize,
    /// From which size on all blocks are guarded, above [`SAMPLED`]; `usize::MAX` if none are.
    pub large: usize,
}

/// The block's place at its pages' end or start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// An overflow faults.
    End,
    /// An underflow faults.
    Start,
}

/// Slots and what is known about them. It lies at the beginning of its own range, and stays for ever.
pub struct Pool {
    /// The pool that was made before.
    next: AtomicPtr<Pool>,
    page: usize,
    classes: [Class; CLASSES],
    /// How many blocks have been freed.
    clock: AtomicU64,
    turns: NonNull<[AtomicU64]>,
    slots: NonNull<[Slot]>,
    /// Where the slots start.
    start: NonNull<u8>,
    /// The bytes of all slots and their guard pages.
    len: usize,
}

/// All pools, the newest first.
static POOLS: AtomicPtr<Pool> = AtomicPtr::new(ptr::null_mut());

// SAFETY: The pointers are to memory that stays for ever. Records are atomic, and the pages of a slot belong to whoever
// has taken it.
unsafe impl Sync for Pool {}
// SAFETY: The same.
unsafe impl Send for Pool {}

impl Pool {
    /// A pool that nobody knows yet; none if the system has no room for it.
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
        // SAFETY: The range is new, and has room for the parts. Nobody knows of it.
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

    /// Gives back the range of a pool.
    ///
    /// # Safety
    ///
    /// Nobody knows of the pool: it has just been created.
    pub unsafe fn destroy(pool: NonNull<Self>) {
        // SAFETY: The pool is there, and its range is not used.
        unsafe {
            let Self { start, len, .. } = *pool.as_ref();
            let records = start.addr().get() - pool.addr().get();
            sys::release(pool.cast(), records + len);
        }
    }

    /// Makes a pool known to the handler of faults.
    ///
    /// # Safety
    ///
    /// The pool has been created, and is not destroyed from now on. This is called once for it.
    pub unsafe fn publish(pool: NonNull<Self>) {
        let mut newest = POOLS.load(Relaxed);
        loop {
            // SAFETY: The pool is there.
            unsafe { pool.as_ref() }.next.store(newest, Relaxed);
            match POOLS.compare_exchange_weak(newest, pool.as_ptr(), Release, Relaxed) {
                Ok(_) => return,
                Err(other) => newest = other,
            }
        }
    }

    /// The pool whose slots an address lies among.
    pub fn around(addr: usize) -> Option<&'static Self> {
        let mut next = POOLS.load(Acquire);
        // SAFETY: Published pools stay for ever.
        while let Some(pool) = unsafe { next.as_ref() } {
            if pool.range().contains(&addr) {
                return Some(pool);
            }
            next = pool.next.load(Relaxed);
        }
        None
    }

    /// The addresses of slots and guard pages.
    pub fn range(&self) -> Range<usize> {
        let start = self.start.addr().get();
        start..start + self.len
    }

    /// A new block, all zeros; none if all slots are in use, or the system has no memory.
    ///
    /// Its alignment must not exceed a page.
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
        // SAFETY: This thread has taken the slot, and its pages are nobody else's.
        unsafe {
            // A report may have made pages of the slot accessible, after it was freed.
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

    /// Notes that the block of a slot is freed. Returns false if another thread has been faster.
    pub fn free(&self, number: usize, caller: &CallStack) -> bool {
        self.slots()[number].free(caller)
    }

    /// The block of a slot, if it can have another size without moving: a large one, at the start of its pages, for which
    /// another slot would be no smaller.
    pub fn resizable(&self, number: usize, new_size: usize) -> Option<Block> {
        let (class, block) = (self.class_of(number), self.slots()[number].block()?);
        let start = self.start.addr().get() + self.pages(class, number).start;
        let is_at_start = block.addr == start && block.layout.size() > SAMPLED;
        let fits = self.class_for(new_size).is_some_and(|best| best.first == class.first);
        (is_at_start && fits).then_some(block)
    }

    /// Gives a [`resizable`](Self::resizable) block its new size, with new bytes of any value. Returns false if the system
    /// has no memory; then the block is as it was.
    ///
    /// # Safety
    ///
    /// The caller owns the block. The new size is one that it can have.
    pub unsafe fn resize(&self, number: usize, block: Block, new_size: usize) -> bool {
        let (class, slot) = (self.class_of(number), &self.slots()[number]);
        let Ok(layout) = Layout::from_size_align(new_size, block.layout.align()) else {
            return false;
        };
        let new = Block { layout, ..block };
        let (old_window, window) =
            (self.window(class, number, block), self.window(class, number, new));
        // SAFETY: The pages are the slot's. Those behind the new end are not used any more.
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

    /// The first byte outside of the slot's block that has been overwritten on its pages.
    ///
    /// # Safety
    ///
    /// The caller owns the block, or has [freed](Self::free) it and has not [given back](Self::give_back) the slot.
    pub unsafe fn damaged(&self, number: usize) -> Option<usize> {
        let block = self.slots()[number].block()?;
        let window = self.window(self.class_of(number), number, block);
        // SAFETY: The pages are accessible, and the caller's.
        let find = |range| unsafe { slack::damaged(self.start, range) };
        let offset = self.slack(&window, block).into_iter().find_map(find)?;
        Some(self.start.addr().get() + offset)
    }

    /// Makes the pages of a freed block inaccessible. The slot is used again after all others.
    ///
    /// # Safety
    ///
    /// The caller has [freed](Self::free) the block, and calls this once.
    pub unsafe fn give_back(&self, number: usize) {
        let (class, slot) = (self.class_of(number), &self.slots()[number]);
        // SAFETY: The slot is the caller's, as its block is not live any more, and its turn has not come.
        unsafe { self.close(class, number, slot) };
        class.give(self.turns(), number, self.clock.fetch_add(1, Relaxed));
    }

    /// The number and the record of the slot that an address among the slots lies in. The guard page before a slot
    /// counts as part of it.
    pub fn slot(&self, addr: usize) -> Option<(usize, &Slot)> {
        let offset = addr.checked_sub(self.start.addr().get())?;
        let class = self.classes.iter().find(|class| offset < class.end())?;
        let number = class.first + (offset - class.start) / class.stride;
        Some((number, &self.slots()[number]))
    }

    /// The live block that starts at an address.
    pub fn live_block_at(&self, addr: usize) -> Option<Block> {
        let (_, slot) = self.slot(addr)?;
        slot.block().filter(|block| slot.phase() == Phase::Live && block.addr == addr)
    }

    /// How many blocks are live, and how many bytes they have.
    pub fn live(&self) -> (usize, usize) {
        let live = self.slots().iter().filter(|slot| slot.phase() == Phase::Live);
        let sizes = live.filter_map(|slot| Some(slot.block()?.layout.size()));
        sizes.fold((0, 0), |(blocks, bytes), size| (blocks + 1, bytes + size))
    }

    /// The slots whose blocks an access may have been meant for: that of the address if a block has been there, else
    /// those beside it.
    pub fn candidates(&self, addr: usize) -> impl Iterator<Item = &Slot> {
        let numbers = match self.slot(addr) {
            // Behind the last slot.
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

    /// Makes the page of an address among the slots accessible, until its slot is used again or its block is freed.
    pub fn open(&self, addr: usize) -> bool {
        let offset = addr - self.start.addr().get();
        // The last guard page is behind the last slot.
        let slot = self.slot(addr).map(|(_, slot)| slot).or(self.slots().last());
        slot.is_some_and(|slot| {
            slot.set_opened(true);
            // SAFETY: More can be done there than before, on whatever page it is.
            unsafe { sys::commit(self.at(offset / self.page * self.page), self.page) }
        })
    }

    /// Makes a slot and the guard pages on both sides inaccessible, and gives their memory back. Returns whether that
    /// is done. If not, it is done before the slot is used again.
    ///
    /// # Safety
    ///
    /// The caller has the slot, and nobody uses its pages.
    unsafe fn close(&self, class: &Class, number: usize, slot: &Slot) -> bool {
        let start = class.start + (number - class.first) * class.stride;
        // First, so that what is opened meanwhile is closed the next time.
        slot.set_opened(false);
        // SAFETY: The pages are the slot's and its guards', and nobody uses them, by the contract of this function.
        let is_closed = unsafe { sys::decommit(self.at(start), class.stride + self.page) };
        if !is_closed {
            slot.set_opened(true);
        }
        is_closed
    }

    /// Where a block of some layout lies in a slot.
    fn place(&self, class: &Class, number: usize, layout: Layout, place: Place) -> Block {
        let pages = self.pages(class, number);
        let offset = match place {
            Place::Start => pages.start,
            Place::End => (pages.end - layout.size()) & !(layout.align() - 1),
        };
        Block { addr: self.start.addr().get() + offset, layout }
    }

    /// The pages that a block lies on.
    fn window(&self, class: &Class, number: usize, block: Block) -> Range<usize> {
        let pages = self.pages(class, number);
        let start = block.addr - self.start.addr().get();
        let end = start + block.layout.size();
        start / self.page * self.page..end.next_multiple_of(self.page).min(pages.end)
    }

    /// The bytes before and behind a block, on its pages.
    fn slack(&self, window: &Range<usize>, block: Block) -> [Range<usize>; 2] {
        let start = block.addr - self.start.addr().get();
        [window.start..start, start + block.layout.size()..window.end]
    }

    /// The pages of a slot.
    fn pages(&self, class: &Class, number: usize) -> Range<usize> {
        let start = class.start + (number - class.first) * class.stride + self.page;
        start..start + class.span
    }

    /// The class with the smallest slots in which a block of some size fits.
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
        // SAFETY: Offsets are those of slots and pages, which are in the range.
        unsafe { self.start.add(offset) }
    }

    fn turns(&self) -> &[AtomicU64] {
        // SAFETY: The memory is the pool's for ever, and zeros are numbers.
        unsafe { self.turns.as_ref() }
    }

    fn slots(&self) -> &[Slot] {
        // SAFETY: The memory is the pool's for ever, and zeros are slots.
        unsafe { self.slots.as_ref() }
    }
}

impl Shape {
    /// The class with a number, which starts at an offset and with a slot.
    fn class(self, number: usize, page: usize, start: usize, first: usize) -> Class {
        let span = page.max(SAMPLED << number);
        let slots = match number {
            0 => self.sampled,
            // The smallest class in which a large block fits, and those above it.
            _ if span >= self.large => LARGE_SLOTS,
            _ => 0,
        };
        Class::new(start, span, page, first, slots)
    }
}

/// Offsets of the parts before the slots. Each starts on a page of its own.
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
