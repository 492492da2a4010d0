//! Sources that panic. The heap is unchanged and usable by all threads. Nothing unwinds out of `GlobalAlloc`.

#[path = "../../../talloc-core/tests/all/common/program.rs"]
mod program;

use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::GlobalAlloc;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use lock_api::RawMutex;
use talloc_sync::lock::Backoff;
use talloc_sync::{
    AllocError, Checked, Compact, Config, Micro, OwnedTalloc, RealTime, SharedHeap, Source, Talloc,
    TallocMagazines, Tallock, shared,
};

const ARENA: usize = 8192;
const BLOCK: Layout = Layout::new::<[u64; 20]>();
const TOO_LARGE: Layout = Layout::new::<[u8; 2 * ARENA]>();

/// A source that frees a block held in reserve, and panics.
struct Panics(Option<NonNull<u8>>);

// SAFETY: The block belongs to the heap, which is sent together with the source.
unsafe impl Send for Panics {}

impl<C: Config> Source<C> for Panics {
    fn acquire(heap: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
        if let Some(block) = heap.source_mut().0.take() {
            // SAFETY: The block has this layout, and is freed once.
            unsafe { heap.free(block, BLOCK) };
        }
        panic!("no memory")
    }
}

/// Creates a heap in `memory` whose source holds a block in reserve.
fn heap<C: Config>(memory: &mut [u8]) -> OwnedTalloc<C, Panics> {
    let mut heap = Talloc::with_source(Panics(None));
    // SAFETY: The tests keep the memory as long as the heap.
    unsafe {
        heap.init(memory.into());
        heap.source_mut().0 = Some(heap.malloc(BLOCK).unwrap());
    }
    heap
}

/// A block whose bytes all have the same value.
struct Block<'a, H: SharedHeap> {
    heap: &'a H,
    ptr: NonNull<[u8]>,
    layout: Layout,
    tag: u8,
}

impl<'a, H: SharedHeap> Block<'a, H> {
    fn new(heap: &'a H, layout: Layout, tag: u8) -> Self {
        let ptr = shared::allocate(heap, layout).unwrap();
        let block = Self { heap, ptr, layout, tag };
        block.fill();
        block
    }

    fn zeroed(heap: &'a H, layout: Layout) -> Self {
        let ptr = shared::allocate_zeroed(heap, layout).unwrap();
        Self { heap, ptr, layout, tag: 0 }
    }

    fn resize(&mut self, size: usize) {
        let new = Layout::from_size_align(size, self.layout.align()).unwrap();
        // SAFETY: The block has this layout.
        self.ptr = unsafe {
            match size > self.layout.size() {
                true => shared::grow(self.heap, self.ptr.cast(), self.layout, new),
                false => shared::shrink(self.heap, self.ptr.cast(), self.layout, new),
            }
        }
        .unwrap();
        self.layout = new;
        self.fill();
    }

    fn fill(&self) {
        // SAFETY: The access is within the block.
        unsafe { self.ptr.cast::<u8>().write_bytes(self.tag, self.layout.size()) };
    }
}

impl<H: SharedHeap> Drop for Block<'_, H> {
    fn drop(&mut self) {
        // SAFETY: The bytes are initialised, and the block is not used any more.
        unsafe {
            assert!(self.ptr.as_ref().iter().all(|byte| *byte == self.tag));
            shared::deallocate(self.heap, self.ptr.cast(), self.layout);
        }
    }
}

/// Makes the source panic in each operation, and uses the heap afterwards.
fn panics<H: SharedHeap + Sync>(heap: &H) {
    let used = || heap.with(|heap| heap.verify().unwrap().used_bytes);
    assert_eq!(used(), BLOCK.size());
    let unwinds = |f: &mut dyn FnMut()| {
        let panic = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"no memory"));
    };
    for round in 0..3 {
        let mut block = Block::new(heap, BLOCK, round);
        unwinds(&mut || drop(Block::new(heap, TOO_LARGE, 1)));
        // The source frees its block at the first call.
        assert_eq!(used(), BLOCK.size());
        unwinds(&mut || drop(Block::zeroed(heap, TOO_LARGE)));
        // The block is unchanged.
        unwinds(&mut || block.resize(TOO_LARGE.size()));
        assert_eq!(used(), BLOCK.size());
        block.resize(2000);
        block.resize(BLOCK.size());

        let other = Block::new(heap, BLOCK, 2);
        // For other threads, the lock is neither held nor poisoned.
        thread::scope(|scope| {
            scope.spawn(|| drop(Block::zeroed(heap, BLOCK)));
        });
        drop((block, other));
        assert_eq!(used(), 0);
    }
}

