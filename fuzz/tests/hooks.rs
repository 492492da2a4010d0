//! Random scripts whose source panics every so often: to the shadow heap, a request that unwinds is one that is
//! refused.

use std::alloc::Layout;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use talloc_core::{AllocError, Checked, Compact, Config, Micro, OwnedTalloc, RealTime, Talloc};
use talloc_fuzz::supply::{Bomb, Kind, Supply};
use talloc_fuzz::{Driver, Heap, Mix, Profile, Script, Setup, Shrunk};

/// Operations of one script.
const OPS: usize = 400;

/// The least calls of the heap for each profile, so that all make a million.
const STEPS: usize = 1_000_000 / 8;

/// A heap that catches what its source throws.
struct Catches<C: Config> {
    heap: OwnedTalloc<C, Supply>,
    caught: usize,
}

impl<C: Config> Catches<C> {
    fn catch<T>(
        &mut self,
        call: impl FnOnce(&mut Talloc<C, Supply>) -> Result<T, AllocError>,
    ) -> Result<T, AllocError> {
        match catch_unwind(AssertUnwindSafe(|| call(&mut self.heap))) {
            Ok(result) => result,
            Err(panic) if panic.is::<Bomb>() => {
                self.caught += 1;
                Err(AllocError)
            }
            Err(panic) => resume_unwind(panic),
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks, reason = "the caller gives what `Talloc` asks for")]
impl<C: Config> Heap for Catches<C> {
    type Config = C;

    fn talloc(&self) -> &Talloc<C, Supply> {
        &self.heap
    }

    fn talloc_mut(&mut self) -> &mut Talloc<C, Supply> {
        &mut self.heap
    }

    unsafe fn malloc(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.catch(|heap| unsafe { heap.malloc(layout) })
    }

    unsafe fn malloc_zeroed(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.catch(|heap| unsafe { heap.malloc_zeroed(layout) })
    }

    unsafe fn malloc_dirty(&mut self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        self.catch(|heap| unsafe { heap.backend().malloc_dirty(layout) })
    }

    unsafe fn grow(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        self.catch(|heap| unsafe { heap.grow(ptr, layout, new_size) })
    }

    unsafe fn realloc(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        self.catch(|heap| unsafe { heap.realloc(ptr, layout, new_size) })
    }
}

fn explore<C: Config>(profile: Profile, max_arenas: usize) {
    let (mut steps, mut caught) = (0, 0);
    for seed in 0.. {
        // So that every source meets every size and mix.
        let number = seed as usize;
        let source = Kind::ALL[number % Kind::ALL.len()];
        let number = number / Kind::ALL.len();
        let size = Setup::SIZES[number % Setup::SIZES.len()];
        let number = number / Setup::SIZES.len();
        let mix = Mix::ALL[number % Mix::ALL.len()];
        let setup = Setup { profile, size, skew: seed as usize % 24, source, max_arenas };
        let supply = Supply::new(source).with_fuse(1 + seed as usize % 5);
        let heap = Catches { heap: Talloc::<C, _>::with_source(supply), caught: 0 };
        let mut driver = Driver::new(heap, &setup);
        let script = Script::random(setup, mix, seed, OPS);
        if let Err(message) = driver.run(&script.ops) {
            panic!("seed {seed}: {message}\n{}", driver.trace());
        }
        steps += driver.steps();
        caught += driver.heap().caught;
        if steps >= STEPS {
            break;
        }
    }
    println!("{steps} steps, {caught} panics");
    assert!(caught > steps / 1000, "{caught} panics in {steps} steps");
}

#[test]
fn of_compact_heaps() {
    explore::<Compact>(Profile::Compact, 6);
}

#[test]
fn of_heaps_in_real_time() {
    explore::<RealTime>(Profile::RealTime, 6);
}

#[test]
fn of_heaps_of_microcontrollers() {
    explore::<Micro>(Profile::Micro, 6);
}

#[test]
fn of_heaps_with_few_bins() {
    explore::<Shrunk>(Profile::Shrunk, 6);
}

#[test]
fn of_checked_heaps() {
    explore::<Checked>(Profile::Checked, 6);
}

#[test]
fn of_checked_heaps_in_real_time() {
    explore::<Checked<RealTime>>(Profile::CheckedRealTime, 6);
}

#[test]
fn of_checked_heaps_of_microcontrollers() {
    explore::<Checked<Micro>>(Profile::CheckedMicro, 6);
}

#[test]
fn of_checked_heaps_with_few_bins() {
    explore::<Checked<Shrunk>>(Profile::CheckedShrunk, 6);
}
