//! Random scripts of logical threads that share a heap, and heaps with faults that only these threads reveal.

use std::alloc::{GlobalAlloc, Layout};
use std::ptr::NonNull;
use std::rc::Rc;

use allocator_api2::alloc::{AllocError, Allocator};
use talloc_core::{ArenaError, Compact, RealTime, Report, Span, Violation};
use talloc_fuzz::Profile;
use talloc_fuzz::sync::{
    Form, Magazines, Pieces, Script, Setup, Spares, SyncHeap, Turns, check, run_on,
};
use talloc_sync::Tallock;

/// The number of scripts for each setup.
const SCRIPTS: u64 = 24;

/// The number of steps of a script.
const STEPS: usize = 300;

/// Returns a setup with room for a few blocks.
fn setup(profile: Profile, form: Form, seed: u64) -> Setup {
    let seed = seed as usize;
    Setup {
        profile,
        form,
        size: Setup::SIZES[seed % Setup::SIZES.len()],
        skew: seed % 9,
        further: seed % 3,
        zeroed: seed % 2 == 0,
        threads: 1 + seed % 4,
    }
}

/// Runs scripts of all profiles on one kind of heap.
fn explore(form: Form) {
    let mut calls = 0;
    for profile in Profile::ALL {
        for seed in 0..SCRIPTS {
            let script = Script::random(setup(profile, form, seed), seed, STEPS);
            calls += check(&script).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        }
    }
    println!("{calls} calls");
    assert!(calls > 10_000, "{calls} calls are too few");
}

#[test]
fn behind_a_spin_lock() {
    explore(Form::Spin);
}

#[test]
fn behind_a_lock_that_yields() {
    explore(Form::Turns);
}

#[test]
fn with_magazines() {
    explore(Form::Magazines);
}

#[test]
fn in_a_cell() {
    explore(Form::Cell);
}

/// The way in which a faulty heap grows blocks.
trait Fault {
    /// Grows a block from the layout `old` to the layout `new`.
    ///
    /// # Safety
    ///
    /// As for [`Allocator::grow`].
    unsafe fn grow(
        heap: &dyn Allocator,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError>;
}

/// A heap with another way to grow blocks.
struct Faulty<F> {
    heap: Tallock<Turns, RealTime, Spares>,
    fault: std::marker::PhantomData<F>,
}

/// A handle to such a heap.
struct Handle<'a, F>(&'a Faulty<F>);

// SAFETY: All methods except `grow` are correct. The blocks of a faulty `grow` still lie in the pool, which is what the
// tests need.
unsafe impl<F: Fault> Allocator for Handle<'_, F> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.0.heap.allocator().allocate(layout)
    }

    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: The preconditions are the same.
        unsafe { self.0.heap.allocator().deallocate(ptr, layout) };
    }

    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: The preconditions are the same.
        unsafe { F::grow(&self.0.heap.allocator(), ptr, old, new) }
    }

    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: The preconditions are the same.
        unsafe { self.0.heap.allocator().shrink(ptr, old, new) }
    }
}

impl<F: Fault> SyncHeap for Faulty<F> {
    type Config = RealTime;

    fn new(pieces: Rc<Pieces>) -> Self {
        Self { heap: SyncHeap::new(pieces), fault: std::marker::PhantomData }
    }

    fn allocator(&self) -> impl Allocator {
        Handle(self)
    }

    fn global(&self) -> Option<&dyn GlobalAlloc> {
        None
    }

    fn claim(&self) -> Result<(), ArenaError> {
        self.heap.claim()
    }

    fn arenas(&self) -> Vec<Span> {
        self.heap.arenas()
    }

    fn flush(&self) {
        self.heap.flush();
    }

    fn verify(&self) -> Result<Report, Violation> {
        self.heap.verify()
    }
}

/// Returns the first error that any of many scripts finds with a faulty heap shared by `threads` threads.
fn found<F: Fault + 'static>(threads: usize) -> Option<String> {
    (0..200).find_map(|seed| {
        let setup = Setup { threads, ..setup(Profile::RealTime, Form::Turns, seed) };
        run_on::<Faulty<F>>(&Script::random(setup, seed, STEPS)).err().map(|found| found.message)
    })
}

/// Moves a block correctly.
struct Honest;

impl Fault for Honest {
    unsafe fn grow(
        heap: &dyn Allocator,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let moved = heap.allocate(new)?;
        // SAFETY: The new block is at least as large as the old one, which the caller owns.
        unsafe {
            moved.cast().copy_from_nonoverlapping(block, old.size());
            heap.deallocate(block, old);
        }
        Ok(moved)
    }
}

#[test]
fn a_heap_without_a_fault_passes() {
    assert_eq!(found::<Honest>(3), None);
}

/// Copies the old block after it is freed.
struct CopiesTooLate;

impl Fault for CopiesTooLate {
    unsafe fn grow(
        heap: &dyn Allocator,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let moved = heap.allocate(new)?;
        // SAFETY: The memory is in the pool. The heap writes only to the ends of a free block, which are preserved, so
        // only other threads can change the rest.
        unsafe {
            let (ends, middle) = (24.min(old.size()), old.size().saturating_sub(48));
            moved.cast().copy_from_nonoverlapping(block, ends);
            let rest = old.size() - ends - middle;
            let last = moved.cast::<u8>().add(ends + middle);
            last.copy_from_nonoverlapping(block.add(ends + middle), rest);
            heap.deallocate(block, old);
            moved.cast::<u8>().add(ends).copy_from_nonoverlapping(block.add(ends), middle);
        }
        Ok(moved)
    }
}

#[test]
fn a_block_copied_after_it_was_freed() {
    let message = found::<CopiesTooLate>(3).expect("the fault must be found");
    assert!(message.contains("its contents were not kept"), "{message}");
    // A thread does not interrupt itself.
    assert_eq!(found::<CopiesTooLate>(1), None);
}

/// Calls are interrupted only with several threads.
#[test]
fn other_threads_interrupt_calls() {
    let counted = |threads| {
        let setup = Setup { threads, ..setup(Profile::Compact, Form::Turns, 3) };
        let script = Script::random(setup, 5, STEPS);
        let driver =
            Rc::new(talloc_fuzz::sync::Driver::<Tallock<Turns, Compact, Spares>>::new(&script));
        driver.run().unwrap_or_else(|message| panic!("{message}"));
        driver.calls().matches("has returned").count()
    };
    assert_eq!(counted(1), 0);
    assert!(counted(3) > 50);
}

/// With magazines, calls are interrupted while a slot is in use, and while blocks move to or from the depot.
#[test]
fn other_threads_interrupt_magazines() {
    let setup = Setup { threads: 3, ..setup(Profile::Compact, Form::Magazines, 3) };
    let script = Script::random(setup, 5, STEPS);
    let driver = Rc::new(talloc_fuzz::sync::Driver::<Magazines<Compact>>::new(&script));
    driver.run().unwrap_or_else(|message| panic!("{message}"));
    assert!(driver.calls().matches("has returned").count() > 20);
}
