//! A program of logical threads, and its operating system.

use std::alloc::{Layout, alloc_zeroed, dealloc, realloc};
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::ptr::{self, NonNull};

use talloc_core::{Memory, SLAB, Slab, Span};
use talloc_sync::threads::{Heaps, Host, Shard};

use super::script::{Setup, THREADS};
use super::source::{Slices, known};
use crate::pool::Pool;

/// The size of a page, the unit of memory, and of a slice, the unit of addresses.
pub const PAGE: usize = 4096;
const SLICE: usize = 16 << 10;

/// The bytes below the first slice, which contain the table of slabs.
const LEAD: usize = SLICE;

/// The owner of a slice without a heap.
const NOBODY: u8 = u8::MAX;

thread_local! {
    static CURRENT: Cell<Option<&'static Program>> = const { Cell::new(None) };
}

/// The state for one script.
pub struct Program {
    heaps: Box<Heaps<Self>>,
    setup: Setup,
    pool: Pool,
    /// The heap that owns each slice.
    owners: Vec<Cell<u8>>,
    /// Whether each page is committed. The others are full of canaries.
    committed: Vec<Cell<bool>>,
    /// The heap of each thread, and the current thread.
    shards: [Cell<*const Shard<Self>>; THREADS],
    thread: Cell<usize>,
    now: Cell<u64>,
    /// If not zero, every `period`-th request for memory fails.
    period: Cell<usize>,
    requests: Cell<usize>,
    /// Whether a request for memory has failed.
    was_short: Cell<bool>,
    apart: RefCell<Vec<(NonNull<u8>, Layout)>>,
}

