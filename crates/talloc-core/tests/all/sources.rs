//! OOM handlers and other sources.

use core::alloc::Layout;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::common::{layout, memory, part};
use talloc_core::{AllocError, Compact, Config, SOURCE_TRIES, Source, Span, Talloc};

/// A source that provides the next `step` bytes per call, as a new arena or by extending the first one.
struct Pages {
    memory: Span,
    given: usize,
    step: usize,
    calls: usize,
    extends: bool,
}

impl Pages {
    fn new(bytes: usize, step: usize, extends: bool) -> Self {
        Self { memory: memory(bytes), given: 0, step, calls: 0, extends }
    }
}

impl<C: Config> Source<C> for Pages {
    fn acquire(heap: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
        let source = heap.source_mut();
        source.calls += 1;
        if source.given + source.step > source.memory.size() {
            return Err(AllocError);
        }
        let page = part(source.memory, source.given, source.step);
        source.given += source.step;
        // SAFETY: The memory is leaked, and each part is provided once.
        let given = unsafe {
            if source.extends {
                let arena = heap.get_arena().fit_over(page);
                heap.arenas_mut().try_extend(arena)
            } else {
                heap.claim(page)
            }
        };
        heap.verify().unwrap();
        given.map_err(|_| AllocError)
    }
}

#[test]
fn a_source_is_asked_until_there_is_enough() {
    for extends in [false, true] {
        let mut heap = Talloc::<Compact, _>::with_source(Pages::new(1 << 16, 1 << 12, extends));
        // SAFETY: `malloc` has no preconditions.
        unsafe {
            heap.malloc(layout(100, 8)).unwrap();
            assert_eq!(heap.source().calls, 1);
            heap.malloc(layout(100, 8)).unwrap();
            assert_eq!(heap.source().calls, 1);
            // A block larger than a page needs a longer arena. More arenas do not help.
            assert_eq!(heap.malloc(layout(20_000, 8)).is_ok(), extends);
            assert_eq!(heap.malloc(layout(1 << 20, 8)), Err(AllocError));
        }
        assert_eq!(heap.source().given, 1 << 16);
        heap.verify().unwrap();
    }
}

#[test]
fn a_handler_may_free() {
    /// Blocks to be freed when memory runs out.
    struct Cache(Vec<core::ptr::NonNull<u8>>);

    impl Source<Compact> for Cache {
        fn acquire(heap: &mut Talloc<Compact, Self>, _: Layout) -> Result<(), AllocError> {
            let block = heap.source_mut().0.pop().ok_or(AllocError)?;
            // SAFETY: The block has this layout, and is freed once.
            unsafe { heap.free(block, layout(64, 8)) };
            Ok(())
        }
    }

    let mut heap = Talloc::with_source(Cache(Vec::new()));
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe {
        heap.init(memory(4096));
        while let Ok(block) = heap.malloc(layout(64, 8)) {
            heap.source_mut().0.push(block);
            if heap.verify().unwrap().free_bytes < 64 {
                break;
            }
        }
        let cached = heap.source().0.len();
        heap.malloc(layout(1000, 8)).unwrap();
        heap.verify().unwrap();
        assert!(heap.source().0.len() <= cached - 1000 / 64);
    }
}

#[test]
fn a_source_that_lies_is_asked_a_bounded_number_of_times() {
    struct Liar(usize);

    impl Source<Compact> for Liar {
        fn acquire(heap: &mut Talloc<Compact, Self>, _: Layout) -> Result<(), AllocError> {
            heap.source_mut().0 += 1;
            Ok(())
        }
    }

    let mut heap = Talloc::with_source(Liar(0));
    // SAFETY: `malloc` has no preconditions.
    assert_eq!(unsafe { heap.malloc(layout(1, 1)) }, Err(AllocError));
    assert_eq!(heap.source().0, SOURCE_TRIES);
}

#[test]
fn a_panic_in_the_handler_leaves_the_heap_usable() {
    fn panics(_: &mut Talloc, _: Layout) -> Result<(), AllocError> {
        panic!("no more")
    }

    let mut heap = Talloc::with_oom_handler(panics);
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe {
        heap.init(memory(4096));
        let block = heap.malloc(layout(1000, 8)).unwrap();
        let unwound = catch_unwind(AssertUnwindSafe(|| heap.malloc(layout(4096, 8))));
        assert!(unwound.is_err());
        heap.verify().unwrap();
        let unwound = catch_unwind(AssertUnwindSafe(|| heap.grow(block, layout(1000, 8), 5000)));
        assert!(unwound.is_err());
        heap.free(block, layout(1000, 8));
        assert_eq!(heap.verify().unwrap().used_bytes, 0);
        heap.malloc(layout(4000, 8)).unwrap();
    }
}

#[test]
fn absurd_layouts_fail() {
    let mut heap = Talloc::new();
    let most = isize::MAX as usize;
    // SAFETY: The memory is leaked, and nothing else uses it. The block has this layout.
    unsafe {
        heap.init(memory(1 << 16));
        let block = heap.malloc(layout(64, 8)).unwrap();
        for align in [1, 8, 16, 1 << 12, 1 << 20, 1 << 30, 1 << (usize::BITS - 2)] {
            for size in [most - align + 1, most / 2, 1 << 20] {
                let Ok(absurd) = Layout::from_size_align(size, align) else { continue };
                assert_eq!(heap.malloc(absurd), Err(AllocError), "{absurd:?}");
                assert_eq!(heap.grow(block, layout(64, 8), size), Err(AllocError));
            }
            heap.verify().unwrap();
        }
        for size in [most, most + 1, usize::MAX - 7, usize::MAX] {
            assert_eq!(heap.grow(block, layout(64, 8), size), Err(AllocError));
            assert_eq!(heap.grow_in_place(block, layout(64, 8), size), Err(AllocError));
        }
        heap.free(block, layout(64, 8));
    }
    assert_eq!(heap.verify().unwrap().used_bytes, 0);
}
