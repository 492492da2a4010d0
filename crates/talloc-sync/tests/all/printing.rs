//! Printing a heap to a writer that allocates from it, and while the heap is in use.

use std::alloc::{GlobalAlloc, Layout};
use std::fmt::{self, Debug, Write};

use talloc_sync::lock::ErrorChecking;
use talloc_sync::{Compact, Config, Micro, RealTime, Talloc, TallocMagazines, Tallock};

/// A lock that panics if its owner waits for it.
type Lock = ErrorChecking<parking_lot::RawMutex, parking_lot::RawThreadId>;

/// A string that allocates a block from a heap for each piece of text.
struct Text<'a, H> {
    heap: &'a H,
    text: String,
}

impl<H: GlobalAlloc> Write for Text<'_, H> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text += text;
        let layout = Layout::new::<[u64; 9]>();
        // SAFETY: The size is not zero. The block is freed once, with its layout.
        unsafe {
            let block = self.heap.alloc(layout);
            assert!(!block.is_null());
            self.heap.dealloc(block, layout);
        }
        Ok(())
    }
}

/// Prints a heap to a writer that allocates from it.
fn printed<H: GlobalAlloc + Debug>(heap: &H) -> String {
    let mut text = Text { heap, text: String::new() };
    write!(text, "{heap:?}").unwrap();
    text.text
}

fn memory() -> talloc_sync::Span {
    talloc_sync::Span::from(vec![0_u8; 1 << 16].leak())
}

fn behind_a_lock<C: Config>() {
    let heap: Tallock<Lock, C> = Talloc::with_config().lock();
    assert_eq!(format!("{heap:?}"), "Tallock(Talloc { arenas: [], .. })");
    for arenas in 1..=12 {
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.0.lock().claim(memory()) }.unwrap();
        let text = printed(&heap);
        assert_eq!(text.matches("0x").count(), 2 * arenas.min(8), "{text}");
        assert_eq!(text.contains(", ..]"), arenas > 8, "{text}");
    }
    let guard = heap.0.lock();
    assert_eq!(format!("{heap:?}"), "Tallock(<locked>)");
    drop(guard);
}

#[test]
fn a_heap_behind_a_lock() {
    behind_a_lock::<Compact>();
    behind_a_lock::<Micro>();
}

#[test]
fn a_heap_behind_magazines() {
    let heap: TallocMagazines<Lock, RealTime> = TallocMagazines::new(Talloc::with_config());
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe { heap.lock().claim(memory()) }.unwrap();
    assert!(printed(&heap).contains("[0x"));
    let guard = heap.lock();
    assert!(format!("{heap:?}").contains("<locked>"));
    drop(guard);
}

#[test]
#[cfg(feature = "critical-section")]
fn a_heap_in_critical_sections() {
    let heap = talloc_sync::TallocCritical::<Micro>::new(Talloc::with_config());
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe { heap.with(|heap| heap.claim(memory())) }.unwrap();
    assert!(printed(&heap).starts_with("TallocCritical(Talloc { arenas: [0x"));
    let text = heap.with(|_| format!("{heap:?}"));
    assert_eq!(text, "TallocCritical(<in use>)");
}