fn behind<R: RawMutex + Sync, C: Config>() {
    let mut memory = vec![0_u8; ARENA];
    let heap: Tallock<R, C, Panics> = heap(&mut memory).lock();
    panics(&heap);
    assert!(!heap.0.is_locked());
    let mut heap = heap.0.into_inner();
    heap.flush();
    assert_eq!(heap.verify().unwrap().free_chunks, 1);
}

fn behind_any_config<R: RawMutex + Sync>() {
    behind::<R, Compact>();
    behind::<R, RealTime>();
    behind::<R, Micro>();
    behind::<R, Checked>();
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
        panics(&heap);
        // The critical section has ended.
        assert_eq!(crate::common::interrupts::depth(), 0);
        let mut heap = heap.into_inner();
        heap.flush();
        assert_eq!(heap.verify().unwrap().free_chunks, 1);
    }
    critical::<Compact>();
    critical::<RealTime>();
    critical::<Micro>();
}

/// The environment variable that selects the call to make in a child process.
const CHILD: &str = "TALLOC_TEST_ABORTS";

/// A call of `GlobalAlloc` that makes the source panic.
type Call = fn(&dyn GlobalAlloc);

const CALLS: [(&str, Call); 3] = [
    // SAFETY: The size is not zero.
    ("alloc", |heap| _ = unsafe { heap.alloc(TOO_LARGE) }),
    // SAFETY: The size is not zero.
    ("alloc_zeroed", |heap| _ = unsafe { heap.alloc_zeroed(TOO_LARGE) }),
    ("realloc", |heap| {
        // SAFETY: The sizes are not zero, and the block has this layout.
        _ = unsafe { heap.realloc(heap.alloc(BLOCK), BLOCK, TOO_LARGE.size()) };
    }),
];

/// Makes each call in a child process, which must abort with a message instead of unwinding.
fn aborts(test: &str, heap: &dyn GlobalAlloc) {
    if let Some(name) = std::env::var_os(CHILD) {
        let call = CALLS.into_iter().find(|(call, _)| *call == name).unwrap().1;
        let _ = catch_unwind(AssertUnwindSafe(|| call(heap)));
        println!("the call has unwound");
        std::process::exit(0);
    }
    if cfg!(miri) {
        return; // Miri starts no processes.
    }
    for (name, _) in CALLS {
        let output = program::this_program()
            .args(["--exact", test, "--nocapture"])
            .env(CHILD, name)
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{test}, {name}: {message}");
        assert!(message.contains("no memory"), "{message}");
        assert!(message.contains("a global allocator must not unwind"), "{message}");
    }
}

#[test]
fn nothing_unwinds_out_of_a_lock() {
    let mut memory = vec![0_u8; ARENA];
    let heap: Tallock<Backoff, Compact, Panics> = heap(&mut memory).lock();
    aborts("panics::nothing_unwinds_out_of_a_lock", &heap);
}

#[test]
fn nothing_unwinds_out_of_magazines() {
    let mut memory = vec![0_u8; ARENA];
    let heap: TallocMagazines<Backoff, RealTime, Panics> = TallocMagazines::new(heap(&mut memory));
    aborts("panics::nothing_unwinds_out_of_magazines", &heap);
}

#[test]
#[cfg(feature = "critical-section")]
fn nothing_unwinds_out_of_critical_sections() {
    let mut memory = vec![0_u8; ARENA];
    let heap = talloc_sync::TallocCritical::<Micro, Panics>::new(heap(&mut memory));
    aborts("panics::nothing_unwinds_out_of_critical_sections", &heap);
}
