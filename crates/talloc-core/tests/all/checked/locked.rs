//! Checked heaps as global allocators: the handler runs after the lock is released, and a panic aborts.

use std::alloc::{GlobalAlloc, Layout};
use std::ptr::NonNull;

use talloc_core::{Call, Checked, Compact, Fault, Misuse, Panics, Talloc, shared};

use crate::checked::{found, pointer};
use crate::common::program::this_program;
use crate::common::{layout, memory};

/// A lock for a single thread.
struct NoLock(std::sync::atomic::AtomicBool);

// SAFETY: The lock is held from a swap that returned `false` until `false` is stored.
unsafe impl lock_api::RawMutex for NoLock {
    #[allow(clippy::declare_interior_mutable_const, reason = "`RawMutex` requires this constant")]
    const INIT: Self = Self(std::sync::atomic::AtomicBool::new(false));
    type GuardMarker = lock_api::GuardSend;

    fn lock(&self) {
        assert!(self.try_lock(), "the handler runs while the lock is held");
    }

    fn try_lock(&self) -> bool {
        !self.0.swap(true, std::sync::atomic::Ordering::Acquire)
    }

    unsafe fn unlock(&self) {
        self.0.store(false, std::sync::atomic::Ordering::Release);
    }
}

/// A handler that uses the heap that reports.
struct Reenters;

static SHARED: talloc_core::Tallock<NoLock, Checked<Compact, Reenters>> =
    Talloc::<Checked<Compact, Reenters>>::with_config().lock();

impl talloc_core::OnMisuse for Reenters {
    fn misuse(misuse: &Misuse) {
        assert!(SHARED.0.lock().verify().is_ok());
        <crate::checked::Note as talloc_core::OnMisuse>::misuse(misuse);
    }
}

#[test]
fn the_handler_runs_after_the_lock_is_released() {
    let layout = layout(40, 8);
    // SAFETY: The memory is leaked. The heap detects misuse before it changes anything.
    unsafe {
        SHARED.0.lock().init(memory(16 << 10));
        let block = SHARED.alloc(layout);
        assert!(!block.is_null());
        SHARED.dealloc(std::ptr::null_mut(), layout);
        SHARED.dealloc(block.wrapping_add(8), layout);
        assert!(SHARED.realloc(block, Layout::new::<[u64; 9]>(), 100).is_null());
        assert!(SHARED.realloc(block, Layout::new::<[u64; 9]>(), 10).is_null());
        SHARED.dealloc(block, layout);
        SHARED.dealloc(block, layout);
    }
    let found = found();
    let names: Vec<_> = found.iter().map(|misuse| (misuse.call, misuse.fault)).collect();
    assert!(
        matches!(
            names[..],
            [
                (Call::Free, Fault::Foreign),
                (Call::Free, Fault::NotABlock { .. }),
                (Call::Grow { new_size: 100 }, Fault::WrongSize { .. }),
                (Call::Shrink { new_size: 10 }, Fault::WrongSize { .. }),
                (Call::Free, Fault::AlreadyFree { .. }),
            ]
        ),
        "{found:?}"
    );
    assert_eq!(SHARED.0.lock().verify().unwrap().used_blocks, Some(0));
}

#[test]
fn a_block_that_must_move_is_checked_before_it_is_read() {
    static HEAP: talloc_core::Tallock<NoLock, Checked<Compact, crate::checked::Note>> =
        Talloc::<Checked<Compact, crate::checked::Note>>::with_config().lock();
    let block = layout(40, 8);
    let wrong = layout(48, 8);
    // SAFETY: The memory is leaked. The heap detects misuse before it changes anything.
    unsafe {
        HEAP.0.lock().init(memory(16 << 10));
        let ptr = NonNull::new(HEAP.alloc(block)).unwrap();
        let before = HEAP.0.lock().verify().unwrap();
        let align = 2 << ptr.addr().trailing_zeros();
        assert!(shared::grow(&HEAP, ptr, wrong, layout(60, align)).is_err());
        assert!(shared::grow_zeroed(&HEAP, ptr, wrong, layout(60, align)).is_err());
        assert!(shared::shrink(&HEAP, ptr, wrong, layout(20, align)).is_err());
        assert!(shared::shrink(&HEAP, ptr, wrong, layout(0, 8)).is_err());
        assert_eq!(found().len(), 4);
        assert_eq!(HEAP.0.lock().verify().unwrap(), before);
        HEAP.dealloc(ptr.as_ptr(), block);
    }
    assert_eq!(found(), []);
}

/// Records the line of the caller.
struct Line;

std::thread_local! {
    static LINE: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

impl talloc_core::OnMisuse for Line {
    #[track_caller]
    fn misuse(_: &Misuse) {
        LINE.set(std::panic::Location::caller().line());
    }
}

/// Returns whether a call is reported with its own line.
macro_rules! is_reported_here {
    ($call:expr) => {{
        let _ = $call;
        LINE.take() == line!()
    }};
}

#[test]
fn a_misuse_is_reported_where_the_call_is() {
    static HEAP: talloc_core::Tallock<NoLock, Checked<Compact, Line>> =
        Talloc::<Checked<Compact, Line>>::with_config().lock();
    let (right, wrong, larger) = (layout(40, 8), layout(48, 8), layout(60, 8));
    // SAFETY: The memory is leaked. The heap detects misuse before it changes anything.
    unsafe {
        HEAP.0.lock().init(memory(16 << 10));
        let ptr = NonNull::new(HEAP.alloc(right)).unwrap();
        let mut heap = HEAP.0.lock();
        assert!(is_reported_here!(heap.free(ptr, wrong)));
        assert!(is_reported_here!(heap.realloc(ptr, wrong, 60)));
        assert!(is_reported_here!(heap.shrink(ptr, wrong, 10)));
        drop(heap);
        assert!(is_reported_here!(shared::deallocate(&HEAP, ptr, wrong)));
        assert!(is_reported_here!(shared::grow(&HEAP, ptr, wrong, larger)));
        assert!(is_reported_here!(shared::grow_zeroed(&HEAP, ptr, wrong, larger)));
        assert!(is_reported_here!(shared::shrink(&HEAP, ptr, wrong, layout(20, 8))));
        assert!(is_reported_here!(shared::shrink(&HEAP, ptr, wrong, layout(0, 8))));
        HEAP.dealloc(ptr.as_ptr(), right);
    }
}

#[test]
fn a_global_allocator_does_not_unwind() {
    const CHILD: &str = "TALLOC_TEST_ABORTS";
    static HEAP: talloc_core::Tallock<NoLock, Checked<Compact, Panics>> =
        Talloc::<Checked<Compact, Panics>>::with_config().lock();
    if std::env::var_os(CHILD).is_some() {
        // SAFETY: This is misuse, which the heap detects.
        unsafe { HEAP.dealloc(pointer(64).as_ptr(), layout(8, 8)) };
        unreachable!("the handler panics");
    }
    if cfg!(miri) {
        return; // Miri starts no processes.
    }
    let output = this_program()
        .args(["--exact", "checked::locked::a_global_allocator_does_not_unwind", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.status.code() != Some(101), "{message}");
    assert!(message.contains("foreign pointer"), "{message}");
    assert!(message.contains("a global allocator must not unwind"), "{message}");
}
