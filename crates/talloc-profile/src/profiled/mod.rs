//! A global allocator that samples.

mod exit;
mod filter;
#[cfg(any(unix, windows))]
mod process_exit;
mod replace;
mod sampler;
#[cfg(unix)]
mod signal;
mod table;

use crate::profile::Profile;
use crate::symbols;
pub use exit::AtExit;
use filter::Filter;
use replace::replace;
#[cfg(unix)]
pub use signal::OnSignal;
use std::alloc::{GlobalAlloc, Layout};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
pub(crate) use table::Copy as TableCopy;
use table::{Sample, Table};

/// How many bytes there are from one sampled block to the next, on average, unless a program says otherwise: 512 KiB.
pub const DEFAULT_INTERVAL: NonZeroUsize = NonZeroUsize::new(512 << 10).unwrap();

/// The most frames of a call stack that are kept, the innermost.
const FRAMES: usize = 64;

/// An allocator that passes every request on to `A`, and samples blocks for a [`Profile`].
///
/// A byte is sampled every [interval](Self::start) bytes on average, at distances that are exponentially distributed
/// (a Poisson process), and with it the block that it lies in. So a block of `s` bytes is in the sample with the
/// probability 1 - exp(-s / interval), and stands for the inverse of that many blocks. The estimates are unbiased
/// whatever pattern a program allocates in.
///
/// # Cost
///
/// Off, a call costs a load and a branch more than `A`. On, allocating costs a subtraction from a thread-local, and
/// freeing a look into a table of 16 KiB; sampling a block costs some microseconds, for its call stack. The table of
/// samples and of call stacks comes from [`System`](std::alloc::System), so that it neither disturbs `A` nor shows in
/// the profile.
///
/// What the profiler itself asks for while it makes a profile is not sampled.
///
/// # Examples
///
/// See [the crate](crate).
pub struct Profiled<A> {
    inner: A,
    /// In bytes; 0 while nothing is sampled.
    interval: AtomicUsize,
    /// How many live blocks are in the table.
    samples: AtomicUsize,
    /// Which addresses may be in the table.
    filter: Filter,
    /// Nothing that allocates from `self` is done with the lock held.
    table: Mutex<Option<Table>>,
}

impl<A> Profiled<A> {
    /// An allocator that samples nothing yet.
    pub const fn new(inner: A) -> Self {
        Self {
            inner,
            interval: AtomicUsize::new(0),
            samples: AtomicUsize::new(0),
            filter: Filter::new(),
            table: Mutex::new(None),
        }
    }

    /// The allocator that requests are passed on to.
    pub fn inner(&self) -> &A {
        &self.inner
    }

    /// Samples a block every `interval` bytes on average from now on. Can be called at any time, to change the
    /// interval; each thread's next sample may still come at the old one.
    ///
    /// An interval of 1 samples every block.
    pub fn start(&self, interval: NonZeroUsize) {
        self.interval.store(interval.get(), Relaxed);
    }

    /// Samples no more blocks. Those that have been sampled are followed until they are freed.
    pub fn stop(&self) {
        self.interval.store(0, Relaxed);
    }

    /// The interval in bytes; none while nothing is sampled.
    pub fn interval(&self) -> Option<NonZeroUsize> {
        NonZeroUsize::new(self.interval.load(Relaxed))
    }

    /// The profile as it is now, with the names of functions where debug information tells them.
    ///
    /// Takes long, tens of milliseconds or more, for reading the debug information. Other threads run meanwhile.
    pub fn profile(&self) -> Profile {
        sampler::without_sampling(|| {
            let copy = self.table().as_ref().map(Table::copy);
            copy.map_or_else(Profile::default, |copy| symbols::resolve(&copy))
        })
    }

    /// Writes a profile to a file, in the format that its name asks for: DHAT's if it ends in `.json`, a list of
    /// [leaks](Profile::leaks) by call site if it ends in `.txt`, else pprof's.
    ///
    /// The file is complete at any time: it is written beside, under a name of its own, and takes the place of the old
    /// one. So several threads may write to one path: the last one that ends wins.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let profile = self.profile();
        let extension = path.extension().unwrap_or_default();
        let contents = if extension == "json" {
            profile.to_dhat()?.into_bytes()
        } else if extension == "txt" {
            profile.leak_report().into_bytes()
        } else {
            profile.to_pprof()?
        };
        replace(path, &contents)
    }

    fn table(&self) -> MutexGuard<'_, Option<Table>> {
        // Nothing panics with the lock held that would leave the table in pieces.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn count(&self, block: *mut u8, size: usize) {
        let interval = self.interval.load(Relaxed);
        if interval != 0 && sampler::is_due(size) {
            self.sample(block, size, interval);
        }
    }

    #[cold]
    #[inline(never)]
    fn sample(&self, block: *mut u8, size: usize, interval: usize) {
        if block.is_null() || !sampler::draw(size, interval) {
            return;
        }
        sampler::without_sampling(|| {
            let mut frames = [0; FRAMES];
            let depth = talloc_sampling::call_stack(&mut frames);
            let mut table = self.table();
            let table = table.get_or_insert_with(Table::new);
            table.insert(block.addr(), size, interval, &frames[..depth]);
            self.filter.add(block.addr());
            self.samples.store(table.live(), Relaxed);
        });
    }

    /// Takes a block out of the table that is about to be freed, if it is there.
    #[inline]
    fn forget(&self, block: *mut u8) -> Option<Sample> {
        let may_be_there = self.samples.load(Relaxed) != 0 && self.filter.may_contain(block.addr());
        if may_be_there { self.remove(block.addr()) } else { None }
    }

    #[cold]
    #[inline(never)]
    fn remove(&self, address: usize) -> Option<Sample> {
        let mut table = self.table();
        let table = table.as_mut()?;
        let sample = table.remove(address)?;
        self.filter.remove(address);
        self.samples.store(table.live(), Relaxed);
        Some(sample)
    }

    /// Puts a block back whose reallocation was refused.
    #[cold]
    fn restore(&self, address: usize, sample: Sample) {
        let mut table = self.table();
        let table = table.get_or_insert_with(Table::new);
        table.restore(address, sample);
        self.filter.add(address);
        self.samples.store(table.live(), Relaxed);
    }
}

// SAFETY: `A` does all the work, with what it is given by a caller who owes it the same. Nothing here unwinds: what
// is sampled is kept in tables that grow by `System`, which abort when there is no memory.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Profiled<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller's promise.
        let block = unsafe { self.inner.alloc(layout) };
        self.count(block, layout.size());
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller's promise.
        let block = unsafe { self.inner.alloc_zeroed(layout) };
        self.count(block, layout.size());
        block
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // First, since the address may be another thread's block as soon as it is free.
        self.forget(ptr);
        // SAFETY: The caller's promise.
        unsafe { self.inner.dealloc(ptr, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let sample = self.forget(ptr);
        // SAFETY: The caller's promise.
        let block = unsafe { self.inner.realloc(ptr, layout, new_size) };
        match sample {
            Some(sample) if block.is_null() => self.restore(ptr.addr(), sample),
            _ => self.count(block, new_size),
        }
        block
    }
}

/// Says on the standard error that a profile could not be written. If nobody reads that, there is nobody to tell.
fn complain(path: &Path, error: &io::Error) {
    let _ = writeln!(io::stderr(), "cannot write the heap profile {}: {error}", path.display());
}
