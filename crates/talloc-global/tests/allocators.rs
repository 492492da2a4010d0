//! The ready-made heaps through references, as an `Allocator`.
#![cfg(all(feature = "allocator", feature = "spin"))]

use allocator_api2::alloc::{Allocator, Layout};
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use talloc_global::config::Compact;
use talloc_global::lock::Spin;
use talloc_global::{GlobalTalloc, OomHandler, SharedHeap};

/// Fills, grows, shrinks and drops collections.
fn check(heap: impl Allocator + Copy) {
    let mut words: Vec<Box<u64, _>, _> = Vec::new_in(heap);
    words.extend((0..1000).map(|number| Box::new_in(number, heap)));
    words.retain(|word| **word % 3 == 0);
    words.shrink_to_fit();
    assert!(words.iter().map(|word| **word).eq((0..1000).step_by(3)));

    #[repr(align(4096))]
    struct Page([u8; 4096]);
    let page = Box::<Page, _>::new_in(Page([7; 4096]), heap);
    assert_eq!((&raw const *page).addr() % 4096, 0);
    assert!(page.0.iter().all(|byte| *byte == 7));

    let zeros = Box::<[u8], _>::new_zeroed_slice_in(200_000, heap);
    // SAFETY: All bytes are initialised to zero.
    assert!(unsafe { zeros.assume_init() }.iter().all(|byte| *byte == 0));
}

/// Reallocates a block with several layouts. Checks its alignment and its contents each time.
fn change_alignment(heap: impl Allocator) {
    const MIB: usize = 1 << 20;
    let layouts = [
        (100, 8),
        (100, 2 * MIB),
        (104, 8),
        (90_000, 2 * MIB),
        (60, 16),
        (60, 4096),
        (30, 2 * MIB),
        (30, 1),
        (90_000, 64),
        (90_000, 2 * MIB),
        (200, 2 * MIB),
        (150, 8),
        (150, 2 * MIB),
        (152, 8),
    ];
    let layouts = layouts.map(|(size, align)| Layout::from_size_align(size, align).unwrap());
    let mut old = layouts[0];
    let mut block = heap.allocate(old).unwrap().cast::<u8>();
    for (number, new) in (1..).zip(layouts) {
        let kept = old.size().min(new.size());
        // SAFETY: The block has the layout `old`, and is used only with its new layout afterwards.
        unsafe {
            block.write_bytes(number, old.size());
            let resized = match new.size() < old.size() {
                true => heap.shrink(block, old, new),
                false => heap.grow(block, old, new),
            };
            (block, old) = (resized.unwrap().cast(), new);
            assert_eq!(block.addr().get() % new.align(), 0);
            let contents = std::slice::from_raw_parts(block.as_ptr(), kept);
            assert!(contents.iter().all(|byte| *byte == number));
        }
    }
    // SAFETY: The block has this layout.
    unsafe { heap.deallocate(block, old) };
}

#[test]
fn a_heap_in_memory_of_its_own() {
    let heap = GlobalTalloc::<Spin, Compact, OomHandler<Compact>>::with_source(OomHandler::NONE);
    let memory = std::vec![0_u8; 8 << 20].leak();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe { heap.0.lock().init(memory.into()) };
    check(&heap);
    change_alignment(&heap);
    assert_eq!(heap.0.lock().verify().unwrap().used_bytes, 0);
}

#[cfg(all(feature = "system", any(unix, windows)))]
#[test]
fn the_system_s_memory_behind_a_lock() {
    static HEAP: talloc_global::SystemTallock = talloc_global::SystemTallock::new();
    check(&HEAP);
    change_alignment(&HEAP);
    let report = HEAP.verify().unwrap();
    assert_eq!((report.used_bytes, report.mapped_blocks), (0, 0));
}

#[cfg(all(feature = "system", feature = "std", any(unix, windows)))]
#[test]
fn the_system_s_memory_for_threads() {
    static HEAP: talloc_global::SystemTalloc = talloc_global::SystemTalloc::new();
    check(&HEAP);
    std::thread::spawn(|| check(&HEAP)).join().unwrap();
    change_alignment(&HEAP);
    assert_eq!(
        HEAP.verify().unwrap().mapped_blocks,
        0,
        "a block that has become small is still mapped"
    );
}