impl Program {
    /// Creates a program whose threads have not allocated anything, and makes it the current one.
    pub fn start(setup: Setup) -> &'static Self {
        let program: &'static Self = Box::leak(Box::new(Self {
            heaps: new_heaps(),
            setup,
            pool: Pool::new(LEAD + (setup.slices + 1) * SLICE),
            owners: vec![Cell::new(NOBODY); setup.slices],
            committed: vec![Cell::new(false); setup.slices * (SLICE / PAGE)],
            shards: [const { Cell::new(ptr::null()) }; THREADS],
            thread: Cell::new(0),
            now: Cell::new(1),
            period: Cell::new(0),
            requests: Cell::new(0),
            was_short: Cell::new(false),
            apart: RefCell::default(),
        }));
        (0..THREADS).for_each(|thread| program.forget(thread));
        program.pool.clear(program.slabs());
        CURRENT.set(Some(program));
        program
    }

    /// Ends the program.
    ///
    /// # Safety
    ///
    /// The program is current. Neither the program nor its blocks are used afterwards.
    pub unsafe fn end(&'static self) {
        CURRENT.set(None);
        for (block, layout) in self.apart.take() {
            // SAFETY: The block is allocated with this layout, and nothing uses it.
            unsafe { dealloc(block.as_ptr(), layout) };
        }
        // SAFETY: `start` leaked the box, and nothing uses it.
        drop(unsafe { Box::from_raw(ptr::from_ref(self).cast_mut()) });
    }

    /// Returns the current program.
    pub fn current() -> &'static Self {
        CURRENT.get().expect("there is a current program")
    }

    pub fn heaps(&'static self) -> &'static Heaps<Self> {
        &self.heaps
    }

    /// Makes a thread the current one.
    pub fn turn(&self, thread: usize) {
        self.thread.set(thread);
    }

    /// Returns the number of threads with a heap, except the current one.
    pub fn other_threads_with_heaps(&'static self) -> usize {
        let is_other = |thread: &usize| *thread != self.thread.get();
        let has_heap = |thread: &usize| !ptr::eq(self.shards[*thread].get(), self.heaps.nobody());
        (0..THREADS).filter(is_other).filter(has_heap).count()
    }

    /// Resets a thread, so that its number stands for a new thread.
    pub fn forget(&'static self, thread: usize) {
        self.shards[thread].set(self.heaps.nobody());
    }

    pub fn now(&self) -> u64 {
        self.now.get()
    }

    pub fn wait(&self, milliseconds: u64) {
        self.now.set(self.now.get() + milliseconds);
    }

    pub fn refuse(&self, period: usize) {
        self.period.set(period);
    }

    fn is_refused(&self) -> bool {
        let requests = self.requests.get() + 1;
        self.requests.set(requests);
        let period = self.period.get();
        let is_refused = period > 0 && requests % period == 0;
        self.was_short.set(self.was_short.get() || is_refused);
        is_refused
    }

    /// Whether a request for memory has failed. From then on, a block may take more than its size.
    pub fn was_short(&self) -> bool {
        self.was_short.get()
    }

    /// Returns the whole address range of the heaps.
    fn addresses(&self) -> Span {
        let whole = self.pool.whole().align_inward(talloc_core::Align::new(SLICE).unwrap());
        whole.truncate(LEAD, whole.size() - LEAD - self.setup.slices * SLICE)
    }

    /// Returns the table of slabs.
    fn slabs(&self) -> Span {
        let entries = self.setup.slices * SLICE / SLAB;
        self.pool.whole().below(self.base()).above(self.base() - entries * size_of::<Slab>())
    }

    fn base(&self) -> usize {
        self.addresses().base().expect("there are slices")
    }

    /// Whether no piece of the heaps' memory with one of these numbers is a slab.
    fn has_no_slabs(&self, pieces: Range<usize>) -> bool {
        let table = self.slabs();
        // The entries are in descending order.
        let [start, end] = [pieces.start, pieces.end].map(|piece| piece * size_of::<Slab>());
        let bytes = table.truncate(table.size() - end, start);
        // SAFETY: The bytes are those of the table, which nobody uses meanwhile.
        bytes.to_slice().is_none_or(|bytes| unsafe { &*bytes }.iter().all(|byte| *byte == 0))
    }

    /// Takes adjacent slices of at least `bytes` bytes for a heap.
    pub fn take(&self, number: u8, bytes: usize) -> Option<Span> {
        let count = bytes.div_ceil(SLICE);
        let is_free = |slices: &[Cell<u8>]| slices.iter().all(|owner| owner.get() == NOBODY);
        let first = self.owners.windows(count).position(is_free);
        self.was_short.set(self.was_short.get() || first.is_none());
        let first = first?;
        self.owners[first..first + count].iter().for_each(|owner| owner.set(number));
        let base = self.base() + first * SLICE;
        Some(self.pool.whole().above(base).below(base + count * SLICE))
    }

    /// Returns the slices of an arena. The slices taken last for the arena may be missing. They remain taken.
    pub fn slices_around(&self, arena: Span) -> Span {
        let slice = talloc_core::Align::new(SLICE).unwrap();
        self.addresses().fit_within(arena.align_outward(slice))
    }

    /// Releases slices and their memory.
    pub fn give_back(&self, slices: Span) {
        let Some((base, acme)) = slices.get_base_acme() else { return };
        let (start, end) = (base - self.base(), acme - self.base());
        assert!(self.has_no_slabs(start / SLAB..end / SLAB), "slabs are left in {slices}");
        self.owners[start / SLICE..end / SLICE].iter().for_each(|owner| owner.set(NOBODY));
        self.committed[start / PAGE..end / PAGE].iter().for_each(|page| page.set(false));
        self.pool.restore(slices);
    }

    /// Commits the pages of a piece. Returns false if the system refuses.
    pub fn commit(&self, piece: Span) -> bool {
        let Some((base, acme)) = piece.get_base_acme() else { return true };
        if self.is_refused() {
            return false;
        }
        let (first, end) = ((base - self.base()) / PAGE, (acme - self.base()).div_ceil(PAGE));
        for page in first..end {
            if !self.committed[page].replace(true) {
                self.pool.clear(self.page(page));
            }
        }
        true
    }

    fn page(&self, number: usize) -> Span {
        let base = self.base() + number * PAGE;
        self.pool.whole().above(base).below(base + PAGE)
    }

    /// Discards the contents of free memory.
    pub fn purge(&self, piece: Span) -> Memory {
        assert!(self.addresses().contains_span(piece), "{piece} is not the heaps'");
        if self.setup.gives_zeros {
            self.pool.clear(piece);
        } else {
            self.pool.restore(piece);
        }
        known(self.setup.gives_zeros)
    }

    /// Returns the memory in which blocks may lie.
    pub fn places(&self) -> Vec<Span> {
        let apart = self.apart.borrow();
        let apart = apart.iter().map(|(at, of)| Span::from_ptr_size(at.as_ptr(), of.size()));
        // The shadow rounds the size of a separate block up to granules.
        let wide = apart.map(|block| block.extend(0, 16));
        std::iter::once(self.addresses()).chain(wide).collect()
    }

    /// Returns the number of separately mapped blocks.
    pub fn apart(&self) -> usize {
        self.apart.borrow().len()
    }

    /// Checks that nothing was written outside of committed memory.
    pub fn check_canaries(&self) -> Result<(), String> {
        let addresses = self.addresses();
        let (below, above) = self.pool.whole().except(addresses);
        self.pool.check(below.except(self.slabs()).0)?;
        self.pool.check(above)?;
        let free = self.committed.iter().enumerate().filter(|(_, page)| !page.get());
        free.map(|(number, _)| self.page(number)).try_for_each(|page| self.pool.check(page))
    }

    fn index_of_apart(&self, block: NonNull<u8>) -> usize {
        let apart = self.apart.borrow();
        apart.iter().position(|(at, _)| *at == block).expect("a separate block was freed twice")
    }
}

