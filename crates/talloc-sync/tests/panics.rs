//! Sources that panic: the heap is as it was, and can be used by everybody.

mod common;

use core::alloc::Layout;
use std::alloc::GlobalAlloc;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use common::block::Block;
use lock_api::RawMutex;
use talloc_sync::lock::Backoff;
use talloc_sync::{
    AllocError, Compact, Config, Micro, OwnedTalloc, RealTime, Report, Source, Talloc, Tallock,
};

const ARENA: usize = 8192;
const BLOCK: Layout = Layout::new::<[u64; 20]>();
const TOO_LARGE: Layout = Layout::new::<[u8; 2 * ARENA]>();

/// A source that frees a block that it keeps for the case of need, and panics.
struct Panics(Option<core::ptr::NonNull<u8>>);

// SAFETY: The block is one of the heap's, which the source goes along with.
unsafe impl Send for Panics {}

impl<C: Config> Source<C> for Panics {
    fn acquire(heap: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
        if let Some(block) = heap.source_mut().0.take() {
            // SAFETY: It was allocated with this layout, and is freed once.
            unsafe { heap.free(block, BLOCK) };
        }
        panic!("no memory today")
    }
}

/// A heap in `memory` whose source keeps a block.
fn heap<C: Config>(memory: &mut [u8]) -> OwnedTalloc<C, Panics> {
    let mut heap = Talloc::with_source(Panics(None));
    // SAFETY: The tests keep the memory for as long as the heap. The size is not zero.
    unsafe {
        heap.init(memory.into());
        heap.source_mut().0 = Some(heap.malloc(BLOCK).unwrap());
    }
    heap
}

/// Makes the source panic in every operation, and uses the heap after each.
fn panics<H: GlobalAlloc + Sync>(heap: &H, verify: &dyn Fn() -> Report) {
    assert_eq!(verify().used_bytes, BLOCK.size());
    let unwinds = |f: &mut dyn FnMut()| {
        let panic = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"no memory today"));
    };
    for round in 0..3 {
        let mut block = Block::new(heap, BLOCK, round).unwrap();
        unwinds(&mut || drop(Block::new(heap, TOO_LARGE, 1)));
        // The block that was kept is free from the first time on.
        assert_eq!(verify().used_bytes, BLOCK.size());
        unwinds(&mut || drop(Block::zeroed(heap, TOO_LARGE)));
        // It is as it was, where it was.
        unwinds(&mut || assert!(block.resize(TOO_LARGE.size())));
        assert_eq!(verify().used_bytes, BLOCK.size());
        assert!(block.resize(2000) && block.resize(BLOCK.size()));

        let other = Block::new(heap, BLOCK, 2).unwrap();
        // Nor does another thread find it locked, or poisoned.
        thread::scope(|scope| {
            scope.spawn(|| drop(Block::zeroed(heap, BLOCK).unwrap()));
        });
        drop((block, other));
        assert_eq!(verify().used_bytes, 0);
    }
}

fn behind<R: RawMutex + Sync, C: Config>() {
    let mut memory = vec![0_u8; ARENA];
    let heap: Tallock<R, C, Panics> = heap(&mut memory).lock();
    panics(&heap, &|| heap.0.lock().verify().unwrap());
    assert!(!heap.0.is_locked());
    let mut heap = heap.0.into_inner();
    heap.flush();
    assert_eq!(heap.verify().unwrap().free_chunks, 1);
}

fn behind_any_config<R: RawMutex + Sync>() {
    behind::<R, Compact>();
    behind::<R, RealTime>();
    behind::<R, Micro>();
}

#[test]
fn behind_a_lock_with_backoff() {
    behind_any_config::<Backoff>();
}

#[test]
#[cfg(feature = "spin")]
fn behind_a_spin_lock() {
    behind_any_config::<talloc_sync::lock::Spin>();
    behind_any_config::<talloc_sync::lock::Ticket>();
}

#[test]
fn behind_a_lock_that_knows_its_owner() {
    type Ids = parking_lot::RawThreadId;
    behind_any_config::<talloc_sync::lock::ErrorChecking<parking_lot::RawMutex, Ids>>();
}

#[test]
#[cfg(feature = "critical-section")]
fn in_critical_sections() {
    fn critical<C: Config>() {
        let mut memory = vec![0_u8; ARENA];
        let heap = talloc_sync::TallocCritical::<C, Panics>::new(heap(&mut memory));
        panics(&heap, &|| heap.with(|heap| heap.verify()).unwrap());
        // The section has ended, too.
        assert_eq!(common::interrupts::depth(), 0);
        let mut heap = heap.into_inner();
        heap.flush();
        assert_eq!(heap.verify().unwrap().free_chunks, 1);
    }
    critical::<Compact>();
    critical::<RealTime>();
    critical::<Micro>();
}