// SAFETY: One thread runs a script, and its program stays current. Slices belong to the heap that has taken them.
// Separate blocks are from another allocator, and never in the pool.
unsafe impl Host for Program {
    type Source = Slices;

    const APART: usize = 128 << 10;
    const SLABS_FROM: Option<usize> = Some(64);
    const SOURCE: Slices = Slices::NEW;

    fn heaps() -> &'static Heaps<Self> {
        Self::current().heaps()
    }

    fn current() -> *const Shard<Self> {
        let program = Self::current();
        program.shards[program.thread.get()].get()
    }

    fn set_current(shard: *const Shard<Self>) {
        let program = Self::current();
        program.shards[program.thread.get()].set(shard);
    }

    fn watch_exit() -> bool {
        true
    }

    fn begin() {}

    fn number(source: &mut Slices, number: u8) {
        source.number = number;
    }

    fn owner_of(addr: usize) -> u8 {
        let program = Self::current();
        let slice = addr.wrapping_sub(program.base()) / SLICE;
        program.owners.get(slice).map_or(NOBODY, Cell::get)
    }

    fn whole() -> *mut u8 {
        Self::current().addresses().get_base_ptr().expect("there are slices")
    }

    fn is_apart(addr: usize) -> bool {
        !Self::current().addresses().contains(addr)
    }

    fn allocate_apart(layout: Layout) -> Option<NonNull<u8>> {
        let program = Self::current();
        if program.is_refused() {
            return None;
        }
        // SAFETY: The size is not zero.
        let block = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        program.apart.borrow_mut().push((block, layout));
        Some(block)
    }

    unsafe fn free_apart(block: NonNull<u8>, layout: Layout) {
        let program = Self::current();
        let index = program.index_of_apart(block);
        let (_, allocated) = program.apart.borrow_mut().swap_remove(index);
        check_size(layout, allocated);
        // SAFETY: The block is allocated with this layout, and the caller gives it up.
        unsafe { dealloc(block.as_ptr(), allocated) };
    }

    unsafe fn resize_apart(block: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
        let program = Self::current();
        if new.size() > old.size() && program.is_refused() {
            return None;
        }
        let index = program.index_of_apart(block);
        let allocated = program.apart.borrow()[index].1;
        check_size(old, allocated);
        // SAFETY: The block is allocated with this layout, and the caller gives it up if this succeeds.
        let resized = unsafe { realloc(block.as_ptr(), allocated, new.size()) };
        let resized = NonNull::new(resized)?;
        let layout = Layout::from_size_align(new.size(), allocated.align()).unwrap();
        program.apart.borrow_mut()[index] = (resized, layout);
        Some(resized)
    }

    fn barrier() -> bool {
        Self::current().setup.has_barrier
    }

    fn pause() {
        panic!("a thread waits for another one, which cannot run");
    }
}

/// Creates heaps without memory. They may be larger than a thread's stack, so they are copied from a static.
fn new_heaps() -> Box<Heaps<Program>> {
    static NEW: Heaps<Program> = Heaps::new();
    let mut heaps = Box::<Heaps<Program>>::new_uninit();
    // SAFETY: The static is never used otherwise, so the copy is like a new value.
    unsafe {
        heaps.as_mut_ptr().copy_from_nonoverlapping(&raw const NEW, 1);
        heaps.assume_init()
    }
}

/// Checks that the owner of a separate block passes its size.
fn check_size(said: Layout, allocated: Layout) {
    assert_eq!(said.size().max(64 << 10), allocated.size(), "a separate block has another size");
}
